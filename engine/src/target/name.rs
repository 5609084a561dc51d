// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which names and relative paths may be used beneath the target.
//!
//! The tree decoder refuses bad names too; this is the second lock on the same door. Nothing here touches the disk.

use super::error::TargetError;

/// Longest name that Linux file systems take, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Why `name` can not be the name of something in a folder, or `None`.
fn objection(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("empty name"),
        b"." | b".." => Some("name is . or .."),
        _ if name.contains(&b'/') => Some("name contains /"),
        _ if name.contains(&0) => Some("name contains NUL"),
        _ if name.len() > MAX_NAME_BYTES => Some("name is longer than 255 bytes"),
        _ => None,
    }
}

/// Refuses everything but a single, plain component. `path` makes the path for the error.
pub(super) fn check(name: &[u8], operation: &'static str, path: impl FnOnce() -> Vec<u8>) -> Result<(), TargetError> {
    match objection(name) {
        None => Ok(()),
        Some(reason) => Err(TargetError::refused(path(), operation, reason)),
    }
}

/// Refuses a relative path with any component that is not plain. The empty path is the target itself.
pub(super) fn check_relative(path: &[u8], operation: &'static str) -> Result<(), TargetError> {
    if path.is_empty() {
        return Ok(());
    }
    path.split(|byte| *byte == b'/').try_for_each(|component| check(component, operation, || path.to_vec()))
}

/// `directory/name`, or the one that is not empty.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    match (directory.is_empty(), name.is_empty()) {
        (true, _) => name.to_vec(),
        (_, true) => directory.to_vec(),
        _ => [directory, b"/", name].concat(),
    }
}
