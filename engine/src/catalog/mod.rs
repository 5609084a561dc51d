// SPDX-License-Identifier: MIT OR Apache-2.0
//! The catalog: which path was what in which snapshots, so that questions over all of them read one database and no tree.
//!
//! For `versions`, `find` and `blame`. A cache in `SQLite` beside the local index, filled from trees snapshot by snapshot, and made anew
//! whenever it is lost, foreign or damaged. It finds; contents come from the repository, and a snapshot counts only if the caller sees it.

mod learn;
mod rows;
mod schema;
mod timeline;
mod version;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::Owner;
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::{History, Snapshot};
use crate::index::IndexError;
use crate::index::database::{self, Lock};
use crate::reader::Reader;
use crate::repository::Repository;
use crate::tree::Root;
use learn::Base;
pub use rows::{Interval, Path};
pub use timeline::{Course, Step, Timeline};
pub use version::{CONTENT_ID_BYTES, Version};

/// Forgotten snapshots are swept out when there are more than this many, and half as many as visible ones: a sweep reads the whole
/// catalog, and an undelete would have to learn them again.
const MIN_SWEEP: usize = 64;

/// How long one attempt waits while another program is learning: between two of them a cancelled user is heard.
const BUSY_LIMIT: Duration = Duration::from_millis(250);

/// The catalog of one repository.
pub struct Catalog {
    connection: Connection,
    lock: Lock,
    /// By number; few, and asked for with every row.
    owners: RefCell<HashMap<i64, Arc<Owner>>>,
}

/// What [`Catalog::learn`] did.
#[derive(Debug, Default)]
pub struct Learned {
    /// Snapshots that were new to the catalog.
    pub snapshots: u64,
    /// Those whose trees can not be read, and why: answers lack them.
    pub damaged: Vec<(SnapshotId, Error)>,
}

/// Asks the catalog after it has learned every snapshot in `snapshots`. If it turns out to be damaged, it is made anew and asked again, so
/// `question` may run twice.
///
/// # Errors
/// What `question` says; the storage; the user cancelled.
pub fn ask<T>(
    repository: &Repository,
    history: &History,
    snapshots: &[Snapshot],
    events: &dyn Events,
    mut question: impl FnMut(&Catalog) -> Result<T>,
) -> Result<(T, Learned)> {
    let forgotten: HashSet<SnapshotId> = history.forgotten_ids().collect();
    let mut once = || {
        let catalog = Catalog::open(repository)?;
        let answer = catalog
            .learn(&repository.reader(), snapshots, &forgotten, events)
            .and_then(|learned| Ok((question(&catalog)?, learned)));
        if let Err(Error::Index(IndexError::Damaged { .. })) = &answer {
            catalog.lock.mark_damaged();
        }
        answer
    };
    match once() {
        Err(Error::Index(IndexError::Damaged { .. })) => once(),
        answer => answer,
    }
}

/// Has the catalog made anew when it is opened next: for who finds that a snapshot has something else than the catalog says.
pub fn distrust(repository: &Repository) {
    if let Ok(catalog) = Catalog::open(repository) {
        catalog.lock.mark_damaged();
    }
}

impl Catalog {
    /// Opens the catalog beside the local index of the repository, or makes it; in memory where that one is.
    ///
    /// # Errors
    /// The folder can not be written, the disk is full.
    pub fn open(repository: &Repository) -> Result<Self, IndexError> {
        let (connection, lock) = match repository.index.folder() {
            Some(folder) => database::open(&schema::CATALOG, &folder, repository.id())?,
            None => database::in_memory(&schema::CATALOG, repository.id())?,
        };
        connection.busy_timeout(BUSY_LIMIT)?;
        Ok(Self { connection, lock, owners: RefCell::default() })
    }

    /// Learns the snapshots that are new to it: all visible ones, oldest first. Of each only what differs from the one before it of the same
    /// host and paths is read.
    ///
    /// # Errors
    /// The database, the storage, the user cancelled. A tree that is damaged is no error: see [`Learned::damaged`].
    pub fn learn(
        &self,
        reader: &Arc<Reader>,
        snapshots: &[Snapshot],
        forgotten: &HashSet<SnapshotId>,
        events: &dyn Events,
    ) -> Result<Learned> {
        let known = self.known()?;
        let visible: HashMap<SnapshotId, Root> =
            snapshots.iter().map(|snapshot| (snapshot.id, learn::root(snapshot))).collect();
        let mut learned = Learned::default();
        for snapshot in snapshots.iter().filter(|snapshot| !known.contains_key(&snapshot.id)) {
            let once = |base| learn::learn(&self.connection, reader, snapshot, &visible, base, events);
            let outcome = match once(Base::Newest) {
                // Perhaps only what it was compared with is damaged.
                Err(error) if error.is_damage() => once(Base::Nothing),
                outcome => outcome,
            };
            match outcome {
                Ok(()) => learned.snapshots += 1,
                Err(error) if error.is_damage() => learned.damaged.push((snapshot.id, error)),
                Err(error) => return Err(error),
            }
        }
        let gone: Vec<SnapshotId> = known.into_keys().filter(|id| forgotten.contains(id)).collect();
        if gone.len() > MIN_SWEEP.max(snapshots.len() / 2) {
            let transaction = learn::begin(&self.connection, events)?;
            rows::sweep(&transaction, &gone)?;
            transaction.commit().map_err(IndexError::from)?;
        }
        Ok(learned)
    }
}
