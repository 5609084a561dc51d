// SPDX-License-Identifier: MIT OR Apache-2.0
//! All members of an archive, and the tree that they make: hard links resolved, the last one of each name, folders for those
//! that the archive only implies.
//!
//! An archive has no order, a tree has one: so the entries of an import are held in memory until its end (their contents are not).

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::boundary::link_group;
use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata};
use keepfast_repo_format::tree::order;

use super::scan::Scanned;
use crate::error::{Error, Result};

/// Bytes of the names of folders that an archive may imply without having them. Few bytes of a hostile one could else imply very many.
const MAX_IMPLIED_BYTES: usize = 256 << 20;

/// Members in the order of the archive.
#[derive(Default)]
pub(super) struct Members(Vec<Numbered>);

struct Numbered {
    /// Place in the archive.
    number: usize,
    scanned: Box<Scanned>,
}

/// The entries of a tree, sorted.
pub(super) struct Sorted {
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
    /// Paths of members in whose place a later one of the same name was taken.
    pub(super) replaced: Vec<Vec<u8>>,
}

impl Members {
    pub(super) fn push(&mut self, scanned: Box<Scanned>) {
        self.0.push(Numbered { number: self.0.len(), scanned });
    }

    /// The tree. `boundary_key` gives link groups their numbers.
    pub(super) fn sort(self, boundary_key: &[u8; 32]) -> Result<Sorted> {
        let mut members = self.0;
        // Members of one name stay in the order of the archive.
        members.sort_by(|a, b| compare(&a.scanned.entry, &b.scanned.entry));
        let mut problems = Vec::new();
        let origins = resolve(&mut members, &mut problems);
        let mut replaced = Vec::new();
        let last = last_of_each_name(&members, &mut replaced);
        regroup(&mut members, &last, &origins, boundary_key);
        let mut last = last.into_iter().peekable();
        let mut entries: Vec<Entry> = Vec::with_capacity(last.len());
        for (place, member) in members.into_iter().enumerate() {
            if last.next_if_eq(&place).is_some() {
                entries.push(member.scanned.entry);
            }
        }
        let entries = with_folders(entries, &mut problems)?;
        Ok(Sorted { entries, problems, replaced })
    }
}

fn compare(a: &Entry, b: &Entry) -> Ordering {
    order::compare(&a.directory, &a.name, &b.directory, &b.name)
}

/// Gives every hard link what the member has that it names: the last one of that name before it, as `tar` does, else a later one.
/// Returns the place of that member for each member.
fn resolve(members: &mut [Numbered], problems: &mut Vec<Problem>) -> Vec<usize> {
    let mut origins: Vec<usize> = (0..members.len()).collect();
    let mut links: Vec<usize> = (0..members.len()).filter(|at| members[*at].scanned.link.is_some()).collect();
    // A link to a link finds that one resolved.
    links.sort_unstable_by_key(|at| members[*at].number);
    for at in links {
        let (own, Some(target)) = (members[at].number, members[at].scanned.link.take()) else { continue };
        let (directory, name) = order::split(&target);
        let key = |member: &Numbered| {
            let entry = &member.scanned.entry;
            order::compare(&entry.directory, &entry.name, directory, name)
        };
        let start = members.partition_point(|member| key(member) == Ordering::Less);
        let end = start + members[start..].partition_point(|member| key(member) == Ordering::Equal);
        let before = (start..end).rev().find(|place| members[*place].number < own);
        let after = || (start..end).rev().find(|place| *place != at && members[*place].scanned.link.is_none());
        let origin = before.or_else(after).map(|place| origins[place]).filter(|origin| {
            let entry = &members[*origin].scanned.entry;
            *origin != at && entry.metadata.file_type != FileType::Directory
        });
        let Some(origin) = origin else {
            let entry = &mut members[at].scanned.entry;
            let text = format!("it is another name of {}, which is not in the archive", target.escape_ascii());
            problems.push(Problem { path: entry.path(), code: ProblemCode::Unreadable, text });
            // It keeps its place, so that nobody takes it for deleted.
            entry.marks = Marks(Marks::UNREADABLE);
            entry.metadata.size = 0;
            continue;
        };
        origins[at] = origin;
        let found = &members[origin].scanned.entry;
        let (metadata, marks, content) = (found.metadata.clone(), found.marks, found.content.clone());
        let entry = &mut members[at].scanned.entry;
        (entry.metadata, entry.marks, entry.content) = (metadata, marks, content);
    }
    origins
}

/// Places of the members that count.
fn last_of_each_name(members: &[Numbered], replaced: &mut Vec<Vec<u8>>) -> Vec<usize> {
    let mut last = Vec::with_capacity(members.len());
    for (place, member) in members.iter().enumerate() {
        let entry = &member.scanned.entry;
        match members.get(place + 1).map(|next| &next.scanned.entry) {
            Some(next) if compare(entry, next) == Ordering::Equal => {
                let both_folders = [entry, next].iter().all(|it| it.metadata.file_type == FileType::Directory);
                if !both_folders {
                    replaced.push(entry.path());
                }
            }
            _ => last.push(place),
        }
    }
    replaced.dedup();
    last
}

/// Names of one file that are left share a link group, called after the first of them in the tree.
fn regroup(members: &mut [Numbered], last: &[usize], origins: &[usize], boundary_key: &[u8; 32]) {
    let mut names: HashMap<usize, Vec<usize>> = HashMap::new();
    // Only origins that a link has; few members are links.
    for place in last.iter().filter(|place| origins[**place] != **place) {
        names.entry(origins[*place]).or_default().push(*place);
    }
    for (origin, mut places) in names {
        if last.binary_search(&origin).is_ok() {
            places.push(origin);
        }
        if places.len() < 2 {
            continue;
        }
        let first = places.iter().min().expect("there are two");
        let group = link_group(boundary_key, &members[*first].scanned.entry.path());
        for place in places {
            members[place].scanned.entry.metadata.link_group = Some(group);
        }
    }
}

/// What is known of a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is there, or was made up.
    Folder,
    /// It, or one above it, is something else.
    Blocked,
}

/// Adds the folders that are only implied, and takes out what lies below something that is no folder.
fn with_folders(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Result<Vec<Entry>> {
    let mut places: HashMap<Arc<[u8]>, Place> = HashMap::from([(Arc::from(&b""[..]), Place::Folder)]);
    let (mut implied, mut implied_bytes) = (Vec::new(), 0);
    for entry in &entries {
        // From the folder itself upwards, to the first that is known; then back down.
        let mut unknown = Vec::new();
        let mut directory: &[u8] = &entry.directory;
        while !places.contains_key(directory) {
            unknown.push(directory);
            directory = order::split(directory).0;
        }
        let mut above = places[directory];
        for folder in unknown.into_iter().rev() {
            let (directory, name) = order::split(folder);
            let found = entries.binary_search_by(|it| order::compare(&it.directory, &it.name, directory, name));
            let is_folder = found.map(|at| entries[at].metadata.file_type == FileType::Directory);
            above = match (above, is_folder) {
                (Place::Blocked, _) | (_, Ok(false)) => Place::Blocked,
                (Place::Folder, Ok(true)) => Place::Folder,
                (Place::Folder, Err(_)) => {
                    implied_bytes += folder.len();
                    if implied_bytes > MAX_IMPLIED_BYTES {
                        return Err(Error::Invalid(
                            "the archive implies more folders than memory can hold".to_string(),
                        ));
                    }
                    implied.push(folder_at(directory, name));
                    Place::Folder
                }
            };
            places.insert(folder.into(), above);
        }
    }
    let mut kept = Vec::with_capacity(entries.len() + implied.len());
    for entry in entries {
        if places[&entry.directory] == Place::Folder {
            kept.push(entry);
            continue;
        }
        let text = "it lies below something that is no folder in this archive".to_string();
        problems.push(Problem { path: entry.path(), code: ProblemCode::Unreadable, text });
    }
    if !implied.is_empty() {
        kept.extend(implied);
        kept.sort_by(compare);
    }
    Ok(kept)
}

/// A folder that the archive does not have: owned by root, without times.
fn folder_at(directory: &[u8], name: &[u8]) -> Entry {
    let metadata = Metadata { mode: 0o755, ..Metadata::of(FileType::Directory) };
    let (name, marks) = (name.to_vec(), Marks::default());
    Entry { directory: directory.into(), name, metadata, marks, content: Content::default(), layers: Vec::new() }
}
