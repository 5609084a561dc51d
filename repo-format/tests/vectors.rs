// SPDX-License-Identifier: MIT OR Apache-2.0
//! Known answers: `docs/vectors/keys.json` holds every derivation and one stored object per kind, `collector.json` those that
//! came with collectors, all made of the root secret 00..1f. They must open and come out the same for ever; `docs/reader.py` is
//! held to the same files.
//!
//! When a file is missing it is written and the test fails, so that a new one is looked at before it counts.

#![allow(clippy::unwrap_used, reason = "a test ends where its ground is not as it must be")]

mod samples;

use std::fmt::Write;
use std::sync::OnceLock;

use ed25519_dalek::SigningKey;
use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::config::UnverifiedConfig;
use keepfast_repo_format::crypto::{derive, hedged_nonce, keyed_hash};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::frame;
use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::key_slot::{KdfParams, KeyFile, KeySlot, seal_key_file, seal_password};
use keepfast_repo_format::keys::{KeyRow, Keys, SessionKey};
use keepfast_repo_format::log::LogSlot;
use keepfast_repo_format::manifest::Manifest;
use keepfast_repo_format::record::{open_structure, to_cbor};
use keepfast_repo_format::session::SessionRecord;
use samples::{REPOSITORY, WRITER};
use serde_json::{Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vectors");

/// Slots of [`samples::log_slots`] in `keys.json`; those after them stand in `collector.json`.
const FIRST_SLOTS: usize = 4;

/// With a decomposed letter: the composed one must open the slot.
const PASSWORD: &str = "pa\u{df}wo\u{308}rd";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn id_key(name: &str) -> [u8; 32] {
    derive(&format!("keepfast 2026 v1 {name}"), &[samples::root().as_bytes(), &[0, 0]])
}

/// What is the same every time it is computed.
fn derivations(keys: &Keys) -> Value {
    let gear: Vec<u8> = keys.gear_table().iter().flat_map(|entry| entry.to_le_bytes()).collect();
    let writer: SigningKey = keys.writer_signing(&WRITER);
    let padded = [1_u64, 2, 9, 100, 1000, 1025, 123_456, 67_108_876].map(|len| [len, frame::padme(len)]);
    json!({
        "data_id_key": hex(&id_key("data chunk id")),
        "tree_id_key": hex(&id_key("tree chunk id")),
        "data_chunk_id_of_keepfast": keys.data_chunk_id(b"keepfast").to_string(),
        "tree_chunk_id_of_keepfast": keys.tree_chunk_id(b"keepfast").to_string(),
        "gear_table": hex(&gear),
        "boundary_key": hex(keys.boundary()),
        "structure_key": hex(keys.structure()),
        "meta_secret": hex(&id_key("meta secret")),
        "meta_public": hex(&keys.meta_public()),
        "data_secret": hex(&id_key("data secret")),
        "data_public": hex(&keys.data_public()),
        "psk": hex(&id_key("psk")),
        "root_signing_seed": hex(&derive("keepfast 2026 v1 root signing", &[samples::root().as_bytes()])),
        "root_public": hex(&keys.root_public()),
        "writer_signing_seed": hex(&writer.to_bytes()),
        "writer_public": hex(&writer.verifying_key().to_bytes()),
        "root_signature_of_keepfast": hex(&keys.sign_config(b"keepfast")),
        "hedged_nonce_of_structure_key_zeros_keepfast": hex(&hedged_nonce(keys.structure(), &[0; 32], &[b"keepfast"])),
        "padme": padded,
    })
}

/// What holds fresh randomness: made once, then only opened.
fn objects(keys: &Keys) -> Value {
    let file = KeyFile::generate(REPOSITORY, keys.root_public());
    let session_key = |kind: Kind| {
        let key = SessionKey::create(keys, kind);
        json!({ "kind": char::from(kind.letter()), "row": hex(&key.key_row().encode()), "key": hex(key.key()) })
    };
    let session_keys = [Kind::DataPack, Kind::TreePack, Kind::Manifest].map(session_key);
    let params = KdfParams::new(8 << 10, 2, 3).unwrap();
    let password_slot = seal_password(REPOSITORY, &samples::root(), 0, PASSWORD, params, "läbel", 7).unwrap();
    let key_file_slot = seal_key_file(REPOSITORY, &samples::root(), 0, &file, "nightly", 8).unwrap();
    json!({
        "session_keys": session_keys,
        "password": PASSWORD,
        "password_slot": hex(&password_slot),
        "key_file": *file.to_text(),
        "key_file_slot": hex(&key_file_slot),
        "config": hex(&samples::config().seal(keys).unwrap()),
        "generation": hex(&samples::generation().seal(keys)),
        "session": hex(&samples::session().seal(keys)),
        "log": samples::log_slots()[..FIRST_SLOTS].iter().map(|slot| hex(&slot.seal(keys))).collect::<Vec<_>>(),
        "manifest": hex(&samples::manifest().seal(keys)),
        "manifest_cbor": hex(&to_cbor(&samples::manifest())),
        "frame_plain": hex(&[b'k'; 1000]),
        "frame": hex(&frame::encode(&[b'k'; 1000])),
    })
}

/// `keys.json`; read once, so that a missing file is written by one test only.
fn vectors() -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    let make = |keys: &Keys| {
        json!({
            "root_secret": hex(samples::root().as_bytes()),
            "repository": REPOSITORY.to_string(),
            "epoch": 0,
            "writer": WRITER.to_string(),
            "derivations": derivations(keys),
            "objects": objects(keys),
        })
    };
    VECTORS.get_or_init(|| read_or_write("keys.json", make))
}

/// `collector.json`: what collectors and undeletes store; made later than the other file, which never changes.
fn collector() -> Value {
    read_or_write("collector.json", |keys| {
        json!({
            "session": hex(&samples::collector_session().seal(keys)),
            "condemn_list": hex(&samples::condemned().seal(keys)),
            "log": samples::log_slots()[FIRST_SLOTS..].iter().map(|slot| hex(&slot.seal(keys))).collect::<Vec<_>>(),
        })
    })
}

fn read_or_write(name: &str, make: impl FnOnce(&Keys) -> Value) -> Value {
    let file = format!("{FOLDER}/{name}");
    if let Ok(text) = std::fs::read_to_string(&file) {
        return serde_json::from_str(&text).unwrap();
    }
    std::fs::create_dir_all(FOLDER).unwrap();
    std::fs::write(&file, serde_json::to_string_pretty(&make(&samples::keys())).unwrap() + "\n").unwrap();
    panic!("{file} was missing and is written now: look at it and run the test again");
}

/// Holds a stored object to the same content as the one that is made today.
fn assert_same_content(kind: Kind, stored: &[u8], today: &[u8]) {
    let keys = samples::keys();
    assert_eq!(open_structure(&keys, kind, stored).unwrap(), open_structure(&keys, kind, today).unwrap());
}

#[test]
fn every_derivation_gives_its_known_answer() {
    let (keys, vectors) = (samples::keys(), vectors());
    assert_eq!(vectors["root_secret"], hex(samples::root().as_bytes()));
    assert_eq!(vectors["repository"], REPOSITORY.to_string());
    assert_eq!(vectors["derivations"], derivations(&keys));
    assert_eq!(keys.data_chunk_id(b"keepfast").0, keyed_hash(&id_key("data chunk id"), &[b"keepfast"]));
    assert_eq!(keys.tree_chunk_id(b"keepfast").0, keyed_hash(&id_key("tree chunk id"), &[b"keep", b"fast"]));
}

#[test]
fn stored_session_keys_are_found_again() {
    let (keys, vectors) = (samples::keys(), vectors());
    for vector in vectors["objects"]["session_keys"].as_array().unwrap() {
        let kind = Kind::from_letter(vector["kind"].as_str().unwrap().as_bytes()[0]).unwrap();
        let row = KeyRow::decode(&unhex(&vector["row"]).try_into().unwrap());
        assert_eq!(SessionKey::open(&keys, kind, &row).unwrap().key()[..], unhex(&vector["key"])[..]);
    }
}

#[test]
fn stored_key_slots_open() {
    let objects = &vectors()["objects"];
    let slot = KeySlot::parse(&unhex(&objects["password_slot"]), Some(REPOSITORY)).unwrap();
    assert_eq!((slot.label(), slot.created()), ("läbel", 7));
    for password in [objects["password"].as_str().unwrap(), "pa\u{df}w\u{f6}rd"] {
        assert_eq!(slot.open_with_password(password).unwrap().root.as_bytes(), samples::root().as_bytes());
    }
    let file = KeyFile::parse(objects["key_file"].as_str().unwrap()).unwrap();
    let slot = KeySlot::parse(&unhex(&objects["key_file_slot"]), Some(REPOSITORY)).unwrap();
    assert_eq!(slot.open_with_key_file(&file).unwrap().root.as_bytes(), samples::root().as_bytes());
}

#[test]
fn a_stored_config_is_the_one_that_is_made_today() {
    let (keys, objects) = (samples::keys(), &vectors()["objects"]);
    let object = unhex(&objects["config"]);
    let unverified = UnverifiedConfig::decode(&object).unwrap();
    assert_eq!((unverified.repository(), unverified.epoch()), (REPOSITORY, 0));
    assert_eq!(unverified.verify(&keys, 0), Ok(samples::config()));
    assert_eq!(samples::config().seal(&keys), Ok(object));
}

#[test]
fn stored_structure_records_hold_what_is_stored_today() {
    let (keys, objects) = (samples::keys(), &vectors()["objects"]);
    let (generation, session) = (unhex(&objects["generation"]), unhex(&objects["session"]));
    assert_eq!(Generation::open(&keys, 300, &generation), Ok(samples::generation()));
    assert_eq!(SessionRecord::open(&keys, WRITER, 41, &session), Ok(samples::session()));
    assert_same_content(Kind::Generation, &generation, &samples::generation().seal(&keys));
    assert_same_content(Kind::Session, &session, &samples::session().seal(&keys));
    assert_same_slots(&samples::log_slots()[..FIRST_SLOTS], &objects["log"]);
}

#[test]
fn stored_objects_of_a_collector_hold_what_is_stored_today() {
    let (keys, vectors) = (samples::keys(), collector());
    let (session, list) = (unhex(&vectors["session"]), unhex(&vectors["condemn_list"]));
    assert_eq!(SessionRecord::open(&keys, WRITER, 42, &session), Ok(samples::collector_session()));
    assert_eq!(CondemnList::open(&keys, WRITER, 42, &list), Ok(samples::condemned()));
    assert_same_content(Kind::Session, &session, &samples::collector_session().seal(&keys));
    assert_same_content(Kind::Condemned, &list, &samples::condemned().seal(&keys));
    assert_same_slots(&samples::log_slots()[FIRST_SLOTS..], &vectors["log"]);
}

fn assert_same_slots(slots: &[LogSlot], stored: &Value) {
    let (keys, stored) = (samples::keys(), stored.as_array().unwrap());
    assert_eq!(stored.len(), slots.len());
    for (slot, stored) in slots.iter().zip(stored) {
        let stored = unhex(stored);
        assert_eq!(LogSlot::open(&keys, WRITER, slot.sequence, &stored).as_ref(), Ok(slot));
        assert_same_content(Kind::Log, &stored, &slot.seal(&keys));
    }
}

#[test]
fn a_stored_manifest_and_a_stored_frame_open() {
    let (keys, objects) = (samples::keys(), &vectors()["objects"]);
    assert_eq!(Manifest::open(&keys, &unhex(&objects["manifest"])), Ok(samples::manifest()));
    assert_eq!(hex(&to_cbor(&samples::manifest())), objects["manifest_cbor"].as_str().unwrap());
    assert_eq!(frame::decode(&unhex(&objects["frame"]), "frame").unwrap(), unhex(&objects["frame_plain"]));
}
