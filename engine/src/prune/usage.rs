// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of each visible pack is live: the live prefixes joined with the index's rows, both in order.
//!
//! For the plan. It decides what is *worth* condemning; whether a chunk is safe elsewhere is found out again before anything is
//! deleted.

use std::collections::HashMap;
use std::path::Path;

use keepfast_repo_format::id::PackId;
use keepfast_repo_format::pack::PackRecord;

use super::edges::{Copy, Edges};
use super::finder::{is_among, surplus};
use super::mark::Marked;
use super::runs::{Groups, Runs, Sorted};
use super::view::View;
use super::{OnDamage, PruneError};
use crate::error::{Error, Result};
use crate::index::{LocalIndex, SurveyedPack};
use crate::repository::Repository;

/// How much of a segment has to be live so that it is moved as it is, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MoveAsIs {
    pub(super) live_permille: u64,
}

impl MoveAsIs {
    /// Whether a segment with `live` of `plain` bytes goes as it is. One without dead bytes always does.
    pub(super) fn takes(self, live: u64, plain: u64) -> bool {
        live * 1000 >= plain * self.live_permille
    }
}

/// A visible pack that is neither condemned nor lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackUsage {
    pub(super) id: PackId,
    /// Stored bytes.
    pub(super) length: u64,
    /// Stored bytes of what is dead, about.
    pub(super) unused: u64,
    /// Stored bytes that moving its live segments would give back, about: at most `unused`.
    pub(super) reclaimable: u64,
    /// Stored bytes that would have to be written anew, about.
    pub(super) to_copy: u64,
}

impl PackUsage {
    /// Nothing in it is live.
    pub(super) fn is_dead(&self) -> bool {
        self.unused == self.length
    }
}

/// Usage of all packs, and what is missing.
pub(super) struct Usage {
    pub(super) packs: Vec<PackUsage>,
    /// Visible packs that the storage has lost, if nothing live depends on them: everything has been stored again, or is dead.
    pub(super) lost: Vec<PackId>,
    /// Live chunks that no pack holds, or only as deltas that lack a base.
    pub(super) missing: u64,
}

/// Works out how much of each pack is live. Of a chunk that several packs hold as it is, the one counts in the pack that this machine
/// got to know last of those not damaged: it may have been stored again because another one is, as only another machine knows. Where
/// none does, each delta of it that is not broken, and each copy in a damaged pack. The same is what [`super::finder`] keeps.
pub(super) fn usage(
    repository: &Repository,
    view: &View,
    (marked, edges): (&mut Marked<'_>, &mut Edges),
    scratch: &Path,
    (move_as_is, on_damage): (MoveAsIs, OnDamage),
) -> Result<Usage> {
    let survey = repository.index.survey();
    let places: HashMap<i64, Place> =
        survey.iter().filter_map(|pack| Some((pack.number, place(view, pack)?))).collect();
    let mut join = Join { live: marked.live()?.peekable(), held: Runs::new(scratch), missing: 0, first_missing: None };
    let mut holders = Holders::default();
    let mut with_edges = edges.copies()?.peekable();
    let mut add = |prefix, copy: Copy| {
        let (Copy::Plain(number) | Copy::Delta(number)) = copy;
        let Some(place) = places.get(&number) else { return Ok(()) };
        if let Some(before) = holders.begin(prefix) {
            join.row(&before)?;
        }
        match place {
            Place::Reliable => holders.add(copy),
            Place::Damaged => holders.add_damaged(number),
            Place::Condemned => {}
        }
        Ok::<_, Error>(())
    };
    repository.index.each_row::<Error>(|prefix, number| {
        while let Some(row) = with_edges.next_if(|row| row.as_ref().map_or(true, |(before, _)| *before < prefix)) {
            let (prefix, copy) = row?;
            add(prefix, copy)?;
        }
        if edges.has_deltas(number) { Ok(()) } else { add(prefix, Copy::Plain(number)) }
    })?;
    for row in with_edges {
        let (prefix, copy) = row?;
        add(prefix, copy)?;
    }
    if let Some(last) = holders.end() {
        join.row(&last)?;
    }
    join.rest()?;
    if let (Some(first), OnDamage::Refuse) = (join.first_missing, on_damage) {
        // Perhaps only this machine's index lacks rows.
        repository.index.distrust();
        let first = first.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(PruneError::MissingChunks { count: join.missing, first }.into());
    }
    let missing = join.missing;
    let is_lost = |pack: &&SurveyedPack| {
        missing == 0 && !places.contains_key(&pack.number) && !view.condemned.contains(&pack.summary.id)
    };
    let lost = survey.iter().filter(is_lost).map(|pack| pack.summary.id).collect();
    let stays = |place: &Place| matches!(place, Place::Reliable | Place::Damaged);
    let reliable = survey.into_iter().filter(|pack| places.get(&pack.number).is_some_and(stays));
    let packs = measure(&repository.index, reliable, join.held, move_as_is)?;
    Ok(Usage { packs, lost, missing })
}

/// What a row of this pack is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It stays unless this plan condemns it.
    Reliable,
    /// The same, and a check has found it damaged: what is elsewhere as well is dead here.
    Damaged,
    /// Somebody has condemned it: its live chunks are there, and will be copied.
    Condemned,
}

fn place(view: &View, pack: &SurveyedPack) -> Option<Place> {
    if !view.is_stored(pack) {
        None
    } else if view.condemned.contains(&pack.summary.id) {
        Some(Place::Condemned)
    } else if view.is_damaged(pack) {
        Some(Place::Damaged)
    } else {
        Some(Place::Reliable)
    }
}

/// The reliable packs that hold one prefix.
#[derive(Clone, Default)]
struct Holders {
    prefix: i64,
    is_begun: bool,
    plain: Option<i64>,
    deltas: Vec<i64>,
    /// Damaged ones, however they hold it.
    damaged: Vec<i64>,
}

impl Holders {
    /// Goes on to `prefix`; returns what was gathered for the one before.
    fn begin(&mut self, prefix: i64) -> Option<Self> {
        if self.is_begun && self.prefix == prefix {
            return None;
        }
        let next = Self { prefix, is_begun: true, ..Self::default() };
        let before = std::mem::replace(self, next);
        before.is_begun.then_some(before)
    }

    fn end(self) -> Option<Self> {
        self.is_begun.then_some(self)
    }

    fn add(&mut self, copy: Copy) {
        match copy {
            Copy::Plain(number) => self.plain = self.plain.max(Some(number)),
            Copy::Delta(number) => self.deltas.push(number),
        }
    }

    fn add_damaged(&mut self, number: i64) {
        self.damaged.push(number);
    }

    fn counted(&self) -> impl Iterator<Item = i64> + '_ {
        let (deltas, damaged) =
            if self.plain.is_some() { (&[][..], &[][..]) } else { (&self.deltas[..], &self.damaged[..]) };
        self.plain.into_iter().chain(deltas.iter().chain(damaged).copied())
    }
}

struct Join {
    live: std::iter::Peekable<Sorted<i64>>,
    /// Pack number and prefix of what is live.
    held: Runs<(i64, i64)>,
    missing: u64,
    first_missing: Option<i64>,
}

impl Join {
    /// A prefix that packs hold, and who is counted upon.
    fn row(&mut self, holders: &Holders) -> Result<()> {
        let prefix = holders.prefix;
        self.skip_to(Some(prefix))?;
        if self.live.next_if(|live| matches!(live, Ok(live) if *live == prefix)).is_some() {
            holders.counted().try_for_each(|number| self.held.add((number, prefix)))?;
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<()> {
        self.skip_to(None)
    }

    /// Live prefixes before `prefix` are in no pack.
    fn skip_to(&mut self, prefix: Option<i64>) -> Result<()> {
        let is_before = |live: &Result<i64>| live.as_ref().map_or(true, |live| prefix.is_none_or(|row| *live < row));
        while let Some(live) = self.live.next_if(is_before) {
            self.first_missing.get_or_insert(live?);
            self.missing += 1;
        }
        Ok(())
    }
}

/// `reliable` is sorted by number, as the groups are.
fn measure(
    index: &LocalIndex,
    reliable: impl Iterator<Item = SurveyedPack>,
    mut held: Runs<(i64, i64)>,
    move_as_is: MoveAsIs,
) -> Result<Vec<PackUsage>> {
    let mut groups = Groups::new(held.sorted()?).peekable();
    let mut packs = Vec::new();
    for pack in reliable {
        let live = groups.next_if(|group| group.as_ref().map_or(true, |(number, _)| *number == pack.number));
        let live = live.transpose()?.map(|(_, prefixes)| prefixes).unwrap_or_default();
        let (id, length) = (pack.summary.id, pack.summary.length);
        let whole = PackUsage { id, length, unused: 0, reclaimable: 0, to_copy: length };
        packs.push(if live.len() as u64 == pack.chunks {
            whole
        } else if live.is_empty() {
            PackUsage { unused: length, reclaimable: length, to_copy: 0, ..whole }
        } else {
            // Another process may have taken the row away: then the pack counts as live.
            index.record(pack.number)?.map_or(Ok(whole), |record| measure_one(&record, &live, move_as_is))?
        });
    }
    Ok(packs)
}

fn measure_one(record: &PackRecord, live: &[i64], move_as_is: MoveAsIs) -> Result<PackUsage> {
    let (mut unused, mut reclaimable, mut to_copy) = (0, 0, 0);
    let surplus = surplus(&record.directory, live);
    let mut rows = record.directory.chunks.iter().enumerate();
    for segment in &record.directory.segments {
        let own = rows.by_ref().take(segment.chunks as usize);
        let counts = own.filter(|(row, chunk)| is_among(live, &chunk.id) && !surplus.contains(row));
        let live: u64 = counts.map(|(_, chunk)| u64::from(chunk.length)).sum();
        let (plain, stored) = (u64::from(segment.plain_len), u64::from(segment.stored_len));
        // At most the whole of a segment, so it fits 64 bits.
        let dead = stored - stored * live / plain.max(1);
        unused += dead;
        if live == 0 || !move_as_is.takes(live, plain) {
            reclaimable += dead;
            to_copy += stored - dead;
        } else {
            to_copy += stored;
        }
    }
    // A pack with anything live in it is not dead, however little that is.
    let unused = unused.min(record.length.saturating_sub(1));
    Ok(PackUsage { id: record.id, length: record.length, unused, reclaimable, to_copy })
}
