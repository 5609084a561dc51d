// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parameters of the chunker, checked once, so that cutting can not fail.

use fastcdc::v2020::Normalization;

/// Smallest chunk length in bytes: below it, ids in the index outweigh the data.
const SMALLEST: u32 = 64;
/// Largest chunk length in bytes: a chunk is held in memory as a whole.
const LARGEST: u32 = 16 << 20;
/// Mask numbers that exist: number n cuts after 2^n bytes on average. Below 5 a mask would match everywhere.
const MASK_NUMBERS: std::ops::RangeInclusive<i64> = 5..=25;

/// Lengths in bytes and the normalization level of a chunker; holds only values that a chunker can work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    min: u32,
    average: u32,
    max: u32,
    normalization: u8,
}

/// Why parameters were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// A length outside what chunks may have.
    #[error("{what} chunk length is {found}, allowed are {SMALLEST} to {LARGEST} bytes")]
    Length {
        /// Which length.
        what: &'static str,
        /// Its value in bytes.
        found: u32,
    },
    /// Odd: two bytes are scanned per step, an odd bound would move by one without notice.
    #[error("{what} chunk length is {found}, it must be even")]
    Odd {
        /// Which length.
        what: &'static str,
        /// Its value in bytes.
        found: u32,
    },
    /// Not min <= average <= max.
    #[error("chunk lengths are not in order: min {min}, average {average}, max {max}")]
    Order {
        /// Shortest, in bytes.
        min: u32,
        /// Average, in bytes.
        average: u32,
        /// Longest, in bytes.
        max: u32,
    },
    /// No such level, or no masks for this average at this level.
    #[error("normalization {normalization} is not possible with an average of {average} bytes")]
    Normalization {
        /// The level.
        normalization: u8,
        /// Average, in bytes.
        average: u32,
    },
}

impl Params {
    /// Checks the lengths (bytes: even, 64 to 16 MiB, in order) and the level (0 to 3). At both ends of the range of
    /// averages not every level has masks; what has none is refused.
    pub fn new(min: u32, average: u32, max: u32, normalization: u8) -> Result<Self, ParamsError> {
        for (what, found) in [("min", min), ("average", average), ("max", max)] {
            if !(SMALLEST..=LARGEST).contains(&found) {
                return Err(ParamsError::Length { what, found });
            }
            if found % 2 == 1 {
                return Err(ParamsError::Odd { what, found });
            }
        }
        if min > average || average > max {
            return Err(ParamsError::Order { min, average, max });
        }
        let bits = f64::from(average).log2().round() as i64;
        let level = i64::from(normalization);
        if level > 3 || !MASK_NUMBERS.contains(&(bits - level)) || !MASK_NUMBERS.contains(&(bits + level)) {
            return Err(ParamsError::Normalization { normalization, average });
        }
        Ok(Self { min, average, max, normalization })
    }

    /// Shortest chunk in bytes; only the end of the input gives a shorter one.
    pub fn min(&self) -> u32 {
        self.min
    }

    /// Length in bytes around which chunks gather.
    pub fn average(&self) -> u32 {
        self.average
    }

    /// Longest chunk in bytes.
    pub fn max(&self) -> u32 {
        self.max
    }

    /// How closely lengths gather around the average, 0 (not at all) to 3.
    pub fn normalization(&self) -> u8 {
        self.normalization
    }

    pub(crate) fn level(&self) -> Normalization {
        match self.normalization {
            0 => Normalization::Level0,
            1 => Normalization::Level1,
            2 => Normalization::Level2,
            _ => Normalization::Level3,
        }
    }
}
