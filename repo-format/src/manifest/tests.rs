// SPDX-License-Identifier: MIT OR Apache-2.0
use super::{Completeness, MAX_PROBLEMS, Manifest, Problem, ProblemCode, Totals, packs_digest};
use crate::envelope::Kind;
use crate::error::FormatError;
use crate::frame;
use crate::id::{ChunkId, PackId, RepositoryId, SessionId, WriterId};
use crate::keys::{Keys, RootSecret, SessionKey};
use crate::record::{seal_object, to_cbor};

fn keys() -> Keys {
    Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0)
}

fn manifest() -> Manifest {
    Manifest {
        writer: WriterId([1; 16]),
        sequence: 0,
        session: SessionId([2; 16]),
        parent: None,
        root: ChunkId([3; 32]),
        root_level: 0,
        paths: vec![],
        host: String::new(),
        user: String::new(),
        tags: vec![],
        started: i64::MIN,
        finished: i64::MAX,
        program: String::new(),
        description: String::new(),
        config_generation: 1,
        totals: Totals::default(),
        problems: vec![],
        completeness: Completeness::Complete,
        pack_count: 0,
        pack_bytes: 0,
        packs_digest: packs_digest(&[]),
    }
}

/// Stores a manifest as it is, as a writer without checks would.
fn seal_unchecked(keys: &Keys, manifest: &Manifest) -> Vec<u8> {
    let key = SessionKey::create(keys, Kind::Manifest);
    let extension = [key.key_row().enc, key.key_row().commitment].concat();
    seal_object(keys, Kind::Manifest, key.key(), &extension, &frame::encode(&to_cbor(manifest)))
}

fn problem(number: usize) -> Problem {
    Problem { path: number.to_string().into(), code: ProblemCode::Unreadable, text: String::new() }
}

#[test]
fn tags_are_stored_sorted_and_once() {
    let given = Manifest { tags: ["b", "a", "b"].map(String::from).into(), ..manifest() };
    let opened = Manifest::open(&keys(), &given.seal(&keys())).unwrap();
    assert_eq!(opened.tags, ["a", "b"]);
    let error = Manifest::open(&keys(), &seal_unchecked(&keys(), &given)).unwrap_err();
    assert!(matches!(error, FormatError::Malformed { .. }), "{error}");
}

#[test]
fn problems_beyond_the_limit_are_left_out() {
    let given = Manifest { problems: (0..MAX_PROBLEMS + 5).map(problem).collect(), ..manifest() };
    let opened = Manifest::open(&keys(), &given.seal(&keys())).unwrap();
    assert_eq!(opened.problems.len(), MAX_PROBLEMS);
    assert!(Manifest::open(&keys(), &seal_unchecked(&keys(), &given)).is_err());
}

#[test]
fn a_root_above_the_highest_level_is_refused() {
    let error = Manifest::open(&keys(), &Manifest { root_level: 16, ..manifest() }.seal(&keys())).unwrap_err();
    assert!(matches!(error, FormatError::OutOfRange { found: 16, .. }), "{error}");
}

#[test]
fn an_absent_parent_takes_no_field() {
    let without = to_cbor(&manifest());
    assert_eq!(without[0], 0xb4, "20 fields");
    let with = to_cbor(&Manifest { parent: Some(crate::id::SnapshotId([4; 32])), ..manifest() });
    assert_eq!((with[0], with.len() - without.len()), (0xb5, 35));
}

#[test]
fn the_digest_of_packs_does_not_depend_on_their_order() {
    let [one, two] = [PackId([1; 32]), PackId([2; 32])];
    assert_eq!(packs_digest(&[one, two]), packs_digest(&[two, one]));
    assert_ne!(packs_digest(&[one]), packs_digest(&[two]));
}
