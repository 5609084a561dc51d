// SPDX-License-Identifier: MIT OR Apache-2.0
//! Part of the format; see `docs/format.md`.

/// `directory/name`, or the name alone at the top.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}
