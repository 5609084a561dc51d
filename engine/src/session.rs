// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session: announced before anything is written, ended by whoever fills its log slot first.
//!
//! The order is the protocol (`docs/design.md`): session record, *then* what is condemned, *then* what is visible; packs, index,
//! manifest, slot with a barrier between each. No clock and no lock decides anything.

mod adoption;
mod announce;
pub(crate) mod condemned;
pub(crate) mod damage;
mod ledger;
mod look;
mod renewal;

use std::collections::HashSet;
use std::sync::Arc;

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{IndexId, PackId, SessionId, SnapshotId};
use keepfast_repo_format::index::encoded_len;
use keepfast_repo_format::log::{Head, LogBody, LogSlot};
use keepfast_repo_format::manifest::{self, Manifest};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::{crypto, layout, record};
use keepfast_storage::Put;

use crate::error::{Error, Result};
use crate::history::{History, settle};
use crate::identity::Identity;
use crate::repository::{Repository, object_name};
pub(crate) use announce::make_durable;
use announce::{announce, record as session_record};
pub(crate) use ledger::Ledger;
pub(crate) use look::look_unannounced;
use look::{Seen, absent_packs, look};
use renewal::Renewal;
pub(crate) use renewal::clear_renewals;

/// Plain bytes of pack records in one index object, at most (a single larger record still makes one).
const INDEX_OBJECT_BYTES: u64 = 12 << 20;

/// How often a session is announced anew when its place turns out to be taken: each time somebody else has filled the slot.
const ATTEMPTS: usize = 16;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It adds something. Collectors wait for it, and it relies on no condemned pack.
    Writer,
    /// It deletes. Nobody waits for it.
    Collector,
}

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
    /// Every condemn list that stood after the session was announced.
    pub condemned: Vec<CondemnList>,
    /// Visible packs whose chunks count as absent, so that this session stores them again: condemned ones, and lost ones, which
    /// the storage does not list, or with another length. Empty for a collector, which looks for itself.
    pub absent_packs: HashSet<PackId>,
    /// Packs of ended sessions of this writer that this one lists as its own, until a [`Writer`](crate::writer::Writer) takes them.
    pub(crate) adopted: Vec<PackRecord>,
    has_adopted: bool,
    /// Where a writer notes what it has put, for a session that comes after this one.
    pub(crate) ledger: Arc<Ledger>,
    renewal: Renewal,
}

impl<'a> Session<'a> {
    /// Announces a session and reads what it may rely on.
    ///
    /// # Errors
    /// The storage, the local state, a condemn list that can not be read; [`Error::SessionVoid`] if its place is taken again and
    /// again.
    pub fn open(repository: &'a Repository, client: Client, role: Role) -> Result<Self> {
        refuse_unknown_features(repository, role)?;
        let mut identity = Identity::take(&repository.state)?;
        let mut last_sequence = 0;
        for _ in 0..ATTEMPTS {
            let id = SessionId(crypto::random());
            let Some(sequence) = announce(repository, &mut identity, &client, id, role)? else { continue };
            // Condemn lists are read after the session record exists, the index after them: whoever condemns later sees the record.
            let Seen { condemned, history, packs } = look(repository, role)?;
            if let (Role::Writer, Some(lost)) = (role, repository.index.unreadable().into_iter().next()) {
                // Its record goes, so that the collector that writes the index anew does not wait for it.
                let _ = repository.backend.delete(&object_name(&layout::session(&identity.writer, sequence)));
                return Err(Error::LostIndex { object: lost.name, why: lost.why });
            }
            if history.next_sequence(&identity.writer) != sequence {
                // The slot was filled before it was announced, or the storage has lost slots: this is no place for a session.
                let _ = repository.backend.delete(&object_name(&layout::session(&identity.writer, sequence)));
                forget_slots_from(repository, &identity, history.next_sequence(&identity.writer))?;
                last_sequence = sequence;
                continue;
            }
            if history.heads().is_empty() {
                // Whoever has made it may have died before its barrier.
                repository.backend.rely_on(&object_name(&layout::config(repository.config_generation)))?;
                repository.backend.barrier()?;
            }
            settle(repository, &history)?;
            let absent_packs = match role {
                Role::Writer => absent_packs(repository, &condemned, packs)?,
                Role::Collector => HashSet::new(),
            };
            repository.index.exclude_packs(&absent_packs);
            let ledger = Arc::new(Ledger::at(identity.ledger()));
            let adopted = match role {
                Role::Writer => adoption::adopt(repository, &ledger, id, &condemned, &history)?,
                Role::Collector => Vec::new(),
            };
            let record = session_record(&identity, sequence, id, &client, role);
            let renewal = Renewal::begin(repository.backend.clone(), repository.keys.clone(), record);
            return Ok(Self {
                repository,
                identity,
                client,
                sequence,
                id,
                history,
                condemned,
                absent_packs,
                has_adopted: !adopted.is_empty(),
                adopted,
                ledger,
                renewal,
            });
        }
        Err(Error::SessionVoid { writer: identity.writer.to_string(), sequence: last_sequence })
    }

    /// Acts from now on as if packs were not there that a check on this machine has found damaged.
    ///
    /// # Errors
    /// The local state.
    pub(crate) fn distrust_damaged(&mut self) -> Result<()> {
        let index = &self.repository.index;
        let noted = damage::noted(&self.repository.state)?;
        let visible = index.packs().into_iter().map(|pack| pack.id).filter(|id| noted.contains(id)).collect();
        index.exclude_packs(&visible);
        self.absent_packs.extend(visible);
        Ok(())
    }

    /// Writer and sequence, as they go into the manifest.
    pub fn place(&self) -> (keepfast_repo_format::id::WriterId, u64) {
        (self.identity.writer, self.sequence)
    }

    /// The config generation that this session goes by.
    pub fn config_generation(&self) -> u64 {
        self.repository.config_generation
    }

    /// Makes a snapshot visible: index objects, manifest, log slot, in this order. The packs must have been put, or adopted.
    ///
    /// # Errors
    /// [`Error::SessionVoid`] if somebody else filled the slot. Nothing is visible then.
    pub fn commit(mut self, manifest: &Manifest, packs: &[PackRecord]) -> Result<SnapshotId> {
        let backend = &self.repository.backend;
        backend.barrier()?;
        if self.has_adopted {
            adoption::verify(self.repository, packs).map_err(|error| self.or_ended(error))?;
        }
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
        self.ledger.clear();
        // The snapshot is there, whatever becomes of the cache: what it does not take now is fetched when it is needed.
        let local = &self.repository.index;
        let _ = local.cache(&layout::snapshot(&snapshot), &record::to_cbor(manifest));
        for (id, range) in index {
            let _ = local.load(id, &packs[range]);
        }
        Ok(snapshot)
    }

    /// Makes a collector's copies visible: index objects, then a COLLECT slot. The packs must have been put.
    ///
    /// # Errors
    /// [`Error::SessionVoid`] if somebody else filled the slot. Nothing is visible then.
    pub(crate) fn collect(mut self, packs: &[PackRecord]) -> Result<()> {
        let backend = &self.repository.backend;
        backend.barrier()?;
        let index = self.put_index(packs)?;
        backend.barrier()?;
        let ids = index.iter().map(|(id, _)| *id).collect();
        self.fill(LogBody::Collect { session: self.id, indexes: ids })?;
        for (id, range) in index {
            let _ = self.repository.index.load(id, &packs[range]);
        }
        Ok(())
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

    /// Why an adopted pack is gone, if that is the error: whoever ended this session may have deleted it since.
    fn or_ended(&self, error: Error) -> Error {
        let slot = object_name(&layout::log(&self.identity.writer, self.sequence));
        if error.is_damage() && self.repository.backend.length(&slot).is_ok() {
            return Error::SessionVoid { writer: self.identity.writer.to_string(), sequence: self.sequence };
        }
        error
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
        for number in 1..=self.renewal.stop() {
            let _ =
                self.repository.backend.delete(&object_name(&layout::session_renewal(&writer, self.sequence, number)));
        }
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

/// A writer must understand every feature of the repository, a collector every edge between its objects.
fn refuse_unknown_features(repository: &Repository, role: Role) -> Result<()> {
    let features = &repository.config.features;
    let known = features.check_write().and_then(|()| match role {
        Role::Writer => Ok(()),
        Role::Collector => features.check_prune(),
    });
    known.map_err(Error::object(layout::config(repository.config_generation)))
}

/// The local index knows slots that are not there: they must not choose the place of the next session again.
fn forget_slots_from(repository: &Repository, identity: &Identity, sequence: u64) -> Result<()> {
    for name in repository.index.cached_names(&layout::log_folder(&identity.writer))? {
        if layout::parse_log(&name).is_some_and(|(_, known)| known >= sequence) {
            repository.index.forget_cached(&name)?;
        }
    }
    Ok(())
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
