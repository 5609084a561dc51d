// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tells what is visible is lost: the newest generation, the last slot of a log. Readers take what is there, writers rely on
//! nothing that may be gone, and `check` says what it was.

use std::fs;

use keepfast_engine::check::{ReadData, Report, check};
use keepfast_engine::events::Silent;
use keepfast_engine::forget::{Mode, Selection, forget};
use keepfast_engine::history::Snapshot;
use keepfast_engine::prune::{OnDamage, PruneOptions, prune};
use keepfast_engine::{Error, Result};
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::Name;
use keepfast_storage::testing::{Image, MemBackend};

use crate::support::capture::{Capture, assert_same, capture};
use crate::support::collector::all_of_it;
use crate::support::random::Random;
use crate::support::sandbox::{self, Sandbox, let_time_pass};

/// Whether a repository has been pruned: its first generation is not the only one then, and index objects were written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    Young,
    Pruned,
}

/// A repository with snapshots, and what the last one is.
struct Scene {
    sandbox: Sandbox,
    snapshots: Vec<SnapshotId>,
    state: Capture,
}

impl Scene {
    fn new(past: Past) -> Self {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(11));
        let mut save = |name: &str| {
            fs::write(sandbox.source().join(name), random.bytes(90_000)).unwrap();
            let_time_pass();
            sandbox.backup()
        };
        let first = save("of the first alone");
        fs::remove_file(sandbox.source().join("of the first alone")).unwrap();
        let second = save("two");
        let mut snapshots = vec![first, second];
        if past == Past::Pruned {
            let repository = sandbox.open();
            forget(&repository, &sandbox::client(), &Selection::Named(vec![first]), Mode::Write).unwrap();
            prune(&repository, &sandbox::client(), &all_of_it(), &Silent).unwrap();
            snapshots = vec![second];
        }
        snapshots.push(save("three"));
        let state = capture(&sandbox.source());
        Self { sandbox, snapshots, state }
    }

    /// A machine that has never seen the repository, as it is after `damage`.
    fn stranger(&self, damage: impl FnOnce(&mut Image)) -> Sandbox {
        let mut image = self.sandbox.objects.image();
        damage(&mut image);
        self.sandbox.copy(MemBackend::from_image(image))
    }

    fn last(&self, folder: &str) -> Name {
        self.sandbox.objects.image().names(folder).pop().unwrap()
    }
}

fn check_all(client: &Sandbox) -> Report {
    check(&client.open(), ReadData::All, 2, &Silent).unwrap()
}

fn prune_with(client: &Sandbox, on_damage: OnDamage) -> Result<keepfast_engine::prune::Report> {
    prune(&client.open(), &sandbox::client(), &PruneOptions { on_damage, ..all_of_it() }, &Silent)
}

/// Readers see everything, nothing is added, and a prune that is told to makes the generation anew.
fn assert_hides_nothing(scene: &Scene, client: &Sandbox, name: &Name, what: &str) {
    let last = *scene.snapshots.last().unwrap();
    assert_same(&scene.state, &capture(&client.restore(last)), what);
    let kept: Vec<SnapshotId> = client.snapshots().iter().map(|Snapshot { id, .. }| *id).collect();
    assert_eq!(kept, scene.snapshots, "{what}");
    let report = check_all(client);
    // Of those that are gone nobody knows which was the newest.
    let there = client.objects.image().get(name).map(|_| name.as_str());
    let is_named = report.findings.iter().any(|finding| finding.place.starts_with(there.unwrap_or("gen/")));
    assert!(is_named, "{what}: {name}: {:?}", report.findings);
    let refused = client.try_backup_on(client.objects.clone()).unwrap_err();
    assert!(matches!(refused, Error::LostIndex { .. }), "{what}: {name}: {refused}");
    let refused = prune_with(client, OnDamage::Refuse);
    assert!(matches!(refused, Err(Error::LostIndex { .. })), "{what}: {refused:?}");
    assert!(prune_with(client, OnDamage::Ignore).unwrap().finished, "{what}");
    assert_eq!(check_all(client).findings, [], "{what}: after the prune");
    let next = client.backup();
    assert_same(&scene.state, &capture(&client.restore(next)), &format!("{what}: the backup after"));
    let kept: Vec<SnapshotId> = client.snapshots().iter().map(|Snapshot { id, .. }| *id).collect();
    assert_eq!(kept[..kept.len() - 1], scene.snapshots, "{what}");
}

#[test]
fn a_damaged_generation_hides_nothing_from_readers_and_a_prune_writes_it_anew() {
    for past in [Past::Young, Past::Pruned] {
        let scene = Scene::new(past);
        let newest = scene.last("gen");
        let cut = scene.stranger(|image| image.insert(newest.clone(), Vec::new()));
        assert_hides_nothing(&scene, &cut, &newest, &format!("{past:?}, cut off"));
        let flipped = scene.stranger(|image| {
            let mut bytes = image.get(&newest).unwrap().to_vec();
            bytes[70] ^= 1;
            image.insert(newest.clone(), bytes);
        });
        assert_hides_nothing(&scene, &flipped, &newest, &format!("{past:?}, flipped"));
        let none = scene.stranger(|image| image.names("gen").iter().for_each(|name| drop(image.remove(name))));
        assert_hides_nothing(&scene, &none, &newest, &format!("{past:?}, none left"));
    }
}

#[test]
fn check_names_a_damaged_generation_that_only_this_machine_still_knows() {
    let scene = Scene::new(Past::Pruned);
    let newest = scene.last("gen");
    let older = scene.sandbox.objects.image().names("gen").remove(0);
    assert_ne!(newest, older);
    let client = scene.stranger(|_| {});
    client.open_cached_on(client.objects.clone()).unwrap().history().unwrap();
    let mut image = client.objects.image();
    image.insert(newest.clone(), Vec::new());
    let objects = std::sync::Arc::new(MemBackend::from_image(image));
    let report = check(&client.open_cached_on(objects).unwrap(), ReadData::None, 2, &Silent).unwrap();
    let is_named = report.findings.iter().any(|finding| finding.place == newest.as_str());
    assert!(is_named, "{:?}", report.findings);
}

/// Nobody's chunks are there on the word of a slot that is not: the last slot of another writer is gone, whose chunks the parent has.
#[test]
fn a_backup_stores_again_what_a_lost_slot_made_visible() {
    let scene = Scene::new(Past::Young);
    let other = scene.stranger(|_| {});
    fs::write(scene.sandbox.source().join("of the other"), Random::new(12).bytes(80_000)).unwrap();
    let_time_pass();
    other.backup();
    let slots: Vec<Name> = other.objects.image().names("log");
    let known = scene.sandbox.objects.image();
    let lost = slots.into_iter().find(|name| known.get(name).is_none()).unwrap();
    // A third machine relies on what the other one has stored.
    let third = scene.sandbox.copy(MemBackend::from_image(other.objects.image()));
    third.backup();
    let mut image = third.objects.image();
    image.remove(&lost).unwrap();
    let client = scene.sandbox.copy(MemBackend::from_image(image));
    let next = client.backup();
    let state = capture(&scene.sandbox.source());
    assert_same(&state, &capture(&client.restore(next)), "the backup after the loss");
}

/// A storage that was taken back to an older moment and used again: the slot has the signature of its writer, and other bytes.
#[test]
fn check_names_a_slot_that_was_exchanged_for_another_of_the_same_writer() {
    let scene = Scene::new(Past::Young);
    let before = scene.sandbox.objects.image();
    let twin = scene.stranger(|_| {});
    let backup = |objects: MemBackend| {
        let objects = std::sync::Arc::new(objects);
        twin.try_backup_on(objects.clone()).unwrap();
        objects.image()
    };
    // The same identity twice from the same moment on.
    let mine = backup(MemBackend::from_image(before.clone()));
    let theirs = backup(MemBackend::from_image(before.clone()));
    let slot = mine.names("log").into_iter().find(|name| before.get(name).is_none()).unwrap();
    assert!(theirs.get(&slot).is_some_and(|bytes| Some(bytes) != mine.get(&slot)), "the same slot, with other bytes");
    let known = std::sync::Arc::new(MemBackend::from_image(mine));
    twin.open_cached_on(known).unwrap().history().unwrap();
    let exchanged = std::sync::Arc::new(MemBackend::from_image(theirs));
    let report = check(&twin.open_cached_on(exchanged).unwrap(), ReadData::None, 2, &Silent).unwrap();
    assert!(report.findings.iter().any(|finding| finding.place == slot.as_str()), "{:?}", report.findings);
}

/// Nobody can tell whose the packs are.
#[test]
fn who_ignores_a_damaged_log_slot_deletes_nothing_that_it_had_made_visible() {
    let scene = Scene::new(Past::Pruned);
    let slot = scene.last("log");
    let client = scene.stranger(|image| image.insert(slot.clone(), b"no slot".to_vec()));
    assert_eq!(client.snapshots().len(), 1, "it made the last snapshot visible");
    assert!(matches!(prune_with(&client, OnDamage::Refuse), Err(Error::Prune(_))));
    let report = prune_with(&client, OnDamage::Ignore).unwrap();
    assert!(report.finished && report.unreadable == 1 && report.packs_deleted == 0, "{report:?}");
}

#[test]
fn who_ignores_a_lost_log_slot_can_prune_what_stood_behind_it() {
    let scene = Scene::new(Past::Young);
    let lost = scene.sandbox.objects.image().names("log").remove(1);
    let client = scene.stranger(|image| drop(image.remove(&lost)));
    let [first, last] = [scene.snapshots[0], scene.snapshots[2]];
    assert_eq!(client.snapshots().iter().map(|Snapshot { id, .. }| *id).collect::<Vec<_>>(), [first, last]);
    forget(&client.open(), &sandbox::client(), &Selection::Named(vec![last]), Mode::Write).unwrap();
    let report = prune_with(&client, OnDamage::Ignore).unwrap();
    assert!(report.finished && report.packs_deleted > 0, "{report:?}");
    let report = prune_with(&client, OnDamage::Ignore).unwrap();
    assert!(report.finished && report.packs_deleted == 0 && report.packs_written == 0, "{report:?}");
    let named: Vec<String> = check_all(&client).findings.into_iter().map(|finding| finding.place).collect();
    assert!(!named.is_empty() && named.iter().all(|place| place.starts_with("log/")), "{named:?}");
}

/// What is lost twice: the slot that made a snapshot visible, and an object that told of its packs.
#[test]
fn a_prune_that_writes_a_lost_index_anew_keeps_what_only_a_lost_slot_had_made_visible() {
    for past in [Past::Young, Past::Pruned] {
        let scene = Scene::new(past);
        let slot = scene.last("log");
        for folder in ["index", "gen"] {
            let client = scene.stranger(|image| {
                image.insert(slot.clone(), b"no slot".to_vec());
                for name in image.names(folder) {
                    image.remove(&name).unwrap();
                }
            });
            let before: Vec<Name> = client.objects.image().names("packs");
            for _ in 0..2 {
                let report = prune_with(&client, OnDamage::Ignore).unwrap();
                assert!(report.finished && report.packs_deleted == 0, "{past:?}, {folder}: {report:?}");
            }
            assert_eq!(client.objects.image().names("packs"), before, "{past:?}, {folder}");
        }
    }
}

#[test]
fn a_prune_of_a_repository_without_log_and_generation_deletes_nothing() {
    let scene = Scene::new(Past::Pruned);
    let client = scene.stranger(|image| {
        for name in image.names("gen").into_iter().chain(image.names("log")) {
            image.remove(&name).unwrap();
        }
    });
    let before = client.objects.image().names("packs");
    let hidden = client.open().history().unwrap().missed_slots(&client.open()).unwrap();
    assert!(!hidden.is_empty(), "nobody can tell that there is no snapshot");
    assert!(prune_with(&client, OnDamage::Refuse).is_err());
    let _ = prune_with(&client, OnDamage::Ignore);
    assert_eq!(client.objects.image().names("packs"), before);
}

/// A machine that remembers the generation that was lost must not take the new one for it.
#[test]
fn a_generation_in_the_place_of_a_lost_one_has_a_number_that_nobody_remembers() {
    let scene = Scene::new(Past::Pruned);
    let newest = scene.last("gen");
    let other = scene.stranger(|_| {});
    other.open_cached_on(other.objects.clone()).unwrap().history().unwrap();
    let client = scene.stranger(|image| image.names("gen").iter().for_each(|name| drop(image.remove(name))));
    assert!(prune_with(&client, OnDamage::Ignore).unwrap().finished);
    let made = client.objects.image().names("gen").pop().unwrap();
    assert!(made > newest, "{made} after {newest}");
    let report = check(&other.open_cached_on(client.objects.clone()).unwrap(), ReadData::All, 2, &Silent).unwrap();
    assert_eq!(report.findings, []);
}

/// Others can not read it, whatever this machine remembers.
#[test]
fn a_backup_after_a_check_relies_on_no_slot_that_only_this_machine_remembers() {
    let scene = Scene::new(Past::Young);
    let slot = scene.last("log");
    let client = scene.stranger(|_| {});
    client.open_cached_on(client.objects.clone()).unwrap().history().unwrap();
    let mut image = client.objects.image();
    image.insert(slot.clone(), b"no slot".to_vec());
    let objects = std::sync::Arc::new(MemBackend::from_image(image));
    let report = check(&client.open_cached_on(objects.clone()).unwrap(), ReadData::None, 2, &Silent).unwrap();
    assert!(report.findings.iter().any(|finding| finding.place == slot.as_str()), "{:?}", report.findings);
    let repository = client.open_cached_on(objects.clone()).unwrap();
    let next = keepfast_engine::backup::backup(&repository, &sandbox::client(), &client.options(), &Silent).unwrap();
    let stranger = scene.sandbox.copy(MemBackend::from_image(objects.image()));
    let snapshot = next.snapshot.unwrap();
    assert_same(
        &capture(&client.source()),
        &capture(&stranger.restore(snapshot)),
        "on a machine that never saw the slot",
    );
}

/// Another process of this machine reads a slot that was not there yet when this one listed the log.
#[test]
fn a_slot_that_was_written_after_the_look_is_not_called_missing() {
    let scene = Scene::new(Past::Young);
    let client = scene.stranger(|_| {});
    let repository = client.open_cached_on(client.objects.clone()).unwrap();
    let history = repository.history().unwrap();
    scene.sandbox.try_backup_on(client.objects.clone()).unwrap();
    let after = client.open_cached_on(client.objects.clone()).unwrap().history().unwrap();
    assert_eq!(after.snapshot_ids().count(), history.snapshot_ids().count() + 1, "the other one remembers it now");
    assert_eq!(history.missed_slots(&repository).unwrap(), []);
}
