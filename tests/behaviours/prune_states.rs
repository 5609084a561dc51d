// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a prune does in single states: sessions that are open, sleep or were closed, damage, storage that refuses or is full, readers
//! at work, options that bound it.

use std::sync::Arc;
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_engine::backup::backup;
use keepfast_engine::events::{Events, Silent};
use keepfast_engine::prune::{MaxUnused, Mode, OnDamage, PruneError, PruneOptions};
use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::layout;
use keepfast_storage::testing::{Fault, FaultyBackend, Image, Moment, Operation, RecordingBackend, SimBackend};
use keepfast_storage::{ErrorKind, Name};

use crate::support::collector::{all_of_it, prune_on, undelete};
use crate::support::history_script::{Machine, in_snapshot, on_disk, options, write_files};
use crate::support::prune_place::Place;
use crate::support::random::Random;

/// A pack that is partly dead, and a forgotten snapshot, whose tree nodes are bases of those that came after.
fn prepared() -> (Place, SnapshotId) {
    let mut place = Place::new();
    let forgotten = place.back_up(0);
    write_files(&place.source(0)[0], 9, 500);
    place.back_up(0);
    place.back_up(1);
    place.forget(0, &[forgotten]);
    (place, forgotten)
}

fn impatient() -> PruneOptions {
    PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() }
}

fn edited(place: &Place, edit: impl FnOnce(&mut Image)) -> Place {
    let mut image = place.disk.image();
    edit(&mut image);
    place.after(image, &tempfile::tempdir_in(place.base.path()).unwrap().keep())
}

fn first_name(image: &Image, folder: &str) -> Name {
    image.names(folder).into_iter().next().unwrap()
}

/// Flips a bit in the middle of an object.
fn spoil(image: &mut Image, name: &Name) {
    let mut bytes = image.get(name).unwrap().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    image.insert(name.clone(), bytes);
}

#[test]
fn what_is_condemned_waits_for_sessions_that_are_open() {
    let (mut place, _) = prepared();
    // All of its contents are in a pack of their own.
    write_files(&place.source(1)[0], 24, 4000);
    let dead = place.back_up(1);
    write_files(&place.source(1)[0], 24, 1000);
    place.back_up(1);
    place.forget(1, &[dead]);
    let repository = place.open(1);
    let session = Session::open(&repository, place.machines[1].client(), Role::Writer).unwrap();
    let before = place.disk.image().names(layout::PACKS_FOLDER);
    let report = place.prune(0, &all_of_it());
    assert!(!report.finished && report.open_sessions.len() == 1 && report.packs_deleted == 0, "{report:?}");
    assert_eq!(place.disk.image().names(layout::PACKS_FOLDER), before);
    assert_eq!(place.disk.image().names(layout::CONDEMNED_FOLDER).len(), 1);
    // A backup goes on meanwhile, and does not rely on what is condemned: the source is as it was in the forgotten snapshot.
    write_files(&place.source(0)[0], 24, 0);
    place.back_up(0);
    place.assert_whole();
    session.abandon().unwrap();
    drop(repository);
    let report = place.prune(1, &all_of_it());
    assert!(report.finished && report.packs_deleted > 0, "{report:?}");
    place.assert_whole();
    place.prune(1, &all_of_it());
    place.assert_minimal();
}

/// Prunes once, in the middle of a backup.
struct PruneMeanwhile<'a> {
    place: &'a Place,
    options: PruneOptions,
    done: std::sync::atomic::AtomicBool,
}

impl Events for PruneMeanwhile<'_> {
    fn path_done(&self, _path: &[u8], _bytes: u64) {
        if !self.done.swap(true, std::sync::atomic::Ordering::SeqCst) {
            self.place.prune(1, &self.options);
        }
    }
}

#[test]
fn a_backup_that_was_given_up_can_not_commit_when_it_wakes() {
    let (place, _) = prepared();
    let events = PruneMeanwhile { place: &place, options: impatient(), done: false.into() };
    let repository = place.open(0);
    let source = place.source(0);
    let error = backup(&repository, &place.machines[0].client(), &options(&source), &events).unwrap_err();
    assert!(matches!(error, Error::SessionVoid { .. }), "{error}");
    place.assert_whole();
    place.prune(1, &all_of_it());
    place.assert_whole();
    place.assert_minimal();
}

#[test]
fn a_backup_that_was_waited_for_commits_and_keeps_what_it_relied_on() {
    let mut place = Place::new();
    let forgotten = place.back_up(0);
    write_files(&place.source(0)[0], 24, 700);
    place.back_up(0);
    place.forget(0, &[forgotten]);
    // Everything that was forgotten is in the source again, and was not condemned when the backup began.
    write_files(&place.source(0)[0], 24, 0);
    let source = place.source(0);
    let id = {
        let events = PruneMeanwhile { place: &place, options: all_of_it(), done: false.into() };
        let repository = place.open(0);
        backup(&repository, &place.machines[0].client(), &options(&source), &events).unwrap().snapshot.unwrap()
    };
    place.promised.insert(id, on_disk(&source));
    place.assert_whole();
    let report = place.prune(1, &all_of_it());
    assert!(report.finished && report.packs_written > 0, "live chunks of condemned packs are copied: {report:?}");
    place.assert_whole();
    place.assert_minimal();
}

#[test]
fn nothing_is_deleted_while_anything_is_damaged_or_missing() {
    let (place, _) = prepared();
    let image = place.disk.image();
    let live_pack = |place: &Place| {
        let bare = place.open(0);
        bare.history().unwrap();
        let needed = crate::support::collector::live(&bare);
        let raw = crate::support::collector::raw(&bare, &image);
        let holds = |pack: &&keepfast_repo_format::pack::PackRecord| {
            pack.directory.chunks.iter().all(|chunk| needed.contains(&chunk.id))
        };
        let id = raw.visible.values().find(holds).expect("a pack is live").id;
        Name::new(layout::pack(&id)).unwrap()
    };
    let visible = *place.promised.keys().next().unwrap();
    let manifest = Name::new(layout::snapshot(&visible)).unwrap();
    let live = live_pack(&place);
    let slot = first_name(&image, layout::LOG_FOLDER);
    let generation = first_name(&image, layout::GENERATIONS_FOLDER);
    let index = first_name(&image, layout::INDEX_FOLDER);
    type Edit<'a> = Box<dyn Fn(&mut Image) + 'a>;
    let edits: Vec<(&str, Edit)> = vec![
        ("a pack is gone", Box::new(|image| drop(image.remove(&live)))),
        ("a manifest is gone", Box::new(|image| drop(image.remove(&manifest)))),
        ("a manifest is damaged", Box::new(|image| spoil(image, &manifest))),
        ("a slot is gone", Box::new(|image| drop(image.remove(&slot)))),
        ("a slot is damaged", Box::new(|image| spoil(image, &slot))),
        ("a generation is damaged", Box::new(|image| spoil(image, &generation))),
        ("an index object is gone", Box::new(|image| drop(image.remove(&index)))),
        ("an index object is damaged", Box::new(|image| spoil(image, &index))),
    ];
    for (what, edit) in edits {
        let place = edited(&place, edit);
        for machine in &place.machines {
            machine.lose_cache();
        }
        let error = prune_on(&place.open(0), &place.machines[0], &impatient()).map(|report| format!("{report:?}"));
        assert!(error.is_err(), "{what}, and it went on: {error:?}");
        assert_eq!(place.disk.operations(), 0, "{what}, and something was written");
    }
}

#[test]
fn slots_that_only_this_machine_remembers_are_missed() {
    let (place, _) = prepared();
    // The last slot of the only writer that wrote last: nobody quotes it.
    let last = place.disk.log().iter().rev().find(|done| done.name.starts_with("log/")).unwrap().name.clone();
    let place = edited(&place, |image| drop(image.remove(&Name::new(&last).unwrap())));
    let error = prune_on(&place.open(0), &place.machines[0], &impatient()).unwrap_err();
    assert!(matches!(error, Error::Prune(PruneError::LostSlots { .. })), "{error}");
    assert_eq!(place.disk.operations(), 0);
}

#[test]
fn who_ignores_damage_keeps_everything_that_can_still_be_read() {
    let (place, _) = prepared();
    let victim = *place.promised.keys().next().unwrap();
    let manifest = Name::new(layout::snapshot(&victim)).unwrap();
    let mut place = edited(&place, |image| drop(image.remove(&manifest)));
    place.machines.iter().for_each(Machine::lose_cache);
    let report = place.prune(0, &PruneOptions { on_damage: OnDamage::Ignore, ..all_of_it() });
    assert!(report.finished && report.unreadable == 1, "{report:?}");
    place.forget(0, &[victim]);
    place.assert_whole();
}

#[test]
fn a_condemn_list_that_can_not_be_read_stops_backups_and_prunes() {
    let (place, _) = prepared();
    let open = place.open(1);
    let session = Session::open(&open, place.machines[1].client(), Role::Writer).unwrap();
    place.prune(0, &all_of_it());
    session.abandon().unwrap();
    let place = edited(&place, |image| {
        let list = first_name(image, layout::CONDEMNED_FOLDER);
        spoil(image, &list);
    });
    let backup = place.machines[1].back_up(place.disk.clone(), &place.key, &place.source(1)).map(|_| ());
    assert!(matches!(backup, Err(Error::Object { .. })), "{backup:?}");
    let prune = prune_on(&place.open(0), &place.machines[0], &all_of_it()).map(|_| ());
    assert!(matches!(prune, Err(Error::Object { .. })), "{prune:?}");
    // It names nothing that is needed any more once no prune is at work: without it everything goes on.
    let place = edited(&place, |image| {
        let list = first_name(image, layout::CONDEMNED_FOLDER);
        drop(image.remove(&list));
    });
    place.assert_whole();
}

#[test]
fn what_the_storage_refuses_to_delete_is_tried_again_by_the_next_prune() {
    let (place, _) = prepared();
    let fault = Fault::new(Operation::Delete, "packs/", 1, ErrorKind::Denied, Moment::BeforeEffect).and_ever_after();
    let worm = Arc::new(FaultyBackend::new(Arc::new(place.disk.another_handle()), vec![fault]));
    let repository = place.machines[0].open(worm.clone(), &place.key).unwrap();
    let report = prune_on(&repository, &place.machines[0], &all_of_it()).unwrap();
    assert!(!report.finished && report.refused > 0 && report.packs_deleted == 0, "{report:?}");
    worm.verify_all_faults_reached();
    place.assert_whole();
    let report = place.prune(0, &all_of_it());
    assert!(report.finished, "{report:?}");
    place.assert_whole();
    place.assert_minimal();
}

#[test]
fn on_a_full_disk_dead_packs_go_and_nothing_is_lost() {
    let (mut place, _) = prepared();
    // Something that only this snapshot has, so that whole packs of it are dead.
    std::fs::write(place.source(1)[0].join("only here"), Random::new(7).bytes(300_000)).unwrap();
    let dead = place.back_up(1);
    place.forget(1, &[dead]);
    let fault = Fault::new(Operation::Put, "packs/", 1, ErrorKind::Full, Moment::BeforeEffect).and_ever_after();
    let full = Arc::new(FaultyBackend::new(Arc::new(place.disk.another_handle()), vec![fault]));
    let repository = place.machines[0].open(full.clone(), &place.key).unwrap();
    let error = prune_on(&repository, &place.machines[0], &all_of_it()).unwrap_err();
    assert!(matches!(error, Error::Prune(PruneError::Full { freed_bytes: 1.., .. })), "{error}");
    place.assert_whole();
    // Still full: nothing more can be done, and nothing worse happens.
    assert!(prune_on(&repository, &place.machines[0], &all_of_it()).is_err());
    place.assert_whole();
    drop(repository);
    assert!(place.prune(0, &all_of_it()).finished);
    place.assert_whole();
    place.assert_minimal();
}

#[test]
fn a_reader_that_began_before_the_prune_finds_what_was_moved() {
    let (place, _) = prepared();
    for who in [0, 1] {
        let reading = place.open(who);
        let (snapshots, _) = reading.history().unwrap().snapshots(&reading).unwrap();
        let reader = place.after(place.disk.image(), &place.base.path().join(format!("reader-{who}")));
        let reading = reader.open(who);
        reading.history().unwrap();
        let report = reader.prune(1 - who, &all_of_it());
        assert!(report.packs_deleted > 0 && report.packs_written > 0, "{report:?}");
        for snapshot in &snapshots {
            assert!(in_snapshot(&reading, snapshot).unwrap() == reader.promised[&snapshot.id]);
        }
    }
}

#[test]
fn a_snapshot_that_came_back_while_it_was_condemned_keeps_everything() {
    let (mut place, forgotten) = prepared();
    let contents = {
        let old = place.after(place.disk.image(), &place.base.path().join("old"));
        assert!(undelete(&old.open(1), &old.machines[1], forgotten).unwrap());
        let repository = old.open(1);
        let (snapshots, _) = repository.history().unwrap().snapshots(&repository).unwrap();
        in_snapshot(&repository, snapshots.iter().find(|snapshot| snapshot.id == forgotten).unwrap()).unwrap()
    };
    let repository = place.open(1);
    let session = Session::open(&repository, place.machines[1].client(), Role::Writer).unwrap();
    assert!(!place.prune(0, &all_of_it()).finished);
    session.record(keepfast_repo_format::log::LogBody::Undelete { snapshots: vec![forgotten] }).unwrap();
    place.promised.insert(forgotten, contents);
    assert!(place.prune(0, &all_of_it()).finished);
    place.assert_whole();
    // It is on a list, and the list is final: it can be forgotten, not brought back once more.
    place.forget(0, &[forgotten]);
    assert!(!undelete(&place.open(0), &place.machines[0], forgotten).unwrap());
    assert!(place.prune(0, &all_of_it()).finished);
    place.assert_whole();
    place.assert_minimal();
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let (place, _) = prepared();
    let operations = place.disk.operations();
    let told = place.prune(0, &PruneOptions { mode: Mode::DryRun, ..all_of_it() });
    assert_eq!(place.disk.operations(), operations);
    let done = place.prune(0, &all_of_it());
    assert_eq!((told.dead_packs, told.repack_packs, told.forgotten_snapshots), (done.dead_packs, done.repack_packs, 1));
    assert_eq!(done.packs_deleted, told.dead_packs + told.repack_packs);
}

#[test]
fn bounds_are_kept_and_the_rest_is_for_the_next_time() {
    let (place, _) = prepared();
    let none = place.prune(0, &PruneOptions { max_repack_bytes: Some(0), ..all_of_it() });
    assert_eq!((none.packs_written, none.finished), (0, true));
    let late = place.prune(0, &PruneOptions { max_time: Some(Duration::ZERO), ..all_of_it() });
    assert!(late.out_of_time && !late.finished, "{late:?}");
    let lenient = place.prune(0, &PruneOptions { max_unused: MaxUnused::Percent(99.0), ..all_of_it() });
    assert_eq!(lenient.packs_written, 0);
    place.assert_whole();
    assert!(place.prune(0, &all_of_it()).packs_written > 0);
    place.assert_whole();
    place.assert_minimal();
}

#[test]
fn many_small_index_objects_become_few() {
    let mut place = Place::new();
    for round in 0..20 {
        write_files(&place.source(0)[0], 1, 3000 + round);
        place.back_up(0);
    }
    assert!(place.disk.image().names(layout::INDEX_FOLDER).len() >= 20);
    let report = place.prune(0, &all_of_it());
    assert!(report.finished);
    assert!(place.disk.image().names(layout::INDEX_FOLDER).len() < 8);
    place.assert_whole();
    place.assert_minimal();
}

#[test]
fn an_unchanged_backup_asks_the_storage_few_questions() {
    let (place, _) = prepared();
    let inner: Arc<SimBackend> = Arc::new(place.disk.another_handle());
    // No folder above the source counts: others change those.
    let mut at_top = options(&[".".into()]);
    at_top.source.working_directory = place.source(0)[0].clone();
    std::thread::sleep(Duration::from_millis(40));
    let repository = place.machines[0].open(inner.clone(), &place.key).unwrap();
    backup(&repository, &place.machines[0].client(), &at_top, &Silent).unwrap();
    drop(repository);
    let recording = Arc::new(RecordingBackend::new(inner));
    let repository = place.machines[0].open(recording.clone(), &place.key).unwrap();
    recording.take();
    backup(&repository, &place.machines[0].client(), &at_top, &Silent).unwrap();
    let asked: Vec<_> = recording.take().into_iter().filter(|record| record.operation != Operation::Barrier).collect();
    let commit = asked.iter().position(|record| record.name.starts_with("snapshots/")).unwrap();
    let before: Vec<&str> =
        asked[..commit].iter().map(|record| &*record.name).filter(|n| !n.starts_with("packs/")).collect();
    assert!(before.len() <= 5, "{before:?}");
    assert_eq!(asked.len() - commit, 3, "{:?}", &asked[commit..]);
}
