// SPDX-License-Identifier: MIT OR Apache-2.0
//! One fixed value of every record, for the test files beside this folder. Nothing here is random.

#![allow(dead_code, reason = "every test file uses a part of it")]

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::config::{ChunkerParams, Config};
use keepfast_repo_format::envelope::Features;
use keepfast_repo_format::generation::{Absorbed, Generation};
use keepfast_repo_format::id::{ChunkId, IndexId, LogHash, PackId, RepositoryId, SessionId, SnapshotId, WriterId};
use keepfast_repo_format::keys::{Keys, RootSecret};
use keepfast_repo_format::log::{Head, LogBody, LogSlot, Tagging};
use keepfast_repo_format::manifest::{Completeness, Manifest, Problem, ProblemCode, Totals, packs_digest};
use keepfast_repo_format::session::{Role, SessionRecord};

/// The repository of all samples.
pub const REPOSITORY: RepositoryId = RepositoryId(*b"sixteen byte id.");
/// The writer of all samples.
pub const WRITER: WriterId = WriterId([0xa1; 16]);
/// The session of all samples.
pub const SESSION: SessionId = SessionId([0xb2; 16]);

/// The root secret 00 01 02 .. 1f.
pub fn root() -> RootSecret {
    RootSecret::from_bytes(std::array::from_fn(|byte| byte as u8))
}

/// The keys of all samples.
pub fn keys() -> Keys {
    Keys::derive(&root(), REPOSITORY, 0)
}

/// A config whose numbers are all different.
pub fn config() -> Config {
    let keys = keys();
    Config {
        created: 1_767_225_600,
        chunker: ChunkerParams { min: 2048, avg: 8192, max: 65536, normalization: 2 },
        data_segment: 1 << 20,
        tree_segment: 256 << 10,
        pack_size: 32 << 20,
        leaf_target: 64,
        root_public: keys.root_public(),
        meta_public: keys.meta_public(),
        data_public: keys.data_public(),
        min_reader: "keepfast 0.1".into(),
        generation: 0,
        features: Features { read: 0, write: 0, prune: Features::DELTA },
    }
}

/// A generation with every list filled.
pub fn generation() -> Generation {
    Generation {
        number: 300,
        base: vec![IndexId([1; 32]), IndexId([2; 32])],
        absorbed: vec![Absorbed { writer: WRITER, sequence: 70_000 }],
        reserved: vec![1, 2, 300],
    }
}

/// A session record.
pub fn session() -> SessionRecord {
    SessionRecord {
        writer: WRITER,
        sequence: 41,
        session: SESSION,
        host: "controller-1".into(),
        user: "röot".into(),
        process_id: 4711,
        started: 1_767_225_601,
        program: "keepfast 0.1.0".into(),
        role: None,
    }
}

/// A collector's session record.
pub fn collector_session() -> SessionRecord {
    SessionRecord { sequence: 42, program: "keepfast 0.2.0".into(), role: Some(Role::Collector), ..session() }
}

/// A condemn list with both lists filled, of the session of [`collector_session`].
pub fn condemned() -> CondemnList {
    CondemnList {
        writer: WRITER,
        sequence: 42,
        session: SESSION,
        packs: vec![PackId([12; 32]), PackId([13; 32])],
        snapshots: vec![SnapshotId([5; 32]), SnapshotId([6; 32])],
    }
}

/// One log slot of every kind, at the sequences 0 to 5, in the order in which the kinds are numbered.
pub fn log_slots() -> Vec<LogSlot> {
    let bodies = [
        LogBody::Commit { session: SESSION, snapshot: SnapshotId([3; 32]), indexes: vec![IndexId([4; 32])] },
        LogBody::Void { session: SESSION },
        LogBody::Forget { snapshots: vec![SnapshotId([5; 32]), SnapshotId([6; 32])] },
        LogBody::Tag { taggings: vec![Tagging { snapshot: SnapshotId([7; 32]), tags: vec!["monthly".into()] }] },
        LogBody::Collect { session: SESSION, indexes: vec![IndexId([4; 32]), IndexId([14; 32])] },
        LogBody::Undelete { snapshots: vec![SnapshotId([5; 32]), SnapshotId([6; 32])] },
    ];
    let slot = |(sequence, body)| LogSlot {
        writer: WRITER,
        sequence,
        previous: (sequence > 0).then_some(LogHash([8; 32])),
        clock: 1000 + sequence,
        heads: vec![Head { writer: WriterId([0xc3; 16]), sequence: 5, hash: LogHash([9; 32]) }],
        time: 1_767_225_602,
        config_generation: 1,
        body,
    };
    (0..).zip(bodies).map(slot).collect()
}

/// A manifest with every field filled.
pub fn manifest() -> Manifest {
    Manifest {
        writer: WRITER,
        sequence: 41,
        session: SESSION,
        parent: Some(SnapshotId([10; 32])),
        root: ChunkId([11; 32]),
        root_level: 2,
        paths: vec![b"/etc".to_vec(), b"/srv/\xff\xfe".to_vec()],
        host: "controller-1".into(),
        user: "root".into(),
        tags: vec!["daily".into(), "manual".into()],
        started: 1_767_225_600_123_456_789,
        finished: -1,
        program: "keepfast 0.1.0".into(),
        description: String::new(),
        config_generation: 1,
        totals: Totals {
            files: 1,
            directories: 2,
            others: 3,
            bytes: 400_000_000_000,
            problems: 1,
            ..Totals::default()
        },
        problems: vec![Problem { path: b"/etc/x".to_vec(), code: ProblemCode::Vanished, text: "no such file".into() }],
        completeness: Completeness::Partial,
        pack_count: 2,
        pack_bytes: 64 << 20,
        packs_digest: packs_digest(&[PackId([13; 32]), PackId([12; 32])]),
    }
}
