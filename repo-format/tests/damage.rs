// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damage matrix: every record, every flipped bit, every truncation, and bytes that nobody wrote.

#![allow(clippy::unwrap_used, reason = "a test ends where its ground is not as it must be")]

mod samples;

use keepfast_repo_format::FormatError;
use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::config::UnverifiedConfig;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::key_slot::{KeyFile, KeySlot, seal_key_file};
use keepfast_repo_format::keys::Keys;
use keepfast_repo_format::log::LogSlot;
use keepfast_repo_format::manifest::Manifest;
use keepfast_repo_format::record::{from_cbor, open_structure, seal_structure, to_cbor};
use keepfast_repo_format::session::SessionRecord;
use proptest::prelude::*;
use samples::{REPOSITORY, WRITER};

type Open = Box<dyn Fn(&Keys, &[u8]) -> Result<(), FormatError>>;

/// Every kind of record, stored, with what opens it.
fn records(keys: &Keys) -> Vec<(&'static str, Vec<u8>, Open)> {
    let file = KeyFile::generate(REPOSITORY, keys.root_public());
    let slot = seal_key_file(REPOSITORY, &samples::root(), 0, &file, "label", 1).unwrap();
    let open_slot =
        move |_: &Keys, object: &[u8]| KeySlot::parse(object, Some(REPOSITORY))?.open_with_key_file(&file).map(drop);
    let mut records: Vec<(_, _, Open)> = vec![
        ("key slot", slot, Box::new(open_slot)),
        (
            "config",
            samples::config().seal(keys).unwrap(),
            Box::new(|keys, object| UnverifiedConfig::decode(object)?.verify(keys, 0).map(drop)),
        ),
        (
            "generation",
            samples::generation().seal(keys),
            Box::new(|keys, object| Generation::open(keys, 300, object).map(drop)),
        ),
        (
            "session",
            samples::session().seal(keys),
            Box::new(|keys, object| SessionRecord::open(keys, WRITER, 41, object).map(drop)),
        ),
        (
            "session",
            samples::collector_session().seal(keys),
            Box::new(|keys, object| SessionRecord::open(keys, WRITER, 42, object).map(drop)),
        ),
        (
            "condemn list",
            samples::condemned().seal(keys),
            Box::new(|keys, object| CondemnList::open(keys, WRITER, 42, object).map(drop)),
        ),
        ("manifest", samples::manifest().seal(keys), Box::new(|keys, object| Manifest::open(keys, object).map(drop))),
        (
            "index",
            seal_structure(keys, Kind::Index, b"any table"),
            Box::new(|keys, object| open_structure(keys, Kind::Index, object).map(drop)),
        ),
    ];
    for slot in samples::log_slots() {
        let sequence = slot.sequence;
        let open: Open = Box::new(move |keys, object| LogSlot::open(keys, WRITER, sequence, object).map(drop));
        records.push(("log slot", slot.seal(keys), open));
    }
    records
}

#[test]
fn undamaged_records_open() {
    let keys = samples::keys();
    for (name, object, open) in records(&keys) {
        assert_eq!(open(&keys, &object), Ok(()), "{name}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let keys = samples::keys();
    for (name, object, open) in records(&keys) {
        for bit in 0..object.len() * 8 {
            let mut damaged = object.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&keys, &damaged).is_err(), "{name}, bit {bit}");
        }
    }
}

#[test]
fn every_truncation_and_extension_is_noticed() {
    let keys = samples::keys();
    for (name, object, open) in records(&keys) {
        for len in 0..object.len() {
            let error = open(&keys, &object[..len]).unwrap_err();
            assert!(matches!(error, FormatError::Truncated { .. }), "{name}, {len} bytes: {error}");
        }
        assert!(open(&keys, &[&object[..], &[0]].concat()).is_err(), "{name}");
    }
}

#[test]
fn no_record_passes_for_another() {
    let keys = samples::keys();
    let records = records(&keys);
    for (name, _, open) in &records {
        for (other, object, _) in records.iter().filter(|(other, ..)| other != name) {
            let error = open(&keys, object).unwrap_err();
            assert!(matches!(error, FormatError::WrongKind { .. }), "{other} as {name}: {error}");
        }
    }
}

#[test]
fn records_of_another_root_secret_or_repository_do_not_open() {
    let keys = samples::keys();
    let other_root = Keys::derive(&keepfast_repo_format::keys::RootSecret::from_bytes([1; 32]), REPOSITORY, 0);
    let other_repository = Keys::derive(&samples::root(), keepfast_repo_format::id::RepositoryId([1; 16]), 0);
    let other_epoch = Keys::derive(&samples::root(), REPOSITORY, 1);
    for (name, object, open) in records(&keys).into_iter().filter(|(name, ..)| *name != "key slot") {
        let errors = [&other_root, &other_repository, &other_epoch].map(|keys| open(keys, &object).unwrap_err());
        assert!(matches!(errors[1], FormatError::WrongRepository { .. }), "{name}: {}", errors[1]);
        assert!(matches!(errors[2], FormatError::OutOfRange { what: "key epoch", .. }), "{name}: {}", errors[2]);
    }
}

#[test]
fn a_generation_of_another_repository_is_known_as_such_if_it_is_whole() {
    let keys = samples::keys();
    let other = Keys::derive(&samples::root(), keepfast_repo_format::id::RepositoryId([1; 16]), 0);
    let (own, object) = (samples::generation().seal(&keys), samples::generation().seal(&other));
    assert_eq!(Generation::is_of_another(&keys, &own), Ok(false));
    assert_eq!(Generation::is_of_another(&keys, &object), Ok(true));
    for length in 0..object.len() {
        assert!(Generation::is_of_another(&keys, &object[..length]).is_err(), "cut off at {length}");
    }
    for at in 0..64 {
        let mut damaged = object.clone();
        damaged[at] ^= 1;
        assert!(Generation::is_of_another(&keys, &damaged).is_err(), "byte {at}");
    }
    let index = seal_structure(&other, Kind::Index, b"");
    assert!(matches!(Generation::is_of_another(&keys, &index), Err(FormatError::WrongKind { .. })));
    let epoch = Keys::derive(&samples::root(), keepfast_repo_format::id::RepositoryId([1; 16]), 1);
    let later = Generation::is_of_another(&keys, &samples::generation().seal(&epoch));
    assert!(matches!(later, Err(FormatError::OutOfRange { what: "key epoch", .. })));
}

/// What a writer with the keys, but of bad will, could store.
fn open_all(keys: &Keys, plain: &[u8]) {
    let _ = Generation::open(keys, 0, &seal_structure(keys, Kind::Generation, plain));
    let _ = SessionRecord::open(keys, WRITER, 0, &seal_structure(keys, Kind::Session, plain));
    let _ = LogSlot::open(keys, WRITER, 0, &seal_structure(keys, Kind::Log, plain));
    let _ = CondemnList::open(keys, WRITER, 42, &seal_structure(keys, Kind::Condemned, plain));
    let _ = from_cbor::<Manifest>(plain, "manifest").inspect(|manifest| assert_eq!(to_cbor(manifest), plain));
    let _ = from_cbor::<SessionRecord>(plain, "session").inspect(|value| assert_eq!(to_cbor(value), plain));
    let _ = from_cbor::<CondemnList>(plain, "condemn list").inspect(|value| assert_eq!(to_cbor(value), plain));
    let _ = from_cbor::<Generation>(plain, "generation").inspect(|value| assert_eq!(to_cbor(value), plain));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_objects_give_errors_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), keep in 0_usize..65) {
        let keys = samples::keys();
        for (name, object, open) in records(&keys) {
            let forged = [&object[..keep], &bytes].concat();
            prop_assert!(open(&keys, &forged).is_err(), "{}", name);
        }
    }

    #[test]
    fn arbitrary_sealed_payloads_never_panic(plain in prop::collection::vec(any::<u8>(), 0..200)) {
        open_all(&samples::keys(), &plain);
    }

    #[test]
    fn changed_payloads_never_panic_and_are_canonical_when_accepted(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let keys = samples::keys();
        let structure = [to_cbor(&samples::generation()), to_cbor(&samples::condemned())];
        let sessions = [samples::session(), samples::collector_session()].map(|session| to_cbor(&session));
        for mut plain in [to_cbor(&samples::manifest())].into_iter().chain(structure).chain(sessions) {
            let at = at.index(plain.len());
            plain[at] = byte;
            open_all(&keys, &plain);
            plain.truncate(cut.index(plain.len()));
            open_all(&keys, &plain);
        }
    }
}
