// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository far away: what the network breaks is tried again, what was read once need not be fetched again, and what this
//! machine remembers changes no answer, whatever happens to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::backup::{Summary, backup};
use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_engine::key;
use keepfast_engine::repository::{Distance, FirstKey, Found, LocalFolders, Repository};
use keepfast_engine::{Error, Result};
use keepfast_storage::limit::{Limit, LimitOptions};
use keepfast_storage::retry::{Retry, RetryOptions};
use keepfast_storage::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation, RecordingBackend, TestClock};
use keepfast_storage::{Backend, ErrorKind};

use crate::support::capture::{assert_same, capture};
use crate::support::forest::grow;
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, cheap_kdf, client, let_time_pass, restore_from};

fn folders(sandbox: &Sandbox) -> LocalFolders {
    LocalFolders { cache: Some(sandbox.path("cache")), state: sandbox.path("state") }
}

fn try_open(sandbox: &Sandbox, backend: Arc<dyn Backend>) -> Result<Repository> {
    let (id, folders) = (sandbox.key.repository, folders(sandbox));
    Found::locate_known(backend, id, &folders)?.at(Distance::Remote).open(&sandbox.credential(), &folders)
}

fn open(sandbox: &Sandbox, backend: Arc<dyn Backend>) -> Repository {
    try_open(sandbox, backend).unwrap()
}

fn back_up(sandbox: &Sandbox, backend: Arc<dyn Backend>) -> Summary {
    let summary = backup(&open(sandbox, backend), &client(), &sandbox.options(), &Silent).unwrap();
    assert_eq!(summary.problems, []);
    summary
}

fn forest() -> Sandbox {
    let sandbox = Sandbox::new();
    grow(&sandbox.source(), &mut Random::new(7), 40);
    let_time_pass();
    sandbox
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The folder in which trees are cached.
fn trees(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("cache").join(sandbox.key.repository.to_string()).join("trees")
}

/// As the command line composes it, over a storage that fails often.
fn troubled(objects: Arc<MemBackend>, seed: u64) -> Arc<dyn Backend> {
    let mut random = Random::new(seed);
    let operations = [Operation::Put, Operation::Get, Operation::List, Operation::Delete, Operation::Length];
    let mut fault = |operation| {
        let moment = if random.below(2) == 0 { Moment::BeforeEffect } else { Moment::AfterEffect };
        Fault::new(operation, "", random.below(12) as u64 + 1, ErrorKind::Transient, moment)
    };
    let faults = (0..40).map(|number| fault(operations[number % operations.len()])).collect();
    let pace = TestClock::new().pace();
    let options = LimitOptions { connections: std::num::NonZeroUsize::new(3), ..LimitOptions::default() };
    let limited = Limit::new(Arc::new(FaultyBackend::new(objects, faults)), options, pace.clone());
    Arc::new(Retry::new(Arc::new(limited), RetryOptions::default(), pace))
}

#[test]
fn backup_and_restore_over_a_troubled_network_are_as_over_a_good_one() {
    for seed in 0..12 {
        let sandbox = forest();
        let summary = back_up(&sandbox, troubled(sandbox.objects.clone(), seed));
        fs::write(sandbox.source().join("later"), b"later").unwrap();
        let again = back_up(&sandbox, troubled(sandbox.objects.clone(), seed + 100));
        assert_eq!(again.parent, summary.snapshot, "{seed}");
        let repository = open(&sandbox, troubled(sandbox.objects.clone(), seed + 200));
        let target = sandbox.path("target");
        restore_from(&repository, again.snapshot.unwrap(), &sandbox.options_to(&target)).unwrap();
        assert_same(&capture(&sandbox.source()), &capture(&target), "the restored files");
        assert_eq!(sandbox.check().findings, [], "{seed}");
        assert_eq!(sandbox.check().unreferenced_packs, 0, "{seed}");
        assert_eq!(sandbox.check().open_sessions, 0, "{seed}");
        assert_eq!(sandbox.snapshots().len(), 2, "no lost answer made a second commit");
    }
}

#[test]
fn a_barrier_that_fails_ends_the_backup_also_under_retries() {
    let sandbox = forest();
    for nth in 1..=4 {
        let fault = Fault::new(Operation::Barrier, "", nth, ErrorKind::Transient, Moment::BeforeEffect);
        let faulty = Arc::new(FaultyBackend::new(sandbox.objects.clone(), vec![fault]));
        let retry = Retry::new(faulty.clone(), RetryOptions::default(), TestClock::new().pace());
        let outcome = backup(&open(&sandbox, Arc::new(retry)), &client(), &sandbox.options(), &Silent);
        faulty.verify_all_faults_reached();
        assert!(matches!(outcome, Err(Error::Storage(_))), "{nth}");
    }
}

/// Not even once by the machine that wrote them.
#[test]
fn trees_are_fetched_once() {
    let sandbox = forest();
    back_up(&sandbox, sandbox.objects.clone());
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    back_up(&sandbox, recording.clone());
    let ranged: Vec<_> = recording.take().into_iter().filter(|record| record.range.is_some()).collect();
    assert_eq!(ranged, []);
    fs::remove_dir_all(trees(&sandbox)).unwrap();
    back_up(&sandbox, sandbox.objects.clone());
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let summary = back_up(&sandbox, recording.clone());
    assert!(summary.totals.unmodified_files > 0);
    let ranged: Vec<_> = recording.take().into_iter().filter(|record| record.range.is_some()).collect();
    assert_eq!(ranged, []);
    assert!(!files(&trees(&sandbox)).is_empty());
}

#[test]
fn data_is_not_kept_on_the_local_disk() {
    let sandbox = forest();
    fs::write(sandbox.source().join("large"), Random::new(1).bytes(2 << 20)).unwrap();
    let summary = back_up(&sandbox, sandbox.objects.clone());
    let repository = open(&sandbox, sandbox.objects.clone());
    restore_from(&repository, summary.snapshot.unwrap(), &sandbox.options_to(&sandbox.path("target"))).unwrap();
    let kept: u64 = files(&trees(&sandbox)).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!((1..500_000).contains(&kept), "{kept}");
}

#[test]
fn nothing_is_kept_without_a_cache_folder_or_for_a_local_repository() {
    let sandbox = forest();
    let none = LocalFolders { cache: None, state: sandbox.path("state") };
    let found = || Found::locate(sandbox.objects.clone()).unwrap();
    let remote = found().at(Distance::Remote).open(&sandbox.credential(), &none).unwrap();
    let local = found().open(&sandbox.credential(), &folders(&sandbox)).unwrap();
    for repository in [remote, local] {
        for _ in 0..2 {
            backup(&repository, &client(), &sandbox.options(), &Silent).unwrap();
        }
    }
    assert!(!trees(&sandbox).exists());
}

/// Wrong bytes with a right checksum would be the work of somebody who may write to the folder: the reader notices too.
#[test]
fn a_damaged_cache_costs_work_and_nothing_else() {
    let sandbox = forest();
    // No folder above the source counts: others change those, and what is kept of an older tree is not read again.
    let back_up =
        || backup(&open(&sandbox, sandbox.objects.clone()), &client(), &sandbox.options_at_top(), &Silent).unwrap();
    back_up();
    back_up();
    let damages: [fn(&Path); 4] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, b"").unwrap(),
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        |path| fs::write(path, vec![0; fs::metadata(path).unwrap().len() as usize]).unwrap(),
    ];
    for damage in damages {
        let kept = files(&sandbox.path("cache"));
        let kept = kept.iter().filter(|path| path.starts_with(trees(&sandbox)) || path.ends_with("opening"));
        kept.for_each(|path| damage(path));
        let totals = back_up().totals;
        assert_eq!((totals.new_files, totals.new_chunks), (0, 0));
    }
    assert_eq!(sandbox.check().findings, []);
}

#[test]
fn a_check_asks_the_storage_and_no_cache() {
    let sandbox = forest();
    (0..2).for_each(|_| drop(back_up(&sandbox, sandbox.objects.clone())));
    let repository = open(&sandbox, sandbox.objects.clone());
    let damaged = MemBackend::from_image(sandbox.objects.image());
    damaged.edit(|image| {
        for name in image.names("packs").into_iter().chain(image.names("config")) {
            let mut bytes = image.get(&name).unwrap().to_vec();
            bytes.iter_mut().skip(70).step_by(1000).for_each(|byte| *byte ^= 1);
            image.insert(name, bytes);
        }
    });
    drop(repository);
    let report = check(&open(&sandbox, Arc::new(damaged)), ReadData::None, 2, &Silent).unwrap();
    let found = |word: &str| report.findings.iter().any(|finding| finding.place.contains(word));
    assert!(found("config") && report.findings.len() > 1, "{:?}", report.findings);
    assert_eq!(sandbox.check().findings, []);
}

#[test]
fn opening_again_takes_two_requests() {
    let sandbox = Sandbox::new();
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let asked = || {
        open(&sandbox, recording.clone());
        recording.take().into_iter().map(|record| (record.operation, record.name)).collect::<Vec<_>>()
    };
    assert_eq!(asked().len(), 4);
    let slot = sandbox.objects.image().names("keys")[0].to_string();
    let quick = [(Operation::List, "config".to_string()), (Operation::Get, slot)];
    assert_eq!(asked(), quick);
    assert_eq!(asked(), quick);
}

#[test]
fn another_repository_in_the_same_place_is_noticed() {
    let sandbox = forest();
    open(&sandbox, sandbox.objects.clone());
    let other = Sandbox::new();
    let refused = try_open(&sandbox, other.objects.clone()).err().unwrap();
    assert!(matches!(refused, Error::OtherRepository { found, .. } if found == other.key.repository), "{refused}");
    let empty = try_open(&sandbox, Arc::new(MemBackend::new())).err().unwrap();
    assert!(matches!(empty, Error::NoRepository { .. }), "{empty}");
}

#[test]
fn a_key_that_was_removed_does_not_open_from_memory() {
    let mut sandbox = Sandbox::new();
    let repository = open(&sandbox, sandbox.objects.clone());
    let old = key::current(&repository, &sandbox.credential()).unwrap();
    let (_, new) = key::add(&repository, &FirstKey::KeyFile, cheap_kdf(), "new", 1).unwrap();
    key::remove(&repository, &old).unwrap();
    let refused = try_open(&sandbox, sandbox.objects.clone()).err().unwrap();
    assert!(matches!(refused, Error::WrongKey { slots: 1, .. }), "{refused}");
    sandbox.key = new.unwrap();
    open(&sandbox, sandbox.objects.clone());
    open(&sandbox, sandbox.objects.clone());
}

#[test]
fn a_key_slot_that_was_damaged_since_locks_nobody_else_out() {
    let mut sandbox = Sandbox::new();
    let repository = open(&sandbox, sandbox.objects.clone());
    let (_, second) = key::add(&repository, &FirstKey::KeyFile, cheap_kdf(), "second", 1).unwrap();
    let old = key::current(&repository, &sandbox.credential()).unwrap();
    sandbox.objects.edit(|image| {
        let name = image.names("keys").into_iter().find(|name| name.as_str().ends_with(&old.to_string())).unwrap();
        image.insert(name, b"damaged".as_slice());
    });
    let refused = try_open(&sandbox, sandbox.objects.clone()).err().unwrap();
    assert!(refused.is_damage(), "{refused}");
    sandbox.key = second.unwrap();
    open(&sandbox, sandbox.objects.clone());
}
