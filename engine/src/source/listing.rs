// SPDX-License-Identifier: MIT OR Apache-2.0
//! One folder: its entries in order, and which of them are folders to list later.
//!
//! For the walk's threads; nothing here waits for another thread. A folder that can not be read is a problem in the
//! result, never an end of the walk.

use std::collections::HashSet;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::FileType;
use keepfast_repo_format::tree::order::join;
use rustix::fs::{OFlags, RawDir};
use rustix::io::Errno;

use crate::source::error::problem;
use crate::source::excludes::Excludes;
use crate::source::plan::{BaseId, NodeId, Plan};
use crate::source::root::Root;
use crate::source::stat::Stat;
use crate::source::walk::OneFileSystem;

/// Longest name in a tree, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Longest path of a folder in a tree, in bytes.
const DIRECTORY_BYTES_MAX: usize = 1 << 20;

/// Buffer for `getdents64`, in bytes: some 800 names a call.
const DIRENTS_BYTES: usize = 32 << 10;

/// Names that are looked at in one go: as many as keep the order of inodes worth having, while the memory of a huge folder
/// is that of its entries alone. Between two of them a dropped walk is noticed.
const STAT_BATCH_NAMES: usize = 8192;

/// Something that is there, as one `statx` saw it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Path of the parent in the snapshot, without leading or trailing `/`; shared by the entries of a folder.
    pub directory: Arc<[u8]>,
    /// Name; empty only for the top folder itself.
    pub name: Vec<u8>,
    /// What the walk saw.
    pub stat: Stat,
    pub(super) root: Arc<Root>,
}

impl Found {
    /// Path in the snapshot: `directory/name`, or the name alone at the top.
    pub fn path(&self) -> Vec<u8> {
        join(&self.directory, &self.name)
    }
}

/// One item of the walk.
#[derive(Clone, Debug)]
pub enum Walked {
    /// Something to save.
    Found(Found),
    /// Something that could not be seen; the walk goes on. Its path is that in the snapshot.
    Problem(Problem),
}

/// What of a folder belongs to the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything that is not excluded.
    Everything,
    /// Only what leads to a named path.
    PlannedOnly,
}

/// A folder that is still to be listed.
#[derive(Debug)]
pub(super) struct Task {
    /// Its path in the snapshot.
    pub(super) directory: Arc<[u8]>,
    pub(super) root: Arc<Root>,
    pub(super) base: BaseId,
    /// Its place in the plan, if named paths lie in it.
    pub(super) plan: Option<NodeId>,
    pub(super) scope: Scope,
    /// Device of the named path that it belongs to.
    pub(super) device: u64,
}

/// What listing a folder gave.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Found entries strictly ascending by name; problems in between, or at the end.
    pub(super) entries: Vec<Walked>,
    pub(super) folders: Vec<Task>,
}

/// What all folders have in common.
#[derive(Debug)]
pub(super) struct Lister {
    pub(super) excludes: Excludes,
    pub(super) one_file_system: OneFileSystem,
    pub(super) plan: Plan,
    /// Set when nobody wants the listings any more.
    pub(super) stop: AtomicBool,
}

/// Memory that a thread keeps from folder to folder.
pub(super) struct Scratch {
    dirents: Vec<MaybeUninit<u8>>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { dirents: vec![MaybeUninit::uninit(); DIRENTS_BYTES] }
    }
}

/// A name as the folder gives it, before anything is known of the inode.
struct Name {
    bytes: Vec<u8>,
    inode: u64,
    kind: rustix::fs::FileType,
}

impl Lister {
    /// Lists one folder.
    pub(super) fn list(&self, task: &Task, scratch: &mut Scratch) -> Listing {
        let mut listing = Listing::default();
        if task.directory.len() > DIRECTORY_BYTES_MAX {
            listing.entries.push(Walked::Problem(Problem {
                path: task.directory.to_vec(),
                code: ProblemCode::Unreadable,
                text: format!("path of more than {DIRECTORY_BYTES_MAX} bytes"),
            }));
            return listing;
        }
        let mut reached = HashSet::new();
        if task.scope == Scope::Everything {
            match self.open_folder(task) {
                Ok(Some(folder)) => reached = self.list_all(task, &folder, scratch, &mut listing),
                Ok(None) => {}
                Err(errno) => listing.entries.push(at_folder(task, "list folder", errno)),
            }
        }
        if let Some(node) = task.plan {
            self.list_planned(task, node, &reached, &mut listing);
        }
        listing
    }

    /// `None`: something was mounted here between the parent's listing and now, and must not be entered.
    fn open_folder(&self, task: &Task) -> Result<Option<OwnedFd>, Errno> {
        let folder = task.root.open_to_read(&task.directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)?;
        if self.one_file_system == OneFileSystem::Stay && Stat::of_open(folder.as_fd())?.device != task.device {
            return Ok(None);
        }
        Ok(Some(folder))
    }

    /// Returns the planned nodes that the listing would have included anyway.
    fn list_all(&self, task: &Task, folder: &OwnedFd, scratch: &mut Scratch, listing: &mut Listing) -> HashSet<NodeId> {
        let mut names = self.read_names(task, folder, scratch, listing);
        names.sort_unstable_by(|a, b| a.bytes.cmp(&b.bytes));
        // A folder that changes while it is read may give a name twice.
        names.dedup_by(|a, b| a.bytes == b.bytes);
        self.drop_excluded(task, folder.as_fd(), &mut names);
        let planned = task.plan.map(|id| &self.plan.node(id).children).filter(|children| !children.is_empty());
        let mut reached = HashSet::new();
        listing.entries.reserve(names.len());
        let mut names = names.into_iter();
        while !names.as_slice().is_empty() && !self.is_stopped() {
            let batch: Vec<Name> = names.by_ref().take(STAT_BATCH_NAMES).collect();
            let stats = stat_all(folder.as_fd(), &batch);
            for (name, stat) in batch.into_iter().zip(stats) {
                match planned.and_then(|children| children.get(&name.bytes)) {
                    Some(child) => self.meet_planned(task, *child, &stat, &name.bytes, &mut reached, listing),
                    None => self.add_entry(task, name.bytes, stat, listing),
                }
            }
        }
        reached
    }

    fn read_names(&self, task: &Task, folder: &OwnedFd, scratch: &mut Scratch, listing: &mut Listing) -> Vec<Name> {
        let mut names = Vec::new();
        let mut entries = RawDir::new(folder, &mut scratch.dirents);
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.file_name() == c"." || entry.file_name() == c".." => {}
                Ok(entry) if entry.file_name().to_bytes().len() > NAME_BYTES_MAX => {
                    listing.entries.push(too_long(task, entry.file_name()));
                }
                Ok(entry) => names.push(Name {
                    bytes: entry.file_name().to_bytes().to_vec(),
                    inode: entry.ino(),
                    kind: entry.file_type(),
                }),
                Err(Errno::INTR) => {}
                Err(errno) => {
                    listing.entries.push(at_folder(task, "list folder", errno));
                    break;
                }
            }
            if names.len() % STAT_BATCH_NAMES == 0 && self.is_stopped() {
                break;
            }
        }
        names
    }

    /// Drops what tag files, globs and paths leave out.
    fn drop_excluded(&self, task: &Task, folder: BorrowedFd<'_>, names: &mut Vec<Name>) {
        if let Some(tag) = self.tag_in(folder, names) {
            names.retain(|name| name.bytes == tag);
        }
        if !self.excludes.has_paths() {
            return;
        }
        let mut path = task.root.source_of(&task.directory);
        if !path.is_empty() {
            path.push(b'/');
        }
        let folder_bytes = path.len();
        names.retain(|name| {
            path.truncate(folder_bytes);
            path.extend_from_slice(&name.bytes);
            !self.excludes.leaves_out(&path, is_folder(folder, name))
        });
    }

    /// Name of the tag file that leaves out everything else in this folder.
    fn tag_in(&self, folder: BorrowedFd<'_>, names: &[Name]) -> Option<Vec<u8>> {
        let present = |name: &[u8]| names.binary_search_by(|other| other.bytes.as_slice().cmp(name)).is_ok();
        let mut tags = self.excludes.tags().iter();
        let tag = tags.find(|tag| present(&tag.name) && tag.is_valid_in(folder))?;
        Some(tag.name.clone())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn add_entry(&self, task: &Task, name: Vec<u8>, stat: Result<Stat, Errno>, listing: &mut Listing) {
        let stat = match stat {
            Ok(stat) => stat,
            Err(errno) => {
                let path = join(&task.directory, &name);
                listing.entries.push(Walked::Problem(problem(path, "look at", errno)));
                return;
            }
        };
        let is_elsewhere = self.is_other_device(task, &stat);
        let is_folder = stat.file_type == FileType::Directory;
        if (is_elsewhere && !is_folder) || self.is_too_large(&stat) {
            return;
        }
        if is_folder && !is_elsewhere {
            listing.folders.push(Task {
                directory: join(&task.directory, &name).into(),
                root: Arc::clone(&task.root),
                base: task.base,
                plan: None,
                scope: Scope::Everything,
                device: task.device,
            });
        }
        let (directory, root) = (Arc::clone(&task.directory), Arc::clone(&task.root));
        listing.entries.push(Walked::Found(Found { directory, name, stat, root }));
    }

    pub(super) fn is_too_large(&self, stat: &Stat) -> bool {
        stat.file_type == FileType::File && self.excludes.is_too_large(stat.size)
    }

    pub(super) fn is_other_device(&self, task: &Task, stat: &Stat) -> bool {
        self.one_file_system == OneFileSystem::Stay && stat.device != task.device
    }
}

/// One `statx` per name, in the order of the inodes: on a disk that turns, that is the order of the tracks.
fn stat_all(folder: BorrowedFd<'_>, names: &[Name]) -> Vec<Result<Stat, Errno>> {
    let mut by_inode: Vec<usize> = (0..names.len()).collect();
    by_inode.sort_unstable_by_key(|index| names[*index].inode);
    let mut stats = vec![Err(Errno::CANCELED); names.len()];
    for index in by_inode {
        stats[index] = Stat::of_name(folder, names[index].bytes.as_slice());
    }
    stats
}

fn is_folder(folder: BorrowedFd<'_>, name: &Name) -> bool {
    match name.kind {
        rustix::fs::FileType::Directory => true,
        // Some file systems do not tell.
        rustix::fs::FileType::Unknown => {
            Stat::of_name(folder, name.bytes.as_slice()).is_ok_and(|stat| stat.file_type == FileType::Directory)
        }
        _ => false,
    }
}

fn at_folder(task: &Task, operation: &str, errno: Errno) -> Walked {
    Walked::Problem(problem(task.directory.to_vec(), operation, errno))
}

fn too_long(task: &Task, name: &CStr) -> Walked {
    Walked::Problem(Problem {
        path: join(&task.directory, name.to_bytes()),
        code: ProblemCode::Unreadable,
        text: format!("name of more than {NAME_BYTES_MAX} bytes"),
    })
}
