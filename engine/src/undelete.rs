// SPDX-License-Identifier: MIT OR Apache-2.0
//! Making forgotten snapshots visible again, as long as no collector has announced that it deletes them or what they need.
//!
//! The order is the protocol: the session is announced first, then condemn lists are read. A collector that announces
//! later waits for this session; what one has announced before is final, and counts as deleted here.

use std::collections::HashSet;

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::layout;
use keepfast_repo_format::log::LogBody;
use keepfast_repo_format::tree::entry::FileType;
use keepfast_storage::ErrorKind;

use crate::error::{Error, Result, describe};
use crate::events::Events;
use crate::history::{History, Snapshot};
use crate::reader::Sees;
use crate::repository::Repository;
use crate::session::{Client, Role, Session, look_unannounced};
use crate::tree::{ContentItems, Cursor, Direction, Root};

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Makes them visible.
    Write,
    /// Looks whether they could be made visible.
    DryRun,
}

/// What was forgotten.
#[derive(Debug)]
pub struct Forgotten {
    /// Those that may come back, oldest first by their own clock: the manifest stands and is not condemned.
    pub snapshots: Vec<Snapshot>,
    /// Those that do not come back: condemned, deleted, or with a damaged manifest.
    pub gone: Vec<SnapshotId>,
}

/// The forgotten snapshots.
///
/// # Errors
/// The repository could not be read.
pub fn forgotten(repository: &Repository) -> Result<Forgotten> {
    // The lists first: one that appears now is noticed when something is undeleted.
    let condemned = condemned_snapshots(repository)?;
    read_forgotten(repository, &repository.history()?, &condemned)
}

/// Makes snapshots visible again; all or none. Every chunk of them is looked up first.
///
/// # Errors
/// [`Error::NoSnapshot`] if one is not forgotten; [`Error::Gone`] if one, or a part of it, is deleted or about to be.
pub fn undelete(
    repository: &Repository,
    client: &Client,
    ids: &[SnapshotId],
    mode: Mode,
    events: &dyn Events,
) -> Result<()> {
    if mode == Mode::DryRun {
        return examine(repository, &look_unannounced(repository)?, ids, events);
    }
    let session = Session::open(repository, client.clone(), Role::Writer)?;
    match examine(repository, &session.history, ids, events) {
        Ok(()) => session.record(LogBody::Undelete { snapshots: ids.to_vec() }),
        Err(error) => {
            // The reason matters more than whether the slot could be ended.
            let _ = session.abandon();
            Err(error)
        }
    }
}

/// Refuses unless each of them could be restored from visible packs alone.
fn examine(repository: &Repository, history: &History, ids: &[SnapshotId], events: &dyn Events) -> Result<()> {
    let condemned = condemned_snapshots(repository)?;
    let found = read_forgotten(repository, history, &condemned)?;
    for id in ids {
        let gone = |why: &str| Error::Gone { snapshot: id.to_string()[..8].to_string(), why: why.to_string() };
        match found.snapshots.iter().find(|snapshot| snapshot.id == *id) {
            Some(snapshot) => look_up(repository, snapshot, events).map_err(|error| match error {
                error if error.is_damage() => {
                    gone(&format!("a part of it is not there any more ({})", describe(&error)))
                }
                error => error,
            })?,
            None if condemned.contains(id) => return Err(gone("prune is deleting it")),
            None if found.gone.contains(id) => return Err(gone("prune has deleted it, or its manifest is damaged")),
            None => return Err(Error::NoSnapshot { selector: id.to_string() }),
        }
    }
    Ok(())
}

/// Reads every node of the tree and looks every chunk up. Packs that are lost or condemned are no place to find one, neither a
/// node nor a chunk, and none for a base of a delta: the session has excluded them.
fn look_up(repository: &Repository, snapshot: &Snapshot, events: &dyn Events) -> Result<()> {
    let reader = repository.reader_that(Sees::NotExcluded);
    let manifest = &snapshot.manifest;
    let totals = &manifest.totals;
    events.expected(totals.files + totals.directories + totals.others, totals.bytes);
    let root = Root { id: manifest.root, level: manifest.root_level };
    for entry in Cursor::new(reader.clone(), root, Direction::Forward) {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let entry = entry?;
        if entry.metadata.file_type == FileType::File {
            for item in entry.contents().flat_map(|content| ContentItems::new(&reader, content)) {
                if let Some(id) = item?.id
                    && repository.index.find_whole(Kind::DataPack, &id)?.is_none()
                {
                    return Err(Error::MissingChunk { id });
                }
            }
        }
        events.path_done(&entry.path(), entry.metadata.size);
    }
    Ok(())
}

fn read_forgotten(repository: &Repository, history: &History, condemned: &HashSet<SnapshotId>) -> Result<Forgotten> {
    let listed = repository.backend.list(layout::SNAPSHOTS_FOLDER)?;
    // From the storage, not from the local index, which remembers manifests for ever.
    let there: HashSet<SnapshotId> =
        listed.iter().filter_map(|object| layout::parse_snapshot(object.name.as_str())).collect();
    let stands = |id: &SnapshotId| there.contains(id) && !condemned.contains(id);
    let (snapshots, _) = history.read_snapshots(repository, history.forgotten_ids().filter(stands))?;
    let readable: HashSet<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    let gone = history.forgotten_ids().filter(|id| !readable.contains(id)).collect();
    Ok(Forgotten { snapshots, gone })
}

/// The snapshots on any condemn list.
fn condemned_snapshots(repository: &Repository) -> Result<HashSet<SnapshotId>> {
    let mut condemned = HashSet::new();
    for object in repository.backend.list(layout::CONDEMNED_FOLDER)? {
        let name = object.name.as_str();
        let Some((writer, sequence)) = layout::parse_condemned(name) else { continue };
        let bytes = match repository.backend.get(&object.name, None) {
            // It was finished meanwhile: its manifests are deleted, and the storage is listed after this.
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            outcome => outcome?,
        };
        let list = CondemnList::open(&repository.keys, writer, sequence, &bytes).map_err(Error::object(name))?;
        condemned.extend(list.snapshots);
    }
    Ok(condemned)
}
