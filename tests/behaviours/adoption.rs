// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an interrupted backup has uploaded is not uploaded again (`docs/format.md` section 11.1): the machine's next session adopts
//! it, unless a collector was faster. Packs and their bytes are counted.

mod deltas;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_engine::backup::{Summary, backup};
use keepfast_engine::events::{Events, Silent};
use keepfast_engine::prune::{PruneOptions, prune};
use keepfast_engine::repository::{Found, LocalFolders, Repository};
use keepfast_repo_format::layout;
use keepfast_storage::cloud::{CloudBackend, CloudLocation, CloudOptions, CloudSettings};
use keepfast_storage::local::LocalBackend;
use keepfast_storage::testing::{
    Fault, FaultyBackend, Image, MemBackend, Moment, Operation, RecordingBackend, SimBackend,
};
use keepfast_storage::{Backend, ErrorKind};

use crate::support::capture::{assert_same, capture};
use crate::support::collector::all_of_it;
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, let_time_pass, restore_options};
use crate::support::servers::Server;

/// Packs of 1 MiB: at least six of data.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    write_files(&sandbox, 5);
    sandbox
}

/// Six files of 1 MiB that no other seed gives.
fn write_files(sandbox: &Sandbox, seed: u64) {
    let mut random = Random::new(seed);
    for number in 0..6 {
        fs::write(sandbox.source().join(format!("file-{number}")), random.bytes(1 << 20)).unwrap();
    }
    let_time_pass();
}

/// Backs up without any folder above the source: others change those, and a tree of them would be one more pack.
fn try_back_up(sandbox: &Sandbox, storage: Arc<dyn Backend>) -> keepfast_engine::Result<Summary> {
    backup(&sandbox.open_on(storage)?, &client(), &sandbox.options_at_top(), &Silent)
}

/// How a backup is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its program dies: nobody ends the session.
    Killed,
    /// It ends its session itself, as after an error or when the user cancels.
    Failed,
}

/// Backs up until four packs are stored. Returns those that are.
fn interrupt(sandbox: &Sandbox, storage: Arc<dyn Backend>, end: End) -> BTreeMap<String, u64> {
    let dead = |operation, prefix: &str, nth| {
        Fault::new(operation, prefix, nth, ErrorKind::Other, Moment::BeforeEffect).and_ever_after()
    };
    let mut faults = vec![dead(Operation::Put, "packs", 5)];
    if end == End::Killed {
        faults.push(dead(Operation::Put, "log", 1));
    }
    let faulty = Arc::new(FaultyBackend::new(storage.clone(), faults));
    let outcome = try_back_up(sandbox, faulty.clone());
    assert!(matches!(outcome, Err(Error::Storage(_))), "{outcome:?}");
    faulty.verify_all_faults_reached();
    packs(storage.as_ref())
}

fn packs(storage: &dyn Backend) -> BTreeMap<String, u64> {
    let listed = storage.list(layout::PACKS_FOLDER).unwrap();
    listed.into_iter().map(|object| (object.name.as_str().to_string(), object.length)).collect()
}

/// Backs up, and says which packs were put.
fn back_up(sandbox: &Sandbox, storage: Arc<dyn Backend>) -> (Summary, BTreeSet<String>) {
    let recording = Arc::new(RecordingBackend::new(storage));
    let summary = try_back_up(sandbox, recording.clone()).unwrap();
    assert_eq!(summary.problems, []);
    let is_pack = |name: &str| name.starts_with("packs/");
    let puts = recording.take().into_iter().filter(|it| it.operation == Operation::Put && is_pack(&it.name));
    (summary, puts.map(|it| it.name).collect())
}

/// The snapshot is the source, and nothing in the storage is of no use.
fn assert_whole(sandbox: &Sandbox, storage: Arc<dyn Backend>, summary: &Summary) {
    let mut image = Image::default();
    for object in storage.list("").unwrap() {
        image.insert(object.name.clone(), storage.get(&object.name, None).unwrap());
    }
    let copy = sandbox.copy(MemBackend::from_image(image));
    let target = sandbox.path("restored");
    let _ = fs::remove_dir_all(&target);
    let (restored, _) = copy.restore_with(summary.snapshot.unwrap(), &restore_options(&target)).unwrap();
    assert_eq!(restored.problems, []);
    assert_same(&capture(&sandbox.source()), &capture(&target), "restored");
    let report = copy.check();
    assert_eq!((&report.findings[..], report.unreferenced_packs), (&[][..], 0));
}

fn only_what_was_missing_is_uploaded(sandbox: &Sandbox, storage: Arc<dyn Backend>) {
    for (round, end) in (1..).zip([End::Killed, End::Failed]) {
        let visible = packs(storage.as_ref());
        let before = interrupt(sandbox, storage.clone(), end);
        assert!(before.len() >= visible.len() + 4, "{visible:?} {before:?}");
        let (summary, put) = back_up(sandbox, storage.clone());
        let all = packs(storage.as_ref());
        assert_eq!(put.len() + before.len(), all.len(), "{end:?}: nothing that was there is put once more");
        let bytes: u64 = all.iter().filter(|(name, _)| !visible.contains_key(*name)).map(|(_, bytes)| bytes).sum();
        assert!(bytes < 9 << 20, "{end:?}: {bytes} bytes for 6 MiB of files");
        assert_whole(sandbox, storage.clone(), &summary);
        // From the commit on the packs are like any other.
        let (summary, put) = back_up(sandbox, storage.clone());
        assert_eq!(summary.totals.new_files, 0);
        assert_eq!(put, BTreeSet::new(), "nothing has changed");
        write_files(sandbox, 5 + round);
    }
}

#[test]
fn an_interrupted_backup_into_a_folder_is_not_uploaded_twice() {
    let sandbox = sandbox();
    let folder = sandbox.path("repository");
    let storage = Arc::new(LocalBackend::create(&folder).unwrap());
    copy_into(&sandbox, storage.as_ref());
    only_what_was_missing_is_uploaded(&sandbox, storage);
}

#[test]
fn an_interrupted_backup_into_a_bucket_is_not_uploaded_twice() {
    let Some(server) = Server::moto() else { return };
    let sandbox = sandbox();
    let mut settings = CloudSettings::new();
    let (user, secret) = Server::credentials();
    settings.set("aws_access_key_id", user);
    settings.set("aws_secret_access_key", secret);
    let location = CloudLocation::parse(&server.location("adoption")).unwrap();
    let storage = Arc::new(CloudBackend::open(&location, &settings, &CloudOptions::default()).unwrap());
    copy_into(&sandbox, storage.as_ref());
    only_what_was_missing_is_uploaded(&sandbox, storage);
}

fn copy_into(sandbox: &Sandbox, storage: &dyn Backend) {
    for object in sandbox.objects.list("").unwrap() {
        storage.put_if_absent(&object.name, &[&sandbox.objects.get(&object.name, None).unwrap()]).unwrap();
    }
}

/// Sessions that are interrupted again and again lose nothing of what any of them has uploaded.
#[test]
fn what_was_adopted_is_adopted_again() {
    let sandbox = sandbox();
    let first = interrupt(&sandbox, sandbox.objects.clone(), End::Killed);
    let dead = Fault::new(Operation::Put, "snapshots", 1, ErrorKind::Other, Moment::BeforeEffect);
    let faulty = Arc::new(FaultyBackend::new(sandbox.objects.clone(), vec![dead]));
    assert!(try_back_up(&sandbox, faulty.clone()).is_err());
    faulty.verify_all_faults_reached();
    let second = packs(sandbox.objects.as_ref());
    assert!(second.len() > first.len());
    let (summary, put) = back_up(&sandbox, sandbox.objects.clone());
    assert_eq!(put, BTreeSet::new(), "everything was there");
    assert_whole(&sandbox, sandbox.objects.clone(), &summary);
}

/// The lists of adopted packs carry the new session's id: a collector would take them for leftovers otherwise.
#[test]
fn adopted_packs_are_the_new_sessions_in_the_index() {
    let sandbox = sandbox();
    let before = interrupt(&sandbox, sandbox.objects.clone(), End::Killed);
    let (summary, _) = back_up(&sandbox, sandbox.objects.clone());
    let snapshots = sandbox.snapshots();
    let manifest = &snapshots.iter().find(|snapshot| Some(snapshot.id) == summary.snapshot).unwrap().manifest;
    assert_eq!(manifest.pack_count, packs(sandbox.objects.as_ref()).len() as u64);
    assert!(summary.totals.stored_bytes < manifest.pack_bytes);
    let keys = sandbox.open().keys.clone();
    let mut listed = BTreeSet::new();
    for object in sandbox.objects.list(layout::INDEX_FOLDER).unwrap() {
        let bytes = sandbox.objects.get(&object.name, None).unwrap();
        let kind = keepfast_repo_format::envelope::Kind::Index;
        let plain = keepfast_repo_format::record::open_structure(&keys, kind, &bytes).unwrap();
        for pack in keepfast_repo_format::index::decode(&plain).unwrap() {
            assert_eq!(pack.session, manifest.session);
            listed.insert(layout::pack(&pack.id));
        }
    }
    assert!(before.keys().all(|pack| listed.contains(pack)));
}

#[test]
fn packs_that_prune_has_taken_are_uploaded_again() {
    let sandbox = sandbox();
    let before = interrupt(&sandbox, sandbox.objects.clone(), End::Failed);
    let report = prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
    assert_eq!(report.packs_deleted, before.len() as u64);
    let (summary, _) = back_up(&sandbox, sandbox.objects.clone());
    assert_whole(&sandbox, sandbox.objects.clone(), &summary);
}

#[test]
fn packs_that_prune_has_condemned_are_not_adopted() {
    let sandbox = sandbox();
    let before = interrupt(&sandbox, sandbox.objects.clone(), End::Failed);
    // A collector that comes no further than its list.
    let dead = Fault::new(Operation::Put, "gc", 1, ErrorKind::Other, Moment::AfterEffect);
    let faulty = Arc::new(FaultyBackend::new(sandbox.objects.clone(), vec![dead]));
    let other = other_machine(&sandbox, faulty.clone());
    assert!(prune(&other, &client(), &all_of_it(), &Silent).is_err());
    faulty.verify_all_faults_reached();
    assert_eq!(sandbox.objects.list(layout::CONDEMNED_FOLDER).unwrap().len(), 1);
    let (summary, _) = back_up(&sandbox, sandbox.objects.clone());
    assert!(packs(sandbox.objects.as_ref()).len() >= 2 * before.len(), "condemned packs count as absent");
    assert!(prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap().finished);
    assert!(before.keys().all(|pack| !packs(sandbox.objects.as_ref()).contains_key(pack)));
    assert_whole(&sandbox, sandbox.objects.clone(), &summary);
}

fn other_machine(sandbox: &Sandbox, storage: Arc<dyn Backend>) -> Repository {
    let folders = LocalFolders { cache: None, state: sandbox.path("other state") };
    Found::locate(storage).unwrap().open(&sandbox.credential(), &folders).unwrap()
}

/// Lets a collector of another machine condemn what this backup has adopted.
struct Condemns<'a> {
    sandbox: &'a Sandbox,
    done: AtomicBool,
}

impl Events for Condemns<'_> {
    fn path_done(&self, _path: &[u8], _bytes: u64) {
        if self.done.swap(true, Ordering::SeqCst) {
            return;
        }
        let options = PruneOptions { wait: Duration::ZERO, ..all_of_it() };
        let other = other_machine(self.sandbox, self.sandbox.objects.clone());
        let report = prune(&other, &client(), &options, &Silent).unwrap();
        assert!(!report.finished && report.orphan_packs >= 4, "{report:?}");
    }
}

#[test]
fn packs_that_are_condemned_after_they_were_adopted_are_copied_out() {
    let sandbox = sandbox();
    let before = interrupt(&sandbox, sandbox.objects.clone(), End::Failed);
    let events = Condemns { sandbox: &sandbox, done: AtomicBool::new(false) };
    let summary = backup(&sandbox.open(), &client(), &sandbox.options_at_top(), &events).unwrap();
    assert!(events.done.load(Ordering::SeqCst));
    let report = prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
    assert!(report.finished && report.packs_written > 0, "{report:?}");
    assert!(before.keys().all(|pack| !packs(sandbox.objects.as_ref()).contains_key(pack)));
    assert_whole(&sandbox, sandbox.objects.clone(), &summary);
}

/// Lets a collector of another machine end this session, and delete what it has adopted.
struct Ends<'a> {
    sandbox: &'a Sandbox,
    done: AtomicBool,
}

impl Events for Ends<'_> {
    fn path_done(&self, _path: &[u8], _bytes: u64) {
        if !self.done.swap(true, Ordering::SeqCst) {
            let options = PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() };
            let other = other_machine(self.sandbox, self.sandbox.objects.clone());
            let report = prune(&other, &client(), &options, &Silent).unwrap();
            assert!(report.finished && report.sessions_voided == 1 && report.packs_deleted >= 4, "{report:?}");
        }
    }
}

#[test]
fn a_session_that_was_ended_with_what_it_had_adopted_says_that_it_was_ended() {
    let sandbox = sandbox();
    interrupt(&sandbox, sandbox.objects.clone(), End::Failed);
    let events = Ends { sandbox: &sandbox, done: AtomicBool::new(false) };
    let error = backup(&sandbox.open(), &client(), &sandbox.options_at_top(), &events).unwrap_err();
    assert!(matches!(error, Error::SessionVoid { .. }), "{error}");
    let (summary, _) = back_up(&sandbox, sandbox.objects.clone());
    prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
    assert_whole(&sandbox, sandbox.objects.clone(), &summary);
}

/// The dead session never came to a barrier: the one that adopts speaks for its packs.
#[test]
fn a_power_cut_after_the_commit_takes_no_adopted_pack() {
    let sandbox = sandbox();
    let disk = SimBackend::from_image(sandbox.objects.image());
    interrupt(&sandbox, Arc::new(disk.another_handle()), End::Killed);
    let (summary, _) = back_up(&sandbox, Arc::new(disk.another_handle()));
    for image in disk.crash_images(11) {
        assert_whole(&sandbox, Arc::new(MemBackend::from_image(image)), &summary);
    }
}

#[test]
fn a_torn_or_foreign_ledger_costs_work_and_nothing_else() {
    let ledger = |sandbox: &Sandbox| {
        let folder = fs::read_dir(sandbox.path("state")).unwrap().next().unwrap().unwrap().path();
        folder.join("writer-0.packs")
    };
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.clear(),
        |bytes| bytes[100] ^= 1,
        |bytes| bytes.extend([0xff; 9]),
    ];
    for damage in damages {
        let sandbox = sandbox();
        interrupt(&sandbox, sandbox.objects.clone(), End::Killed);
        let mut bytes = fs::read(ledger(&sandbox)).unwrap();
        damage(&mut bytes);
        fs::write(ledger(&sandbox), bytes).unwrap();
        let (summary, _) = back_up(&sandbox, sandbox.objects.clone());
        assert!(!ledger(&sandbox).exists(), "it is over with the commit");
        prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
        assert_whole(&sandbox, sandbox.objects.clone(), &summary);
    }
}
