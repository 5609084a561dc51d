// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables and a whole pack whose bytes stand in `docs/vectors/pack.json`, the same for ever. Sealing draws randomness, so
//! the pack there was made once; it must open for ever.

use super::keys;
use crate::directory::{ChunkRow, Directory, SegmentRow};
use crate::envelope::{HEADER_LEN, Kind};
use crate::id::{ChunkId, PackId, SessionId};
use crate::index;
use crate::keys::{KeyRow, SessionKey};
use crate::pack::{Footer, PackBuilder, PackRecord, Padding, open_directory};
use crate::segment::{Codec, Compressor, Decompressor, open, seal};
use crate::vectors::Vectors;

const FILE: &str = include_str!("../../../../docs/vectors/pack.json");

fn directory() -> Directory {
    let chunk = |byte, length| ChunkRow { id: ChunkId([byte; 32]), length };
    let row = |offset, stored_len, plain_len, codec, key_row, chunks, edges| SegmentRow {
        offset,
        stored_len,
        plain_len,
        codec,
        key_row,
        chunks,
        edges,
    };
    Directory {
        segments: vec![
            row(64, 140, 100, Codec::Raw, 0, 1, 0),
            row(204, 0x1234, 0x54321, Codec::Zstd, 1, 2, 0),
            row(0x10000, 77, 1000, Codec::Delta, 0, 1, 2),
        ],
        chunks: vec![chunk(1, 100), chunk(2, 0x54320), chunk(3, 1), chunk(4, 1000)],
        edges: vec![ChunkId([5; 32]), ChunkId([6; 32])],
    }
}

fn record() -> PackRecord {
    PackRecord {
        id: PackId([0xab; 32]),
        length: 1 << 20,
        kind: Kind::DataPack,
        session: SessionId([0xcd; 16]),
        keys: vec![KeyRow::new([1; 32], [2; 32]), KeyRow::new([3; 32], [4; 32])],
        directory: directory(),
    }
}

const CHUNKS: [&[u8]; 2] = [b"a chunk of text, a chunk of text, a chunk of text", b"and another one, and another one"];

fn new_pack() -> Vec<u8> {
    let keys = keys();
    let key = SessionKey::create(&keys, Kind::DataPack);
    let rows = CHUNKS.map(|plain| ChunkRow { id: keys.data_chunk_id(plain), length: plain.len() as u32 });
    let payload = Compressor::new(3).compress(&CHUNKS.concat());
    let segment = seal(&key, &keys.repository(), 0, payload, &rows.map(|row| row.id));
    let mut builder = PackBuilder::new(&keys, SessionId([5; 16]), Kind::DataPack);
    let row = builder.add_key(key.key_row());
    builder.push(segment, row, &rows, &[]);
    builder.finish(Padding::Padme, &keys).parts.concat()
}

fn read_pack(pack: &[u8]) {
    let keys = keys();
    let footer = Footer::decode(pack.last_chunk().unwrap()).unwrap();
    let header: &[u8; HEADER_LEN] = pack.first_chunk().unwrap();
    let tail = open_directory(&keys, header, &pack[footer.key_table_offset as usize..]).unwrap();
    let key = SessionKey::open(&keys, tail.kind, &tail.keys[0]).unwrap();
    let row = tail.directory.segments[0];
    let stored = pack[row.offset as usize..][..row.stored_len as usize].to_vec();
    let mut decompressor = Decompressor::new();
    let plain = open(&key, &keys.repository(), stored, row.codec, row.plain_len, &[], &mut decompressor).unwrap();
    assert_eq!(plain, CHUNKS.concat());
    for located in tail.directory.locate() {
        let chunk = &plain[located.offset as usize..][..located.chunk.length as usize];
        assert_eq!(keys.data_chunk_id(chunk), located.chunk.id);
    }
}

#[test]
fn tables_have_the_bytes_of_the_vectors_and_the_old_pack_still_opens() {
    let mut vectors = Vectors::open("pack", FILE);
    vectors.check("directory table", &directory().encode());
    assert_eq!(Directory::decode(&vectors.bytes("directory table"), 2).unwrap(), directory());

    vectors.check("index table", &index::encode(&[record()]));
    assert_eq!(index::decode(&vectors.bytes("index table")).unwrap(), [record()]);

    let footer = Footer { key_table_offset: 1000, directory_len: 500, key_rows: 2, session: SessionId([9; 16]) };
    vectors.check("footer", &footer.encode());

    let pack = vectors.stored("pack of root 01.., repository 02..").unwrap_or_else(new_pack);
    vectors.check("pack of root 01.., repository 02..", &pack);
    read_pack(&pack);
    vectors.finish();
}
