// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way back: a layer's bytes from its stream and its recipe, as a stream again. Layers are put upon each other.
//!
//! Bytes that are lost in a stream or a recipe cost what depends on them: of a deflate stream the rest, as it can not go on without; all
//! else comes back at its place.

use keepfast_repo_format::FormatError;
use keepfast_repo_format::recipe::{self, Place, Record};

use super::LIBRARY;
use super::deflate::Maker;
use crate::error::{Error, Result, describe};

/// The next bytes of a stream.
#[derive(Debug)]
pub enum Piece {
    /// These.
    Bytes(Vec<u8>),
    /// So many that can not be had, and why.
    Lost {
        /// At least 1.
        length: u64,
        /// For people.
        reason: String,
    },
}

impl Piece {
    /// How many bytes it stands for.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Lost { length, .. } => *length,
        }
    }
}

/// A stream of bytes that is asked for them.
pub trait Supply {
    /// The next piece, of at least one byte; `None` at the end.
    ///
    /// # Errors
    /// What ends the stream early.
    fn next(&mut self) -> Result<Option<Piece>>;
}

/// What happens at the first fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// It is returned.
    Stop,
    /// It costs what depends on it, as [`Piece::Lost`].
    Name,
}

/// Why a layer does not come from its stream and recipe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The recipe is damaged or of another version.
    #[error(transparent)]
    Recipe(#[from] FormatError),
    /// It was made with another version of the library.
    #[error("it was taken apart with preflate-rs {found}, this program puts together what {LIBRARY} took apart")]
    Library {
        /// The version in the recipe.
        found: String,
    },
    /// The library can not make the bytes from what is stored.
    #[error("a deflate stream can not be made again: its corrections do not fit")]
    NotMade,
    /// Stream or recipe are shorter or longer than they must be.
    #[error("{what} of a wrapped file has another length than what it is for")]
    Length {
        /// Stream or recipe.
        what: &'static str,
    },
}

/// One layer's bytes.
pub struct Rewrapped<'a> {
    stream: Feed<'a>,
    recipe: Feed<'a>,
    /// Bytes of the recipe in view, and how many of them are done with.
    view: Vec<u8>,
    read: usize,
    has_head: bool,
    /// Raw bytes that the last record still gives.
    raw: u64,
    maker: Option<Maker>,
    /// Why the rest of this deflate stream can not be made.
    fault: Option<String>,
    /// Bytes that the layer still has to give.
    rest: u64,
    faults: Faults,
}

impl<'a> Rewrapped<'a> {
    /// The layer of `length` bytes that `recipe` makes of `stream`.
    pub fn new(stream: Box<dyn Supply + 'a>, recipe: Box<dyn Supply + 'a>, length: u64, faults: Faults) -> Self {
        let (stream, recipe) = (Feed { supply: stream, front: None }, Feed { supply: recipe, front: None });
        Self {
            stream,
            recipe,
            view: Vec::new(),
            read: 0,
            has_head: false,
            raw: 0,
            maker: None,
            fault: None,
            rest: length,
            faults,
        }
    }

    fn give(&mut self) -> Result<Option<Piece>> {
        if self.raw > 0 {
            let piece = self.stream.up_to(self.raw)?.ok_or(RewrapError::Length { what: "the stream" })?;
            self.raw -= piece.length();
            return Ok(Some(piece));
        }
        if self.rest == 0 {
            return self.end();
        }
        if !self.has_head {
            let found = self.parsed(|view| Ok(recipe::head(view)?.map(|(found, used)| (found.to_string(), used))))?;
            if found != LIBRARY {
                return Err(RewrapError::Library { found }.into());
            }
            self.has_head = true;
        }
        let order = self.parsed(|view| Ok(recipe::record(view)?.map(|(record, used)| (Order::of(&record), used))))?;
        match order {
            Order::Raw(length) => {
                self.raw = length;
                self.give()
            }
            Order::Inline(bytes) => Ok(Some(Piece::Bytes(bytes))),
            Order::Deflate { place, packed, plain, corrections } => {
                if place == Place::First {
                    (self.maker, self.fault) = (Some(Maker::new()), None);
                }
                self.deflate(packed, plain, &corrections).map(Some)
            }
        }
    }

    fn deflate(&mut self, packed: usize, plain: usize, corrections: &[u8]) -> Result<Piece> {
        let mut bytes = Vec::with_capacity(plain);
        let mut lost = None;
        let mut taken = 0;
        while taken < plain as u64 {
            let piece = self.stream.up_to(plain as u64 - taken)?.ok_or(RewrapError::Length { what: "the stream" })?;
            taken += piece.length();
            match piece {
                Piece::Bytes(piece) => bytes.extend(piece),
                Piece::Lost { reason, .. } => lost = Some(reason),
            }
        }
        let made = match (&mut self.maker, &lost) {
            (Some(maker), None) => maker.make(&bytes, corrections).filter(|made| made.len() == packed),
            _ => None,
        };
        if let Some(made) = made {
            return Ok(Piece::Bytes(made));
        }
        // What follows in this deflate stream can not be made without this part.
        self.maker = None;
        if self.faults == Faults::Stop {
            return Err(RewrapError::NotMade.into());
        }
        let first = || lost.unwrap_or_else(|| describe(&RewrapError::NotMade));
        let reason = self.fault.get_or_insert_with(first).clone();
        Ok(Piece::Lost { length: packed as u64, reason })
    }

    fn end(&mut self) -> Result<Option<Piece>> {
        let is_over =
            self.read == self.view.len() && self.recipe.up_to(1)?.is_none() && self.stream.up_to(1)?.is_none();
        if is_over { Ok(None) } else { Err(RewrapError::Length { what: "the stream or recipe" }.into()) }
    }

    /// The next value of the recipe.
    fn parsed<T>(&mut self, parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, RewrapError>) -> Result<T> {
        loop {
            if let Some((value, used)) = parse(&self.view[self.read..])? {
                self.read += used;
                return Ok(value);
            }
            self.view.drain(..std::mem::take(&mut self.read));
            match self.recipe.up_to(u64::MAX)? {
                Some(Piece::Bytes(bytes)) => self.view.extend(bytes),
                Some(Piece::Lost { reason, .. }) => return Err(Error::Lost { reason }),
                None => return Err(RewrapError::Length { what: "the recipe" }.into()),
            }
        }
    }
}

impl Supply for Rewrapped<'_> {
    fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            let piece = match self.give() {
                Ok(Some(piece)) if piece.length() > self.rest => Err(RewrapError::Length { what: "the recipe" }.into()),
                other => other,
            };
            match piece {
                Ok(Some(piece)) if piece.length() == 0 => {}
                Ok(Some(piece)) => {
                    self.rest -= piece.length();
                    return Ok(Some(piece));
                }
                Ok(None) => return Ok(None),
                // Without its recipe nothing more is known of the layer.
                Err(error) if self.faults == Faults::Name && error.is_damage() && self.rest > 0 => {
                    let length = std::mem::take(&mut self.rest);
                    self.raw = 0;
                    self.stream = Feed::none();
                    self.recipe = Feed::none();
                    self.view.clear();
                    self.read = 0;
                    return Ok(Some(Piece::Lost { length, reason: describe(&error) }));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// A record that owns its bytes.
enum Order {
    Raw(u64),
    Inline(Vec<u8>),
    Deflate { place: Place, packed: usize, plain: usize, corrections: Vec<u8> },
}

impl Order {
    fn of(record: &Record) -> Self {
        match *record {
            Record::Raw(length) => Self::Raw(length),
            Record::Inline(bytes) => Self::Inline(bytes.to_vec()),
            Record::Deflate { place, packed, plain, corrections } => {
                Self::Deflate { place, packed, plain, corrections: corrections.to_vec() }
            }
        }
    }
}

/// A supply from which any number of bytes can be taken.
struct Feed<'a> {
    supply: Box<dyn Supply + 'a>,
    front: Option<Piece>,
}

impl Feed<'_> {
    fn none() -> Self {
        Self { supply: Box::new(Nothing), front: None }
    }

    /// The next piece, of at most so many bytes.
    fn up_to(&mut self, most: u64) -> Result<Option<Piece>> {
        let Some(mut piece) = self.front.take().map_or_else(|| self.supply.next(), |piece| Ok(Some(piece)))? else {
            return Ok(None);
        };
        if piece.length() > most {
            let rest = match &mut piece {
                Piece::Bytes(bytes) => Piece::Bytes(bytes.split_off(most as usize)),
                Piece::Lost { length, reason } => {
                    let rest = *length - most;
                    *length = most;
                    Piece::Lost { length: rest, reason: reason.clone() }
                }
            };
            self.front = Some(rest);
        }
        Ok(Some(piece))
    }
}

/// A stream without bytes.
struct Nothing;

impl Supply for Nothing {
    fn next(&mut self) -> Result<Option<Piece>> {
        Ok(None)
    }
}
