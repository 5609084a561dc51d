// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first step of a session: its record at the writer's next free place. Ends dead sessions of the same writer on the way.
//!
//! For `session` only. The place is a guess until the log was read after the record was put.

use std::collections::BTreeSet;

use keepfast_repo_format::id::SessionId;
use keepfast_repo_format::layout;
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::session::{Role as StoredRole, SessionRecord};
use keepfast_storage::{ErrorKind, Listed, Put};

use super::{Client, Role, clear_renewals, put_slot};
use crate::error::{Error, Result};
use crate::history::History;
use crate::identity::Identity;
use crate::repository::{Repository, object_name};

/// Puts the session record at the writer's next free sequence; ends dead sessions of its own on the way. `None`: somebody has ended the session
/// that stood there while it was looked at. It may have been this one, if an earlier answer was lost, so the next try needs another id.
pub(super) fn announce(
    repository: &Repository,
    identity: &mut Identity,
    client: &Client,
    id: SessionId,
    role: Role,
) -> Result<Option<u64>> {
    loop {
        repository.admit_writer(identity.writer, client.now)?;
        let mut sequence = next_sequence(repository, identity)?;
        let unfinished = identity.unfinished.clone();
        identity.remember(id)?;
        loop {
            let object = record(identity, sequence, id, client, role).seal(&repository.keys);
            let name = object_name(&layout::session(&identity.writer, sequence));
            if repository.backend.put_if_absent(&name, &[&object])? == Put::Created {
                repository.backend.barrier()?;
                return Ok(Some(sequence));
            }
            let there = match repository.backend.get(&name, None) {
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
                there => there?,
            };
            if there == object {
                repository.backend.barrier()?;
                return Ok(Some(sequence));
            }
            let dead = SessionRecord::open(&repository.keys, identity.writer, sequence, &there)
                .ok()
                .filter(|record| unfinished.contains(&record.session));
            let Some(dead) = dead else {
                // Somebody else writes under this id: a cloned machine or an old state folder. Take a new id.
                identity.renew()?;
                break;
            };
            void_own(repository, identity, sequence, dead.session, client)?;
            clear_renewals(repository, &identity.writer, sequence)?;
            let _ = repository.backend.delete(&name);
            sequence += 1;
        }
    }
}

pub(super) fn record(
    identity: &Identity,
    sequence: u64,
    session: SessionId,
    client: &Client,
    role: Role,
) -> SessionRecord {
    SessionRecord {
        writer: identity.writer,
        sequence,
        session,
        host: client.host.clone(),
        user: client.user.clone(),
        process_id: client.process,
        started: client.now,
        program: client.program.clone(),
        role: match role {
            Role::Writer => None,
            Role::Collector => Some(StoredRole::Collector),
        },
    }
}

/// The sequence after the writer's last slot; clears records of ended sessions away.
fn next_sequence(repository: &Repository, identity: &Identity) -> Result<u64> {
    let writer = identity.writer;
    if identity.is_new {
        return Ok(0);
    }
    if identity.unfinished.is_empty() {
        // The session before came to its end, and the local index knows which slot that was: no need to ask. If it is wrong, the log
        // says so as soon as it is read.
        let known = repository.index.cached_names(&layout::log_folder(&writer))?;
        if let Some((_, last)) = known.iter().filter_map(|name| layout::parse_log(name)).max() {
            return Ok(last + 1);
        }
    }
    let listed = repository.backend.list(&layout::log_folder(&writer))?;
    let last = listed.iter().filter_map(|object| layout::parse_log(object.name.as_str())).map(|(_, n)| n).max();
    let next = last.map_or(0, |last| last + 1);
    // Records whose slot is filled: their writer died before it could remove them, and maybe before its barrier.
    let records = repository.backend.list(&layout::session_folder(&writer))?;
    let place = |name: &str| {
        let renewal = layout::parse_session_renewal(name).map(|(_, sequence, _)| sequence);
        renewal.or_else(|| layout::parse_session(name).map(|(_, sequence)| sequence))
    };
    let ended = |object: &&Listed| place(object.name.as_str()).is_some_and(|sequence| sequence < next);
    let ended: Vec<&Listed> = records.iter().filter(ended).collect();
    let sequences: BTreeSet<u64> = ended.iter().filter_map(|object| place(object.name.as_str())).collect();
    make_durable(repository, sequences.iter().map(|sequence| layout::log(&writer, *sequence)).collect())?;
    // Renewals before their record, which sorts before them.
    for object in ended.into_iter().rev() {
        let _ = repository.backend.delete(&object.name);
    }
    Ok(next)
}

/// Puts objects that are there once more, so that the barrier of this process speaks for them.
pub(crate) fn make_durable(repository: &Repository, names: Vec<String>) -> Result<()> {
    let backend = &repository.backend;
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        let name = object_name(&name);
        let bytes = backend.get(&name, None)?;
        backend.put_if_absent(&name, &[&bytes])?;
    }
    Ok(backend.barrier()?)
}

/// This process holds the writer's lock, so its own open session belongs to a process that is gone.
fn void_own(
    repository: &Repository,
    identity: &Identity,
    sequence: u64,
    session: SessionId,
    client: &Client,
) -> Result<()> {
    let history = History::read(repository)?;
    let slot = LogSlot {
        writer: identity.writer,
        sequence,
        previous: history.heads().get(&identity.writer).map(|head| head.hash),
        clock: history.clock() + 1,
        heads: Vec::new(),
        time: client.now,
        config_generation: repository.config_generation,
        body: LogBody::Void { session },
    };
    match put_slot(repository, &slot) {
        // Somebody else filled it: whoever that was, it has to last before the record goes.
        Err(Error::SessionVoid { .. }) => Ok(repository.backend.barrier()?),
        result => result,
    }
}
