// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs: their sizes, their tails, and the index table, which holds the same facts.

mod damage;
mod vectors;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::{FOOTER_LEN, FinishedPack, Footer, PackBuilder, PackTail, Padding, open_directory};
use crate::crypto::{object_hash, random};
use crate::directory::{ChunkRow, samples};
use crate::envelope::{HEADER_LEN, Kind};
use crate::error::FormatError;
use crate::frame::padme;
use crate::id::{ChunkId, RepositoryId, SessionId};
use crate::index;
use crate::keys::{Keys, RootSecret, SessionKey};
use crate::segment::{Compressor, Decompressor, open, seal};

const SESSION: SessionId = SessionId([5; 16]);
const MIB: u64 = 1 << 20;

fn keys() -> Keys {
    Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0)
}

fn joined(pack: &FinishedPack) -> Vec<u8> {
    pack.parts.concat()
}

/// What a reader does that knows nothing but the pack's bytes.
fn tail_of(keys: &Keys, bytes: &[u8]) -> Result<PackTail, FormatError> {
    let footer = Footer::decode(bytes.last_chunk::<FOOTER_LEN>().unwrap())?;
    let start = bytes.len().saturating_sub(footer.tail_len() as usize);
    open_directory(keys, bytes.first_chunk::<HEADER_LEN>().unwrap(), &bytes[start..])
}

/// Puts chunks of these lengths into segments of two until the pack is full or they end.
fn built(keys: &Keys, key: &SessionKey, lengths: &[u32], size: u64) -> PackBuilder {
    let mut builder = PackBuilder::new(keys, SESSION, Kind::DataPack);
    let row = builder.add_key(key.key_row());
    let mut compressor = Compressor::new(1);
    for (number, pair) in lengths.chunks(2).enumerate() {
        let chunk = |&length: &u32| ChunkRow { id: ChunkId(random()), length };
        let chunks: Vec<ChunkRow> = pair.iter().map(chunk).collect();
        let plain: Vec<u8> = (0..pair.iter().sum::<u32>()).map(|at| (at / 3) as u8 ^ number as u8).collect();
        let segment = seal(key, &keys.repository(), number as u32, compressor.compress(&plain), &[]);
        match builder.room(size, chunks.len(), 0) {
            Some(room) if segment.stored.len() as u64 <= room => builder.push(segment, row, &chunks, &[]),
            _ => break,
        }
    }
    builder
}

proptest! {
    #![proptest_config(Config::with_cases(32))]

    #[test]
    fn a_full_pack_has_exactly_its_size(lengths in prop::collection::vec(1_u32..90_000, 1..300), mib in 1_u64..3) {
        let (keys, size) = (keys(), mib * MIB);
        let pack = built(&keys, &SessionKey::create(&keys, Kind::DataPack), &lengths, size)
            .finish(Padding::Full(size), &keys);
        let bytes = joined(&pack);
        prop_assert_eq!((bytes.len() as u64, pack.length, pack.record.length), (size, size, size));
        prop_assert_eq!(pack.id.0, object_hash(&bytes));
        prop_assert_eq!(pack.record.id, pack.id);
    }

    #[test]
    fn the_tail_says_what_the_index_says(lengths in prop::collection::vec(1_u32..9000, 1..40), full: bool) {
        let keys = keys();
        let key = SessionKey::create(&keys, Kind::DataPack);
        let padding = if full { Padding::Full(MIB) } else { Padding::Padme };
        let pack = built(&keys, &key, &lengths, MIB).finish(padding, &keys);
        let bytes = joined(&pack);
        let tail = tail_of(&keys, &bytes).unwrap();
        let record = pack.record.clone();
        prop_assert_eq!((tail.kind, tail.length, tail.session), (Kind::DataPack, record.length, SESSION));
        prop_assert_eq!((&tail.keys, &tail.directory), (&record.keys, &record.directory));
        let mut decompressor = Decompressor::new();
        for row in &tail.directory.segments {
            let key = SessionKey::open(&keys, tail.kind, &tail.keys[usize::from(row.key_row)]).unwrap();
            let stored = bytes[row.offset as usize..][..row.stored_len as usize].to_vec();
            let plain = open(&key, &keys.repository(), stored, row.codec, row.plain_len, &[], &mut decompressor);
            prop_assert_eq!(plain.unwrap().len() as u32, row.plain_len);
        }
    }

    #[test]
    fn the_last_packs_are_padded_as_padme_says(lengths in prop::collection::vec(1_u32..9000, 1..40)) {
        let keys = keys();
        let key = SessionKey::create(&keys, Kind::DataPack);
        let pack = built(&keys, &key, &lengths, MIB).finish(Padding::Padme, &keys);
        prop_assert_eq!(pack.length, padme(pack.length));
        prop_assert!(pack.length <= MIB);
        prop_assert_eq!(joined(&pack).len() as u64, pack.length);
    }

    #[test]
    fn index_tables_come_back_in_order(mut packs in prop::collection::vec(samples::record(), 0..8)) {
        let table = index::encode(&packs);
        prop_assert_eq!(table.len() as u64, 4 + packs.iter().map(index::encoded_len).sum::<u64>());
        packs.sort_by_key(|record| record.id);
        prop_assert_eq!(index::decode(&table).unwrap(), packs);
    }

    #[test]
    fn what_an_index_accepts_is_in_its_one_form(
        packs in prop::collection::vec(samples::record(), 1..4),
        at: prop::sample::Index,
        flips in 1_u8..=255,
    ) {
        let mut table = index::encode(&packs);
        for length in (0..table.len()).step_by(7) {
            prop_assert!(index::decode(&table[..length]).is_err());
        }
        let at = at.index(table.len());
        table[at] ^= flips;
        if let Ok(decoded) = index::decode(&table) {
            prop_assert_eq!(index::encode(&decoded), table);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_reason_to_panic(count in 0_u8..3, rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = index::decode(&[&[count, 0, 0, 0][..], &rest].concat());
        let _ = index::decode(&rest);
    }
}

#[test]
fn room_leaves_place_for_many_tiny_chunks() {
    let keys = keys();
    let key = SessionKey::create(&keys, Kind::DataPack);
    let lengths = vec![64; 40_000];
    let builder = built(&keys, &key, &lengths, MIB);
    let pack = builder.finish(Padding::Full(MIB), &keys);
    assert_eq!(pack.length, MIB);
    assert!(pack.record.directory.segments.len() > 3000, "{}", pack.record.directory.segments.len());
}

#[test]
fn there_is_no_room_for_more_rows_than_an_index_object_takes() {
    let builder = PackBuilder::new(&keys(), SESSION, Kind::TreePack);
    assert!(builder.is_empty());
    assert!(builder.room(256 * MIB, 400_000, 0).is_some());
    assert_eq!(builder.room(256 * MIB, 500_000, 0), None);
    assert_eq!(builder.room(1000, 1000, 0), None);
    assert_eq!(builder.room(1 << 40, 1, 0), builder.room(256 * MIB, 1, 0));
}

#[test]
fn a_key_has_one_row_however_often_it_is_added() {
    let keys = keys();
    let [one, two] = [(); 2].map(|()| SessionKey::create(&keys, Kind::DataPack).key_row());
    let mut builder = PackBuilder::new(&keys, SESSION, Kind::DataPack);
    assert_eq!([builder.add_key(one), builder.add_key(two), builder.add_key(one)], [0, 1, 0]);
}

#[test]
fn two_packs_with_the_same_content_have_other_names_and_nonces() {
    let keys = keys();
    let key = SessionKey::create(&keys, Kind::DataPack);
    let [one, two] = [(); 2].map(|()| built(&keys, &key, &[1000], MIB).finish(Padding::Padme, &keys));
    assert_ne!(one.id, two.id);
    let nonce = |pack: &FinishedPack| {
        let footer = Footer::decode(joined(pack).last_chunk().unwrap()).unwrap();
        joined(pack)[footer.directory_offset() as usize..][..24].to_vec()
    };
    assert_ne!(nonce(&one), nonce(&two));
    assert_ne!(joined(&one)[64..88], joined(&two)[64..88]);
}
