// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a file system says of a file: from an entry, or of a folder that stands above the snapshots.

use keepfast_repo_format::tree::entry::{Entry, FileType, Timestamp};

/// Unit of the blocks that a file takes, in bytes.
const BLOCK_BYTES: u64 = 512;

/// How long what was said holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasts {
    /// A snapshot never changes.
    ForEver,
    /// Snapshots come and go.
    Shortly,
}

/// The attributes of an inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) number: u64,
    pub(super) file_type: FileType,
    /// Permission, set-id and sticky bits.
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) links: u32,
    pub(super) size: u64,
    pub(super) blocks: u64,
    pub(super) modified: Timestamp,
    pub(super) changed: Timestamp,
    /// Major and minor number of a device.
    pub(super) device: Option<(u32, u32)>,
    pub(super) lasts: Lasts,
}

impl Attributes {
    /// Those of an entry; `owner` is who it belongs to on this machine.
    pub(super) fn of_entry(number: u64, entry: &Entry, owner: (u32, u32), links: u32) -> Self {
        let metadata = &entry.metadata;
        let size = match metadata.file_type {
            FileType::Symlink => metadata.target.len() as u64,
            _ => metadata.size,
        };
        Self {
            number,
            file_type: metadata.file_type,
            mode: metadata.mode,
            owner,
            links,
            size,
            blocks: stored_bytes(entry).div_ceil(BLOCK_BYTES),
            modified: metadata.modified,
            changed: metadata.changed,
            device: metadata.device,
            lasts: Lasts::ForEver,
        }
    }

    /// Those of a folder or link that keepfast shows of its own.
    pub(super) fn of_own(number: u64, link: Option<&str>, nanoseconds: i64, owner: (u32, u32), lasts: Lasts) -> Self {
        const SECOND: i64 = 1_000_000_000;
        let nanos = u32::try_from(nanoseconds.rem_euclid(SECOND)).expect("a remainder of a second fits");
        let time = Timestamp { seconds: nanoseconds.div_euclid(SECOND), nanos };
        Self {
            number,
            file_type: if link.is_some() { FileType::Symlink } else { FileType::Directory },
            mode: if link.is_some() { 0o777 } else { 0o555 },
            owner,
            links: 1,
            size: link.map_or(0, |link| link.len() as u64),
            blocks: 0,
            modified: time,
            changed: time,
            device: None,
            lasts,
        }
    }
}

/// Bytes of a file that are no holes: programs tell a sparse file by it. Of a content too long for its entry the holes are not known.
fn stored_bytes(entry: &Entry) -> u64 {
    let size = entry.metadata.size;
    if !entry.layers.is_empty() || entry.content.height > 0 {
        return size;
    }
    let holes = entry.content.items.iter().filter(|item| item.id.is_none()).map(|item| item.length);
    size.saturating_sub(holes.fold(0, u64::saturating_add))
}
