// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mounting snapshots as a file system that is only read, as a story: read what is visible (`catalog`), give it names (`names`) and numbers
//! (`inode`), and answer the kernel (`kernel`) from stored trees and contents (`view`, `content`, `spool`), by several threads at once.
//!
//! Nothing is fetched before somebody looks at it. What can not be read is an error of that one request, and is told to the events; what
//! is read is verified like in a restore. A mount is no lock: a prune may delete what a forgotten snapshot shows.

mod ahead;
mod attributes;
mod bare;
mod catalog;
mod content;
mod effort;
mod error;
mod inode;
mod kernel;
mod links;
mod list;
mod names;
mod offer;
mod spool;
mod view;
mod words;
mod workers;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use rustix::mount::{UnmountFlags, unmount};

use crate::error::Result;
use crate::events::Events;
use crate::repository::{Distance, Repository};
use crate::select::Scope;
use crate::target::{Ownership, OwnershipMode};
use ahead::Ahead;
use catalog::Catalog;
use content::Contents;
pub use error::MountError;
use kernel::Kernel;
use spool::Spools;
use view::View;

/// What the mount is called where mounts are listed.
const NAME: &str = "keepfast";

/// How often new snapshots are looked for, if nobody says otherwise: that reads the log, which costs some requests.
pub const REFRESH_AFTER: Duration = Duration::from_secs(30);

/// How long the threads may take to end after an unmount: they only have to notice it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to mount, and where.
#[derive(Clone)]
pub struct MountOptions {
    /// An existing folder, that the mount hides.
    pub mountpoint: PathBuf,
    /// Which snapshots are shown.
    pub scope: Scope,
    /// Who may look.
    pub access: Access,
    /// Whose the files are.
    pub ownership: OwnershipMode,
    /// A folder for bytes of wrapped files, which are made from start to end; they have no names there, and go with the mount.
    pub spool: PathBuf,
    /// Requests that wait for the storage at the same time.
    pub threads: usize,
    /// New snapshots are looked for when the folders above snapshots are read and this has passed since the last time.
    pub refresh_after: Duration,
}

/// Who may look at a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The user who mounts, at everything: it is that user's key that opens the repository.
    Owner,
    /// Everybody, at what the stored modes and owners allow.
    All,
}

/// A mount that is being served. It ends with this value, or by `umount`.
pub struct Mounted {
    repository: Arc<Repository>,
    options: MountOptions,
    events: Arc<dyn Events + Send + Sync>,
    serving: Serving,
    /// Whether one before this, that was mounted anew, has ended as well.
    earlier: Vec<Receiver<io::Result<()>>>,
}

/// What answers one kernel's mount.
struct Serving {
    unmounter: SessionUnmounter,
    view: Arc<View>,
    /// Tells how serving ended, once.
    ended: Receiver<io::Result<()>>,
}

/// How an unmount went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmounted {
    /// Nobody used it.
    Idle,
    /// Somebody used it, and sees errors as soon as this process ends.
    InUse,
}

/// Mounts, and returns as soon as it can be looked at. Problems of single files are told to `events` while it lasts.
///
/// # Errors
/// [`MountError`]; the storage, if what is visible can not be read.
pub fn mount(
    repository: Arc<Repository>,
    options: &MountOptions,
    events: Arc<dyn Events + Send + Sync>,
) -> Result<Mounted> {
    let serving = serve(&repository, options, &events)?;
    Ok(Mounted { repository, options: options.clone(), events, serving, earlier: Vec::new() })
}

fn serve(
    repository: &Arc<Repository>,
    options: &MountOptions,
    events: &Arc<dyn Events + Send + Sync>,
) -> Result<Serving> {
    let view = Arc::new(view(repository.clone(), options, events.clone())?);
    let kernel = Kernel::new(view.clone(), options.threads, options.access);
    let offers_to = kernel.offers_to();
    let failed = |source| MountError::mounting(&options.mountpoint, source);
    let mut session = Session::new(kernel, &options.mountpoint, &config(options)).map_err(failed)?;
    let unmounter = session.unmount_callable();
    let _ = offers_to.set(session.notifier());
    let (sender, ended) = crossbeam_channel::bounded(1);
    thread::spawn(move || {
        // Whoever does not listen any more ends the process.
        let _ = sender.send(session.run());
    });
    Ok(Serving { unmounter, view, ended })
}

fn view(repository: Arc<Repository>, options: &MountOptions, events: Arc<dyn Events + Send + Sync>) -> Result<View> {
    let reader = repository.reader();
    let distance = repository.distance;
    let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Ok(View {
        catalog: Catalog::open(repository, &reader, options)?,
        contents: Contents::new(reader.clone(), Ahead::start(&reader, distance)),
        spools: Spools::new(reader, options.spool.clone()),
        ownership: Ownership::new(options.ownership),
        owner,
        events,
        told: Mutex::default(),
        incomplete: Mutex::new(HashSet::new()),
    })
}

fn config(options: &MountOptions) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![MountOption::RO, MountOption::FSName(NAME.to_string())];
    config.mount_options.push(MountOption::Subtype(NAME.to_string()));
    config.acl = SessionACL::Owner;
    if options.access == Access::All {
        config.mount_options.push(MountOption::DefaultPermissions);
        config.acl = SessionACL::All;
    }
    // The others are `workers`.
    config.n_threads = Some(1);
    config
}

/// Threads that answer requests, if nobody says how many: one for each processor, and some that wait for the disk or the network.
pub fn default_threads(processors: usize, distance: Distance) -> usize {
    match distance {
        Distance::Local => processors + 2,
        Distance::Remote => processors + 14,
    }
}

impl Mounted {
    /// Waits until the mount has ended, for some time at most; `true` if it has. Who mounts has to wait again and again: meanwhile it is mounted anew
    /// where there are snapshots that it can not show as it is. Who looks at files then goes on with the earlier mount, which is out of its folder.
    ///
    /// # Errors
    /// The kernel's side failed, or it could not be mounted anew.
    pub fn wait(&mut self, at_most: Duration) -> Result<bool> {
        if self.serving.view.catalog.is_outdated() {
            self.end()?;
            let serving = serve(&self.repository, &self.options, &self.events)?;
            self.earlier.push(std::mem::replace(&mut self.serving, serving).ended);
        }
        match self.serving.ended.recv_timeout(at_most) {
            Ok(outcome) => outcome.map(|()| true).map_err(|source| self.failed("serve", source).into()),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Ok(true),
        }
    }

    /// Ends the mount. One that is in use vanishes from its folder all the same.
    ///
    /// # Errors
    /// The system refuses; it is mounted still.
    pub fn unmount(mut self) -> Result<Unmounted> {
        self.end()?;
        let is_served =
            |ended: &Receiver<_>, patience| matches!(ended.recv_timeout(patience), Err(RecvTimeoutError::Timeout));
        let is_in_use = is_served(&self.serving.ended, PATIENCE)
            || self.earlier.iter().any(|ended| is_served(ended, Duration::ZERO));
        Ok(if is_in_use { Unmounted::InUse } else { Unmounted::Idle })
    }

    fn end(&mut self) -> Result<(), MountError> {
        let Err(refused) = self.serving.unmounter.unmount() else { return Ok(()) };
        detach(&self.options.mountpoint).map_err(|_| self.failed("unmount", refused))
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> MountError {
        MountError::System { operation, path: self.options.mountpoint.clone(), source }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.end();
    }
}

/// Takes a mount out of its folder though somebody uses it.
fn detach(mountpoint: &Path) -> io::Result<()> {
    Ok(unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?)
}
