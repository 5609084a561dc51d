// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame around structured payloads (`docs/format.md` section 3): compressed, and padded so that its length tells
//! little. For every sealed record and for pack directories; segments are not framed.

use crate::error::FormatError;
use crate::wire::Reader;

/// The largest payload a frame holds, so that a hostile length takes a bounded amount of memory.
pub const MAX_PLAIN_BYTES: usize = 64 << 20;

const HEAD_LEN: usize = 12;
const CODEC_RAW: u8 = 0;
const CODEC_ZSTD: u8 = 1;

/// Payloads are small and many: more effort than zstd's default level gains little on them.
const ZSTD_LEVEL: i32 = 3;

/// `len` rounded up so that at most 12 % is added and only O(log log len) bits of it are seen (Padmé). For lengths up to
/// 2^63; the rule itself stands in section 3.
pub fn padme(len: u64) -> u64 {
    let Some(exponent) = len.checked_ilog2().filter(|&exponent| exponent > 0) else { return len };
    let mask = (1 << (exponent - exponent.ilog2() - 1)) - 1;
    len.saturating_add(mask) & !mask
}

/// Frames `plain`, compressed when that makes it smaller.
///
/// # Panics
/// When `plain` is longer than [`MAX_PLAIN_BYTES`]: no reader would accept the result.
pub fn encode(plain: &[u8]) -> Vec<u8> {
    assert!(plain.len() <= MAX_PLAIN_BYTES, "a framed payload of {} bytes could never be read", plain.len());
    let compressed = zstd::bulk::compress(plain, ZSTD_LEVEL).ok().filter(|bytes| bytes.len() < plain.len());
    let (codec, stored) = compressed.as_deref().map_or((CODEC_RAW, plain), |bytes| (CODEC_ZSTD, bytes));
    let used = HEAD_LEN + stored.len();
    let padded = padme(used as u64) as usize;
    // Room for the tag too: the frame is sealed next, in place.
    let mut frame = Vec::with_capacity(padded + crate::crypto::TAG_LEN);
    frame.extend_from_slice(&[codec, 0, 0, 0]);
    frame.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    frame.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    frame.extend_from_slice(stored);
    frame.resize(padded, 0);
    frame
}

/// The payload of `frame`; `what` names it in errors.
///
/// # Errors
/// Truncated, a length beyond [`MAX_PLAIN_BYTES`], an unknown codec, padding that is not the one right padding, or
/// stored bytes that do not decompress to the promised length.
pub fn decode(frame: &[u8], what: &'static str) -> Result<Vec<u8>, FormatError> {
    let malformed = |why: &str| FormatError::Malformed { what, why: why.into() };
    let mut reader = Reader::new(frame, what);
    let [codec, zeros @ ..] = reader.array::<4>()?;
    if zeros != [0; 3] {
        return Err(malformed("reserved bytes of its frame are not zero"));
    }
    let plain_len = reader.u32()? as usize;
    let stored_len = reader.u32()? as usize;
    if plain_len > MAX_PLAIN_BYTES {
        let (found, max) = (plain_len as u64, MAX_PLAIN_BYTES as u64);
        return Err(FormatError::OutOfRange { what: "framed payload length", found, min: 0, max });
    }
    let stored = reader.bytes(stored_len)?;
    let padding = reader.bytes(reader.remaining())?;
    if frame.len() as u64 != padme((HEAD_LEN + stored_len) as u64) || padding.iter().any(|&byte| byte != 0) {
        return Err(malformed("its frame is not padded as it must be"));
    }
    match codec {
        CODEC_RAW if stored_len == plain_len => Ok(stored.to_vec()),
        CODEC_RAW => Err(malformed("its frame is raw but gives two lengths")),
        CODEC_ZSTD => match zstd::bulk::decompress(stored, plain_len) {
            Ok(plain) if plain.len() == plain_len => Ok(plain),
            _ => Err(FormatError::Decompress { what, expected: plain_len as u64 }),
        },
        _ => Err(malformed("the codec of its frame is unknown")),
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, padme};
    use proptest::prelude::*;

    #[test]
    fn padme_follows_its_definition() {
        let expected =
            [(0, 0), (1, 1), (2, 2), (8, 8), (9, 10), (100, 104), (1000, 1024), (1025, 1088), (1 << 20, 1 << 20)];
        for (len, padded) in expected {
            assert_eq!(padme(len), padded, "{len}");
        }
    }

    proptest! {
        #[test]
        fn padme_adds_at_most_an_eighth_and_is_a_fixed_point(shift in 1_u32..64, raw: u64) {
            let len = raw >> shift;
            let padded = padme(len);
            prop_assert!(padded >= len && padded - len <= len / 8 + 1);
            prop_assert_eq!(padme(padded), padded);
        }

        #[test]
        fn payloads_come_back(plain in prop::collection::vec(0_u8..4, 0..3000)) {
            let frame = encode(&plain);
            prop_assert_eq!(frame.len() as u64, padme(frame.len() as u64));
            prop_assert_eq!(decode(&frame, "it").unwrap(), plain);
        }

        #[test]
        fn arbitrary_bytes_never_panic(frame in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&frame, "it");
        }
    }

    #[test]
    fn every_truncation_and_every_extension_is_refused() {
        let frame = encode(&[5; 300]);
        assert!((0..frame.len()).all(|len| decode(&frame[..len], "it").is_err()));
        assert!(decode(&[&frame[..], &[0]].concat(), "it").is_err());
    }

    #[test]
    fn padding_must_be_zero_and_the_head_canonical() {
        let plain: Vec<u8> = (0..=255).cycle().take(99).map(|byte: u8| byte.wrapping_mul(151)).collect();
        let frame = encode(&plain);
        assert!(frame.len() > 12 + 99, "padded, stored raw");
        for at in [0, 1, 2, 3, 4, 7, 8, 11, frame.len() - 1] {
            let mut damaged = frame.clone();
            damaged[at] ^= 0x80;
            assert!(decode(&damaged, "it").is_err(), "byte {at}");
        }
    }
}
