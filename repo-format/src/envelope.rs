// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header every object begins with (`docs/format.md` section 3).

/// The kinds of object; the value is the kind letter of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Parameters and public keys of the repository.
    Config = b'C',
    /// A wrapped key bundle.
    KeySlot = b'K',
    /// A pack of data chunks.
    DataPack = b'D',
    /// A pack of tree chunks.
    TreePack = b'T',
    /// Which chunk lies where.
    Index = b'I',
    /// An index generation.
    Generation = b'G',
    /// A snapshot.
    Manifest = b'M',
    /// A log slot.
    Log = b'L',
    /// An open session.
    Session = b'S',
}
