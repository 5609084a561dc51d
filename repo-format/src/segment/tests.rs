// SPDX-License-Identifier: MIT OR Apache-2.0
//! Segments come back, in every codec, and open only as what they were sealed as.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::{Codec, Compressor, Decompressor, MAX_PLAIN_BYTES, MAX_PREFIX_BYTES, OVERHEAD, Sealed, open, seal, view};
use crate::envelope::Kind;
use crate::error::FormatError;
use crate::id::{ChunkId, RepositoryId};
use crate::keys::{Keys, RootSecret, SessionKey};

const REPOSITORY: RepositoryId = RepositoryId([2; 16]);

fn session_key(kind: Kind) -> SessionKey {
    SessionKey::create(&Keys::derive(&RootSecret::from_bytes([1; 32]), REPOSITORY, 0), kind)
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    crate::crypto::derive_xof("test noise", &[], &mut bytes);
    bytes
}

fn sealed(key: &SessionKey, plain: &[u8]) -> Sealed {
    seal(key, &REPOSITORY, 7, Compressor::new(3).compress(plain), &[ChunkId([3; 32])])
}

/// By both ways, which must agree; one of them in memory that has seen another segment.
fn opened(key: &SessionKey, segment: &Sealed) -> Result<Vec<u8>, FormatError> {
    opened_with(key, segment, &[])
}

fn opened_with(key: &SessionKey, segment: &Sealed, prefix: &[u8]) -> Result<Vec<u8>, FormatError> {
    let Sealed { stored, codec, plain_len } = segment;
    let mut decompressor = Decompressor::new();
    let taken = open(key, &REPOSITORY, stored.clone(), *codec, *plain_len, prefix, &mut decompressor);
    let other = sealed(key, &b"another segment ".repeat(50));
    view(key, &REPOSITORY, &other.stored, other.codec, other.plain_len, &[], &mut decompressor).unwrap();
    let seen = view(key, &REPOSITORY, stored, *codec, *plain_len, prefix, &mut decompressor);
    assert_eq!(taken.as_deref(), seen.as_ref().copied());
    taken
}

proptest! {
    #![proptest_config(Config::with_cases(48))]

    #[test]
    fn what_was_sealed_comes_back(plain in prop::collection::vec(0_u8..20, 0..3000), level in -7..12_i32, repeat in 1_usize..5) {
        let key = session_key(Kind::DataPack);
        let plain = plain.repeat(repeat);
        let mut compressor = Compressor::new(level);
        for _ in 0..2 {
            let segment = seal(&key, &REPOSITORY, 0, compressor.compress(&plain), &[]);
            prop_assert_eq!(opened(&key, &segment).unwrap(), plain.clone());
            prop_assert_eq!(segment.plain_len as usize, plain.len());
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(stored in prop::collection::vec(any::<u8>(), 0..200), plain_len: u32, zstd: bool) {
        let codec = if zstd { Codec::Zstd } else { Codec::Raw };
        let segment = Sealed { stored, codec, plain_len };
        prop_assert!(opened(&session_key(Kind::TreePack), &segment).is_err());
    }
}

#[test]
fn what_does_not_get_smaller_is_stored_raw() {
    let key = session_key(Kind::DataPack);
    for plain in [noise(100_000), Vec::new(), vec![1]] {
        let segment = sealed(&key, &plain);
        assert_eq!((segment.codec, segment.stored.len()), (Codec::Raw, plain.len() + OVERHEAD));
        assert_eq!(opened(&key, &segment).unwrap(), plain);
    }
    let text = sealed(&key, &b"all work and no play ".repeat(1000));
    assert!(text.codec == Codec::Zstd && text.stored.len() < 300, "{text:?}");
    let largest = vec![0; MAX_PLAIN_BYTES];
    assert!(opened(&key, &sealed(&key, &largest)).unwrap() == largest);
}

#[test]
fn a_segment_opens_only_with_its_key_kind_repository_codec_and_length() {
    let key = session_key(Kind::DataPack);
    let segment = sealed(&key, &b"some text ".repeat(100));
    let unauthentic = Err(FormatError::Unauthentic { what: "segment" });
    assert_eq!(opened(&session_key(Kind::DataPack), &segment), unauthentic);
    let mut as_tree = key.clone();
    as_tree.kind = Kind::TreePack;
    assert_eq!(opened(&as_tree, &segment), unauthentic);
    let mut decompressor = Decompressor::new();
    let mut with = |repository: [u8; 16], codec, plain_len| {
        open(&key, &RepositoryId(repository), segment.stored.clone(), codec, plain_len, &[], &mut decompressor)
    };
    assert_eq!(with([3; 16], Codec::Zstd, 1000), unauthentic);
    assert_eq!(with([2; 16], Codec::Raw, 1000), Err(FormatError::Decompress { what: "segment", expected: 1000 }));
    for plain_len in [0, 1, 999, 1001, MAX_PLAIN_BYTES as u32] {
        assert!(matches!(with([2; 16], Codec::Zstd, plain_len), Err(FormatError::Decompress { .. })));
    }
    let too_long = with([2; 16], Codec::Zstd, MAX_PLAIN_BYTES as u32 + 1);
    assert!(matches!(too_long, Err(FormatError::OutOfRange { .. })));
    assert!(with([2; 16], Codec::Zstd, 1000).is_ok());
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let key = session_key(Kind::TreePack);
    let segment = sealed(&key, b"short");
    for at in 0..segment.stored.len() {
        for bit in 0..8 {
            let mut damaged = segment.clone();
            damaged.stored[at] ^= 1 << bit;
            assert!(opened(&key, &damaged).is_err());
        }
        let mut cut = segment.clone();
        cut.stored.truncate(at);
        assert!(opened(&key, &cut).is_err());
    }
}

/// The delta of `plain` against `prefix`, sealed; `None` if there is nothing to gain.
fn sealed_delta(key: &SessionKey, plain: &[u8], prefix: &[u8], level: i32) -> Option<Sealed> {
    Some(seal(key, &REPOSITORY, 0, Compressor::new(level).compress_delta(plain, prefix)?, &[]))
}

proptest! {
    #![proptest_config(Config::with_cases(48))]

    #[test]
    fn a_delta_comes_back_with_its_base_chunks_and_with_nothing_else(
        seed in 0_usize..1000, prefix_len in 1_usize..70_000, plain_len in 2000_usize..70_000, level in -7..10_i32,
    ) {
        let key = session_key(Kind::DataPack);
        let base = noise(70_000 + seed);
        let (prefix, mut plain) = (&base[seed..seed + prefix_len], base[seed..seed + plain_len].to_vec());
        plain[plain_len / 2] ^= 1;
        let Some(segment) = sealed_delta(&key, &plain, prefix, level) else {
            prop_assert!(level < 3 || prefix_len * 2 < plain_len, "nothing to gain from a base of {prefix_len} bytes");
            return Ok(());
        };
        prop_assert_eq!(segment.codec, Codec::Delta);
        if prefix_len >= plain_len && level >= 3 {
            prop_assert!(segment.stored.len() < plain_len / 8 + 200, "{} bytes", segment.stored.len());
        }
        prop_assert_eq!(opened_with(&key, &segment, prefix), Ok(plain.clone()));
        // A wrong base gives an error or other bytes, which no chunk id fits.
        let other = noise(prefix_len + 7)[7..].iter().map(|byte| byte ^ 0x55).collect::<Vec<u8>>();
        for wrong in [&other[..], &[], &prefix[..prefix_len / 2]] {
            prop_assert_ne!(opened_with(&key, &segment, wrong), Ok(plain.clone()));
        }
    }
}

/// A file may hold a dictionary that `zstd --train` made, and a chunk of it begin a prefix.
#[test]
fn base_chunks_that_look_like_a_dictionary_of_zstd_are_taken_as_they_are() {
    let key = session_key(Kind::DataPack);
    for length in [4, 5, 7, 8, 40, 50_000] {
        let prefix = [&[0x37, 0xA4, 0x30, 0xEC][..], &noise(50_000)[..length - 4]].concat();
        let plain = [&prefix[..], &noise(1000).repeat(3)].concat();
        let segment = sealed_delta(&key, &plain, &prefix, 3).unwrap();
        assert_eq!(opened_with(&key, &segment, &prefix), Ok(plain), "{length}");
    }
}

#[test]
fn one_decompressor_opens_deltas_and_others_in_any_order() {
    let key = session_key(Kind::DataPack);
    let (base, mut decompressor) = (noise(30_000), Decompressor::new());
    let plain = [&base[..], b"new"].concat();
    let (delta, alone) = (sealed_delta(&key, &plain, &base, 9).unwrap(), sealed(&key, &[5; 9000]));
    for _ in 0..3 {
        for (segment, prefix, expected) in [(&delta, &base[..], &plain[..]), (&alone, &[], &[5; 9000])] {
            let stored = segment.stored.clone();
            let (codec, plain_len) = (segment.codec, segment.plain_len);
            let opened = open(&key, &REPOSITORY, stored, codec, plain_len, prefix, &mut decompressor);
            assert_eq!(opened.as_deref(), Ok(expected));
        }
    }
}

#[test]
fn a_prefix_beyond_the_limit_is_refused() {
    let key = session_key(Kind::DataPack);
    let segment = sealed_delta(&key, &[7; 1000], &[7; 1000], 3).unwrap();
    let expected = "length of a segment's base chunks";
    let error = opened_with(&key, &segment, &vec![7; MAX_PREFIX_BYTES + 1]).unwrap_err();
    assert!(matches!(error, FormatError::OutOfRange { what, .. } if what == expected), "{error}");
}

#[test]
fn no_nonce_is_used_twice() {
    let key = session_key(Kind::DataPack);
    let nonce = |_| sealed(&key, b"the same").stored[..24].to_vec();
    let nonces: std::collections::HashSet<Vec<u8>> = (0..1000).map(nonce).collect();
    assert_eq!(nonces.len(), 1000);
}

/// Prints the speed of one core; the figures are for people.
#[test]
fn sealing_and_opening_are_timed() {
    let key = session_key(Kind::DataPack);
    let word = |number: u32| format!("{} = \"{}\";\n", number.wrapping_mul(2_654_435_761) % 977, number % 7919);
    let text: Vec<u8> = (0..70_000).flat_map(|number| word(number).into_bytes()).collect();
    for (name, plain) in [("text", text), ("noise", noise(1 << 20))] {
        let (mut compressor, mut decompressor) = (Compressor::new(3), Decompressor::new());
        let (mut compressing, mut sealing, mut opening) = <(std::time::Duration, _, _)>::default();
        for _ in 0..20 {
            let start = std::time::Instant::now();
            let payload = compressor.compress(&plain);
            compressing += start.elapsed();
            let segment = seal(&key, &REPOSITORY, 0, payload, &[]);
            sealing += start.elapsed();
            let start = std::time::Instant::now();
            open(&key, &REPOSITORY, segment.stored, segment.codec, segment.plain_len, &[], &mut decompressor).unwrap();
            opening += start.elapsed();
        }
        let speed = |time: std::time::Duration| (20 * plain.len()) as f64 / time.as_secs_f64() / 1e6;
        println!(
            "{name}: compressed at {:.0} MB/s, compressed and sealed at {:.0}, opened at {:.0}",
            speed(compressing),
            speed(sealing),
            speed(opening)
        );
    }
}
