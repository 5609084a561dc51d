// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a chunk can be read from what is here: a delta only with its base chunks, all the way down.
//!
//! For whoever makes something visible that needs the chunk to stay (`docs/format.md` section 11.2). It is asked for every delta, also
//! when no pack is excluded: the base of a dead delta is deleted like any dead chunk, and nothing tells of it afterwards.

use std::collections::HashMap;
use std::fmt;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, PackId};
use keepfast_repo_format::segment::{MAX_DELTA_STEPS, MAX_PREFIX_BYTES};

use super::{IndexError, LocalIndex, Location};

/// Delta segments that are remembered, at about 64 bytes each.
const MAX_REMEMBERED: usize = 1 << 18;

/// Delta segments whose bases were found, with the steps down to a segment without edges.
#[derive(Default)]
pub(super) struct Whole {
    steps: HashMap<(PackId, u32), u32>,
    /// How often it was emptied: what was found before must not come in afterwards.
    cleared: u64,
}

impl Whole {
    pub(super) fn clear(&mut self) {
        self.steps.clear();
        self.cleared += 1;
    }

    fn insert(&mut self, segment: (PackId, u32), steps: u32, since: u64) {
        if self.cleared != since {
            return;
        }
        if self.steps.len() >= MAX_REMEMBERED {
            self.steps.clear();
        }
        self.steps.insert(segment, steps);
    }
}

/// Why a segment can not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// The base chunk that it is about.
    pub id: ChunkId,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a base chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is in no pack that is visible and not excluded.
    Absent,
    /// It is there, but only in deltas against each other, or deeper than any writer puts it.
    Unreachable,
    /// With it, the segment has more base chunks than the format permits.
    Large,
}

impl fmt::Display for Lacking {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        match self.fault {
            Fault::Absent => write!(out, "base chunk {id} is in no pack that is there"),
            Fault::Unreachable => {
                write!(
                    out,
                    "base chunk {id} is a delta whose bases lie in a circle, or below more than {MAX_DELTA_STEPS} others"
                )
            }
            Fault::Large => write!(out, "up to base chunk {id}, its bases have more than {MAX_PREFIX_BYTES} bytes"),
        }
    }
}

/// A way down.
struct Descent {
    kind: Kind,
    /// Steps that may still be taken: what ends a way in a circle.
    left: u32,
    /// Chunks that could not be read with so many steps left, and so not with fewer: however many ways there are, none is gone twice.
    failed: HashMap<ChunkId, u32>,
    since: u64,
    lacking: Option<Lacking>,
}

impl LocalIndex {
    /// Where a chunk lies that can be read with what is visible and not excluded: as it is, or as a delta whose bases are there too,
    /// all the way down.
    ///
    /// # Errors
    /// The database, as for [`find`](Self::find).
    pub fn find_whole(&self, kind: Kind, id: &ChunkId) -> Result<Option<Location>, IndexError> {
        match self.find(kind, id)? {
            // Nearly always the first copy is the only one: that costs no question to the database.
            Some(found) if found.is_delta() => {
                let mut descent = Descent::new(kind, self);
                Ok(self.descend_from(found, id, &mut descent)?.map(|(location, _)| location))
            }
            found => Ok(found),
        }
    }

    /// What the segment at this place lacks to be read; `None` if nothing.
    ///
    /// # Errors
    /// The database, as for [`find`](Self::find).
    pub fn lacking(&self, location: &Location) -> Result<Option<Lacking>, IndexError> {
        let mut descent = Descent::new(location.pack.kind, self);
        let steps = self.steps_below(location, &mut descent)?;
        Ok(if steps.is_some() { None } else { descent.lacking })
    }

    /// A copy that can be read, and the steps down from it.
    fn descend(&self, id: &ChunkId, descent: &mut Descent) -> Result<Option<(Location, u32)>, IndexError> {
        if descent.failed.get(id).is_some_and(|left| descent.left <= *left) {
            return Ok(None);
        }
        match self.find(descent.kind, id)? {
            Some(found) => self.descend_from(found, id, descent),
            None => {
                descent.lacking.get_or_insert(Lacking { id: *id, fault: Fault::Absent });
                Ok(None)
            }
        }
    }

    /// The same, where one copy was found.
    fn descend_from(
        &self,
        first: Location,
        id: &ChunkId,
        descent: &mut Descent,
    ) -> Result<Option<(Location, u32)>, IndexError> {
        if let Some(steps) = self.steps_below(&first, descent)? {
            return Ok(Some((first, steps)));
        }
        let mut others = self.find_all(descent.kind, id)?;
        others.retain(|other| other.segment_key() != first.segment_key());
        // Plain ones first: they need nothing.
        others.sort_by_key(Location::is_delta);
        for other in others {
            if let Some(steps) = self.steps_below(&other, descent)? {
                return Ok(Some((other, steps)));
            }
        }
        descent.lacking.get_or_insert(Lacking { id: *id, fault: Fault::Unreachable });
        descent.failed.insert(*id, descent.left);
        Ok(None)
    }

    /// The steps down from a segment; `None` if a base of it can not be read.
    fn steps_below(&self, location: &Location, descent: &mut Descent) -> Result<Option<u32>, IndexError> {
        if !location.is_delta() {
            return Ok(Some(0));
        }
        let segment = location.segment_key();
        let known = self.state().whole.steps.get(&segment).copied();
        if let Some(steps) = known.filter(|steps| *steps <= descent.left) {
            return Ok(Some(steps));
        }
        if descent.left == 0 {
            return Ok(None);
        }
        descent.left -= 1;
        let deepest = self.deepest_base(location, descent);
        descent.left += 1;
        let steps = deepest?.map(|deepest| deepest + 1);
        // What was not found is not remembered: it may only have been too deep on this way.
        if let Some(steps) = steps {
            self.state_mut().whole.insert(segment, steps, descent.since);
        }
        Ok(steps)
    }

    /// The most steps down from any base of a segment; `None` if one can not be read.
    fn deepest_base(&self, location: &Location, descent: &mut Descent) -> Result<Option<u32>, IndexError> {
        let (mut deepest, mut bytes) = (0, 0);
        for base in location.bases() {
            let Some((found, steps)) = self.descend(base, descent)? else { return Ok(None) };
            deepest = deepest.max(steps);
            bytes += found.length as usize;
            if bytes > MAX_PREFIX_BYTES {
                descent.lacking.get_or_insert(Lacking { id: *base, fault: Fault::Large });
                return Ok(None);
            }
        }
        Ok(Some(deepest))
    }
}

impl Descent {
    fn new(kind: Kind, index: &LocalIndex) -> Self {
        let since = index.state().whole.cleared;
        Self { kind, left: MAX_DELTA_STEPS, failed: HashMap::new(), since, lacking: None }
    }
}

#[cfg(test)]
mod tests;
