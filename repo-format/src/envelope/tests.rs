// SPDX-License-Identifier: MIT OR Apache-2.0
use super::{Envelope, Features, HEADER_LEN, Header, Kind, check_of};
use crate::error::FormatError;
use crate::id::RepositoryId;
use proptest::prelude::*;

const REPOSITORY: RepositoryId = RepositoryId([9; 16]);

fn object(kind: Kind, features: Features) -> Vec<u8> {
    let header = Header { features, ..Header::new(kind, REPOSITORY, 0, 3, 5) };
    [&header.encode()[..], b"ext", b"body!"].concat()
}

/// Changes bytes of a header and makes its check fit again.
fn forged(mut object: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    object[at..at + value.len()].copy_from_slice(value);
    let check = check_of(&object[..56]);
    object[56..64].copy_from_slice(&check);
    object
}

#[test]
fn an_object_comes_apart_as_it_was_put_together() {
    for kind in Kind::ALL {
        let object = object(kind, Features { read: 0, write: 7, prune: 9 });
        let envelope = Envelope::parse(&object, kind, Some(REPOSITORY)).unwrap();
        assert_eq!((envelope.extension, envelope.body), (&b"ext"[..], &b"body!"[..]));
        assert_eq!(envelope.authenticated, &object[..67]);
        assert_eq!(envelope.header.encode(), object[..HEADER_LEN]);
        assert_eq!(envelope.header.features.write, 7);
    }
}

#[test]
fn every_flipped_header_bit_is_noticed() {
    let object = object(Kind::Log, Features::default());
    for bit in 0..HEADER_LEN * 8 {
        let mut damaged = object.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Envelope::parse(&damaged, Kind::Log, Some(REPOSITORY)).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_and_every_extension_is_noticed() {
    let object = object(Kind::Log, Features::default());
    for len in 0..object.len() {
        let error = Envelope::parse(&object[..len], Kind::Log, None).unwrap_err();
        assert!(matches!(error, FormatError::Truncated { .. }), "{len}: {error}");
    }
    let longer = [&object[..], b"x"].concat();
    assert!(matches!(Envelope::parse(&longer, Kind::Log, None), Err(FormatError::Malformed { .. })));
}

#[test]
fn unknown_read_features_are_refused_by_name_or_number() {
    let object = object(Kind::Index, Features { read: Features::DELTA | 1 << 5 | 1 << 9, write: 0, prune: 0 });
    let error = Envelope::parse(&object, Kind::Index, None).unwrap_err();
    assert_eq!(error, FormatError::Features { mask: "read", names: "bit 5, bit 9".into() });
}

#[test]
fn write_and_prune_features_forbid_their_operation_only() {
    let features = Features { read: 0, write: 1 << 31, prune: Features::DELTA | 1 << 3 };
    assert!(features.check_read().is_ok());
    assert!(features.check_write().unwrap_err().to_string().contains("bit 31"));
    assert!(features.check_prune().unwrap_err().to_string().ends_with(": bit 3"));
}

#[test]
fn other_versions_suites_kinds_and_repositories_are_named() {
    let object = object(Kind::Index, Features::default());
    for (at, what) in [(8, "envelope"), (10, "index"), (12, "suite")] {
        let error = Header::decode(&forged(object.clone(), at, &[2, 0])).unwrap_err();
        assert_eq!(error, FormatError::Version { what, found: 2, known: 1 });
    }
    let wrong_kind = Envelope::parse(&object, Kind::Log, None).unwrap_err();
    assert_eq!(wrong_kind, FormatError::WrongKind { expected: Kind::Log, found: Kind::Index });
    let other = Some(RepositoryId([1; 16]));
    assert!(matches!(Envelope::parse(&object, Kind::Index, other), Err(FormatError::WrongRepository { .. })));
    assert_eq!(Header::decode(&forged(object, 3, b"Z")), Err(FormatError::NotAnObject));
}

#[test]
fn lengths_beyond_their_limit_are_refused_before_memory_is_taken() {
    let object = object(Kind::Index, Features::default());
    for (at, value) in
        [(44, &u32::MAX.to_le_bytes()[..]), (48, &u64::MAX.to_le_bytes()), (48, &(73_u64 << 20).to_le_bytes())]
    {
        let error = Header::decode(&forged(object.clone(), at, value)).unwrap_err();
        assert!(matches!(error, FormatError::OutOfRange { .. }), "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), fields in prop::collection::vec(any::<u8>(), 56)) {
        let _ = Header::decode(&bytes);
        let mut object = object(Kind::Log, Features::default());
        object[14..56].copy_from_slice(&fields[14..]);
        let _ = Envelope::parse(&forged(object, 14, &fields[14..16]), Kind::Log, None);
    }
}
