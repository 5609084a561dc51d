// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON of any size, also in one enormous line, and JSON line by line: what changed in the terms of the document.
//!
//! Each text is read once, for digests of all its values; after that only what differs is read again. Strict RFC 8259; of equal keys in a map
//! the last one counts. Several values in one text, each on a new line, are a list.

mod escape;
mod index;
mod parse;
mod recent;
mod scan;
mod side;
pub(crate) mod tokens;

use super::document::Value;
use super::document::compare::{MAX_HELD_CHILDREN, Sides, Walk};
use super::document::digest::Seed;
use super::document::identity::Keys;
use super::{Bytes, Each, GaveUp, Mask, Place, Trouble};
use side::Side;
use std::io;
use std::panic::resume_unwind;
use std::thread;

/// Tells each change between two JSON texts: the same as [`document::compare`](super::document::compare::compare) of both parsed, in bounded
/// memory. If one of them has several values, both are lists of their values.
///
/// # Errors
/// One is no JSON or beyond a limit, can not be read, or the receiver could not take a change.
pub fn compare(before: &dyn Bytes, after: &dyn Bytes, mask: &Mask, each: Each) -> Result<(), Trouble> {
    let seed = Seed::new();
    let keys = Keys::new(&seed);
    let (before, after) = thread::scope(|scope| {
        let first = thread::Builder::new().spawn_scoped(scope, || Side::read(before, "first", &seed, &keys))?;
        let after = Side::read(after, "second", &seed, &keys);
        let before = first.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok::<_, Trouble>((before, after?))
    })?;
    let is_single = before.documents == 1 && after.documents == 1;
    let (old, new) = if is_single { (before.first, after.first) } else { (before.all, after.all) };
    let mut walk = Walk { seed: &seed, keys: &keys, mask, each, room: MAX_HELD_CHILDREN, named: None };
    Sides { before: &before, after: &after }.pair(&old, &new, &Place::default(), &mut walk)
}

/// The value of a text; the list of them if it has several.
///
/// # Errors
/// It is no JSON, or beyond a limit.
pub fn parse(text: &[u8]) -> Result<Value, GaveUp> {
    let values = tokens::Tokens::of_text(&Text(text), "").and_then(|mut tokens| parse::documents(&mut tokens));
    let mut values = values.map_err(|trouble| match trouble {
        Trouble::GaveUp(gave_up) => gave_up,
        Trouble::Io(error) => tokens::gave_up("", 0, error.to_string()),
    })?;
    Ok(if values.len() == 1 { values.remove(0) } else { Value::List(values) })
}

struct Text<'a>(&'a [u8]);

impl Bytes for Text<'_> {
    fn len(&self) -> u64 {
        Bytes::len(self.0)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }
}

#[cfg(test)]
mod tests;
