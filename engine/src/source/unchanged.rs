// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether something is as a snapshot has it, told by the numbers of its inode alone: what holds need not be read.

use keepfast_repo_format::tree::entry::{Entry, FileType, Marks, Timestamp};

use crate::source::listing::Found;

/// Linux stamps changes with the time of the last timer tick: 10 ms at the slowest configuration (HZ=100), doubled.
const TICK_NANOSECONDS: i128 = 20_000_000;
/// File systems that store whole seconds: two of them, as FAT does.
const COARSE_TICK_NANOSECONDS: i128 = 2_000_000_000;

/// Whether the entry of a snapshot whose backup began at `started` (Unix nanoseconds) holds for what was found: same size, times and inode as
/// when it was read, nothing was doubtful about it then, and no later change can have the same time stamp.
pub fn is_unchanged(entry: &Entry, found: &Found, started: i64) -> bool {
    let (old, new) = (&entry.metadata, &found.stat);
    let doubtful = Marks::TORN | Marks::UNREADABLE;
    old.file_type == new.file_type
        && old.changed == new.changed
        && old.modified == new.modified
        && old.inode == new.inode
        && (old.file_type != FileType::File || old.size == new.size)
        && entry.marks.0 & doubtful == 0
        && old.mode == new.mode
        && (old.owner.uid, old.owner.gid) == (new.uid, new.gid)
        && !is_recent(old.changed, started)
}

/// Whether the change was so shortly before the backup began, or later, that another one with the same time stamp may have followed after it was
/// read. Time stamps move in ticks.
fn is_recent(changed: Timestamp, started: i64) -> bool {
    let tick = if changed.nanos == 0 { COARSE_TICK_NANOSECONDS } else { TICK_NANOSECONDS };
    let changed = i128::from(changed.seconds) * 1_000_000_000 + i128::from(changed.nanos);
    changed + tick > i128::from(started)
}
