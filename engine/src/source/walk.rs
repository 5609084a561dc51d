// SPDX-License-Identifier: MIT OR Apache-2.0
//! The walk over all named paths, in the order of the tree.
//!
//! For the backup, which merges it with the tree of the parent snapshot. Memory is bounded by the look-ahead, the largest
//! folder and the number of folders beside the way to the current one; it does not grow with the tree.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::vec;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::source::error::SourceError;
use crate::source::excludes::Excludes;
use crate::source::listing::{Lister, Scope, Scratch, Task, Walked};
use crate::source::plan::Plan;
use crate::source::queue::Queue;
use crate::source::root::{Links, Root, open_named};
use crate::source::stat::Stat;

/// Whether the walk goes on where another file system is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OneFileSystem {
    /// It does.
    #[default]
    Cross,
    /// It stays on the file system of each named path: a mount point is saved as an empty folder.
    Stay,
}

/// What to walk.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// Where relative paths begin; absolute.
    pub working_directory: PathBuf,
    /// Named paths. Merged: what is named twice, or lies in another, is met once.
    pub paths: Vec<PathBuf>,
    /// What to leave out.
    pub excludes: Excludes,
    /// Whether to stay on one file system.
    pub one_file_system: OneFileSystem,
    /// Threads that list folders ahead of the consumer; with 0 the consumer lists them itself.
    pub threads: usize,
}

/// Everything beneath the named paths, found entries strictly ascending in the order of the tree.
///
/// Problems stand with the entries of the folder they happened in. Dropping it ends the threads.
pub struct Walk {
    queue: Arc<Queue>,
    helpers: Vec<JoinHandle<()>>,
    current: vec::IntoIter<Walked>,
    scratch: Scratch,
}

/// Starts the walk.
///
/// Fails if nothing is named, if two paths would be the same in the snapshot, or if the only named path can not be
/// opened. With several, one that is missing is a [`Walked::Problem`].
pub fn walk(options: &SourceOptions) -> Result<Walk, SourceError> {
    let plan = Plan::new(&options.paths, &options.working_directory)?;
    check_only_path(&plan, &options.paths)?;
    let top = plan.node(0);
    let source = plan.base_path(top.base).to_vec();
    let failed = |errno: Errno| SourceError::io(source.clone(), "open", errno);
    let root = Root::open(source.clone(), Vec::new()).map_err(failed)?;
    let task = Task {
        directory: Arc::from(b"".as_slice()),
        device: Stat::of_open(root.fd()).map_err(failed)?.device,
        root: Arc::new(root),
        base: top.base,
        plan: Some(0),
        scope: if top.named.is_some() { Scope::Everything } else { Scope::PlannedOnly },
    };
    let lister = Lister {
        excludes: options.excludes.clone(),
        one_file_system: options.one_file_system,
        plan,
        stop: AtomicBool::new(false),
    };
    Walk::start(Queue::new(lister, task), options.threads)
}

/// A backup of one path that is not there is a typing error, not a backup with a problem.
fn check_only_path(plan: &Plan, paths: &[PathBuf]) -> Result<(), SourceError> {
    let named = plan.named_below(0, b"");
    let [only] = named.as_slice() else { return Ok(()) };
    let (base, links) = plan.named_at(only);
    let source = plan.source(base, only);
    let flags =
        if links == Links::Follow && !only.is_empty() { OFlags::PATH | OFlags::DIRECTORY } else { OFlags::PATH };
    match open_named(&source, flags, links) {
        Ok(_) => Ok(()),
        Err(errno) => {
            let given = paths.first().map(|path| path.as_os_str().as_bytes().to_vec()).unwrap_or(source);
            Err(SourceError::io(given, "open", errno))
        }
    }
}

impl Walk {
    fn start(queue: Arc<Queue>, threads: usize) -> Result<Self, SourceError> {
        let mut walk =
            Self { queue, helpers: Vec::new(), current: Vec::new().into_iter(), scratch: Scratch::default() };
        for _ in 0..threads {
            let queue = Arc::clone(&walk.queue);
            let helper = thread::Builder::new().name("walk".to_owned()).spawn(move || queue.help());
            // Fewer threads than wished are no reason to fail: the consumer can do it all.
            walk.helpers.extend(helper.ok());
        }
        Ok(walk)
    }
}

impl Iterator for Walk {
    type Item = Walked;

    fn next(&mut self) -> Option<Walked> {
        loop {
            if let Some(walked) = self.current.next() {
                return Some(walked);
            }
            self.current = self.queue.take(&mut self.scratch)?.into_iter();
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.queue.stop();
        for helper in self.helpers.drain(..) {
            // A panic of a helper was already passed on by `take`, or nobody listens any more.
            drop(helper.join());
        }
    }
}
