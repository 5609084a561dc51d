// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damaged, swapped and foreign tails: none of them opens.

use super::{MIB, SESSION, built, joined, keys, tail_of};
use crate::envelope::{HEADER_LEN, Header, Kind};
use crate::error::FormatError;
use crate::id::RepositoryId;
use crate::index;
use crate::keys::{Keys, RootSecret, SessionKey};
use crate::pack::{FOOTER_LEN, Footer, Padding, open_directory};

fn pack() -> (Keys, Vec<u8>) {
    let keys = keys();
    let key = SessionKey::create(&keys, Kind::DataPack);
    let pack = built(&keys, &key, &[100, 200, 300], MIB).finish(Padding::Padme, &keys);
    let bytes = joined(&pack);
    (keys, bytes)
}

#[test]
fn every_flipped_bit_in_header_and_tail_is_noticed() {
    let (keys, bytes) = pack();
    let footer = Footer::decode(bytes.last_chunk().unwrap()).unwrap();
    assert_eq!(footer.pack_len(), bytes.len() as u64);
    for at in (0..HEADER_LEN).chain(footer.key_table_offset as usize..bytes.len()) {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(tail_of(&keys, &damaged).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn every_truncated_tail_is_refused() {
    let (keys, bytes) = pack();
    let header = bytes.first_chunk().unwrap();
    let tail_len = Footer::decode(bytes.last_chunk().unwrap()).unwrap().tail_len() as usize;
    let tail = &bytes[bytes.len() - tail_len..];
    assert!(open_directory(&keys, header, tail).is_ok());
    for length in 0..tail.len() {
        assert!(open_directory(&keys, header, &tail[..length]).is_err());
        assert!(open_directory(&keys, header, &tail[tail.len() - length..]).is_err());
    }
}

#[test]
fn a_tail_opens_only_behind_its_own_header_and_for_its_own_repository() {
    let (keys, bytes) = pack();
    let header = Header::decode(&bytes).unwrap();
    let with = |header: Header| {
        let mut changed = bytes.clone();
        changed[..HEADER_LEN].copy_from_slice(&header.encode());
        tail_of(&keys, &changed).unwrap_err()
    };
    let unauthentic = FormatError::Unauthentic { what: "pack directory" };
    assert_eq!(with(Header { kind: Kind::TreePack, ..header }), unauthentic);
    assert_eq!(with(Header { epoch: 1, ..header }), unauthentic);
    assert!(matches!(with(Header { kind: Kind::Index, ..header }), FormatError::WrongKind { .. }));
    assert!(matches!(with(Header { body_len: header.body_len + 1, ..header }), FormatError::Malformed { .. }));
    let repository = RepositoryId([9; 16]);
    assert!(matches!(with(Header { repository, ..header }), FormatError::WrongRepository { .. }));
    let other_root = Keys::derive(&RootSecret::from_bytes([9; 32]), keys.repository(), 0);
    assert_eq!(tail_of(&other_root, &bytes), Err(unauthentic));
}

#[test]
fn footers_with_gaps_or_without_keys_are_refused() {
    let good = Footer { key_table_offset: 64, directory_len: 100, key_rows: 1, session: SESSION };
    assert_eq!(Footer::decode(&good.encode()), Ok(good));
    for bad in [
        Footer { key_rows: 0, ..good },
        Footer { key_table_offset: 63, ..good },
        Footer { key_table_offset: 256 << 20, ..good },
        Footer { key_table_offset: u64::MAX, ..good },
        Footer { directory_len: 39, ..good },
        Footer { directory_len: u32::MAX, ..good },
    ] {
        assert!(Footer::decode(&bad.encode()).is_err(), "{bad:?}");
    }
    // A wrong offset of the directory and bytes that are not zero, each under a right check.
    for at in [16, 30, 48, 55] {
        let mut bytes = good.encode();
        bytes[at] ^= 1;
        let check = crate::envelope::check_of(&bytes[..FOOTER_LEN - 8]);
        bytes[FOOTER_LEN - 8..].copy_from_slice(&check);
        assert!(matches!(Footer::decode(&bytes), Err(FormatError::Malformed { .. })), "byte {at}");
    }
}

#[test]
fn an_index_names_each_pack_once_and_nothing_but_packs() {
    let keys = keys();
    let key = SessionKey::create(&keys, Kind::DataPack);
    let record = built(&keys, &key, &[100, 200], MIB).finish(Padding::Padme, &keys).record;
    let twice = index::encode(&[record.clone(), record.clone()]);
    assert!(matches!(index::decode(&twice), Err(FormatError::Malformed { .. })));
    let manifest = crate::pack::PackRecord { kind: Kind::Manifest, ..record.clone() };
    assert!(index::decode(&index::encode(&[manifest])).is_err());
    let keyless = crate::pack::PackRecord { keys: Vec::new(), ..record.clone() };
    assert!(index::decode(&index::encode(&[keyless])).is_err());
    for length in [0, record.directory.end() + 143, (256 << 20) + 1] {
        let record = crate::pack::PackRecord { length, ..record.clone() };
        assert!(index::decode(&index::encode(&[record])).is_err(), "{length}");
    }
    let claim = index::decode(&[0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(claim, Err(FormatError::Truncated { found: 0, .. })));
}
