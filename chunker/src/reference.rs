// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cut rule once more, one byte per step and with nothing clever, for the tests to compare with.

use fastcdc::v2020::MASKS;

use crate::Params;

/// Length of the first chunk of `data` by the rule, at any speed.
pub fn cut(params: &Params, gear: &[u64; 256], data: &[u8]) -> usize {
    let (min, average) = (params.min() as usize, params.average() as usize);
    let end = data.len().min(params.max() as usize);
    if end <= min {
        return end;
    }
    let bits = (params.average() as f64).log2().round() as usize;
    let strict = MASKS[bits + usize::from(params.normalization())];
    let loose = MASKS[bits - usize::from(params.normalization())];
    let mut hash = 0_u64;
    // Bytes are looked at in pairs: the last byte of an odd rest is never a candidate.
    for position in min..end / 2 * 2 {
        hash = (hash << 1).wrapping_add(gear[usize::from(data[position])]);
        let mask = if position < average { strict } else { loose };
        if hash & mask == 0 {
            return position;
        }
    }
    end
}
