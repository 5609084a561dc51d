// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the files of a snapshot are on this machine. A manifest has the paths that were named, whole; the tree has an absolute one without its
//! leading `/`, and a relative one as it was given. Which of the two a path was shows in the tree.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use keepfast_repo_format::tree::entry::{Entry, FileType, Marks};

use crate::error::{Error, Result};
use crate::history::Snapshot;
use crate::reader::Reader;
use crate::tree::{Root, find, is_inside};

/// Something that was named to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// The folder that is the top of the snapshot for it: absolute, without a trailing slash, empty for `/`.
    base: Vec<u8>,
    /// Its path in the snapshot.
    stored: Vec<u8>,
    /// Inode number of the folder that it was then.
    folder: Option<u64>,
}

/// All of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(Vec<Place>);

impl Places {
    /// Those of the machine that the snapshot was made on. Outputs of commands have none. Of several ways to read a path the one counts that leaves
    /// most of it in the snapshot, as for an absolute path; but a snapshot of one folder under the name `.` is that folder.
    ///
    /// # Errors
    /// The tree can not be read, or the paths contradict each other.
    pub fn recorded(reader: &Arc<Reader>, snapshot: &Snapshot) -> Result<Self> {
        let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
        let has_top = find(reader, root, b"")?.is_some();
        let only = snapshot.manifest.paths.len() == 1;
        let (mut places, mut unknown, mut has_streams): (Vec<Place>, _, _) = (Vec::new(), Vec::new(), false);
        for path in &snapshot.manifest.paths {
            let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
            let first = if only && has_top { names.len() } else { 0 };
            let mut found = None;
            for kept in first..=names.len() {
                let stored = names[kept..].join(&b'/');
                if let Some(entry) = find(reader, root, &stored)? {
                    found = Some((names[..kept].join(&b'/'), stored, entry));
                    break;
                }
            }
            match found {
                Some((_, _, entry)) if entry.marks.has(Marks::STREAM) => has_streams = true,
                Some((above, stored, entry)) => places.push(Place::new(&above, stored, Some(&entry))),
                None => unknown.push(names.join(&b'/')),
            }
        }
        if places.is_empty() && !has_streams {
            return Err(Error::Invalid(
                "nothing in the tree of this snapshot has the path that it was made of".to_string(),
            ));
        }
        for path in unknown {
            let bare = |base: &[u8]| base.strip_prefix(b"/").unwrap_or(base).to_vec();
            let bases = places.iter().filter(|place| is_inside(&path, &bare(&place.base)));
            let base = bases.map(|place| place.base.clone()).max_by_key(Vec::len).unwrap_or_default();
            let stored = without_slash(&path[bare(&base).len()..]).to_vec();
            places.push(Place { base, stored, folder: None });
        }
        let is_other = |place: &&Place| {
            place.stored.is_empty() && fs::metadata(path_of(place.source())).is_ok_and(|found| !found.is_dir())
        };
        if let Some(other) = places.iter().find(is_other) {
            // An archive that was imported as a tree, most likely.
            return Err(Error::Invalid(format!(
                "this snapshot is one of a folder, and {} is none",
                shown(&other.base)
            )));
        }
        let places = Self(places);
        let deepest = places.deepest();
        match places.0.iter().find(|place| !is_inside(deepest, &place.base)) {
            None => Ok(places),
            Some(other) => Err(Error::Invalid(format!(
                "the paths of this snapshot can not all be found on this machine: their top is {} for some and {} for others",
                shown(deepest),
                shown(&other.base)
            ))),
        }
    }

    /// Those below a folder (absolute) that stands for the top of the snapshot, as after a restore.
    ///
    /// # Errors
    /// The tree can not be read.
    pub fn below(reader: &Arc<Reader>, snapshot: &Snapshot, folder: &Path) -> Result<Self> {
        let base = folder.as_os_str().as_bytes();
        let base = base.strip_suffix(b"/").unwrap_or(base).to_vec();
        let recorded = match Self::recorded(reader, snapshot) {
            Ok(recorded) => recorded,
            // Whatever the paths were: the folder stands for all of them.
            Err(Error::Invalid(_)) => Self(Vec::new()),
            Err(error) => return Err(error),
        };
        let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
        let mut places = Vec::new();
        for place in recorded.0 {
            if find(reader, root, &place.stored)?.is_some() {
                places.push(Place { base: base.clone(), ..place });
            }
        }
        if places.is_empty() {
            // An archive that was imported: its paths name nothing in its tree.
            places.push(Place { base, stored: Vec::new(), folder: None });
        }
        Ok(Self(places))
    }

    /// The path in the snapshot of an absolute path of this machine; `None` if the snapshot was made of other ones.
    pub fn stored(&self, live: &[u8]) -> Option<Vec<u8>> {
        let live = live.strip_suffix(b"/").unwrap_or(live);
        let fits = |place: &&Place| is_inside(live, &place.prefix()) || is_inside(&place.prefix(), live);
        let place = self.0.iter().filter(fits).max_by_key(|place| place.prefix().len())?;
        Some(without_slash(live.strip_prefix(&place.base[..])?).to_vec())
    }

    /// Whether a path of the snapshot only leads to something that was named, and is still there.
    pub(super) fn is_way(&self, stored: &[u8]) -> bool {
        let leads = |place: &&Place| place.stored.len() > stored.len() && is_inside(&place.stored, stored);
        let here = |place: &Place| Place { stored: stored.to_vec(), ..place.clone() }.is_there();
        self.0.iter().find(leads).is_some_and(here)
    }

    /// Every absolute path that was named.
    pub fn sources(&self) -> Vec<PathBuf> {
        self.0.iter().map(|place| PathBuf::from(OsString::from_vec(place.source()))).collect()
    }

    /// What a walk of all that is at or below `inside` starts at, and the paths to name there; those that are not there (any more) are left out.
    pub(super) fn walked(&self, inside: &[u8]) -> (PathBuf, Vec<PathBuf>) {
        let deepest = self.deepest();
        let mut paths = Vec::new();
        for place in &self.0 {
            let place = match () {
                () if is_inside(&place.stored, inside) => place.clone(),
                () if is_inside(inside, &place.stored) => {
                    Place { stored: inside.to_vec(), folder: None, ..place.clone() }
                }
                () => continue,
            };
            if place.is_there() {
                paths.push(place.named(deepest));
            }
        }
        let start = if deepest.is_empty() { b"/".as_slice() } else { deepest };
        (path_of(start.to_vec()), paths)
    }

    fn deepest(&self) -> &[u8] {
        self.0.iter().map(|place| &place.base[..]).max_by_key(|base| base.len()).unwrap_or_default()
    }
}

impl Place {
    fn new(above: &[u8], stored: Vec<u8>, entry: Option<&Entry>) -> Self {
        let base = if above.is_empty() { Vec::new() } else { [b"/", above].concat() };
        let folder = entry.filter(|entry| entry.metadata.file_type == FileType::Directory);
        Self { base, stored, folder: folder.map(|entry| entry.metadata.inode) }
    }

    /// Its absolute path.
    fn source(&self) -> Vec<u8> {
        let path = self.prefix();
        if path.is_empty() { b"/".to_vec() } else { path }
    }

    /// The same; empty for `/`.
    fn prefix(&self) -> Vec<u8> {
        if self.stored.is_empty() { self.base.clone() } else { [&self.base[..], b"/", &self.stored].concat() }
    }

    fn is_there(&self) -> bool {
        match fs::symlink_metadata(path_of(self.source())) {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }

    /// As it is named to a walk that starts at `start`. A link that led to the same folder then was named with a slash at its end.
    fn named(&self, start: &[u8]) -> PathBuf {
        let mut path = match self.base.is_empty() {
            true => b"/".to_vec(),
            false => {
                let climbs = start[self.base.len()..].iter().filter(|byte| **byte == b'/').count();
                [b"./".to_vec(), b"../".repeat(climbs)].concat()
            }
        };
        path.extend_from_slice(&self.stored);
        let source = path_of(self.source());
        let is_link = fs::symlink_metadata(&source).is_ok_and(|found| found.is_symlink());
        let leads_there =
            || fs::metadata(&source).is_ok_and(|found| found.is_dir() && Some(found.ino()) == self.folder);
        if is_link && leads_there() {
            path.push(b'/');
        }
        path_of(path)
    }
}

fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

fn shown(base: &[u8]) -> String {
    if base.is_empty() { "/".to_string() } else { base.escape_ascii().to_string() }
}
