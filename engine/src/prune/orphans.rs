// SPDX-License-Identifier: MIT OR Apache-2.0
//! What nothing visible names: packs, index objects and manifests of sessions that came to nothing.
//!
//! For a round. An object of a session that may still be at work stays, and so does one that nobody can tell whose it is.

use std::collections::HashSet;

use keepfast_repo_format::id::{IndexId, PackId, SessionId};
use keepfast_repo_format::layout;
use keepfast_repo_format::manifest::Manifest;
use keepfast_repo_format::pack::{FOOTER_LEN, Footer};
use keepfast_storage::Listed;

use super::view::View;
use crate::error::{Error, Result};
use crate::history::{Access, read_index_object, tails};
use crate::repository::{Repository, object_name};

/// Packs that nothing visible names.
#[derive(Debug, Default)]
pub(super) struct OrphanPacks {
    /// Their session has ended: they can be condemned.
    pub(super) ended: Vec<PackId>,
    pub(super) ended_bytes: u64,
    /// Their session may be at work.
    pub(super) at_work: u64,
    /// Nobody can tell: the pack is damaged, or its session left no trace.
    pub(super) unknown: Vec<PackId>,
}

/// Sorts out the packs that are in the storage, not visible, and on nobody's list.
pub(super) fn orphan_packs(repository: &Repository, view: &View) -> Result<OrphanPacks> {
    let visible: HashSet<PackId> = repository.index.survey().iter().map(|pack| pack.summary.id).collect();
    let mut orphans = OrphanPacks::default();
    let mut ids: Vec<(&PackId, &u64)> = view.stored.iter().filter(|(id, _)| !visible.contains(id)).collect();
    ids.retain(|(id, _)| !view.condemned.contains(id));
    ids.sort_unstable();
    if ids.is_empty() {
        return Ok(orphans);
    }
    let at_work = open_sessions(repository)?;
    for (id, length) in ids {
        match pack_session(repository, id, *length)? {
            Some(session) if view.history.has_ended(&session) => {
                orphans.ended.push(*id);
                orphans.ended_bytes += length;
            }
            Some(session) if at_work.contains(&session) => orphans.at_work += 1,
            _ => orphans.unknown.push(*id),
        }
    }
    Ok(orphans)
}

/// Packs that are visible only because something of the index is lost, and whose session has no end in the log: it may be at work, or the
/// slot that made them visible is lost too. Nobody can tell what needs them.
pub(super) fn unclaimed_packs(repository: &Repository, view: &View) -> Result<HashSet<PackId>> {
    let mut unclaimed = HashSet::new();
    if repository.index.unreadable().is_empty() {
        return Ok(unclaimed);
    }
    for id in tails::loaded(&repository.index)? {
        let Some(length) = view.stored.get(&id) else { continue };
        let session = pack_session(repository, &id, *length)?;
        if session.is_none_or(|session| !view.history.has_ended(&session)) {
            unclaimed.insert(id);
        }
    }
    Ok(unclaimed)
}

/// The sessions that have a record. For telling only: one that ends meanwhile is found ended the next time.
fn open_sessions(repository: &Repository) -> Result<Vec<SessionId>> {
    let mut sessions = Vec::new();
    for object in repository.backend.list(layout::SESSIONS_FOLDER)? {
        let Some((writer, sequence)) = layout::parse_session(object.name.as_str()) else { continue };
        let record = repository.backend.get(&object.name, None).ok().and_then(|bytes| {
            keepfast_repo_format::session::SessionRecord::open(&repository.keys, writer, sequence, &bytes).ok()
        });
        sessions.extend(record.map(|record| record.session));
    }
    Ok(sessions)
}

/// The session that wrote a pack, as its last bytes say; `None` if they say nothing, or the pack is gone.
fn pack_session(repository: &Repository, id: &PackId, length: u64) -> Result<Option<SessionId>> {
    let Some(start) = length.checked_sub(FOOTER_LEN as u64) else { return Ok(None) };
    let bytes = match repository.backend.get(&object_name(&layout::pack(id)), Some(start..length)) {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = Error::from(error);
            return if error.is_damage() { Ok(None) } else { Err(error) };
        }
    };
    let footer = bytes.first_chunk::<FOOTER_LEN>().and_then(|bytes| Footer::decode(bytes).ok());
    Ok(footer.map(|footer| footer.session))
}

/// Whether an index object that nothing visible names can go. `before` holds the objects that were there before a generation of
/// this prune was made: what another collector had ready for a generation of its own will not be named any more, because the
/// number is taken.
pub(super) fn is_dead_index_object(
    repository: &Repository,
    view: &View,
    id: &IndexId,
    was_there_before: bool,
) -> Result<bool> {
    if view.history.index_objects().contains(id) {
        return Ok(false);
    }
    if view.history.has_named(id) {
        return Ok(true);
    }
    let packs = match read_index_object(Access::of(repository), id) {
        Ok(packs) => packs,
        Err(error) if error.is_damage() => return Ok(false),
        Err(error) => return Err(error),
    };
    // A session that has not ended may still name it.
    let may_be_named = packs.iter().any(|pack| !view.history.has_ended(&pack.session));
    Ok(was_there_before && !may_be_named)
}

/// Objects that were left behind and that no list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strays {
    /// There are none.
    None,
    /// There are some that can go at once.
    Removable,
    /// There are index objects that can go after another generation was made.
    AfterGeneration,
}

/// Looks for manifests and index objects that nothing will ever name.
pub(super) fn strays(repository: &Repository, view: &View) -> Result<Strays> {
    let mut found = Strays::None;
    let committed = view.history.committed();
    for object in repository.backend.list(layout::SNAPSHOTS_FOLDER)? {
        let unnamed = layout::parse_snapshot(object.name.as_str()).is_some_and(|id| !committed.contains(&id));
        if unnamed && is_dead_manifest(repository, view, &object)? {
            found = Strays::Removable;
        }
    }
    for object in repository.backend.list(layout::INDEX_FOLDER)? {
        let Some(id) = layout::parse_index(object.name.as_str()) else { continue };
        if is_dead_index_object(repository, view, &id, true)? {
            let kind = if view.history.has_named(&id) { Strays::Removable } else { Strays::AfterGeneration };
            found = found.max(kind);
        }
    }
    Ok(found)
}

/// Whether a manifest that was never committed never will be.
pub(super) fn is_dead_manifest(repository: &Repository, view: &View, object: &Listed) -> Result<bool> {
    let bytes = match repository.backend.get(&object.name, None) {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = Error::from(error);
            return if error.is_damage() { Ok(false) } else { Err(error) };
        }
    };
    let manifest = Manifest::open(&repository.keys, &bytes).ok();
    Ok(manifest.is_some_and(|manifest| view.history.has_ended(&manifest.session)))
}
