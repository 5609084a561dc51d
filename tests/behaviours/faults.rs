// SPDX-License-Identifier: MIT OR Apache-2.0
//! Storage that fails, at every operation and in every way: the backup says so, as a failure of the storage and never of a
//! file; nothing visible is lost; and the next backup is as if nothing had happened.

use std::fs;
use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::backup::backup;
use keepfast_engine::events::Silent;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::segment::Sealed;
use keepfast_storage::testing::{Fault, FaultyBackend, Image, MemBackend, Moment, Operation, Record, RecordingBackend};
use keepfast_storage::{Backend, ErrorKind, Name};

use crate::support::capture::{Capture, assert_same, capture};
use crate::support::forest::grow;
use crate::support::forge::Forge;
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, let_time_pass};

const KINDS: [ErrorKind; 4] = [ErrorKind::Full, ErrorKind::Denied, ErrorKind::Transient, ErrorKind::Other];

/// A repository with one snapshot, and a source that has changed since.
struct Scene {
    sandbox: Sandbox,
    image: Image,
    first: Capture,
    second: Capture,
}

impl Scene {
    fn new() -> Self {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(1));
        grow(&sandbox.source(), &mut random, 30);
        let_time_pass();
        sandbox.backup();
        let first = capture(&sandbox.source());
        // More than one pack fills, so that uploads happen while files are still read.
        fs::write(sandbox.source().join("second"), random.bytes(3 << 20)).unwrap();
        let second = capture(&sandbox.source());
        Self { image: sandbox.objects.image(), sandbox, first, second }
    }

    fn client(&self) -> Sandbox {
        self.sandbox.copy(MemBackend::from_image(self.image.clone()))
    }

    /// Every operation of an undisturbed backup.
    fn undisturbed(&self) -> Vec<Record> {
        let client = self.client();
        let recording = Arc::new(RecordingBackend::new(client.objects.clone()));
        client.try_backup_on(recording.clone()).unwrap();
        recording.take()
    }

    /// One backup with one fault. What it may give: a storage error, or success where the fault is tolerated.
    fn run(&self, operation: Operation, nth: u64, kind: ErrorKind, moment: Moment) {
        let what = format!("{operation:?} number {nth}, {kind:?} {moment:?}");
        let client = self.client();
        let fault = Fault::new(operation, "", nth, kind, moment);
        let faulty = Arc::new(FaultyBackend::new(client.objects.clone(), vec![fault]));
        let outcome = client.try_backup_on(faulty.clone());
        faulty.verify_all_faults_reached();
        match outcome {
            // What could not be removed is only litter.
            Ok(summary) if operation == Operation::Delete => assert_eq!(summary.problems, [], "{what}"),
            // A parent that can not be read only costs the reading of every file.
            Ok(summary) if operation == Operation::Get => {
                assert_eq!((summary.problems, summary.totals.unmodified_files), (vec![], 0), "{what}");
            }
            Ok(summary) => panic!("{what}: {summary:?}"),
            Err(Error::Storage(error)) => assert_eq!(error.kind, kind, "{what}"),
            Err(error) => panic!("{what}: not told as a failure of the storage: {error:?}"),
        }
        self.all_is_well(&client, &what);
    }

    /// What was visible still restores, the next backup works, and nothing is wrong afterwards.
    fn all_is_well(&self, client: &Sandbox, what: &str) {
        let before = client.snapshots();
        assert_same(&self.first, &capture(&client.restore(before[0].id)), what);
        let next = client.backup();
        assert_same(&self.second, &capture(&client.restore(next)), what);
        assert_eq!(client.check().findings, [], "{what}");
        let sessions = client.objects.list("sessions").unwrap();
        assert!(sessions.is_empty(), "{what}: left over {sessions:?}");
    }
}

/// Fails each operation of one kind in turn.
fn every(operation: Operation, moment: Moment) {
    let scene = Scene::new();
    let count = scene.undisturbed().iter().filter(|record| record.operation == operation).count() as u64;
    assert!(count > 0);
    for nth in 1..=count {
        // One kind for each: the kinds differ in what a person does about them, not in what the engine may do.
        scene.run(operation, nth, KINDS[nth as usize % KINDS.len()], moment);
    }
}

#[test]
fn a_failed_put_ends_the_backup_as_a_failure_of_the_storage() {
    every(Operation::Put, Moment::BeforeEffect);
}

#[test]
fn a_put_whose_answer_is_lost_leaves_nothing_half_visible() {
    // The slot's put may have had its effect: then the snapshot is there, although the backup could not know.
    every(Operation::Put, Moment::AfterEffect);
}

#[test]
fn a_failed_barrier_ends_the_backup() {
    every(Operation::Barrier, Moment::BeforeEffect);
    every(Operation::Barrier, Moment::AfterEffect);
}

#[test]
fn a_failed_get_is_never_taken_for_a_missing_object() {
    every(Operation::Get, Moment::BeforeEffect);
}

#[test]
fn a_failed_list_is_never_taken_for_an_empty_one() {
    every(Operation::List, Moment::BeforeEffect);
}

#[test]
fn a_delete_that_is_refused_or_fails_is_tolerated() {
    every(Operation::Delete, Moment::BeforeEffect);
    every(Operation::Delete, Moment::AfterEffect);
    Scene::new().run(Operation::Delete, 1, ErrorKind::Denied, Moment::BeforeEffect);
}

#[test]
fn a_full_disk_stays_the_reason_when_everything_fails_after_it() {
    let scene = Scene::new();
    let puts = scene.undisturbed().iter().filter(|record| record.operation == Operation::Put).count() as u64;
    for nth in 1..=puts {
        let client = scene.client();
        let fault = Fault::new(Operation::Put, "", nth, ErrorKind::Full, Moment::BeforeEffect).and_ever_after();
        let faulty = Arc::new(FaultyBackend::new(client.objects.clone(), vec![fault]));
        let error = client.try_backup_on(faulty).unwrap_err();
        assert!(matches!(&error, Error::Storage(error) if error.kind == ErrorKind::Full), "put {nth}: {error:?}");
        scene.all_is_well(&client, &format!("full from put {nth} on"));
    }
}

#[test]
fn a_repository_that_can_not_be_listed_is_not_initialised_again() {
    let scene = Scene::new();
    for kind in KINDS {
        let client = scene.client();
        let fault = Fault::new(Operation::List, "", 1, kind, Moment::BeforeEffect);
        let faulty = FaultyBackend::new(client.objects.clone(), vec![fault]);
        let options = crate::support::sandbox::init_options();
        let error =
            keepfast_engine::repository::init(&faulty, &options, &keepfast_engine::repository::FirstKey::KeyFile);
        assert!(matches!(error, Err(Error::Storage(_))));
        assert_eq!(client.objects.image(), scene.image);
    }
}

#[test]
fn a_restore_says_that_the_storage_failed() {
    let scene = Scene::new();
    let client = scene.client();
    let snapshot = client.snapshots()[0].id;
    let restore = |backend: Arc<dyn Backend>| {
        let target = tempfile::tempdir().unwrap();
        let repository = client.open_on(backend)?;
        let restored = crate::support::sandbox::restore_from(&repository, snapshot, &client.options_to(target.path()));
        restored.map(|(summary, _)| (summary, capture(target.path())))
    };
    let recording = Arc::new(RecordingBackend::new(client.objects.clone()));
    restore(recording.clone()).unwrap();
    let gets = recording.take().iter().filter(|record| record.operation == Operation::Get).count() as u64;
    for nth in 1..=gets {
        let fault = Fault::new(Operation::Get, "", nth, ErrorKind::Transient, Moment::BeforeEffect);
        match restore(Arc::new(FaultyBackend::new(client.objects.clone(), vec![fault]))) {
            Err(error) => assert!(matches!(error, Error::Storage(_)), "get {nth}: {error:?}"),
            Ok((summary, found)) => {
                assert!(!summary.problems.is_empty(), "get {nth}: nothing is said");
                assert!(found.len() <= scene.first.len(), "get {nth}");
            }
        }
    }
}

#[test]
fn a_restore_ends_when_the_storage_has_gone_instead_of_waiting_for_it_once_a_file() {
    let scene = Scene::new();
    let client = scene.client();
    let snapshot = client.snapshots()[0].id;
    let restore = |faults: Vec<Fault>| {
        let target = tempfile::tempdir().unwrap();
        let recording = Arc::new(RecordingBackend::new(client.objects.clone()));
        let faulty = Arc::new(FaultyBackend::new(recording.clone(), faults));
        let repository = client.open_on(faulty.clone()).unwrap();
        let opening = recording.take();
        let options = client.options_to(target.path());
        let restored = crate::support::sandbox::restore_from(&repository, snapshot, &options);
        faulty.verify_all_faults_reached();
        (restored.map(|(summary, _)| summary), opening, recording.take())
    };
    let count = |records: &[Record], wanted| records.iter().filter(|record| record.operation == wanted).count() as u64;
    let (_, opening, reading) = restore(Vec::new());
    // The last one is content: the tree has been read by then.
    let last = count(&opening, Operation::Get) + count(&reading, Operation::Get);
    let lists = count(&opening, Operation::List) + count(&reading, Operation::List);
    for kind in [ErrorKind::Transient, ErrorKind::Denied, ErrorKind::Other] {
        let gone = |operation, nth| Fault::new(operation, "", nth, kind, Moment::BeforeEffect).and_ever_after();
        let (restored, ..) = restore(vec![gone(Operation::Get, last), gone(Operation::List, lists + 1)]);
        assert!(matches!(restored, Err(Error::Storage(_))), "{kind:?}: {restored:?}");
        // A storage that answers keeps nobody from the other files.
        let (restored, ..) = restore(vec![gone(Operation::Get, last)]);
        assert!(!restored.unwrap().problems.is_empty(), "{kind:?}: nothing is said");
    }
}

#[test]
fn a_cancelled_backup_is_void_and_the_next_one_works() {
    struct After(std::sync::atomic::AtomicU64);
    impl keepfast_engine::events::Events for After {
        fn cancelled(&self) -> bool {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 20
        }
    }
    let scene = Scene::new();
    let client_sandbox = scene.client();
    let repository = client_sandbox.open();
    let outcome = backup(&repository, &client(), &client_sandbox.options(), &After(0.into()));
    assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
    assert_eq!(client_sandbox.snapshots().len(), 1);
    drop(repository);
    scene.all_is_well(&client_sandbox, "after a cancelled backup");
    let _ = backup(&client_sandbox.open(), &client(), &client_sandbox.options(), &Silent).unwrap();
}

/// Of a chunk that several packs hold, damaged in all but one, which can not be read now: neither it nor what needs it is damaged for
/// whoever deletes. A restore goes on. Which pack is asked first is left to chance, and makes no difference.
#[test]
fn a_copy_that_can_not_be_read_now_is_no_damaged_one_for_a_prune() {
    let sandbox = Sandbox::new();
    let bytes = Random::new(5).bytes(3000);
    let changed = [&bytes[..1500], b"changed", &bytes[1500..]].concat();
    let commit = |lie: fn(&mut Sealed)| {
        let mut forge = Forge::new(&sandbox);
        let base = forge.data_id(&bytes);
        forge.chunk_as(Kind::DataPack, &bytes, base, lie);
        let delta = forge.delta_chunk(&changed, &bytes, &[base]);
        let other = forge.file(b"", b"other", b"beside it");
        let leaf = forge.leaf(&[other]);
        forge.commit(&leaf);
        [base, delta]
    };
    for _ in 0..6 {
        commit(|sealed| sealed.stored[20] ^= 1);
    }
    let before = sandbox.objects.image();
    let chunks = commit(|_| {});
    let packs = sandbox.objects.image().names("packs").into_iter().filter(|pack| before.get(pack).is_none());
    let fault = |pack: Name| Fault::new(Operation::Get, pack.as_str(), 1, ErrorKind::Other, Moment::BeforeEffect);
    let faults = packs.map(|pack| fault(pack).and_ever_after()).collect();
    let faulty = Arc::new(FaultyBackend::new(sandbox.objects.clone(), faults));
    let repository = sandbox.open_on(faulty).unwrap();
    repository.history().unwrap();
    for chunk in chunks {
        let error = repository.reader_for_collector().data_chunk(&chunk).err().expect("no copy can be read");
        assert!(!error.is_damage(), "{error}");
        assert!(repository.reader().data_chunk(&chunk).is_err_and(|error| error.is_damage()));
    }
    // And one that is whole is found behind all of them.
    commit(|_| {});
    repository.history().unwrap();
    for chunk in chunks {
        repository.reader_for_collector().data_chunk(&chunk).unwrap();
        repository.reader().data_chunk(&chunk).unwrap();
    }
}

/// What a collector has moved while this program was at work is found, whatever else is wrong with another copy, which may be asked
/// first: a pack that is gone is a reason to read the index anew.
#[test]
fn a_moved_copy_is_found_beside_a_damaged_one() {
    let bytes = Random::new(6).bytes(3000);
    for _ in 0..8 {
        let sandbox = Sandbox::new();
        let commit = |lie: fn(&mut Sealed)| {
            let mut forge = Forge::new(&sandbox);
            let chunk = forge.data_id(&bytes);
            forge.chunk_as(Kind::DataPack, &bytes, chunk, lie);
            let other = forge.file(b"", b"other", b"beside it");
            let leaf = forge.leaf(&[other]);
            let before = sandbox.objects.image();
            forge.commit(&leaf);
            (chunk, before)
        };
        commit(|sealed| sealed.stored[20] ^= 1);
        let (chunk, before) = commit(|_| {});
        let repository = sandbox.open();
        repository.history().unwrap();
        let image = sandbox.objects.image();
        commit(|_| {});
        for pack in image.names("packs").into_iter().filter(|pack| before.get(pack).is_none()) {
            sandbox.objects.delete(&pack).unwrap();
        }
        assert_eq!(*repository.reader().data_chunk(&chunk).unwrap(), *bytes);
    }
}

/// Each copy would be waited for as long as the first.
#[test]
fn a_storage_that_does_not_answer_is_not_asked_for_every_copy() {
    let sandbox = Sandbox::new();
    let bytes = Random::new(7).bytes(3000);
    let chunks: Vec<_> = (0..3)
        .map(|_| {
            let mut forge = Forge::new(&sandbox);
            let chunk = forge.data_id(&bytes);
            forge.chunk_as(Kind::DataPack, &bytes, chunk, |_| {});
            let other = forge.file(b"", b"other", b"beside it");
            let leaf = forge.leaf(&[other]);
            forge.commit(&leaf);
            chunk
        })
        .collect();
    let asked = |kind| {
        let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
        let fault = Fault::new(Operation::Get, "packs", 1, kind, Moment::AfterEffect).and_ever_after();
        let repository = sandbox.open_on(Arc::new(FaultyBackend::new(recording.clone(), vec![fault]))).unwrap();
        repository.history().unwrap();
        recording.take();
        let error = repository.reader().data_chunk(&chunks[0]).err().expect("no copy can be read");
        assert!(matches!(&error, Error::Storage(error) if error.kind == kind), "{error}");
        recording.take().len()
    };
    assert_eq!([ErrorKind::Transient, ErrorKind::Lost].map(asked), [1, 1]);
    assert_eq!([ErrorKind::Denied, ErrorKind::Other].map(asked), [3, 3]);
}
