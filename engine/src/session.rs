// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session: announced before anything is written, ended by whoever fills its log slot first.
//!
//! The order is the protocol (`docs/design.md`): session record, *then* what is condemned, *then* what is visible; packs, index,
//! manifest, slot with a barrier between each. No clock and no lock decides anything.

use std::collections::HashSet;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{IndexId, PackId, SessionId, SnapshotId};
use keepfast_repo_format::index::encoded_len;
use keepfast_repo_format::log::{Head, LogBody, LogSlot};
use keepfast_repo_format::manifest::{self, Manifest};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::session::SessionRecord;
use keepfast_repo_format::{crypto, layout, record};
use keepfast_storage::Put;

use crate::error::{Error, Result};
use crate::history::History;
use crate::identity::Identity;
use crate::repository::{Repository, object_name};

/// Plain bytes of pack records in one index object, at most (a single larger record still makes one).
const INDEX_OBJECT_BYTES: u64 = 12 << 20;

/// Where a collector announces itself (`docs/format.md` section 2).
const GC_FOLDER: &str = "gc";

/// Who runs the program, for session records and manifests. Given by the cli: the library asks no environment.
#[derive(Clone, Debug)]
pub struct Client {
    /// Host name.
    pub host: String,
    /// User name.
    pub user: String,
    /// Process id.
    pub process: u32,
    /// Program and version.
    pub program: String,
    /// Now, in Unix seconds.
    pub now: u64,
}

/// An open session: the right to fill one log slot.
pub struct Session<'a> {
    repository: &'a Repository,
    identity: Identity,
    client: Client,
    sequence: u64,
    /// Its id.
    pub id: SessionId,
    /// What was visible after the session was announced: the only thing deduplication may rely on.
    pub history: History,
    /// Visible packs that the storage does not list, or with another length: their chunks count as absent, so that
    /// this backup stores them again.
    pub lost_packs: HashSet<PackId>,
}

impl<'a> Session<'a> {
    /// Announces a session and reads what it may rely on.
    pub fn open(repository: &'a Repository, client: Client) -> Result<Self> {
        refuse_unknown_writers(repository)?;
        let mut identity = Identity::take(&repository.state)?;
        let id = SessionId(crypto::random());
        let sequence = announce(repository, &mut identity, &client, id)?;
        // Condemn lists are read after the session record exists, the index after them. This version knows no collector yet:
        // a repository that has one is refused rather than misread.
        if let Some(object) = repository.backend.list(GC_FOLDER)?.into_iter().next() {
            return Err(Error::Unsupported {
                location: repository.backend.location(),
                object: object.name.to_string(),
            });
        }
        let history = repository.history()?;
        make_durable(repository, unsettled(repository, &history)?)?;
        let lost_packs = lost_packs(repository)?;
        repository.index.exclude_packs(&lost_packs);
        Ok(Self { repository, identity, client, sequence, id, history, lost_packs })
    }

    /// Writer and sequence, as they go into the manifest.
    pub fn place(&self) -> (keepfast_repo_format::id::WriterId, u64) {
        (self.identity.writer, self.sequence)
    }

    /// Makes a snapshot visible: index objects, manifest, log slot, in this order. The packs must have been put.
    ///
    /// # Errors
    /// [`Error::SessionVoid`] if somebody else filled the slot. Nothing is visible then.
    pub fn commit(mut self, manifest: &Manifest, packs: &[PackRecord]) -> Result<SnapshotId> {
        let backend = &self.repository.backend;
        backend.barrier()?;
        let index = self.put_index(packs)?;
        if !index.is_empty() {
            backend.barrier()?;
        }
        let object = manifest.seal(&self.repository.keys);
        let snapshot = manifest::snapshot_id(&object);
        backend.put_if_absent(&object_name(&layout::snapshot(&snapshot)), &[&object])?;
        backend.barrier()?;
        let ids = index.iter().map(|(id, _)| *id).collect();
        self.fill(LogBody::Commit { session: self.id, snapshot, indexes: ids })?;
        // The snapshot is there, whatever becomes of the cache: what it does not take now is fetched when it is needed.
        let local = &self.repository.index;
        let _ = local.cache(&layout::snapshot(&snapshot), &record::to_cbor(manifest));
        for (id, range) in index {
            let _ = local.load(id, &packs[range]);
        }
        Ok(snapshot)
    }

    /// Fills the slot with a FORGET or TAG.
    pub fn record(mut self, body: LogBody) -> Result<()> {
        self.fill(body)
    }

    /// Ends the session without effect.
    pub fn abandon(mut self) -> Result<()> {
        let session = self.id;
        self.fill(LogBody::Void { session })
    }

    fn put_index(&self, packs: &[PackRecord]) -> Result<Vec<(IndexId, std::ops::Range<usize>)>> {
        let mut objects = Vec::new();
        let mut start = 0;
        while start < packs.len() {
            let mut end = start;
            let mut bytes = 0;
            while end < packs.len() && (end == start || bytes + encoded_len(&packs[end]) <= INDEX_OBJECT_BYTES) {
                bytes += encoded_len(&packs[end]);
                end += 1;
            }
            let plain = keepfast_repo_format::index::encode(&packs[start..end]);
            let object = record::seal_structure(&self.repository.keys, Kind::Index, &plain);
            let id = IndexId(crypto::object_hash(&object));
            self.repository.backend.put_if_absent(&object_name(&layout::index(&id)), &[&object])?;
            objects.push((id, start..end));
            start = end;
        }
        Ok(objects)
    }

    fn fill(&mut self, body: LogBody) -> Result<()> {
        let writer = self.identity.writer;
        let heads = self.history.heads();
        let slot = LogSlot {
            writer,
            sequence: self.sequence,
            previous: heads.get(&writer).map(|head| head.hash),
            clock: self.history.clock() + 1,
            heads: self.moved_heads(),
            time: self.client.now,
            config_generation: self.repository.config_generation,
            body,
        };
        put_slot(self.repository, &slot)?;
        // The slot is filled, so the record has no meaning any more; whoever can not delete leaves it to the maintainer.
        let _ = self.repository.backend.delete(&object_name(&layout::session(&writer, self.sequence)));
        // Nor does a state folder that can not be written undo the slot: a session that is still noted there has ended.
        let _ = self.identity.settle();
        Ok(())
    }

    /// Heads of other writers: cross-links that make a rolled back or forked history visible.
    fn moved_heads(&self) -> Vec<Head> {
        let others = self.history.heads().iter().filter(|(writer, _)| **writer != self.identity.writer);
        let known = self.history.last_links(&self.identity.writer);
        others.filter(|(writer, head)| known.get(*writer) != Some(&head.sequence)).map(|(_, head)| *head).collect()
    }
}

/// A writer must understand every feature of the repository.
fn refuse_unknown_writers(repository: &Repository) -> Result<()> {
    let name = layout::config(repository.config_generation);
    repository.config.features.check_write().map_err(Error::object(name))
}

/// Puts the session record at the writer's next free sequence; ends dead sessions of its own on the way.
fn announce(repository: &Repository, identity: &mut Identity, client: &Client, id: SessionId) -> Result<u64> {
    loop {
        let mut sequence = next_sequence(repository, identity)?;
        let unfinished = identity.unfinished.clone();
        identity.remember(id)?;
        loop {
            let record = SessionRecord {
                writer: identity.writer,
                sequence,
                session: id,
                host: client.host.clone(),
                user: client.user.clone(),
                process_id: client.process,
                started: client.now,
                program: client.program.clone(),
                role: None,
            };
            let object = record.seal(&repository.keys);
            let name = object_name(&layout::session(&identity.writer, sequence));
            if repository.backend.put_if_absent(&name, &[&object])? == Put::Created {
                repository.backend.barrier()?;
                return Ok(sequence);
            }
            let there = repository.backend.get(&name, None)?;
            if there == object {
                repository.backend.barrier()?;
                return Ok(sequence);
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
            let _ = repository.backend.delete(&name);
            sequence += 1;
        }
    }
}

/// The sequence after the writer's last slot; clears records of ended sessions away.
fn next_sequence(repository: &Repository, identity: &Identity) -> Result<u64> {
    let writer = identity.writer;
    let listed = repository.backend.list(&layout::log_folder(&writer))?;
    let last = listed.iter().filter_map(|object| layout::parse_log(object.name.as_str())).map(|(_, n)| n).max();
    let next = last.map_or(0, |last| last + 1);
    // Records whose slot is filled: their writer died before it could remove them, and maybe before its barrier.
    let records = repository.backend.list(&layout::session_folder(&writer))?;
    let ended = records.iter().filter_map(|object| layout::parse_session(object.name.as_str())).map(|(_, n)| n);
    let ended: Vec<u64> = ended.filter(|sequence| *sequence < next).collect();
    make_durable(repository, ended.iter().map(|sequence| layout::log(&writer, *sequence)).collect())?;
    for sequence in ended {
        let _ = repository.backend.delete(&object_name(&layout::session(&writer, sequence)));
    }
    Ok(next)
}

/// What this session sees but may vanish with the power, because whoever made it may have died before its barrier: ends of logs
/// whose session record still stands, for that goes only after the barrier; and the config before any log.
fn unsettled(repository: &Repository, history: &History) -> Result<Vec<String>> {
    if history.heads().is_empty() {
        return Ok(vec![layout::config(repository.config_generation)]);
    }
    // Listed after the log: a record that is gone by now had its slot made durable.
    let records = repository.backend.list(layout::SESSIONS_FOLDER)?;
    let records = records.iter().filter_map(|object| layout::parse_session(object.name.as_str()));
    let ends =
        records.filter(|(writer, sequence)| history.heads().get(writer).is_some_and(|head| head.sequence == *sequence));
    Ok(ends.map(|(writer, sequence)| layout::log(&writer, sequence)).collect())
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

/// Creates the slot. If it exists with our own bytes, an earlier attempt of ours had its effect.
pub(crate) fn put_slot(repository: &Repository, slot: &LogSlot) -> Result<()> {
    let object = slot.seal(&repository.keys);
    let text = layout::log(&slot.writer, slot.sequence);
    let name = object_name(&text);
    if repository.backend.put_if_absent(&name, &[&object])? == Put::Exists
        && repository.backend.get(&name, None)? != object
    {
        return Err(Error::SessionVoid { writer: slot.writer.to_string(), sequence: slot.sequence });
    }
    repository.backend.barrier()?;
    let hash = crypto::object_hash(&object);
    // The slot has taken effect: without the cache it is fetched next time.
    let _ = repository.index.cache(&text, &[&hash[..], &slot.to_payload()].concat());
    Ok(())
}

fn lost_packs(repository: &Repository) -> Result<HashSet<PackId>> {
    let listed = repository.backend.list(layout::PACKS_FOLDER)?;
    let there: std::collections::HashMap<PackId, u64> =
        listed.iter().filter_map(|object| Some((layout::parse_pack(object.name.as_str())?, object.length))).collect();
    let known = repository.index.packs();
    Ok(known.iter().filter(|pack| there.get(&pack.id) != Some(&pack.length)).map(|pack| pack.id).collect())
}
