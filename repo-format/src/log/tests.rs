// SPDX-License-Identifier: MIT OR Apache-2.0
use super::payload::Payload;
use super::{LogBody, LogSlot, message};
use crate::envelope::Kind;
use crate::error::FormatError;
use crate::id::{IndexId, LogHash, RepositoryId, SessionId, SnapshotId, WriterId};
use crate::keys::{Keys, RootSecret};
use crate::record::{Signed, seal_structure, to_cbor};
use ed25519_dalek::Signer;
use proptest::prelude::*;

const WRITER: WriterId = WriterId([1; 16]);

fn keys() -> Keys {
    Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0)
}

fn slot(sequence: u64) -> LogSlot {
    LogSlot {
        writer: WRITER,
        sequence,
        previous: (sequence > 0).then_some(LogHash([3; 32])),
        clock: 4,
        heads: vec![],
        time: 5,
        config_generation: 1,
        body: LogBody::Commit {
            session: SessionId([6; 16]),
            snapshot: SnapshotId([7; 32]),
            indexes: vec![IndexId([8; 32])],
        },
    }
}

/// A slot whose payload any holder of the writer's key could make.
fn signed(keys: &Keys, signer: &WriterId, payload: Vec<u8>) -> Vec<u8> {
    let signature = keys.writer_signing(signer).sign(&message(keys.repository(), &payload)).to_bytes();
    seal_structure(keys, Kind::Log, &to_cbor(&Signed { payload, signature }))
}

#[test]
fn a_slot_at_another_place_does_not_count() {
    let keys = keys();
    let object = slot(3).seal(&keys);
    assert_eq!(LogSlot::open(&keys, WRITER, 3, &object), Ok(slot(3)));
    let error = LogSlot::open(&keys, WRITER, 4, &object).unwrap_err();
    assert!(matches!(error, FormatError::WrongPlace { .. }), "{error}");
    let error = LogSlot::open(&keys, WriterId([9; 16]), 3, &object).unwrap_err();
    assert_eq!(error, FormatError::Signature { what: "log slot" });
}

#[test]
fn a_slot_that_another_writer_signed_does_not_count() {
    let keys = keys();
    let object = signed(&keys, &WriterId([9; 16]), to_cbor(&Payload::from(&slot(3))));
    assert_eq!(LogSlot::open(&keys, WRITER, 3, &object), Err(FormatError::Signature { what: "log slot" }));
    // Another writer who puts a slot of its own under this writer's name.
    let error = LogSlot::open(&keys, WriterId([9; 16]), 3, &object).unwrap_err();
    assert!(matches!(error, FormatError::WrongPlace { .. }), "{error}");
}

#[test]
fn the_first_slot_and_only_the_first_has_none_before_it() {
    let keys = keys();
    for bad in [LogSlot { previous: None, ..slot(1) }, LogSlot { previous: Some(LogHash([3; 32])), ..slot(0) }] {
        let error = LogSlot::open(&keys, WRITER, bad.sequence, &bad.seal(&keys)).unwrap_err();
        assert!(matches!(error, FormatError::Malformed { .. }), "{error}");
    }
}

#[test]
fn fields_of_another_kind_are_refused() {
    let keys = keys();
    let payload = to_cbor(&Payload::from(&slot(0)));
    assert_eq!(payload[1..3], [0x00, 0x01], "the kind comes first");
    for kind in [0, 2, 3, 4, 5, 6, 7] {
        let mut payload = payload.clone();
        payload[2] = kind;
        let error = LogSlot::open(&keys, WRITER, 0, &signed(&keys, &WRITER, payload)).unwrap_err();
        assert!(matches!(error, FormatError::Malformed { .. }), "kind {kind}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn payloads_of_bad_will_give_errors_or_the_value_they_are(at: prop::sample::Index, byte: u8) {
        let keys = keys();
        let mut payload = to_cbor(&Payload::from(&slot(0)));
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok(opened) = LogSlot::open(&keys, WRITER, 0, &signed(&keys, &WRITER, payload.clone())) {
            prop_assert_eq!(to_cbor(&Payload::from(&opened)), payload);
        }
    }
}
