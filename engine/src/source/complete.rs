// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completes what the walk found to the metadata of a tree entry: names of owners, attributes, flags, link targets.
//!
//! For the backup, which asks only for what is new or changed, from many threads. It reads no content. A part that can
//! not be read is a problem beside the metadata, never a missing entry.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{FileType, Metadata, Xattrs};
use rustix::fs::{OFlags, readlinkat};
use rustix::io::Errno;

use crate::source::attributes::{Access, Attributes, read_flags, read_xattrs};
use crate::source::error::problem;
use crate::source::listing::Found;
use crate::source::owner::Owners;
use crate::source::stat::Stat;

/// Different sets of attributes that are remembered; a system with labels has a few dozen.
const XATTR_SETS_MAX: usize = 512;

/// Caches of what many entries share. One per backup, used by all its threads.
#[derive(Default)]
pub struct Completer {
    owners: Owners,
    no_xattrs: Arc<Xattrs>,
    xattr_sets: Mutex<HashMap<Xattrs, Arc<Xattrs>>>,
}

/// Parts of the metadata that `statx` does not tell.
#[derive(Default)]
struct Extra {
    attributes: Attributes,
    inode_flags: u32,
    target: Vec<u8>,
    problem: Option<Problem>,
}

impl Completer {
    /// Empty caches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Metadata of anything that the walk found. For a file that is open anyway, `SourceFile::metadata` is cheaper.
    ///
    /// All numbers are those of the walk. What could not be read is empty and reported with code
    /// [`ProblemCode::Metadata`], or [`ProblemCode::Vanished`] if it is gone.
    pub fn metadata(&self, found: &Found, link_group: Option<u64>) -> (Metadata, Vec<Problem>) {
        let path = found.path();
        let extra = read_extra(found, &path);
        self.assemble(&found.stat, &path, link_group, extra)
    }

    /// Metadata of an open file, with the numbers of `stat`.
    pub(super) fn of_open(
        &self,
        fd: &OwnedFd,
        stat: &Stat,
        path: &[u8],
        link_group: Option<u64>,
    ) -> (Metadata, Vec<Problem>) {
        let attributes = read_xattrs(Access::Content(fd.as_fd()));
        let extra = Extra { attributes, inode_flags: read_flags(fd.as_fd()), ..Extra::default() };
        self.assemble(stat, path, link_group, extra)
    }

    fn assemble(&self, stat: &Stat, path: &[u8], link_group: Option<u64>, extra: Extra) -> (Metadata, Vec<Problem>) {
        let mut problems: Vec<Problem> = extra.problem.into_iter().collect();
        problems.extend(extra.attributes.failed.into_iter().map(|(name, errno)| xattr_problem(path, &name, errno)));
        let metadata = Metadata {
            file_type: stat.file_type,
            mode: stat.mode,
            owner: self.owners.get(stat.uid, stat.gid),
            modified: stat.modified,
            changed: stat.changed,
            born: stat.born,
            inode: stat.inode,
            link_group,
            inode_flags: extra.inode_flags,
            device: stat.rdev,
            target: extra.target,
            xattrs: self.share(extra.attributes.xattrs),
            size: if stat.file_type == FileType::File { stat.size } else { 0 },
        };
        (metadata, problems)
    }

    fn share(&self, xattrs: Xattrs) -> Arc<Xattrs> {
        if xattrs.is_empty() {
            return Arc::clone(&self.no_xattrs);
        }
        let mut sets = self.xattr_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.get(&xattrs) {
            return Arc::clone(known);
        }
        if sets.len() >= XATTR_SETS_MAX {
            sets.clear();
        }
        let shared = Arc::new(xattrs);
        sets.insert(shared.as_ref().clone(), Arc::clone(&shared));
        shared
    }
}

fn read_extra(found: &Found, path: &[u8]) -> Extra {
    // Files and folders are opened for reading where possible, because their flags are told only then. Opening anything
    // else could have effects (a tape rewinds, a pipe waits).
    let readable = match found.stat.file_type {
        FileType::File => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
        FileType::Directory => OFlags::RDONLY | OFlags::NONBLOCK | OFlags::DIRECTORY,
        _ => return read_place(found, path),
    };
    match found.root.open_to_read(path, readable) {
        Ok(fd) if is_same_type(&fd, found) => Extra {
            attributes: read_xattrs(Access::Content(fd.as_fd())),
            inode_flags: read_flags(fd.as_fd()),
            ..Extra::default()
        },
        _ => read_place(found, path),
    }
}

fn read_place(found: &Found, path: &[u8]) -> Extra {
    let lost = |errno: Errno| {
        let lost = problem(path.to_vec(), "read metadata", errno);
        let code = if lost.code == ProblemCode::Vanished { lost.code } else { ProblemCode::Metadata };
        Extra { problem: Some(Problem { code, ..lost }), ..Extra::default() }
    };
    let fd = match found.root.open_beneath(path, OFlags::PATH) {
        Ok(fd) if is_same_type(&fd, found) => fd,
        Ok(_) => return lost(Errno::STALE),
        Err(errno) => return lost(errno),
    };
    let target = match found.stat.file_type {
        FileType::Symlink => match readlinkat(&fd, c"", Vec::new()) {
            Ok(target) => target.into_bytes(),
            Err(errno) => return lost(errno),
        },
        _ => Vec::new(),
    };
    Extra { attributes: read_xattrs(Access::Place(fd.as_fd())), target, ..Extra::default() }
}

fn is_same_type(fd: &OwnedFd, found: &Found) -> bool {
    Stat::of_open(fd.as_fd()).is_ok_and(|stat| stat.file_type == found.stat.file_type)
}

fn xattr_problem(path: &[u8], name: &[u8], errno: Errno) -> Problem {
    let what = if name.is_empty() { "list of attributes".to_owned() } else { name.escape_ascii().to_string() };
    let text = format!("read {what}: {}", std::io::Error::from(errno));
    Problem { path: path.to_vec(), code: ProblemCode::Metadata, text }
}
