// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digests of the values of a text, in one pass over it.
//!
//! The first pass remembers the larger containers; later ones pass over what is remembered.

use super::index::{Cursor, Index, Span};
use super::tokens::{Begin, Scalar, Tokens};
use crate::compare::Trouble;
use crate::compare::document::compare::MAX_HELD_CHILDREN;
use crate::compare::document::digest::{Digest, Seed, last_of_each};
use crate::compare::document::identity::{Found, Keys};

/// What is wanted of a value beside its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Digest,
    /// What tells it apart, as an element of a list.
    Identity,
    /// The name in it, as the metadata of an element.
    Name,
}

/// What is done with larger containers.
pub(super) enum Larger<'a> {
    /// They are remembered.
    Remember(Index),
    /// Those that are remembered are not read.
    Pass(Cursor<'a>),
}

/// A pass.
pub(super) struct Scan<'a> {
    /// The text.
    pub(super) tokens: Tokens<'a>,
    /// What is done with larger containers.
    pub(super) larger: Larger<'a>,
    /// What the last value has that was read for [`Wanted::Identity`], if it was a map.
    pub(super) found: Option<Found>,
    nested: Option<Digest>,
    seed: &'a Seed,
    keys: &'a Keys,
    /// Entries of all maps that are open.
    entries: Vec<(Digest, Digest)>,
}

impl<'a> Scan<'a> {
    /// Begins where the tokens are.
    pub(super) fn new(tokens: Tokens<'a>, larger: Larger<'a>, seed: &'a Seed, keys: &'a Keys) -> Self {
        Self { tokens, larger, found: None, nested: None, seed, keys, entries: Vec::new() }
    }

    /// Reads one value, in `depth` containers.
    pub(super) fn value(&mut self, depth: usize, wanted: Wanted) -> Result<Digest, Trouble> {
        let begin = self.tokens.begin(depth)?;
        if begin == Begin::Scalar {
            return self.scalar();
        }
        let start = self.tokens.offset() - 1;
        if let Larger::Pass(cursor) = &mut self.larger
            && (wanted == Wanted::Digest || begin == Begin::List)
            && let Some(span) = cursor.at(start)
        {
            self.tokens.skip_to(span.end);
            return Ok(span.digest);
        }
        let digest = if begin == Begin::Map { self.map(depth, wanted) } else { self.list(depth) }?;
        if let Larger::Remember(index) = &mut self.larger {
            index.add(Span { start, end: self.tokens.offset(), digest });
        }
        Ok(digest)
    }

    fn scalar(&mut self) -> Result<Digest, Trouble> {
        Ok(match self.tokens.scalar()? {
            Scalar::Null => self.seed.null(),
            Scalar::Bool(value) => self.seed.bool(value),
            Scalar::Number(text) => self.seed.number(text),
            Scalar::Text(text) => self.seed.text(text),
        })
    }

    fn list(&mut self, depth: usize) -> Result<Digest, Trouble> {
        let mut list = self.seed.list();
        let mut is_first = true;
        while self.tokens.has_next(is_first, b']')? {
            list.add(self.value(depth + 1, Wanted::Digest)?);
            is_first = false;
        }
        Ok(list.finish())
    }

    fn map(&mut self, depth: usize, wanted: Wanted) -> Result<Digest, Trouble> {
        let base = self.entries.len();
        let mut nested = None;
        while self.tokens.has_next(self.entries.len() == base, b'}')? {
            let name = self.name()?;
            let is_metadata = wanted == Wanted::Identity && name == self.keys.metadata();
            let digest = self.value(depth + 1, if is_metadata { Wanted::Name } else { Wanted::Digest })?;
            if is_metadata {
                nested = self.nested.take();
            }
            if self.entries.len() == MAX_HELD_CHILDREN {
                return Err(self.tokens.broken(format!("more than {MAX_HELD_CHILDREN} entries of open maps")));
            }
            self.entries.push((name, digest));
        }
        last_of_each(&mut self.entries, base);
        let entries = &self.entries[base..];
        match wanted {
            Wanted::Digest => {}
            Wanted::Identity => self.found = Some(self.keys.found(entries, nested)),
            Wanted::Name => self.nested = self.keys.nested(entries),
        }
        let digest = self.seed.map(entries);
        self.entries.truncate(base);
        Ok(digest)
    }

    /// Reads a key with its colon.
    pub(super) fn name(&mut self) -> Result<Digest, Trouble> {
        let name = self.seed.text(self.tokens.key()?);
        self.tokens.colon()?;
        Ok(name)
    }
}
