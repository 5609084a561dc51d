// SPDX-License-Identifier: MIT OR Apache-2.0
//! Index generations (`docs/format.md` section 7): which index objects count without a look at the log.
//!
//! For whoever opens the repository, and for the collector that writes the next one. Reads no index.

use minicbor::{Decode, Encode};

use crate::envelope::Kind;
use crate::error::FormatError;
use crate::id::{IndexId, WriterId};
use crate::keys::Keys;
use crate::record::{from_cbor, is_of_another, open_structure, seal_structure, to_cbor};

const WHAT: &str = "generation";

/// How far a writer's log went into a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Absorbed {
    /// The writer.
    #[n(0)]
    pub writer: WriterId,
    /// Its last slot that the base objects contain.
    #[n(1)]
    pub sequence: u64,
}

/// An index generation; the default is the empty one that `init` writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Generation {
    /// Its number; the highest counts.
    #[n(0)]
    pub number: u64,
    /// The index objects it consists of.
    #[n(1)]
    pub base: Vec<IndexId>,
    /// What of the log is in them.
    #[n(2)]
    pub absorbed: Vec<Absorbed>,
    /// Empty in this version.
    #[n(3)]
    pub reserved: Vec<u64>,
}

impl Generation {
    /// The generation as an object.
    pub fn seal(&self, keys: &Keys) -> Vec<u8> {
        seal_structure(keys, Kind::Generation, &to_cbor(self))
    }

    /// Whether the object is a generation of another repository, left by an `init` that came to nothing (section 11.3).
    ///
    /// # Errors
    /// As [`is_of_another`].
    pub fn is_of_another(keys: &Keys, object: &[u8]) -> Result<bool, FormatError> {
        is_of_another(keys, Kind::Generation, object)
    }

    /// Opens the generation whose name says `number`.
    ///
    /// # Errors
    /// As [`open_structure`]; malformed; wrong place when it was made for another number.
    pub fn open(keys: &Keys, number: u64, object: &[u8]) -> Result<Self, FormatError> {
        let generation: Self = from_cbor(&open_structure(keys, Kind::Generation, object)?, WHAT)?;
        if generation.number != number {
            let (expected, found) = (number.to_string(), generation.number.to_string());
            return Err(FormatError::WrongPlace { what: WHAT, expected, found });
        }
        Ok(generation)
    }
}
