// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of an archive: each folder right before what is in it. A program that unpacks sets the times and rights of a folder when it
//! has left it, and may not come back.

use std::cmp::Ordering;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use crate::error::Result;

/// Entries in the order of an archive, from entries in the order of a tree: there a folder stands among its neighbours. Holds back the
/// folders that stand beside the path reached so far.
pub(super) struct FoldersFirst<I> {
    entries: I,
    /// The folder whose entries come.
    directory: Arc<[u8]>,
    /// Folders in it.
    inside: Vec<Entry>,
    /// Folders of which nothing was given yet, the next one last.
    waiting: Vec<Entry>,
    /// Whether some of those may come before what is in `directory`.
    are_due: bool,
    held: Option<Entry>,
}

impl<I: Iterator<Item = Result<Entry>>> FoldersFirst<I> {
    pub(super) fn new(entries: I) -> Self {
        let (inside, waiting) = (Vec::new(), Vec::new());
        Self { entries, directory: Arc::from(&b""[..]), inside, waiting, are_due: false, held: None }
    }

    fn leave(&mut self) {
        self.waiting.extend(self.inside.drain(..).rev());
        self.are_due = true;
    }
}

impl<I: Iterator<Item = Result<Entry>>> Iterator for FoldersFirst<I> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.held.take().map_or_else(|| self.entries.next(), |held| Some(Ok(held))) {
                Some(Ok(entry)) => entry,
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    self.leave();
                    return self.waiting.pop().map(Ok);
                }
            };
            if *entry.directory != *self.directory {
                self.directory = entry.directory.clone();
                self.leave();
            }
            if self.are_due {
                let directory = &self.directory;
                let is_due = |it: &mut Entry| order::compare_directories(&it.path(), directory) != Ordering::Greater;
                if let Some(folder) = self.waiting.pop_if(is_due) {
                    self.held = Some(entry);
                    return Some(Ok(folder));
                }
                self.are_due = false;
            }
            // The top is in itself.
            let is_top = entry.directory.is_empty() && entry.name.is_empty();
            if is_top || entry.metadata.file_type != FileType::Directory {
                return Some(Ok(entry));
            }
            self.inside.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata};
    use keepfast_repo_format::tree::order;
    use proptest::prelude::*;

    use super::FoldersFirst;

    fn entry(path: &str, is_folder: bool) -> Entry {
        let (directory, name) = order::split(path.as_bytes());
        let metadata = Metadata::of(if is_folder { FileType::Directory } else { FileType::File });
        let (directory, name, marks, content) = (directory.into(), name.to_vec(), Marks::default(), Content::default());
        Entry { directory, name, metadata, marks, content, layers: Vec::new() }
    }

    /// What comes out of these paths, which end with `/` if they are folders.
    fn ordered(paths: &BTreeSet<String>) -> Vec<String> {
        let mut entries: Vec<Entry> = paths
            .iter()
            .map(|path| entry(path.trim_end_matches('/'), path.ends_with('/') || path.is_empty()))
            .collect();
        entries.sort_by(|a, b| order::compare(&a.directory, &a.name, &b.directory, &b.name));
        let found = FoldersFirst::new(entries.into_iter().map(Ok)).map(|entry| entry.unwrap());
        found
            .map(|entry| {
                let path = String::from_utf8(entry.path()).unwrap();
                let is_folder = entry.metadata.file_type == FileType::Directory && !path.is_empty();
                if is_folder { path + "/" } else { path }
            })
            .collect()
    }

    #[test]
    fn a_folder_stands_before_what_is_in_it_and_not_before_its_neighbours() {
        let paths = ["", "a/", "a/x", "a/b/", "a/b/y", "a.d/", "empty/", "z", "a/b/empty/"].map(str::to_string);
        let expected = ["", "z", "a/", "a/x", "a/b/", "a/b/y", "a/b/empty/", "a.d/", "empty/"];
        assert_eq!(ordered(&paths.into()), expected);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_whoever_left_a_folder_never_comes_back(
            names in prop::collection::vec(prop::collection::vec("[ab.!]{1,2}", 1..5), 0..30),
        ) {
            let names = names.into_iter().map(|parts| parts.into_iter().map(|part| part.replace('.', "-")).collect::<Vec<_>>());
            let mut paths = BTreeSet::new();
            for parts in names {
                for depth in 1..parts.len() {
                    paths.insert(parts[..depth].join("/") + "/");
                }
                let whole = parts.join("/");
                if !paths.contains(&(whole.clone() + "/")) {
                    paths.insert(whole);
                }
            }
            let folders: BTreeSet<String> = paths.iter().filter(|path| path.ends_with('/')).cloned().collect();
            paths.retain(|path| !folders.contains(&format!("{path}/")));
            let found = ordered(&paths);
            prop_assert_eq!(&found.iter().cloned().collect::<BTreeSet<_>>(), &paths);
            prop_assert_eq!(found.len(), paths.len());
            for folder in &folders {
                let places: Vec<usize> = (0..found.len()).filter(|at| found[*at].starts_with(folder.as_str())).collect();
                prop_assert_eq!(&found[places[0]], folder);
                prop_assert_eq!(places[places.len() - 1] - places[0] + 1, places.len(), "{} in {:?}", folder, found);
            }
        }
    }
}
