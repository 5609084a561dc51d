// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that only have another path now: one that is gone and one that is new with the same content. And copies: a new one with the content of
//! one that is gone already for another. Names say nothing, contents everything.

use std::collections::HashMap;

use keepfast_repo_format::tree::entry::{Entry, FileType};

/// Files that are kept to be paired, about 300 bytes each; more are told as gone and new.
const MAX_FILES: usize = 200_000;

/// Pairs files that are gone with files that are new.
#[derive(Default)]
pub struct Renames {
    gone: Vec<Entry>,
    new: Vec<Entry>,
}

/// What became of a file that is gone, or where a new one comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The file that is gone.
    pub from: Entry,
    /// The new one.
    pub to: Entry,
    /// Whether another new one has taken the place of `from` already.
    pub is_copy: bool,
}

impl Renames {
    /// Takes a file that is gone, or that is new; whether it will be told by [`Renames::pairs`]. What has no content to know it by will not, nor
    /// what is too much.
    pub fn take(&mut self, entry: &Entry, is_new: bool) -> bool {
        let side = if is_new { &mut self.new } else { &mut self.gone };
        let is_file = entry.metadata.file_type == FileType::File && entry.metadata.size > 0;
        let is_taken = is_file && side.len() < MAX_FILES;
        if is_taken {
            side.push(entry.clone());
        }
        is_taken
    }

    /// The pairs, in the order of the new paths; then those that are gone without one, and those that are new.
    pub fn pairs(self) -> (Vec<Renamed>, Vec<Entry>, Vec<Entry>) {
        let mut by_content: HashMap<_, Vec<usize>> = HashMap::new();
        let content = |entry: &Entry| {
            let ids: Vec<_> =
                entry.contents().flat_map(|c| c.items.iter().map(|item| (item.id, item.length))).collect();
            (entry.metadata.size, ids)
        };
        for (number, entry) in self.gone.iter().enumerate() {
            by_content.entry(content(entry)).or_default().push(number);
        }
        let (mut pairs, mut new) = (Vec::new(), Vec::new());
        let mut used = vec![false; self.gone.len()];
        for to in self.new {
            let Some(same) = by_content.get(&content(&to)) else {
                new.push(to);
                continue;
            };
            // One with the same name is most likely the one.
            let free = || same.iter().filter(|number| !used[**number]);
            let named = free().find(|number| self.gone[**number].name == to.name);
            let number = *named.or_else(|| free().next()).unwrap_or(&same[0]);
            let is_copy = std::mem::replace(&mut used[number], true);
            pairs.push(Renamed { from: self.gone[number].clone(), to, is_copy });
        }
        let gone = self.gone.into_iter().zip(used).filter(|(_, used)| !used).map(|(entry, _)| entry).collect();
        (pairs, gone, new)
    }
}
