// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many requests a backup takes: over a network each one is a round trip, and some are paid for. Barriers do not count:
//! an object store has none. Requests are counted, seconds are not.

use std::fs;
use std::sync::Arc;

use keepfast_engine::backup::backup;
use keepfast_engine::events::Silent;
use keepfast_engine::repository::{Distance, Found, LocalFolders, Repository};
use keepfast_storage::Backend;
use keepfast_storage::testing::{Operation, Record, RecordingBackend};

use crate::support::sandbox::{Sandbox, client, let_time_pass};

/// The requests of one backup by a machine with a cache, up to the packs and from the first object of the commit on.
struct Requests {
    before: Vec<String>,
    packs: usize,
    commit: Vec<String>,
}

fn open(sandbox: &Sandbox, backend: Arc<dyn Backend>) -> Repository {
    let folders = LocalFolders { cache: Some(sandbox.path("cache")), state: sandbox.path("state") };
    let found = Found::locate_known(backend, sandbox.key.repository, &folders).unwrap();
    found.at(Distance::Remote).open(&sandbox.credential(), &folders).unwrap()
}

fn requests(sandbox: &Sandbox) -> Requests {
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let repository = open(sandbox, recording.clone());
    let summary = backup(&repository, &client(), &sandbox.options_at_top(), &Silent).unwrap();
    assert_eq!(summary.problems, []);
    let asked: Vec<Record> =
        recording.take().into_iter().filter(|record| record.operation != Operation::Barrier).collect();
    let is_pack = |record: &&Record| record.operation == Operation::Put && record.name.starts_with("packs/");
    let packs = asked.iter().filter(is_pack).count();
    let told = |record: &Record| format!("{:?} {}", record.operation, record.name);
    let is_commit = |record: &Record| {
        record.operation == Operation::Put && ["index/", "snapshots/"].iter().any(|it| record.name.starts_with(it))
    };
    let first = asked.iter().position(is_commit).unwrap();
    let before = asked[..first].iter().filter(|record| !is_pack(record)).map(told).collect();
    Requests { before, packs, commit: asked[first..].iter().map(told).collect() }
}

/// What the opening takes is two; the session takes the rest.
#[test]
fn an_unchanged_backup_takes_few_requests_and_no_more_with_every_night() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"content").unwrap();
    let_time_pass();
    requests(&sandbox);
    for night in 0..5 {
        let Requests { before, packs, commit } = requests(&sandbox);
        assert_eq!(packs, 0, "{night}");
        assert!(before.len() <= MAX_BEFORE_COMMIT, "{night}: {before:#?}");
        assert!(commit.len() <= 3, "{night}: {commit:#?}");
    }
}

/// Two for the opening, one record, and what is condemned, visible, open and stored.
const MAX_BEFORE_COMMIT: usize = 8;

#[test]
fn a_changed_file_adds_its_packs_and_one_index_object() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"content").unwrap();
    let_time_pass();
    requests(&sandbox);
    fs::write(sandbox.source().join("file"), b"other content").unwrap();
    let_time_pass();
    let Requests { before, packs, commit } = requests(&sandbox);
    assert_eq!(packs, 2, "one of data, one of tree");
    assert!(before.len() <= MAX_BEFORE_COMMIT, "{before:#?}");
    assert!(commit.len() <= 4, "{commit:#?}");
}

/// Requests of a first backup beside its packs.
const MAX_FIRST: usize = 12;

#[test]
fn a_first_backup_of_many_files_takes_its_packs_and_few_requests() {
    let sandbox = Sandbox::new();
    for folder in 0..60 {
        let folder = sandbox.source().join(format!("folder-{folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..100 {
            fs::write(folder.join(format!("file-{file}")), format!("content of {file}")).unwrap();
        }
    }
    let_time_pass();
    // As `init` does in a remote place.
    let repository = open(&sandbox, sandbox.objects.clone());
    repository.history().unwrap();
    repository.probe(1_700_000_000).unwrap();
    drop(repository);
    let Requests { before, packs, commit } = requests(&sandbox);
    assert!(packs > 1);
    assert!(before.len() + commit.len() <= MAX_FIRST, "{before:#?} {commit:#?}");
}
