// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damage that this machine's memory could hide, or that a later backup could build upon: `check` asks the storage, backups do
//! not rely on what is known to be damaged, and a lost index object costs nothing but a prune.

use std::fs;
use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::backup::backup;
use keepfast_engine::check::{Note, ReadData, Report, check};
use keepfast_engine::events::Silent;
use keepfast_engine::history::Snapshot;
use keepfast_engine::prune::{OnDamage, PruneOptions, prune};
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::testing::{Fault, FaultyBackend, Image, MemBackend, Moment, Operation};
use keepfast_storage::{ErrorKind, Name};

use crate::support::capture::{Capture, assert_same, capture};
use crate::support::collector::all_of_it;
use crate::support::forest::{edit, grow};
use crate::support::random::Random;
use crate::support::sandbox::{self, Sandbox, let_time_pass};

/// A repository with two snapshots, and what the second one is.
struct Scene {
    sandbox: Sandbox,
    snapshots: [SnapshotId; 2],
    state: Capture,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
        grow(&sandbox.source(), &mut random, 30);
        fs::write(sandbox.source().join("same"), random.bytes(60_000)).unwrap();
        let_time_pass();
        let first = sandbox.backup();
        edit(&sandbox.source(), &mut random, 8);
        let_time_pass();
        let second = sandbox.backup();
        let state = capture(&sandbox.source());
        Self { sandbox, snapshots: [first, second], state }
    }

    fn names(&self, folder: &str) -> Vec<Name> {
        self.sandbox.objects.image().names(folder)
    }

    /// Packs of a kind, by the letter of theirs.
    fn packs(&self, letter: u8) -> Vec<Name> {
        let image = self.sandbox.objects.image();
        self.names("packs").into_iter().filter(|name| image.get(name).unwrap()[3] == letter).collect()
    }

    /// A client with a memory and a state of its own, of the repository as it is after `damage`.
    fn client(&self, damage: impl FnOnce(&mut Image)) -> Sandbox {
        let mut image = self.sandbox.objects.image();
        damage(&mut image);
        self.sandbox.copy(MemBackend::from_image(image))
    }
}

fn flip(image: &mut Image, name: &Name) {
    flip_at(image, name, 1.0 / 3.0);
}

/// Changes one bit at this share of the object.
fn flip_at(image: &mut Image, name: &Name, share: f64) {
    let mut bytes = image.get(name).unwrap().to_vec();
    let at = (bytes.len() as f64 * share) as usize;
    bytes[at] ^= 4;
    image.insert(name.clone(), bytes);
}

fn check_all(client: &Sandbox) -> Report {
    check(&client.open(), ReadData::All, 2, &Silent).unwrap()
}

fn assert_next_backup_is_whole(scene: &Scene, client: &Sandbox, what: &str) {
    let next = client.backup();
    assert_same(&scene.state, &capture(&client.restore(next)), &format!("{what}: the backup after"));
}

#[test]
fn check_asks_the_storage_and_not_what_this_machine_remembers() {
    let scene = Scene::new(1);
    for folder in ["index", "gen", "log", "snapshots"] {
        for name in scene.names(folder) {
            for is_deleted in [false, true] {
                let what = format!("{name}, deleted: {is_deleted}");
                let client = scene.client(|_| {});
                let look = |objects: &Arc<MemBackend>| {
                    let repository = client.open_cached_on(objects.clone())?;
                    check(&repository, ReadData::All, 2, &Silent)
                };
                assert_eq!(look(&client.objects).unwrap().findings, [], "{what}: before");
                let mut image = client.objects.image();
                if is_deleted {
                    drop(image.remove(&name))
                } else {
                    flip(&mut image, &name)
                }
                match look(&Arc::new(MemBackend::from_image(image))) {
                    Ok(report) => {
                        let is_named = report.findings.iter().any(|finding| {
                            finding.place.contains(name.as_str()) || finding.text.contains(name.as_str())
                        });
                        let follows = report.findings.iter().any(|finding| finding.text.contains("a slot was lost"));
                        assert!(is_named || follows, "{what}: check does not name it: {:?}", report.findings);
                    }
                    Err(error) => assert!(matches!(error, Error::NotARepository { .. }), "{what}: {error}"),
                }
            }
        }
    }
}

#[test]
fn check_names_a_log_slot_that_others_quote_and_that_is_gone() {
    let scene = Scene::new(2);
    let last = scene.names("log").pop().unwrap();
    let other = scene.client(|_| {});
    other.backup();
    let mut image = other.objects.image();
    image.remove(&last).unwrap();
    let report = check_all(&scene.sandbox.copy(MemBackend::from_image(image)));
    assert!(report.findings.iter().any(|finding| finding.place == last.as_str()), "{:?}", report.findings);
}

#[test]
fn a_backup_after_a_check_does_not_rely_on_a_pack_that_was_found_damaged() {
    let scene = Scene::new(3);
    for name in scene.names("packs") {
        let client = scene.client(|image| flip(image, &name));
        let report = check_all(&client);
        assert_eq!((report.damaged_packs > 0, report.note), (true, Some(Note::Written)), "{name}");
        assert_next_backup_is_whole(&scene, &client, name.as_str());
        // Of what is stored twice now, the copy that opens stays.
        match prune(&client.open(), &sandbox::client(), &all_of_it(), &Silent) {
            Ok(report) => assert!(report.finished, "{name}: {report:?}"),
            Err(error) => assert!(matches!(error, Error::Prune(_)), "{name}: {error}"),
        }
        let newest = client.snapshots().pop().unwrap().id;
        assert_same(&scene.state, &capture(&client.restore(newest)), &format!("{name}: after a prune"));
    }
}

#[test]
fn a_prune_on_a_machine_that_knows_of_no_damage_keeps_what_another_one_has_stored_again() {
    let scene = Scene::new(9);
    let mut finished = 0;
    for name in scene.packs(b'D') {
        let client = scene.client(|image| flip(image, &name));
        let other = scene.client(|image| flip(image, &name));
        other.open_cached_on(client.objects.clone()).unwrap().history().unwrap();
        assert!(check_all(&client).damaged_packs > 0, "{name}");
        assert_next_backup_is_whole(&scene, &client, name.as_str());
        let repository = other.open_cached_on(client.objects.clone()).unwrap();
        match prune(&repository, &sandbox::client(), &all_of_it(), &Silent) {
            Ok(report) => finished += u32::from(report.finished),
            // What only the older snapshot has is in no other pack.
            Err(error) => assert!(matches!(error, Error::Prune(_)), "{name}: {error}"),
        }
        let newest = client.snapshots().pop().unwrap().id;
        assert_same(&scene.state, &capture(&client.restore(newest)), &format!("{name}: after the other's prune"));
    }
    assert!(finished > 0, "each damage stops the other's prune");
}

#[test]
fn a_share_of_few_packs_is_at_least_one_of_them() {
    let scene = Scene::new(8);
    let mut seen = std::collections::HashSet::new();
    for seed in 0..40 {
        let report = check(&scene.sandbox.open(), ReadData::Share { share: 1e-9, seed }, 1, &Silent).unwrap();
        assert_eq!(report.packs_read, 1, "seed {seed}");
        seen.insert(report.bytes_read);
    }
    assert!(seen.len() > 1, "always the same pack");
}

#[test]
fn a_pack_that_reads_well_again_is_relied_on_again() {
    let scene = Scene::new(4);
    let name = scene.packs(b'D').remove(0);
    let client = scene.client(|image| flip(image, &name));
    assert_eq!(check_all(&client).note, Some(Note::Written));
    let mut whole = client.objects.image();
    whole.insert(name.clone(), scene.sandbox.objects.image().get(&name).unwrap().to_vec());
    let repository = client.open_on(Arc::new(MemBackend::from_image(whole))).unwrap();
    assert_eq!(check(&repository, ReadData::All, 2, &Silent).unwrap().note, None);
    let after = backup(&repository, &sandbox::client(), &client.options(), &Silent).unwrap();
    // Folders above the source may have changed.
    let other = scene.client(|_| {});
    let untouched = other.backup_with(&other.options());
    assert_eq!(after.totals.new_chunks, untouched.totals.new_chunks, "{name} was stored once more");
}

#[test]
fn a_backup_that_can_not_read_its_parents_tree_stores_the_nodes_anew() {
    let scene = Scene::new(5);
    for name in scene.packs(b'T') {
        let client = scene.client(|image| flip(image, &name));
        assert_next_backup_is_whole(&scene, &client, name.as_str());
    }
}

#[test]
fn check_names_the_files_and_all_the_snapshots_that_a_damaged_segment_is_in() {
    let scene = Scene::new(6);
    let mut named = 0;
    // Where the file lies depends on the repository's secret.
    for (name, part) in scene.packs(b'D').iter().flat_map(|name| (1..20).map(move |part| (name, part))) {
        let report = check_all(&scene.client(|image| flip_at(image, name, f64::from(part) / 20.0)));
        let files: Vec<_> = report.findings.iter().filter(|finding| finding.place.contains(", /")).collect();
        let is_segment = report.findings.iter().any(|finding| finding.place.contains("segment"));
        assert_eq!(is_segment, !files.is_empty(), "{name}: {:?}", report.findings);
        if files.iter().any(|finding| finding.place.ends_with("/same")) {
            named += 1;
            assert_eq!(report.damaged_snapshots, scene.snapshots, "{name}");
        }
    }
    assert!(named > 0, "no damage hit the file that both snapshots have");
}

#[test]
fn a_lost_index_object_hides_nothing_from_readers_and_a_prune_writes_it_anew() {
    let scene = Scene::new(7);
    for name in scene.names("index") {
        for is_deleted in [false, true] {
            let what = format!("{name}, deleted: {is_deleted}");
            let damage = |image: &mut Image| if is_deleted { drop(image.remove(&name)) } else { flip(image, &name) };
            let client = scene.client(damage);
            let restored = client.restore(scene.snapshots[1]);
            assert_same(&scene.state, &capture(&restored), &what);
            let report = check_all(&client);
            let places: Vec<_> = report.findings.iter().map(|finding| finding.place.as_str()).collect();
            assert_eq!(places, [name.as_str()], "{what}: {:?}", report.findings);

            let refused = client.try_backup_on(client.objects.clone()).unwrap_err();
            let names_it = matches!(&refused, Error::LostIndex { object, .. } if object == name.as_str());
            assert!(names_it, "{what}: {refused}");
            let report = prune(&client.open(), &sandbox::client(), &all_of_it(), &Silent);
            assert!(matches!(report, Err(Error::LostIndex { .. })), "{what}: {report:?}");
            let options = PruneOptions { on_damage: OnDamage::Ignore, ..all_of_it() };
            let report = prune(&client.open(), &sandbox::client(), &options, &Silent).unwrap();
            assert!(report.finished, "{what}: {report:?}");
            assert_eq!(check_all(&client).findings, [], "{what}: after the prune");
            let kept: Vec<SnapshotId> = client.snapshots().iter().map(|Snapshot { id, .. }| *id).collect();
            assert_eq!(kept, scene.snapshots, "{what}");
            assert_next_backup_is_whole(&scene, &client, &what);
        }
    }
}

#[test]
fn a_pack_that_the_storage_did_not_give_is_neither_noted_as_damaged_nor_as_whole() {
    let scene = Scene::new(5);
    let name = scene.packs(b'D').remove(0);
    for is_damaged in [false, true] {
        let client = scene.client(|image| {
            if is_damaged {
                flip(image, &name)
            }
        });
        let before = check_all(&client);
        assert_eq!(before.note, is_damaged.then_some(Note::Written));
        let silent = Fault::new(Operation::Get, name.as_str(), 1, ErrorKind::Transient, Moment::BeforeEffect);
        let backend = Arc::new(FaultyBackend::new(client.objects.clone(), vec![silent.and_ever_after()]));
        let report = check(&client.open_on(backend.clone()).unwrap(), ReadData::All, 1, &Silent).unwrap();
        backend.verify_all_faults_reached();
        assert!(report.findings.iter().any(|finding| finding.place == name.as_str()), "{:?}", report.findings);
        assert_eq!((report.damaged_packs, report.note), (0, before.note));
    }
}
