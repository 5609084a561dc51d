// SPDX-License-Identifier: MIT OR Apache-2.0
//! Leaves: runs of entries, stored by columns (`docs/format.md` section 8.1).
//!
//! For whoever builds or reads trees. Decoding is on the path of every backup that finds a parent snapshot: it shares
//! what entries have in common and takes no memory that the bytes do not justify.

mod decode;
mod encode;
mod layers;

pub use decode::decode;
pub use encode::encode;

use crate::error::FormatError;
use crate::tree::column::malformed;
use crate::tree::{inner, list};

const WHAT: &str = "leaf";
/// Entries of a leaf at most; the boundary rule ends leaves long before.
const MAX_ENTRIES: u64 = 65_535;
/// Bytes of a symlink's target at most; kernels accept 4095.
const MAX_TARGET_BYTES: u64 = 65_535;
/// Bytes of a user or group name at most.
const MAX_OWNER_NAME_BYTES: u64 = 255;
/// Permission, set-id and sticky bits.
const MAX_MODE: u64 = 0o7777;
/// One below a second.
const MAX_NANOS: u64 = 999_999_999;
/// Stored mark: a birth time follows. Not in `Marks`, because the entry's `born` says it.
const HAS_BIRTH: u8 = 8;
/// Stored mark: a link group follows. Not in `Marks`, because the entry's `link_group` says it.
const HAS_LINK_GROUP: u8 = 16;
/// Stored mark: the file is wrapped. Not in `Marks`, because the entry's `layers` say it.
const HAS_LAYERS: u8 = 64;

/// What a node is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A leaf: entries.
    Leaf,
    /// An inner node of this level, 1 to 15.
    Inner(u8),
    /// A list node of this level, 0 to 15: content of one file.
    List(u8),
}

/// What a node is, without looking further into it.
///
/// # Errors
/// No bytes, or a level that no node has.
pub fn node_kind(node: &[u8]) -> Result<Level, FormatError> {
    match *node {
        [0, ..] => Ok(Level::Leaf),
        [level @ 1..=inner::MAX_LEVEL, ..] => Ok(Level::Inner(level)),
        [list::MARKER, level @ 0..=list::MAX_LEVEL, ..] => Ok(Level::List(level)),
        _ => Err(malformed("tree node", "it has no known level")),
    }
}
