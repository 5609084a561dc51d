// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that only have another path now: one that is gone and one that is new with the same content. And copies: a new one with the content of
//! one that is gone already for another, or that is still there. Names say nothing, contents everything.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::tree::entry::{Entry, FileType};

use super::same::is_same_content;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;
use crate::source::Found;
use crate::tree::{Cursor, Direction, Root};

/// Files that are kept to be paired, about 300 bytes each; more are told as gone and new.
const MAX_FILES: usize = 200_000;

/// Files of the snapshot that a live file is compared with at most: of many files of one size most are told apart by their first chunk, but
/// each costs a read.
const MAX_TRIES: usize = 16;

/// Pairs files that are gone with files that are new.
#[derive(Default)]
pub struct Renames {
    gone: Vec<Entry>,
    new: Vec<Later>,
}

/// A file that is new.
#[derive(Clone, Debug)]
pub struct Later {
    /// Its entry; of a live one without content.
    pub entry: Entry,
    /// What the walk found, if it is a live one.
    pub live: Option<Found>,
}

/// Where a new file comes from.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// The file that has, or had, the content before.
    pub from: Entry,
    /// The new one.
    pub to: Later,
    /// Whether `from` is still there, or another new one has taken its place already.
    pub is_copy: bool,
}

/// What pairing gave.
#[derive(Debug, Default)]
pub struct Pairs {
    /// In the order of the new paths.
    pub renamed: Vec<Renamed>,
    /// Files that are gone without one.
    pub gone: Vec<Entry>,
    /// Files that are new, and come from none that is known.
    pub new: Vec<Later>,
}

/// Size, and chunks with their lengths.
type ContentKey = (u64, Vec<(Option<ChunkId>, u64)>);

fn content_key(entry: &Entry) -> ContentKey {
    let ids = entry.contents().flat_map(|content| content.items.iter().map(|item| (item.id, item.length)));
    (entry.metadata.size, ids.collect())
}

fn has_content(entry: &Entry) -> bool {
    entry.metadata.file_type == FileType::File && entry.metadata.size > 0
}

impl Renames {
    /// Takes a file that is gone; whether it will be told by [`Renames::pairs`]. What has no content to know it by will not, nor what is too much.
    pub fn take_gone(&mut self, entry: &Entry) -> bool {
        let is_taken = has_content(entry) && self.gone.len() < MAX_FILES;
        if is_taken {
            self.gone.push(entry.clone());
        }
        is_taken
    }

    /// The same for a file that is new.
    pub fn take_new(&mut self, entry: &Entry, live: Option<&Found>) -> bool {
        let is_taken = has_content(entry) && self.new.len() < MAX_FILES;
        if is_taken {
            self.new.push(Later { entry: entry.clone(), live: live.cloned() });
        }
        is_taken
    }

    /// Pairs. With `before`, those new files that come from none that is gone are looked for among all of that snapshot, in one pass over its tree
    /// that keeps nothing but the new files. Live files are read as far as sizes agree; what can not be read comes from nowhere.
    ///
    /// # Errors
    /// The tree can not be read, or the user cancelled.
    pub fn pairs(self, reader: &Arc<Reader>, before: Option<Root>, events: &dyn Events) -> Result<Pairs> {
        let mut gone = Gone::new(self.gone);
        let mut pairs = Pairs::default();
        for to in self.new {
            if events.cancelled() {
                return Err(Error::Cancelled);
            }
            match gone.find(reader, &to) {
                Some(number) => {
                    let is_copy = std::mem::replace(&mut gone.used[number], true);
                    pairs.renamed.push(Renamed { from: gone.entries[number].clone(), to, is_copy });
                }
                None => pairs.new.push(to),
            }
        }
        if let Some(before) = before.filter(|_| !pairs.new.is_empty()) {
            copies(reader, before, &mut pairs, events)?;
        }
        pairs.gone =
            gone.entries.into_iter().zip(gone.used).filter(|(_, used)| !used).map(|(entry, _)| entry).collect();
        Ok(pairs)
    }
}

/// Files that are gone, by content.
struct Gone {
    entries: Vec<Entry>,
    /// Whether a new file has taken its place.
    used: Vec<bool>,
    by_content: HashMap<ContentKey, Vec<usize>>,
    by_size: HashMap<u64, Vec<usize>>,
}

impl Gone {
    fn new(entries: Vec<Entry>) -> Self {
        let (mut by_content, mut by_size): (HashMap<_, Vec<usize>>, HashMap<_, Vec<usize>>) = Default::default();
        for (number, entry) in entries.iter().enumerate() {
            by_content.entry(content_key(entry)).or_default().push(number);
            by_size.entry(entry.metadata.size).or_default().push(number);
        }
        Self { used: vec![false; entries.len()], entries, by_content, by_size }
    }

    /// The one that the new file most likely was.
    fn find(&self, reader: &Reader, to: &Later) -> Option<usize> {
        let same = match &to.live {
            None => self.by_content.get(&content_key(&to.entry))?,
            Some(found) => {
                let candidates = self.by_size.get(&to.entry.metadata.size)?;
                // One with the same name first.
                let (named, others): (Vec<usize>, Vec<usize>) =
                    candidates.iter().partition(|number| self.entries[**number].name == to.entry.name);
                let mut tries = named.into_iter().chain(others).take(MAX_TRIES);
                let first = tries.find(|number| is_same(reader, &self.entries[*number], found))?;
                self.by_content.get(&content_key(&self.entries[first]))?
            }
        };
        // One with the same name is most likely the one.
        let free = || same.iter().filter(|number| !self.used[**number]);
        let named = free().find(|number| self.entries[**number].name == to.entry.name);
        named.or_else(|| free().next()).or(same.first()).copied()
    }
}

/// A live file that can not be read has no content that is known.
fn is_same(reader: &Reader, entry: &Entry, found: &Found) -> bool {
    is_same_content(reader, entry, found).unwrap_or(false)
}

/// Finds those that the new files are copies of, among everything that was there before.
fn copies(reader: &Arc<Reader>, before: Root, pairs: &mut Pairs, events: &dyn Events) -> Result<()> {
    let new = std::mem::take(&mut pairs.new);
    let mut wanted = Wanted::new(&new);
    for entry in Cursor::new(reader.clone(), before, Direction::Forward) {
        let entry = entry?;
        if has_content(&entry) && wanted.sizes.contains(&entry.metadata.size) {
            if events.cancelled() {
                return Err(Error::Cancelled);
            }
            wanted.offer(reader, &entry);
        }
    }
    let from = wanted.from;
    for (to, from) in new.into_iter().zip(from) {
        match from {
            Some(from) => pairs.renamed.push(Renamed { from, to, is_copy: true }),
            None => pairs.new.push(to),
        }
    }
    Ok(())
}

/// New files whose origin is looked for.
struct Wanted<'a> {
    new: &'a [Later],
    sizes: HashSet<u64>,
    /// Those of a snapshot.
    by_content: HashMap<ContentKey, Vec<usize>>,
    /// Live ones that may still be compared.
    by_size: HashMap<u64, Vec<usize>>,
    tries: Vec<usize>,
    from: Vec<Option<Entry>>,
}

impl<'a> Wanted<'a> {
    fn new(new: &'a [Later]) -> Self {
        let (mut by_content, mut by_size): (HashMap<_, Vec<usize>>, HashMap<_, Vec<usize>>) = Default::default();
        for (number, later) in new.iter().enumerate() {
            match later.live {
                None => by_content.entry(content_key(&later.entry)).or_default().push(number),
                Some(_) => by_size.entry(later.entry.metadata.size).or_default().push(number),
            }
        }
        let sizes = new.iter().map(|later| later.entry.metadata.size).collect();
        Self { new, sizes, by_content, by_size, tries: vec![0; new.len()], from: vec![None; new.len()] }
    }

    /// Takes the entry as the origin of those with its content: the first one counts, or one with the same name.
    fn offer(&mut self, reader: &Reader, entry: &Entry) {
        let Self { new, by_content, by_size, tries, from, .. } = self;
        if let Some(numbers) = by_content.get_mut(&content_key(entry)) {
            numbers.retain(|number| {
                let has_name = new[*number].entry.name == entry.name;
                if has_name || from[*number].is_none() {
                    from[*number] = Some(entry.clone());
                }
                !has_name
            });
        }
        if let Some(numbers) = by_size.get_mut(&entry.metadata.size) {
            numbers.retain(|number| {
                tries[*number] += 1;
                if new[*number].live.as_ref().is_some_and(|found| is_same(reader, entry, found)) {
                    from[*number] = Some(entry.clone());
                }
                from[*number].is_none() && tries[*number] < MAX_TRIES
            });
        }
    }
}
