// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions of writers that were open when a condemn list appeared: each has to end before anything on the list goes.
//!
//! For a round. Waiting is a courtesy: whoever is not waited for loses his session, and nothing else.

use std::time::{Duration, Instant};

use keepfast_repo_format::id::{SessionId, WriterId};
use keepfast_repo_format::layout;
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::session::{Role, SessionRecord};
use keepfast_storage::{ErrorKind, Name};

use super::{PruneError, PruneOptions};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::History;
use crate::identity::Identity;
use crate::repository::{Repository, object_name};
use crate::session::{Client, make_durable, put_slot};

/// Time between two looks, at first and at most.
const POLL: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];

/// The user who cancels waits no longer than this.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// An open session, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Writer and sequence: the name of its record.
    pub place: String,
    /// Where it runs.
    pub host: String,
    /// When it began, by that host's clock, in Unix seconds.
    pub started: u64,
}

/// How waiting ended.
pub(super) struct Waited {
    /// Sessions that are still open; empty if all have ended.
    pub(super) open: Vec<OpenSession>,
    /// Sessions that were ended with VOID.
    pub(super) voided: u64,
}

struct Pending {
    writer: WriterId,
    sequence: u64,
    session: Option<SessionId>,
    is_collector: bool,
    told: OpenSession,
    /// Its last sign of life, by its host's clock: its beginning, if it has not lasted.
    seen: u64,
    renewals: Vec<Name>,
}

/// Waits until every session whose record is there now has ended, `own` and those of other collectors excepted. Ends those that
/// are too old. Clears away the records of those that have ended.
pub(super) fn wait(
    repository: &Repository,
    client: &Client,
    own: SessionId,
    options: &PruneOptions,
    events: &dyn Events,
) -> Result<Waited> {
    let started = Instant::now();
    let mut pending = read_records(repository, Some(own))?;
    let mut voided = 0;
    let mut pause = POLL[0];
    loop {
        let age = started.elapsed().as_secs();
        let mut open = Vec::new();
        for session in pending {
            if is_filled(repository, &session)? {
                clear_record(repository, &session)?;
            } else if is_too_old(&session, client.now.saturating_add(age), options.void_after) {
                voided += u64::from(void(repository, client, &session)?);
                clear_record(repository, &session)?;
            } else {
                open.push(session);
            }
        }
        let waited_for = open.iter().filter(|session| !session.is_collector);
        let told: Vec<OpenSession> = waited_for.map(|session| session.told.clone()).collect();
        if told.is_empty() || started.elapsed() >= options.wait {
            return Ok(Waited { open: told, voided });
        }
        pending = open;
        sleep(pause.min(options.wait.saturating_sub(started.elapsed())), events)?;
        pause = (pause * 2).min(POLL[1]);
    }
}

/// Ends sessions that can not or must not commit any more: dead ones of this machine, and those that are too old. Returns how many.
/// Ending a session is always safe; what it has left behind can then be told from what is being written.
pub(super) fn end_dead(repository: &Repository, client: &Client, limit: Option<Duration>) -> Result<u64> {
    let records = read_records(repository, None)?;
    if records.is_empty() {
        return Ok(0);
    }
    // Holding the identity: no process of this machine is at work under it.
    let identity = Identity::take(&repository.state)?;
    let mut voided = 0;
    for session in records {
        let is_ours = session.writer == identity.writer
            && session.session.is_some_and(|session| identity.unfinished.contains(&session));
        if is_filled(repository, &session)? {
            clear_record(repository, &session)?;
        } else if is_ours || is_too_old(&session, client.now, limit) {
            voided += u64::from(void(repository, client, &session)?);
            clear_record(repository, &session)?;
        }
    }
    Ok(voided)
}

fn read_records(repository: &Repository, own: Option<SessionId>) -> Result<Vec<Pending>> {
    let mut pending: Vec<Pending> = Vec::new();
    // Sorted: renewals follow their record.
    for object in repository.backend.list(layout::SESSIONS_FOLDER)? {
        if let Some((writer, sequence, _)) = layout::parse_session_renewal(object.name.as_str()) {
            match pending.last_mut().filter(|it| (it.writer, it.sequence) == (writer, sequence)) {
                Some(session) => {
                    session.seen = session.seen.max(time_of_renewal(repository, session, &object.name)?);
                    session.renewals.push(object.name);
                }
                // Put while somebody ended the session and removed its record: nothing looks at it any more.
                None => drop(repository.backend.delete(&object.name)),
            }
            continue;
        }
        let Some((writer, sequence)) = layout::parse_session(object.name.as_str()) else { continue };
        let bytes = match repository.backend.get(&object.name, None) {
            // Its slot is filled and durable.
            Err(error) if error.kind == ErrorKind::NotFound => continue,
            outcome => outcome?,
        };
        let place = format!("{writer}/{sequence}");
        let record = SessionRecord::open(&repository.keys, writer, sequence, &bytes).ok();
        if own.is_some() && record.as_ref().map(|record| record.session) == own {
            continue;
        }
        // A record that can not be read is a writer's until its slot is filled.
        pending.push(match record {
            Some(record) => Pending {
                writer,
                sequence,
                session: Some(record.session),
                is_collector: record.role == Some(Role::Collector),
                seen: record.started,
                renewals: Vec::new(),
                told: OpenSession { place, host: record.host, started: record.started },
            },
            None => {
                let told = OpenSession { place, host: String::new(), started: 0 };
                Pending { writer, sequence, session: None, is_collector: false, told, seen: 0, renewals: Vec::new() }
            }
        });
    }
    Ok(pending)
}

/// What cannot be read is no sign; 0 is before all times.
fn time_of_renewal(repository: &Repository, session: &Pending, name: &Name) -> Result<u64> {
    let bytes = match repository.backend.get(name, None) {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(0),
        outcome => outcome?,
    };
    let record = SessionRecord::open(&repository.keys, session.writer, session.sequence, &bytes).ok();
    let own = record.filter(|record| Some(record.session) == session.session);
    Ok(own.map_or(0, |record| record.started))
}

fn is_filled(repository: &Repository, session: &Pending) -> Result<bool> {
    match repository.backend.length(&object_name(&layout::log(&session.writer, session.sequence))) {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How long it has given no sign, by two clocks that need not agree: a matter of patience, never of safety.
fn is_too_old(session: &Pending, now: u64, limit: Option<Duration>) -> bool {
    let Some(limit) = limit else { return false };
    // Nobody knows how old a record is that can not be read.
    let age = session.session.map_or(0, |_| now.saturating_sub(session.seen));
    age >= limit.as_secs()
}

/// Fills the slot of a session with VOID; whether it was this call that did. From then on the session can not commit.
fn void(repository: &Repository, client: &Client, session: &Pending) -> Result<bool> {
    let history = History::read(repository)?;
    let (writer, sequence) = (session.writer, session.sequence);
    if history.is_filled(&writer, sequence) {
        return Ok(false);
    }
    if history.next_sequence(&writer) != sequence {
        let slot = layout::log(&writer, history.next_sequence(&writer));
        return Err(PruneError::LostSlots { slot, count: 1 }.into());
    }
    let slot = LogSlot {
        writer,
        sequence,
        previous: history.heads().get(&writer).map(|head| head.hash),
        clock: history.clock() + 1,
        heads: Vec::new(),
        time: client.now,
        config_generation: repository.config_generation,
        // Whoever wrote a record that can not be read: its slot is taken.
        body: LogBody::Void { session: session.session.unwrap_or(SessionId([0; 16])) },
    };
    match put_slot(repository, &slot) {
        Ok(()) => Ok(true),
        Err(Error::SessionVoid { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The record of a session whose slot is filled means nothing any more, once the slot is durable.
fn clear_record(repository: &Repository, session: &Pending) -> Result<()> {
    make_durable(repository, vec![layout::log(&session.writer, session.sequence)])?;
    for renewal in &session.renewals {
        let _ = repository.backend.delete(renewal);
    }
    let _ = repository.backend.delete(&object_name(&layout::session(&session.writer, session.sequence)));
    Ok(())
}

fn sleep(time: Duration, events: &dyn Events) -> Result<()> {
    let until = Instant::now() + time;
    loop {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(());
        }
        std::thread::sleep(rest.min(CANCEL_INTERVAL));
    }
}
