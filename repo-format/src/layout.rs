// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names of objects (`docs/format.md` section 2), from ids and back.
//!
//! For whoever stores, lists or fetches objects. A parser accepts exactly what its counterpart makes.

use crate::id::{IndexId, PackId, SlotId, SnapshotId, WriterId};

/// Folder of config objects.
pub const CONFIG_FOLDER: &str = "config";
/// Folder of key slots.
pub const KEYS_FOLDER: &str = "keys";
/// Folder of packs; one folder per first byte below it.
pub const PACKS_FOLDER: &str = "packs";
/// Folder of index objects.
pub const INDEX_FOLDER: &str = "index";
/// Folder of index generations.
pub const GENERATIONS_FOLDER: &str = "gen";
/// Folder of manifests.
pub const SNAPSHOTS_FOLDER: &str = "snapshots";
/// Folder of log slots; one folder per writer below it.
pub const LOG_FOLDER: &str = "log";
/// Folder of session records; one folder per writer below it.
pub const SESSIONS_FOLDER: &str = "sessions";
/// Folder of condemn lists; one folder per collector below it.
pub const CONDEMNED_FOLDER: &str = "gc";

/// Folders that later versions use; nothing of this version stands in them.
pub const RESERVED_FOLDERS: [&str; 2] = ["damage", "parity"];

/// No name is longer, in bytes.
pub const MAX_NAME_BYTES: usize = 110;

/// Name of the sentence for whoever finds the folder.
pub const README_NAME: &str = "readme.txt";

/// What stands in [`README_NAME`].
pub const README_TEXT: &str = "This folder is a keepfast backup repository, format version 1. It is encrypted: its \
password or key file is needed to read it. Do not change, rename or delete anything here; use the keepfast program.\n";

const CONFIG_DIGITS: usize = 8;
const SEQUENCE_DIGITS: usize = 12;
const RENEWAL_DIGITS: usize = 4;

/// Name of a config generation, below 10^8.
pub fn config(generation: u64) -> String {
    format!("{CONFIG_FOLDER}/{generation:0CONFIG_DIGITS$}")
}

/// Name of a key slot.
pub fn key_slot(id: &SlotId) -> String {
    format!("{KEYS_FOLDER}/{id}")
}

/// Name of a pack.
pub fn pack(id: &PackId) -> String {
    format!("{PACKS_FOLDER}/{:02x}/{id}", id.0[0])
}

/// Name of an index object.
pub fn index(id: &IndexId) -> String {
    format!("{INDEX_FOLDER}/{id}")
}

/// Name of an index generation, below 10^12.
pub fn generation(number: u64) -> String {
    format!("{GENERATIONS_FOLDER}/{number:0SEQUENCE_DIGITS$}")
}

/// Name of a manifest.
pub fn snapshot(id: &SnapshotId) -> String {
    format!("{SNAPSHOTS_FOLDER}/{id}")
}

/// Name of a log slot; `sequence` below 10^12.
pub fn log(writer: &WriterId, sequence: u64) -> String {
    format!("{}/{sequence:0SEQUENCE_DIGITS$}", log_folder(writer))
}

/// Folder of one writer's log slots.
pub fn log_folder(writer: &WriterId) -> String {
    format!("{LOG_FOLDER}/{writer}")
}

/// Name of a session record; `sequence` below 10^12.
pub fn session(writer: &WriterId, sequence: u64) -> String {
    format!("{}/{sequence:0SEQUENCE_DIGITS$}", session_folder(writer))
}

/// Renewals of one session, at most: more than 13 years of one each 12 hours.
pub const MAX_RENEWALS: u32 = 9_999;

/// Name of the renewal of a session record; `sequence` below 10^12, `number` from 1 to [`MAX_RENEWALS`].
pub fn session_renewal(writer: &WriterId, sequence: u64, number: u32) -> String {
    format!("{}-{number:0RENEWAL_DIGITS$}", session(writer, sequence))
}

/// Name of a condemn list; `sequence` below 10^12.
pub fn condemned(writer: &WriterId, sequence: u64) -> String {
    format!("{CONDEMNED_FOLDER}/{writer}/{sequence:0SEQUENCE_DIGITS$}")
}

/// Folder of one writer's session records.
pub fn session_folder(writer: &WriterId) -> String {
    format!("{SESSIONS_FOLDER}/{writer}")
}

/// The generation in the name of a config object.
pub fn parse_config(name: &str) -> Option<u64> {
    parse_number(name.strip_prefix(CONFIG_FOLDER)?.strip_prefix('/')?, CONFIG_DIGITS)
}

/// The id in the name of a key slot.
pub fn parse_key_slot(name: &str) -> Option<SlotId> {
    SlotId::from_hex(name.strip_prefix(KEYS_FOLDER)?.strip_prefix('/')?)
}

/// The id in the name of a pack.
pub fn parse_pack(name: &str) -> Option<PackId> {
    let (folder, id) = name.strip_prefix(PACKS_FOLDER)?.strip_prefix('/')?.split_once('/')?;
    if id.get(..2) == Some(folder) { PackId::from_hex(id) } else { None }
}

/// The id in the name of an index object.
pub fn parse_index(name: &str) -> Option<IndexId> {
    IndexId::from_hex(name.strip_prefix(INDEX_FOLDER)?.strip_prefix('/')?)
}

/// The number in the name of an index generation.
pub fn parse_generation(name: &str) -> Option<u64> {
    parse_number(name.strip_prefix(GENERATIONS_FOLDER)?.strip_prefix('/')?, SEQUENCE_DIGITS)
}

/// The id in the name of a manifest.
pub fn parse_snapshot(name: &str) -> Option<SnapshotId> {
    SnapshotId::from_hex(name.strip_prefix(SNAPSHOTS_FOLDER)?.strip_prefix('/')?)
}

/// Writer and sequence in the name of a log slot.
pub fn parse_log(name: &str) -> Option<(WriterId, u64)> {
    parse_place(name.strip_prefix(LOG_FOLDER)?.strip_prefix('/')?)
}

/// Writer and sequence in the name of a session record.
pub fn parse_session(name: &str) -> Option<(WriterId, u64)> {
    parse_place(name.strip_prefix(SESSIONS_FOLDER)?.strip_prefix('/')?)
}

/// Writer, sequence and number in the name of a session's renewal.
pub fn parse_session_renewal(name: &str) -> Option<(WriterId, u64, u32)> {
    let (record, number) = name.rsplit_once('-')?;
    let (writer, sequence) = parse_session(record)?;
    let number = parse_number(number, RENEWAL_DIGITS).filter(|number| *number > 0)?;
    Some((writer, sequence, u32::try_from(number).ok()?))
}

/// Writer and sequence in the name of a condemn list.
pub fn parse_condemned(name: &str) -> Option<(WriterId, u64)> {
    parse_place(name.strip_prefix(CONDEMNED_FOLDER)?.strip_prefix('/')?)
}

fn parse_place(text: &str) -> Option<(WriterId, u64)> {
    let (writer, sequence) = text.split_once('/')?;
    Some((WriterId::from_hex(writer)?, parse_number(sequence, SEQUENCE_DIGITS)?))
}

fn parse_number(text: &str, digits: usize) -> Option<u64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_come_back_as_the_ids_they_were_made_of(id: [u8; 32], writer: [u8; 16], sequence in 0..1_000_000_000_000_u64) {
            let (place, small) = ((WriterId(writer), sequence), sequence % 100_000_000);
            prop_assert_eq!(parse_config(&config(small)), Some(small));
            prop_assert_eq!(parse_key_slot(&key_slot(&SlotId(id))), Some(SlotId(id)));
            prop_assert_eq!(parse_pack(&pack(&PackId(id))), Some(PackId(id)));
            prop_assert_eq!(parse_index(&index(&IndexId(id))), Some(IndexId(id)));
            prop_assert_eq!(parse_generation(&generation(sequence)), Some(sequence));
            prop_assert_eq!(parse_snapshot(&snapshot(&SnapshotId(id))), Some(SnapshotId(id)));
            prop_assert_eq!(parse_log(&log(&place.0, place.1)), Some(place));
            prop_assert_eq!(parse_session(&session(&place.0, place.1)), Some(place));
            let number = (sequence % u64::from(MAX_RENEWALS)) as u32 + 1;
            let renewal = session_renewal(&place.0, place.1, number);
            prop_assert_eq!(parse_session_renewal(&renewal), Some((place.0, place.1, number)));
            prop_assert_eq!(parse_session(&renewal), None);
            prop_assert_eq!(parse_condemned(&condemned(&place.0, place.1)), Some(place));
        }

        #[test]
        fn whatever_is_accepted_is_the_one_name(name in "(config|packs|log|gen)/[0-9a-f]{0,2}/?[0-9a-f+]{8,12}") {
            prop_assert!(parse_config(&name).is_none_or(|number| config(number) == name));
            prop_assert!(parse_generation(&name).is_none_or(|number| generation(number) == name));
            prop_assert!(parse_pack(&name).is_none_or(|id| pack(&id) == name));
            prop_assert!(parse_log(&name).is_none_or(|(writer, sequence)| log(&writer, sequence) == name));
        }
    }

    #[test]
    fn names_hold_to_their_alphabet_and_length() {
        let writer = WriterId([0xff; 16]);
        let names = [config(7), pack(&PackId([0xab; 32])), log(&writer, 9), session(&writer, 9), generation(3)];
        for name in names.into_iter().chain([session_renewal(&writer, 9, MAX_RENEWALS)]) {
            assert!(name.len() <= MAX_NAME_BYTES, "{name}");
            assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'/' | b'-')), "{name}");
        }
        assert_eq!(config(1), "config/00000001");
        assert_eq!(generation(0), "gen/000000000000");
        assert!(pack(&PackId([0xab; 32])).starts_with("packs/ab/abab"));
    }

    #[test]
    fn a_pack_in_another_folder_is_no_pack() {
        let name = pack(&PackId([0xab; 32])).replace("packs/ab/", "packs/ac/");
        assert_eq!(parse_pack(&name), None);
        assert_eq!(parse_config("config/+0000001"), None);
        assert_eq!(parse_config("config/1"), None);
    }
}
