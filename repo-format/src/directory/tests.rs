// SPDX-License-Identifier: MIT OR Apache-2.0
//! Directories come back, have one form, and each broken rule is noticed.

use proptest::prelude::*;

use super::{ChunkRow, Directory, Located, SegmentRow, samples};
use crate::error::FormatError;
use crate::id::ChunkId;
use crate::segment::Codec;

proptest! {
    #[test]
    fn directories_come_back_as_they_were_stored(directory in samples::directory(3)) {
        let table = directory.encode();
        prop_assert_eq!(table.len() as u64, directory.encoded_len());
        prop_assert_eq!(Directory::decode(&table, 3).unwrap(), directory);
    }

    #[test]
    fn every_chunk_is_located_in_its_segment(directory in samples::directory(1)) {
        let located: Vec<Located> = directory.locate().collect();
        let mut naive = Vec::new();
        let mut chunks = directory.chunks.iter();
        for (segment, row) in directory.segments.iter().enumerate() {
            let mut offset = 0;
            for &chunk in chunks.by_ref().take(row.chunks as usize) {
                naive.push(Located { segment, offset, chunk });
                offset += chunk.length;
            }
            prop_assert_eq!(offset, row.plain_len);
        }
        prop_assert_eq!(located, naive);
    }

    #[test]
    fn what_is_accepted_is_in_its_one_form(directory in samples::directory(2), at: prop::sample::Index, flips in 1_u8..=255) {
        let mut table = directory.encode();
        let at = at.index(table.len());
        table[at] ^= flips;
        if let Ok(decoded) = Directory::decode(&table, 2) {
            prop_assert_eq!(decoded.encode(), table);
        }
    }

    #[test]
    fn no_truncated_directory_is_accepted(directory in samples::directory(1)) {
        let table = directory.encode();
        for length in 0..table.len() {
            prop_assert!(Directory::decode(&table[..length], 1).is_err());
        }
        prop_assert!(Directory::decode(&[&table[..], &[0]].concat(), 1).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_reason_to_panic(table in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Directory::decode(&table, 1);
    }
}

fn valid() -> Directory {
    let row = |offset, codec, stored_len, edges| SegmentRow {
        offset,
        stored_len,
        plain_len: 100,
        codec,
        key_row: 0,
        chunks: 2,
        edges,
    };
    let chunk = |byte, length| ChunkRow { id: ChunkId([byte; 32]), length };
    Directory {
        segments: vec![row(64, Codec::Raw, 140, 0), row(204, Codec::Zstd, 41, 0), row(300, Codec::Delta, 139, 1)],
        chunks: vec![chunk(1, 40), chunk(2, 60), chunk(3, 1), chunk(4, 99), chunk(5, 50), chunk(6, 50)],
        edges: vec![ChunkId([7; 32])],
    }
}

#[test]
fn each_broken_rule_is_noticed() {
    assert!(Directory::decode(&valid().encode(), 1).is_ok());
    let broken: [fn(&mut Directory); 22] = [
        |it| it.segments[0].offset = 63,
        |it| it.segments[1].offset = 203,
        |it| it.segments.swap(0, 1),
        |it| it.segments[2].offset = 256 << 20,
        |it| it.segments[0].stored_len = 139,
        |it| it.segments[0].stored_len = 141,
        |it| it.segments[1].stored_len = 40,
        |it| it.segments[1].stored_len = 140,
        |it| it.segments[2].stored_len = u32::MAX,
        |it| it.segments[0].plain_len = 0,
        |it| it.segments[0].plain_len = u32::MAX,
        |it| it.segments[0].codec = Codec::Zstd,
        |it| it.segments[0].key_row = 1,
        |it| it.segments[0].chunks = 1,
        |it| it.segments[2].chunks = u32::MAX,
        |it| it.segments[2].chunks = 1,
        |it| it.segments[1].edges = 1,
        |it| it.segments[2].edges = 2,
        |it| it.segments[2].edges = 0,
        |it| it.chunks[0].length = 41,
        |it| it.chunks.push(it.chunks[0]),
        |it| (it.chunks[0].length, it.chunks[1].length) = (0, 100),
    ];
    for (number, break_it) in broken.into_iter().enumerate() {
        let mut directory = valid();
        break_it(&mut directory);
        assert!(Directory::decode(&directory.encode(), 1).is_err(), "rule {number}");
    }
}

#[test]
fn a_directory_that_claims_more_than_it_holds_takes_no_memory() {
    let claim = |segments: u32, chunks: u32, edges: u32| {
        Directory::decode([segments, chunks, edges].map(u32::to_le_bytes).as_flattened(), 1).unwrap_err()
    };
    assert!(matches!(claim(1 << 20, 1 << 24, u32::MAX), FormatError::Truncated { found: 0, .. }));
    assert!(matches!(claim((1 << 20) + 1, 0, 0), FormatError::OutOfRange { .. }));
    assert!(matches!(claim(0, (1 << 24) + 1, 0), FormatError::OutOfRange { .. }));
}
