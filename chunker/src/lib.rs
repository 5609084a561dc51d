// SPDX-License-Identifier: MIT OR Apache-2.0
//! Content-defined chunking: where a run of bytes is cut, so that an edit moves only the cuts beside it.
//!
//! For whoever turns files into chunks. Knows no file, no id and no config: it gets numbers and bytes, and returns
//! lengths. It must never hash, copy or store what it sees. [`Chunker`] is the rule for plain data and keeps nothing between
//! calls; [`Cutter`] goes through one input with it and knows where the members of a tar archive are.

mod cutter;
mod params;
#[cfg(test)]
mod reference;
mod tar;
#[cfg(test)]
mod tests;

use std::fmt;

use fastcdc::v2020::{cut_gear, select_masks};

pub use cutter::{Cutter, View};
pub use params::{Params, ParamsError};

/// FastCDC (2020, two bytes per step) over a gear table that is secret as a whole.
///
/// The table comes from the repository's root secret, 256 independent numbers. The `fastcdc` crate's own seed is not
/// used: it is one 64-bit XOR over a public table, and such a key is solved from the chunk sizes of known files, after
/// which storage can tell who holds which file (eprint 2025/558). The whole table makes that harder, not impossible:
/// a gear hash is linear in its table. So it is one of two defences: padded packs hide the chunk sizes.
///
/// Cut points decide what deduplicates against what is already stored, never whether it can be read.
#[derive(Clone)]
pub struct Chunker {
    min: usize,
    average: usize,
    max: usize,
    mask_strict: u64,
    mask_loose: u64,
    gear: Box<[u64; 256]>,
    /// `gear` shifted left by one: the first byte of each pair is tested one bit higher.
    gear_shifted: Box<[u64; 256]>,
}

impl Chunker {
    /// Prepares the tables for `params`; `gear` is secret and must be the same for every file that shall deduplicate.
    pub fn new(params: &Params, gear: &[u64; 256]) -> Self {
        let (mask_strict, mask_loose) = select_masks(params.average() as usize, params.level());
        Self {
            min: params.min() as usize,
            average: params.average() as usize,
            max: params.max() as usize,
            mask_strict,
            mask_loose,
            gear: Box::new(*gear),
            gear_shifted: Box::new(gear.map(|number| number << 1)),
        }
    }

    /// Length of the first chunk of `data`, provided that `data` holds at least [`Chunker::max`] bytes or reaches to
    /// the end of the input. With fewer bytes in the middle of an input the answer would depend on how it was read.
    ///
    /// 0 only for no data; at most `max`; at least `min`, unless that is where the data ends.
    #[inline]
    pub fn cut(&self, data: &[u8]) -> usize {
        let (_, length) = cut_gear(
            data,
            self.min,
            self.average,
            self.max,
            self.mask_strict,
            self.mask_loose,
            self.mask_strict << 1,
            self.mask_loose << 1,
            self.gear.as_slice(),
            self.gear_shifted.as_slice(),
        );
        length
    }

    /// Longest chunk in bytes: how many bytes [`Chunker::cut`] wants to see.
    pub fn max(&self) -> usize {
        self.max
    }
}

impl fmt::Debug for Chunker {
    /// Without the table: it is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunker")
            .field("min", &self.min)
            .field("average", &self.average)
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}
