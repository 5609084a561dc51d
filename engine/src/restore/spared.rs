// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stays in the target although the snapshot does not have it: keepfast's own files, and whatever may be missing in the snapshot only
//! because it could not be read.
//!
//! For everything in a restore that removes something. It knows nothing of the filter.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use keepfast_repo_format::manifest::{Manifest, ProblemCode};

use super::Shared;
use crate::error::{Error, Result};
use crate::target::{Directory, Existing};

/// What a restore never deletes.
#[derive(Clone, Debug, Default)]
pub struct Spared {
    /// Files and folders of keepfast itself, such as the repository and its key file. No backup holds them, so in a restore in place all
    /// of them are extra. What is not there is ignored.
    pub own: Vec<PathBuf>,
    /// Paths from the snapshot's top that were not read, see [`unread`]; the empty one stands for everything.
    pub unread: Vec<Vec<u8>>,
}

/// Paths of a snapshot below which something can be missing that was there. A problem that is not listed may be of any path.
pub fn unread(manifest: &Manifest) -> Vec<Vec<u8>> {
    if manifest.totals.problems > manifest.problems.len() as u64 {
        return vec![Vec::new()];
    }
    let is_missing = |code| matches!(code, ProblemCode::Unreadable | ProblemCode::Vanished | ProblemCode::Stream);
    manifest.problems.iter().filter(|problem| is_missing(problem.code)).map(|problem| problem.path.clone()).collect()
}

/// The same, ready to be asked.
pub(super) struct Spares {
    own: HashSet<(u64, u64)>,
    above_own: HashSet<(u64, u64)>,
    unread: BTreeSet<Vec<u8>>,
}

/// How much of something may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayGo {
    /// All of it.
    All,
    /// What is in it, one by one.
    Parts,
    /// Nothing: it may have been there.
    Unread,
    /// Nothing, and that needs no word: it is keepfast's own, or not the restore's business.
    Nothing,
}

impl Spares {
    pub(super) fn new(spared: &Spared) -> Self {
        let (mut own, mut above_own) = (HashSet::new(), HashSet::new());
        for path in spared.own.iter().filter_map(|path| fs::canonicalize(path).ok()) {
            own.extend(inode(&path));
            above_own.extend(path.ancestors().skip(1).filter_map(inode));
        }
        Self { own, above_own, unread: spared.unread.iter().cloned().collect() }
    }

    /// What may go of that which is at `path`, counted from the snapshot's top.
    pub(super) fn of(&self, existing: &Existing, path: &[u8]) -> MayGo {
        let inode = (existing.device, existing.inode);
        if self.own.contains(&inode) {
            return MayGo::Nothing;
        }
        if self.was_unread(path) {
            return MayGo::Unread;
        }
        if self.above_own.contains(&inode) || self.has_unread_below(path) { MayGo::Parts } else { MayGo::All }
    }

    /// Refuses a target that is, or lies in, one of keepfast's own folders.
    pub(super) fn admit(&self, target: &Path) -> Result<()> {
        let target = std::path::absolute(target).unwrap_or_else(|_| target.to_path_buf());
        let Some(existing) = target.ancestors().find_map(|path| fs::canonicalize(path).ok()) else { return Ok(()) };
        match existing.ancestors().find(|path| inode(path).is_some_and(|inode| self.own.contains(&inode))) {
            Some(own) => Err(Error::Own { path: target, own: own.to_path_buf() }),
            None => Ok(()),
        }
    }

    fn was_unread(&self, path: &[u8]) -> bool {
        if self.unread.is_empty() {
            return false;
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        ends.chain([0, path.len()]).any(|end| self.unread.contains(&path[..end]))
    }

    fn has_unread_below(&self, path: &[u8]) -> bool {
        let inside = [path, b"/"].concat();
        self.unread.range(inside.clone()..).next().is_some_and(|next| next.starts_with(&inside))
    }
}

impl Shared<'_> {
    /// Removes what stands in the way of something else, whatever it is, unless keepfast itself is in it.
    pub(super) fn clear(&self, directory: &Directory, name: &[u8], existing: &Existing) -> Result<()> {
        let inode = (existing.device, existing.inode);
        if self.spares.own.contains(&inode) || self.spares.above_own.contains(&inode) {
            return Err(Error::Invalid("keepfast's own files are there, and stay".to_string()));
        }
        Ok(directory.remove(name)?)
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
