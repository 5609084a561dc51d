// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the bytes of snapshots went, and what saved them: for whoever wonders why a repository is as large as it is, or as small.
//!
//! Files are walked in the order of the snapshots given and of their trees. Who comes first pays for a chunk; whoever has it too has
//! saved it by dedup. A chunk pays its part of its segment.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;
use std::sync::Arc;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::segment::Codec;
use keepfast_repo_format::tree::entry::{ContentItem, Entry, FileType};

use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::Snapshot;
use crate::index::Location;
use crate::reader::Reader;
use crate::repository::Repository;
use crate::tree::{ContentItems, Cursor, Direction, Root};

/// Content of some segments, before and after compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compressed {
    /// Bytes before.
    pub content: u64,
    /// Bytes after, sealed.
    pub stored: u64,
}

/// What became of the bytes of some files. `content` is the sum of `holes`, `missing`, `dedup` and the contents of `whole` and `delta`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Savings {
    /// Files counted; the same file in two snapshots is two.
    pub files: u64,
    /// Bytes that a restore would write.
    pub size: u64,
    /// Bytes of the contents as they are kept: less where something could not be read, another number where an archive was unwrapped.
    pub content: u64,
    /// Bytes of holes, which are not stored.
    pub holes: u64,
    /// Bytes of chunks that no visible pack has.
    pub missing: u64,
    /// Bytes of chunks that an earlier file had, or an earlier place in the same one.
    pub dedup: u64,
    /// The other bytes, as far as they lie in segments that need no other ones.
    pub whole: Compressed,
    /// The other bytes in delta segments.
    pub delta: Compressed,
    /// What those would take if they were no delta. An estimate: at the rate of `whole` of the same group of files, else of all files,
    /// else without compression.
    pub delta_as_whole: u64,
}

impl Savings {
    /// Bytes in the repository.
    pub fn stored(&self) -> u64 {
        self.whole.stored + self.delta.stored
    }

    /// Bytes that compression saved; fewer than none for contents that can not be compressed, because sealing adds some. With delta
    /// segments this is partly an estimate.
    pub fn by_compression(&self) -> i64 {
        signed(self.whole.content, self.whole.stored) + signed(self.delta.content, self.delta_as_whole)
    }

    /// Bytes that delta saved: an estimate.
    pub fn by_delta(&self) -> i64 {
        signed(self.delta_as_whole, self.delta.stored)
    }

    fn estimate(&mut self, all: &Self) {
        let rate = [self.whole, all.whole].into_iter().find(|whole| whole.content > 0);
        let rate = rate.unwrap_or(Compressed { content: 1, stored: 1 });
        let cost = u128::from(self.delta.content) * u128::from(rate.stored) / u128::from(rate.content);
        self.delta_as_whole = u64::try_from(cost).unwrap_or(u64::MAX);
    }
}

fn signed(before: u64, after: u64) -> i64 {
    i64::try_from(i128::from(before) - i128::from(after)).unwrap_or(i64::MAX)
}

impl AddAssign<&Self> for Savings {
    fn add_assign(&mut self, other: &Self) {
        self.files += other.files;
        // Sparse files can claim more than 2^64 bytes together.
        self.size = self.size.saturating_add(other.size);
        self.content = self.content.saturating_add(other.content);
        self.holes = self.holes.saturating_add(other.holes);
        self.missing = self.missing.saturating_add(other.missing);
        self.dedup = self.dedup.saturating_add(other.dedup);
        for (compressed, other) in [(&mut self.whole, other.whole), (&mut self.delta, other.delta)] {
            compressed.content = compressed.content.saturating_add(other.content);
            compressed.stored += other.stored;
        }
        self.delta_as_whole = self.delta_as_whole.saturating_add(other.delta_as_whole);
    }
}

/// What [`savings`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavingsReport {
    /// Snapshots counted.
    pub snapshots: u64,
    /// Everything together.
    pub total: Savings,
    /// The groups that were asked for, those that take most first. The path of a folder ends with `/`.
    pub groups: Vec<(Vec<u8>, Savings)>,
    /// Bytes of all visible packs in the repository.
    pub pack_bytes: u64,
}

/// Counts, in the order of `snapshots`. Files whose paths have the same first `depth` names are one group; 0 makes none.
///
/// # Errors
/// A tree could not be read, or the user cancelled.
pub fn savings(
    repository: &Repository,
    snapshots: &[&Snapshot],
    depth: usize,
    events: &dyn Events,
) -> Result<SavingsReport> {
    let mut walk = Walk { reader: repository.reader(), depth, seen: HashSet::new(), groups: HashMap::new() };
    for snapshot in snapshots {
        walk.snapshot(Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level }, events)?;
    }
    let mut report = SavingsReport { snapshots: snapshots.len() as u64, ..SavingsReport::default() };
    let mut all = Savings::default();
    walk.groups.values().for_each(|group| all += group);
    for group in walk.groups.values_mut() {
        group.estimate(&all);
        report.total += group;
    }
    if depth > 0 {
        report.groups = walk.groups.into_iter().collect();
        let first = |(path, group): &(Vec<u8>, Savings)| (Reverse((group.stored(), group.size)), path.clone());
        report.groups.sort_by_cached_key(first);
    }
    report.pack_bytes = repository.index.packs().iter().map(|pack| pack.length).sum();
    Ok(report)
}

struct Walk {
    reader: Arc<Reader>,
    depth: usize,
    /// As [`super::stats`] counts different chunks.
    seen: HashSet<ChunkId>,
    groups: HashMap<Vec<u8>, Savings>,
}

impl Walk {
    fn snapshot(&mut self, root: Root, events: &dyn Events) -> Result<()> {
        for entry in Cursor::new(self.reader.clone(), root, Direction::Forward) {
            if events.cancelled() {
                return Err(Error::Cancelled);
            }
            let entry = entry?;
            if entry.metadata.file_type != FileType::File {
                continue;
            }
            let path = entry.path();
            let file = self.file(&entry)?;
            let group = first_names(&path, self.depth);
            match self.groups.get_mut(group) {
                Some(counted) => *counted += &file,
                None => drop(self.groups.insert(group.to_vec(), file)),
            }
            events.path_done(&path, 0);
        }
        Ok(())
    }

    fn file(&mut self, entry: &Entry) -> Result<Savings> {
        let mut file = Savings { files: 1, size: entry.metadata.size, ..Savings::default() };
        let reader = self.reader.clone();
        for item in entry.contents().flat_map(|content| ContentItems::new(&reader, content)) {
            let ContentItem { length, id } = item?;
            file.content = file.content.saturating_add(length);
            let Some(id) = id else {
                file.holes = file.holes.saturating_add(length);
                continue;
            };
            if !self.seen.insert(id) {
                file.dedup = file.dedup.saturating_add(length);
                continue;
            }
            match locate(&reader, &id)? {
                None => file.missing = file.missing.saturating_add(length),
                Some(place) => {
                    let is_delta = segment(&place).codec == Codec::Delta;
                    let compressed = if is_delta { &mut file.delta } else { &mut file.whole };
                    compressed.content = compressed.content.saturating_add(length);
                    compressed.stored += part(&place);
                }
            }
        }
        Ok(file)
    }
}

/// Where the chunk is read from, also if that pack is about to be deleted.
fn locate(reader: &Reader, id: &ChunkId) -> Result<Option<Location>> {
    let index = reader.index();
    Ok(match index.find(Kind::DataPack, id)? {
        None => index.find_excluded(Kind::DataPack, id)?,
        found => found,
    })
}

fn segment(place: &Location) -> &keepfast_repo_format::directory::SegmentRow {
    &place.pack.directory.segments[place.segment as usize]
}

/// A chunk's part of its stored segment, by its length. Rounded so that the parts of all chunks are the whole.
fn part(place: &Location) -> u64 {
    let row = segment(place);
    let up_to = |plain: u64| plain * u64::from(row.stored_len) / u64::from(row.plain_len.max(1));
    let start = u64::from(place.offset);
    up_to(start + u64::from(place.length)) - up_to(start)
}

/// The first so many names of a path, with the `/` behind them if there is more.
fn first_names(path: &[u8], depth: usize) -> &[u8] {
    let Some(last) = depth.checked_sub(1) else { return b"" };
    let mut slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes.nth(last).map_or(path, |slash| &path[..=slash])
}

#[cfg(test)]
mod tests {
    use super::{Compressed, Savings, first_names};

    #[test]
    fn a_path_is_cut_behind_a_name() {
        let table: [(&str, usize, &str); 7] = [
            ("etc/ssl/key", 0, ""),
            ("etc/ssl/key", 1, "etc/"),
            ("etc/ssl/key", 2, "etc/ssl/"),
            ("etc/ssl/key", 3, "etc/ssl/key"),
            ("etc/ssl/key", 9, "etc/ssl/key"),
            ("hosts", 1, "hosts"),
            ("", 1, ""),
        ];
        for (path, depth, expected) in table {
            assert_eq!(first_names(path.as_bytes(), depth), expected.as_bytes(), "{path} {depth}");
        }
    }

    #[test]
    fn what_delta_saved_is_estimated_from_the_nearest_rate() {
        let delta = Compressed { content: 1000, stored: 10 };
        let half = Savings { whole: Compressed { content: 400, stored: 200 }, delta, ..Savings::default() };
        let tenth = Savings { whole: Compressed { content: 500, stored: 50 }, ..Savings::default() };
        let estimated = |mut group: Savings, all: &Savings| {
            group.estimate(all);
            assert_eq!(
                group.whole.content + 1000,
                (group.stored() as i64 + group.by_compression() + group.by_delta()) as u64
            );
            (group.by_compression(), group.by_delta())
        };
        assert_eq!(estimated(half, &tenth), (200 + 500, 490), "of its own group");
        let alone = Savings { delta, ..Savings::default() };
        assert_eq!(estimated(alone, &tenth), (900, 90), "of all files");
        assert_eq!(estimated(alone, &alone), (0, 990), "of none");
    }

    #[test]
    fn sealing_may_cost_more_than_compression_saves() {
        let raw = Savings { whole: Compressed { content: 100, stored: 140 }, ..Savings::default() };
        assert_eq!((raw.by_compression(), raw.by_delta()), (-40, 0));
    }
}
