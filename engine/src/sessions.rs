// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sessions that stand in a repository: who is at work, and ending one whose writer is gone.
//!
//! Nobody waits for a session but a collector, and a dead one costs nothing else. Closing fills the log slot that the session holds
//! with VOID: its writer, if it still lives, finds the slot taken and commits nothing.

use std::collections::HashSet;

use keepfast_repo_format::id::{SessionId, WriterId};
use keepfast_repo_format::layout;
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::session::SessionRecord;
use keepfast_storage::{ErrorKind, Name};

use crate::error::{Error, Result};
use crate::repository::{Repository, object_name};
use crate::session::{Client, clear_renewals, make_durable, put_slot};

/// A session record and what has become of its session.
#[derive(Debug)]
pub struct Standing {
    /// Whose session it is.
    pub writer: WriterId,
    /// The log slot that it holds.
    pub sequence: u64,
    /// What it says of itself, or why that can not be read.
    pub record: Result<SessionRecord>,
    /// When it last gave a sign of life, by its own clock, in Unix seconds; `None` if it has not lasted.
    pub renewed: Option<u64>,
    /// Whether the session can still commit.
    pub state: State,
}

/// Whether a session can still commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its slot is free.
    Open,
    /// Its slot is filled; the record is a leftover.
    Ended,
}

/// What closing a session did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The session has ended without effect.
    Voided,
    /// It had ended before; only its record was removed.
    Removed,
}

/// Every session that stands, by writer and sequence.
///
/// # Errors
/// The storage. A damaged record is told in its row.
pub fn sessions(repository: &Repository) -> Result<Vec<Standing>> {
    let listed = repository.backend.list(layout::SESSIONS_FOLDER)?;
    // After the records: a session that ended in between shows as ended.
    let slots = repository.backend.list(layout::LOG_FOLDER)?;
    let filled: HashSet<_> = slots.iter().filter_map(|object| layout::parse_log(object.name.as_str())).collect();
    let mut standing: Vec<Standing> = Vec::new();
    // Sorted: renewals follow their record.
    for object in listed {
        let name = object.name.as_str();
        if let Some((writer, sequence, _)) = layout::parse_session_renewal(name) {
            let last = standing.last_mut().filter(|last| (last.writer, last.sequence) == (writer, sequence));
            last.map_or(Ok(()), |last| see_renewal(repository, last, &object.name))?;
            continue;
        }
        let Some((writer, sequence)) = layout::parse_session(name) else { continue };
        let record = match repository.backend.get(&object.name, None) {
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            Err(error) => Err(error.into()),
            Ok(bytes) => SessionRecord::open(&repository.keys, writer, sequence, &bytes).map_err(Error::object(name)),
        };
        let state = if filled.contains(&(writer, sequence)) { State::Ended } else { State::Open };
        standing.push(Standing { writer, sequence, record, renewed: None, state });
    }
    standing.sort_by_key(|session| (session.writer, session.sequence));
    Ok(standing)
}

/// Takes the time of a renewal that is the session's. One that is gone or can not be read is no sign.
fn see_renewal(repository: &Repository, standing: &mut Standing, name: &Name) -> Result<()> {
    let Ok(record) = &standing.record else { return Ok(()) };
    let bytes = match repository.backend.get(name, None) {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
        outcome => outcome?,
    };
    let renewal = SessionRecord::open(&repository.keys, standing.writer, standing.sequence, &bytes).ok();
    let own = renewal.filter(|renewal| renewal.session == record.session);
    standing.renewed = standing.renewed.max(own.map(|renewal| renewal.started));
    Ok(())
}

/// Ends the session that holds a place of the log.
///
/// # Errors
/// [`Error::Invalid`] if no session holds the place, or if the log has lost the slot before it.
pub fn close(repository: &Repository, client: &Client, writer: WriterId, sequence: u64) -> Result<Closed> {
    let all = sessions(repository)?;
    let place = format!("{writer}/{sequence}");
    let standing = all.into_iter().find(|session| (session.writer, session.sequence) == (writer, sequence));
    let Some(Standing { record, state, .. }) = standing else {
        return Err(Error::Invalid(format!("there is no session {place}")));
    };
    let closed = match state {
        State::Ended => Closed::Removed,
        State::Open => {
            let session = match record {
                Ok(record) => record.session,
                // Nobody knows which session it was; a collector must not wait for it for ever.
                Err(error) if error.is_damage() => SessionId([0; 16]),
                Err(error) => return Err(error),
            };
            void(repository, client, (writer, sequence), session)?
        }
    };
    // Whoever filled the slot may have died before its barrier, and the record goes only after one.
    make_durable(repository, vec![layout::log(&writer, sequence)])?;
    clear_renewals(repository, &writer, sequence)?;
    match repository.backend.delete(&object_name(&layout::session(&writer, sequence))) {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(closed),
    }
}

/// Fills the slot of a session in the name of its writer, whose keys every owner can derive.
fn void(repository: &Repository, client: &Client, place: (WriterId, u64), session: SessionId) -> Result<Closed> {
    let (writer, sequence) = place;
    let history = repository.history()?;
    let head = history.heads().get(&writer).copied();
    let next = head.map_or(0, |head| head.sequence + 1);
    if next > sequence {
        return Ok(Closed::Removed);
    }
    if next < sequence {
        let name = layout::log(&writer, sequence);
        return Err(Error::Invalid(format!("{name} does not follow the end of its log: a slot before it is lost")));
    }
    // What the slot builds upon must outlive it.
    make_durable(repository, head.iter().map(|head| layout::log(&writer, head.sequence)).collect())?;
    let slot = LogSlot {
        writer,
        sequence,
        previous: head.map(|head| head.hash),
        clock: history.clock() + 1,
        heads: Vec::new(),
        time: client.now,
        config_generation: repository.config_generation,
        body: LogBody::Void { session },
    };
    match put_slot(repository, &slot) {
        Ok(()) => Ok(Closed::Voided),
        // Its writer was faster.
        Err(Error::SessionVoid { .. }) => Ok(Closed::Removed),
        Err(error) => Err(error),
    }
}
