// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/reader.py` on what the engine has just written and golden repositories do not hold: copies of a collector, packs that were
//! adopted, a session that lasts, leftovers of another `init`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::layout;
use keepfast_storage::testing::{Fault, FaultyBackend, Image, Moment, Operation, SimBackend};
use keepfast_storage::{Backend, ErrorKind, Name};

use super::golden_reader::{python, reader, text};
use crate::support::collector::all_of_it;
use crate::support::history_script::{init_small, write_files};
use crate::support::prune_place::Place;

/// Lays the repository out in a folder, lets the reader check all of it and restore what is visible; nothing may be wrong.
fn assert_whole_to_the_reader(place: &Place) {
    let Some(python) = python() else { return };
    let base = tempfile::tempdir().unwrap();
    let repo = base.path().join("repo");
    for object in place.disk.list("").unwrap() {
        let path = repo.join(object.name.as_str());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, place.disk.get(&object.name, None).unwrap()).unwrap();
    }
    let key_file = base.path().join("key-file");
    fs::write(&key_file, place.key.to_text().as_bytes()).unwrap();
    let read = |command: &[&Path]| {
        let open = [repo.as_path(), Path::new("--key-file"), key_file.as_path()];
        reader(&python, &open.iter().chain(command).copied().collect::<Vec<_>>())
    };
    let output = read(&[Path::new("check")]);
    assert!(output.status.success() && text(&output).contains("no damage"), "{}", text(&output));
    for (id, contents) in &place.promised {
        let target = base.path().join(&id.to_string()[..8]);
        let output = read(&[Path::new("restore"), Path::new(&id.to_string()), &target]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(files(&target) == of_files(contents), "{id} is not what was saved");
    }
}

/// Files below a folder, by their path as in a snapshot.
fn files(folder: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (mut found, mut pending) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let relative = path.strip_prefix(folder).unwrap();
            found.insert(relative.as_os_str().as_encoded_bytes().to_vec(), fs::read(&path).unwrap());
        }
    }
    found
}

fn of_files(contents: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    contents
        .iter()
        .filter(|(path, _)| !path.ends_with(b"/"))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect()
}

#[test]
fn the_independent_reader_finds_a_pruned_repository_whole() {
    let mut place = Place::new();
    let forgotten = place.back_up(0);
    write_files(&place.source(0)[0], 9, 500);
    place.back_up(0);
    place.back_up(1);
    place.forget(0, &[forgotten]);
    let report = place.prune(1, &all_of_it());
    assert!(report.packs_written > 0 && report.packs_deleted > 0, "{report:?}");
    assert_whole_to_the_reader(&place);
    // Absorbed slots and new ones.
    write_files(&place.source(0)[0], 5, 900);
    place.back_up(0);
    assert_whole_to_the_reader(&place);
}

#[test]
fn the_independent_reader_finds_adopted_packs_whole() {
    let mut place = Place::new();
    let dead = Fault::new(Operation::Put, "snapshots", 1, ErrorKind::Other, Moment::BeforeEffect);
    let storage: Arc<SimBackend> = place.disk.clone();
    let faulty = Arc::new(FaultyBackend::new(storage, vec![dead]));
    assert!(place.machines[0].back_up(faulty.clone(), &place.key, &place.source(0)).is_err());
    faulty.verify_all_faults_reached();
    let left = place.disk.image().names(layout::PACKS_FOLDER).len();
    place.back_up(0);
    assert_eq!(place.disk.image().names(layout::PACKS_FOLDER).len(), left, "nothing was uploaded twice");
    assert_whole_to_the_reader(&place);
}

#[test]
fn the_independent_reader_knows_the_signs_of_a_session_that_lasts() {
    let mut place = Place::new();
    place.back_up(0);
    let repository = place.open(1);
    let session = Session::open(&repository, place.machines[1].client(), Role::Writer).unwrap();
    let (writer, sequence) = session.place();
    let record = place.disk.get(&Name::new(layout::session(&writer, sequence)).unwrap(), None).unwrap();
    let renewal = Name::new(layout::session_renewal(&writer, sequence, 1)).unwrap();
    place.disk.put_if_absent(&renewal, &[&record]).unwrap();
    assert_whole_to_the_reader(&place);
    session.abandon().unwrap();
}

#[test]
fn collectors_and_the_independent_reader_pass_by_what_another_init_left() {
    let place = Place::new();
    let mut image = place.disk.image();
    let first = Name::new(layout::generation(0)).unwrap();
    let mut before = Image::default();
    before.insert(first.clone(), image.get(&first).unwrap().clone());
    let other = SimBackend::from_image(before);
    init_small(&other).unwrap();
    for (name, object) in other.image().iter().filter(|(name, _)| layout::parse_config(name.as_str()).is_none()) {
        image.insert(name.clone(), object.clone());
    }
    let generations = |place: &Place| place.disk.image().names(layout::GENERATIONS_FOLDER).len();
    let base = tempfile::tempdir().unwrap();
    let mut place = place.after(image, base.path());
    assert_eq!(generations(&place), 2, "the other one's is the higher");
    assert_whole_to_the_reader(&place);
    let forgotten = place.back_up(0);
    write_files(&place.source(0)[0], 9, 500);
    place.back_up(0);
    place.forget(0, &[forgotten]);
    let report = place.prune(1, &all_of_it());
    assert!(report.packs_deleted > 0, "{report:?}");
    assert_whole_to_the_reader(&place);
    let newest = Name::new(layout::generation(2)).unwrap();
    assert!(place.disk.image().get(&newest).is_some(), "behind every number that is there");
}
