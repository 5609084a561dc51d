// SPDX-License-Identifier: MIT OR Apache-2.0
//! Edges as references: what is live because a delta needs it, and which deltas lack something they need.
//!
//! For marking and for the plan. Rows are sorted runs on disk; memory holds some bits for each delta segment and some bytes for each
//! pack that has any. Ids are compared by their prefixes: that keeps too much, never too little.

use std::collections::HashSet;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;

use super::runs::{Runs, Sorted};
use crate::error::{Error, Result};
use crate::index::{IndexError, LocalIndex, SurveyedPack};

/// The delta segments of the visible, stored packs, numbered from 0.
pub(super) struct Edges {
    scratch: PathBuf,
    /// Numbers of the packs that have delta segments, each with the number of its first one, ascending.
    packs: Vec<(i64, usize)>,
    segments: usize,
    /// Prefix of a chunk in a delta segment, and the segment.
    chunks: Runs<(i64, i64)>,
    /// A delta segment, and the prefix of a base chunk of it.
    bases: Runs<(i64, i64)>,
    /// Of the same packs: prefix of a chunk that is no delta, and the pack.
    plain: Runs<(i64, i64)>,
    broken: Bits,
}

/// A pack that holds a chunk, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copy {
    Plain(i64),
    Delta(i64),
}

impl Edges {
    /// Looks at every visible pack for which `is_stored` says yes.
    pub(super) fn read(index: &LocalIndex, is_stored: impl Fn(&SurveyedPack) -> bool, scratch: &Path) -> Result<Self> {
        let mut edges = Self::none(scratch);
        let mut needed = Runs::new(scratch);
        let mut survey = index.survey();
        survey.retain(is_stored);
        for pack in survey.iter().filter(|pack| pack.edges > 0) {
            let record = index.record(pack.number)?.ok_or_else(|| row_is_gone(pack.number))?;
            edges.packs.push((pack.number, edges.segments));
            edges.add(&record, pack.number, &mut needed)?;
        }
        if edges.segments > 0 {
            let stored = survey.iter().map(|pack| pack.number).collect();
            edges.find_broken(index, &stored, needed)?;
        }
        Ok(edges)
    }

    fn none(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_path_buf(),
            packs: Vec::new(),
            segments: 0,
            chunks: Runs::new(scratch),
            bases: Runs::new(scratch),
            plain: Runs::new(scratch),
            broken: Bits::default(),
        }
    }

    fn add(&mut self, record: &PackRecord, number: i64, needed: &mut Runs<(i64, i64)>) -> Result<()> {
        let directory = &record.directory;
        let (mut chunks, mut bases) = (directory.chunks.iter(), directory.edges.iter());
        for row in &directory.segments {
            let own = chunks.by_ref().take(row.chunks as usize).map(|chunk| LocalIndex::prefix(&chunk.id));
            if row.codec != Codec::Delta {
                own.into_iter().try_for_each(|prefix| self.plain.add((prefix, number)))?;
                continue;
            }
            let segment = self.segments as i64;
            self.segments += 1;
            own.into_iter().try_for_each(|prefix| self.chunks.add((prefix, segment)))?;
            for base in bases.by_ref().take(row.edges as usize).map(LocalIndex::prefix) {
                self.bases.add((segment, base))?;
                needed.add((base, segment))?;
            }
        }
        Ok(())
    }

    /// A segment is broken until each of its bases was found in something that is not; so a circle stays broken.
    fn find_broken(&mut self, index: &LocalIndex, stored: &HashSet<i64>, mut needed: Runs<(i64, i64)>) -> Result<()> {
        let mut unmet = Unmet::new(needed.sorted()?, &self.scratch);
        index.each_row::<Error>(|prefix, number| {
            let is_plain = stored.contains(&number) && !self.has_deltas(number);
            if is_plain { unmet.is_held(prefix) } else { Ok(()) }
        })?;
        let (mut rows, mut left) = unmet.rest()?;
        let mut unmet = Unmet::new(rows.sorted()?, &self.scratch);
        for row in self.plain.sorted()? {
            unmet.is_held(row?.0)?;
        }
        let mut before = left + 1;
        (rows, left) = unmet.rest()?;
        while left > 0 && left < before {
            self.broken = rows.sorted()?.map(|row| row.map(|(_, segment)| segment as usize)).collect::<Result<_>>()?;
            let mut unmet = Unmet::new(rows.sorted()?, &self.scratch);
            for row in self.chunks.sorted()? {
                let (prefix, segment) = row?;
                if !self.broken.has(segment as usize) {
                    unmet.is_held(prefix)?;
                }
            }
            before = left;
            (rows, left) = unmet.rest()?;
        }
        self.broken = rows.sorted()?.map(|row| row.map(|(_, segment)| segment as usize)).collect::<Result<_>>()?;
        Ok(())
    }

    /// Adds to `live` the bases of every delta of a live chunk, all the way down. Broken ones keep nothing alive: they can not be
    /// read, and nothing counts on them.
    pub(super) fn follow(&mut self, live: &mut Runs<i64>) -> Result<()> {
        let mut seen = Bits::default();
        while self.segments > 0 {
            let mut fresh = Bits::default();
            let mut alive = live.sorted()?.peekable();
            for row in self.chunks.sorted()? {
                let (prefix, segment) = row?;
                let segment = segment as usize;
                if is_among(&mut alive, prefix)? && !seen.has(segment) && !self.broken.has(segment) {
                    seen.set(segment);
                    fresh.set(segment);
                }
            }
            if fresh.is_empty() {
                break;
            }
            for row in self.bases.sorted()? {
                let (segment, base) = row?;
                if fresh.has(segment as usize) {
                    live.add(base)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the pack with this number has deltas: then [`copies`](Self::copies) has its rows, and the index's do not count.
    pub(super) fn has_deltas(&self, number: i64) -> bool {
        self.packs.binary_search_by_key(&number, |pack| pack.0).is_ok()
    }

    /// What the packs with deltas hold, ascending by prefix, without broken deltas.
    pub(super) fn copies(&mut self) -> Result<impl Iterator<Item = Result<(i64, Copy)>> + use<>> {
        let mut rows = Runs::<(i64, i64)>::new(&self.scratch);
        for row in self.plain.sorted()? {
            let (prefix, number) = row?;
            rows.add((prefix, number << 1))?;
        }
        for row in self.chunks.sorted()? {
            let (prefix, segment) = row?;
            let segment = segment as usize;
            if !self.broken.has(segment) {
                let pack = self.packs.partition_point(|(_, first)| *first <= segment) - 1;
                rows.add((prefix, self.packs[pack].0 << 1 | 1))?;
            }
        }
        Ok(rows.sorted()?.map(|row| {
            let (prefix, tagged) = row?;
            Ok((prefix, if tagged & 1 == 0 { Copy::Plain(tagged >> 1) } else { Copy::Delta(tagged >> 1) }))
        }))
    }
}

/// Whether a sorted stream has this prefix; to be asked in ascending order.
fn is_among(sorted: &mut Peekable<Sorted<i64>>, prefix: i64) -> Result<bool> {
    while let Some(before) = sorted.next_if(|row| row.as_ref().map_or(true, |row| *row < prefix)) {
        before?;
    }
    Ok(matches!(sorted.peek(), Some(Ok(row)) if *row == prefix))
}

fn row_is_gone(number: i64) -> Error {
    Error::Index(IndexError::Damaged { what: format!("the row of pack number {number} is gone") })
}

/// Base chunks that were not found yet, and the segments that need them.
struct Unmet {
    rows: Peekable<Sorted<(i64, i64)>>,
    left: Runs<(i64, i64)>,
    count: u64,
}

impl Unmet {
    fn new(rows: Sorted<(i64, i64)>, scratch: &Path) -> Self {
        Self { rows: rows.peekable(), left: Runs::new(scratch), count: 0 }
    }

    /// To be called in ascending order.
    fn is_held(&mut self, prefix: i64) -> Result<()> {
        self.pass(Some(prefix))?;
        while let Some(met) = self.rows.next_if(|row| row.as_ref().map_or(true, |row| row.0 == prefix)) {
            met?;
        }
        Ok(())
    }

    fn rest(mut self) -> Result<(Runs<(i64, i64)>, u64)> {
        self.pass(None)?;
        Ok((self.left, self.count))
    }

    fn pass(&mut self, prefix: Option<i64>) -> Result<()> {
        let is_before =
            |row: &Result<(i64, i64)>| row.as_ref().map_or(true, |row| prefix.is_none_or(|held| row.0 < held));
        while let Some(row) = self.rows.next_if(is_before) {
            self.left.add(row?)?;
            self.count += 1;
        }
        Ok(())
    }
}

/// A set of small numbers.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
}

impl Bits {
    fn set(&mut self, number: usize) {
        if self.words.len() <= number / 64 {
            self.words.resize(number / 64 + 1, 0);
        }
        self.words[number / 64] |= 1 << (number % 64);
    }

    fn has(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word & 1 << (number % 64) != 0)
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut bits = Self::default();
        numbers.into_iter().for_each(|number| bits.set(number));
        bits
    }
}

#[cfg(test)]
mod tests;
