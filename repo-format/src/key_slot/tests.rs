// SPDX-License-Identifier: MIT OR Apache-2.0
use super::{Clear, KdfParams, KeyFile, KeySlot, Protection, seal, seal_key_file, seal_password};
use crate::crypto::SymmetricKey;
use crate::error::FormatError;
use crate::id::RepositoryId;
use crate::keys::{Keys, RootSecret};
use crate::record::{seal_with, to_cbor};

const REPOSITORY: RepositoryId = RepositoryId([2; 16]);

fn root() -> RootSecret {
    RootSecret::from_bytes([1; 32])
}

/// As little work as the format allows.
fn least() -> KdfParams {
    KdfParams::new(8 << 10, 1, 1).unwrap()
}

fn key_file() -> KeyFile {
    KeyFile::generate(REPOSITORY, Keys::derive(&root(), REPOSITORY, 0).root_public())
}

fn clear() -> Clear {
    let (salt, commitment, label) = ([3; 32], [4; 32], String::new());
    Clear { kind: 1, memory_kib: 8 << 10, passes: 1, lanes: 1, salt, commitment, created: 0, label }
}

fn parse(clear: &Clear) -> Result<KeySlot, FormatError> {
    KeySlot::parse(&seal(REPOSITORY, &root(), 0, &SymmetricKey::new([5; 32]), clear), Some(REPOSITORY))
}

#[test]
fn a_password_opens_its_slot_and_another_fails_at_the_commitment() {
    let object = seal_password(REPOSITORY, &root(), 0, "secret", least(), "laptop", 77).unwrap();
    let slot = KeySlot::parse(&object, Some(REPOSITORY)).unwrap();
    assert_eq!((slot.label(), slot.created(), slot.protection()), ("laptop", 77, Protection::Password(least())));
    let opened = slot.open_with_password("secret").unwrap();
    assert_eq!((opened.root.as_bytes(), opened.epoch), (root().as_bytes(), 0));
    for wrong in ["Secret", "secret ", ""] {
        assert_eq!(slot.open_with_password(wrong).unwrap_err(), FormatError::Commitment);
    }
    assert_eq!(slot.open_with_key_file(&key_file()).unwrap_err(), FormatError::Commitment);
}

#[test]
fn one_password_in_two_unicode_forms_is_one_password() {
    let object = seal_password(REPOSITORY, &root(), 0, "Stra\u{df}e u\u{308}ber", least(), "", 0).unwrap();
    let slot = KeySlot::parse(&object, None).unwrap();
    assert!(slot.open_with_password("Stra\u{df}e \u{fc}ber").is_ok());
}

#[test]
fn a_key_file_opens_its_slot_only() {
    let file = key_file();
    let object = seal_key_file(REPOSITORY, &root(), 0, &file, "cron", 0).unwrap();
    let slot = KeySlot::parse(&object, Some(REPOSITORY)).unwrap();
    assert_eq!(slot.protection(), Protection::KeyFile);
    assert_eq!(slot.open_with_key_file(&file).unwrap().root.as_bytes(), root().as_bytes());
    assert_eq!(slot.open_with_key_file(&key_file()).unwrap_err(), FormatError::Commitment);
    assert_eq!(slot.open_with_password("").unwrap_err(), FormatError::Commitment);
    let elsewhere = KeyFile::generate(RepositoryId([9; 16]), file.root_public);
    assert!(matches!(slot.open_with_key_file(&elsewhere), Err(FormatError::WrongRepository { .. })));
}

#[test]
fn a_root_secret_other_than_the_pinned_one_is_refused() {
    let file = key_file();
    let other = RootSecret::from_bytes([0xee; 32]);
    let error = seal_key_file(REPOSITORY, &other, 0, &file, "", 0).unwrap_err();
    assert!(matches!(error, FormatError::Signature { .. }), "{error}");
    // What a hostile storage with a copy of the key file would make.
    let wrapping = super::wrapping::of_key_file(&file, &[3; 32]);
    let commitment = wrapping.commitment;
    let clear = Clear { kind: 2, memory_kib: 0, passes: 0, lanes: 0, commitment, ..clear() };
    let slot = KeySlot::parse(&seal(REPOSITORY, &other, 0, &wrapping.kek, &clear), None).unwrap();
    assert!(matches!(slot.open_with_key_file(&file), Err(FormatError::Signature { .. })));
}

#[test]
fn parameters_that_would_exhaust_the_machine_are_refused_before_they_are_used() {
    for (memory_kib, passes, lanes) in [
        (0, 1, 1),
        (8191, 1, 1),
        (u32::MAX, 1, 1),
        ((4 << 20) + 1, 1, 1),
        (8192, 0, 1),
        (8192, 17, 1),
        (8192, 1, 0),
        (8192, 1, 17),
    ] {
        let expected = KdfParams::new(memory_kib, passes, lanes).unwrap_err();
        assert!(matches!(expected, FormatError::OutOfRange { .. }));
        assert_eq!(parse(&Clear { memory_kib, passes, lanes, ..clear() }).unwrap_err(), expected);
    }
    let default = KdfParams::default();
    assert_eq!(KdfParams::new(default.memory_kib(), default.passes(), default.lanes()), Ok(default));
    assert!(KdfParams::new(4 << 20, 16, 16).is_ok());
}

#[test]
fn clear_parts_that_contradict_themselves_are_refused() {
    assert!(parse(&clear()).is_ok());
    for bad in [
        Clear { kind: 0, ..clear() },
        Clear { kind: 3, ..clear() },
        Clear { kind: 2, ..clear() },
        Clear { label: "x".repeat(256), ..clear() },
    ] {
        assert!(parse(&bad).is_err(), "{bad:?}");
    }
    assert!(seal_password(REPOSITORY, &root(), 0, "p", least(), &"x".repeat(256), 0).is_err());
}

#[test]
fn a_clear_part_that_was_changed_does_not_open() {
    let file = key_file();
    let wrapping = super::wrapping::of_key_file(&file, &[3; 32]);
    let commitment = wrapping.commitment;
    let clear = Clear { kind: 2, memory_kib: 0, passes: 0, lanes: 0, commitment, ..clear() };
    let object = seal(REPOSITORY, &root(), 0, &wrapping.kek, &clear);
    let old = to_cbor(&clear);
    let new = to_cbor(&Clear { created: 23, ..clear });
    let mut forged = object.clone();
    forged[64..64 + old.len()].copy_from_slice(&new);
    let error = KeySlot::parse(&forged, None).unwrap().open_with_key_file(&file).unwrap_err();
    assert_eq!(error, FormatError::Unauthentic { what: "key slot" });
}

#[test]
fn a_bundle_of_an_unknown_kind_is_refused() {
    let file = key_file();
    let wrapping = super::wrapping::of_key_file(&file, &[3; 32]);
    let commitment = wrapping.commitment;
    let clear = Clear { kind: 2, memory_kib: 0, passes: 0, lanes: 0, commitment, ..clear() };
    let bundle = to_cbor(&super::Bundle { kind: 2, root: [1; 32], epoch: 0 });
    let kind = crate::envelope::Kind::KeySlot;
    let object = seal_with(REPOSITORY, 0, kind, wrapping.kek.as_bytes(), &to_cbor(&clear), &bundle);
    let error = KeySlot::parse(&object, None).unwrap().open_with_key_file(&file).unwrap_err();
    assert!(matches!(error, FormatError::Malformed { what: "key bundle", .. }), "{error}");
}
