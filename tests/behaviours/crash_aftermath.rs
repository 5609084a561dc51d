// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must hold in a repository after any crash: the invariants of `docs/format.md` sections 7, 10 and 11, looked up in the raw
//! objects, and what a user sees: snapshots that read back, a clean check, a next backup. For the other crash tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_engine::repository::Repository;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{SnapshotId, WriterId};
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::manifest::Manifest;
use keepfast_repo_format::{index, layout, record};
use keepfast_storage::testing::{Image, Mutation, Operation, SimBackend};
use keepfast_storage::{Backend, Name};

use crate::support::history_script::{Contents, Machine, in_snapshot, on_disk, open_bare};

/// Snapshots whose backup returned a success, with what they hold.
pub type Promised = BTreeMap<SnapshotId, Contents>;

/// What is visible: snapshots with their tags.
pub type View = BTreeMap<SnapshotId, Vec<String>>;

/// I1, I2 (as far as packs go), I3 and I7: every slot opens in its place, a COMMIT has its manifest and index objects, a row its pack.
pub fn assert_invariants(image: &Image, key: &KeyFile, scratch: &Path) {
    let repository = open_bare(Arc::new(SimBackend::from_image(image.clone())), key, scratch).unwrap();
    let keys = &repository.keys;
    let object = |name: String| image.get(&Name::new(&name).unwrap()).unwrap_or_else(|| panic!("{name} is missing"));
    for name in image.names(layout::LOG_FOLDER) {
        let (writer, sequence) = layout::parse_log(name.as_str()).expect("the name of a slot");
        let slot = LogSlot::open(keys, writer, sequence, image.get(&name).unwrap()).expect("a slot opens in its place");
        let LogBody::Commit { session, snapshot, indexes } = slot.body else { continue };
        let manifest = Manifest::open(keys, object(layout::snapshot(&snapshot))).expect("I1: the manifest opens");
        assert_eq!((manifest.writer, manifest.sequence, manifest.session), (writer, sequence, session));
        for id in indexes {
            let plain =
                record::open_structure(keys, Kind::Index, object(layout::index(&id))).expect("an index object opens");
            for pack in index::decode(&plain).expect("an index object decodes") {
                let stored = object(layout::pack(&pack.id));
                assert_eq!(blake3::hash(stored).as_bytes(), &pack.id.0, "I3: a visible row has its pack");
                assert_eq!(pack.session, session);
            }
        }
    }
}

/// Everything promised reads back; anything else that is visible holds exactly `attempted`; check finds nothing.
pub fn assert_whole(repository: &Repository, promised: &Promised, attempted: &Contents) -> View {
    let view = seen(repository);
    let (snapshots, _) = repository.history().unwrap().snapshots(repository).unwrap();
    for id in promised.keys() {
        assert!(view.contains_key(id), "snapshot {id} was committed and is lost");
    }
    for snapshot in &snapshots {
        let expected = promised.get(&snapshot.id).unwrap_or(attempted);
        let found = in_snapshot(repository, snapshot).unwrap();
        assert!(
            found == *expected,
            "snapshot {} holds {:?} instead of {:?}",
            snapshot.id,
            found.keys(),
            expected.keys()
        );
    }
    let report = check(repository, ReadData::All, 1, &Silent).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    view
}

/// What is visible.
pub fn seen(repository: &Repository) -> View {
    let (snapshots, damaged) = repository.history().unwrap().snapshots(repository).unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    snapshots.iter().map(|snapshot| (snapshot.id, snapshot.tags.clone())).collect()
}

/// I5 and I6: what was there is there, byte for byte; only session records go away.
pub fn assert_nothing_changed(before: &Image, after: &Image) {
    for (name, bytes) in before.iter() {
        match after.get(name) {
            Some(found) => assert!(found == bytes, "{name} changed"),
            None => assert!(layout::parse_session(name.as_str()).is_some(), "{name} went away"),
        }
    }
}

/// I5: no name is put after it was deleted.
pub fn assert_no_name_is_reused(log: &[Mutation]) {
    let mut deleted = BTreeSet::new();
    for mutation in log {
        match mutation.operation {
            Operation::Delete => drop(deleted.insert(mutation.name.clone())),
            Operation::Put => assert!(!deleted.contains(&mutation.name), "{} was put again", mutation.name),
            _ => {}
        }
    }
}

/// The next backup of `machine` works on `image`, and leaves a repository as good as one that never crashed.
pub fn assert_goes_on(
    image: &Image,
    machine: &Machine,
    key: &KeyFile,
    paths: &[PathBuf],
    promised: &Promised,
) -> Image {
    let disk = Arc::new(SimBackend::from_image(image.clone()));
    let summary = machine.back_up(disk.clone(), key, paths).expect("the next backup works");
    let attempted = on_disk(paths);
    let mut promised = promised.clone();
    promised.insert(summary.snapshot.expect("it commits"), attempted.clone());
    // Read without this machine's cache: what the cache made the backup leave out would be missed here.
    let bare = open_bare(disk.clone(), key, &machine.folder.join("none")).unwrap();
    assert_whole(&bare, &promised, &attempted);
    assert_no_name_is_reused(&disk.log());
    assert_nothing_changed(image, &disk.image());
    disk.image()
}

/// The writers that a machine's state folder knows.
pub fn writers(machine: &Machine, key: &KeyFile) -> BTreeSet<WriterId> {
    let folder = machine.folder.join("state").join(key.repository.to_string());
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let texts = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    texts.filter_map(|text| WriterId::from_hex(text.lines().next()?.strip_prefix("writer ")?)).collect()
}

/// Writers of the sessions that could still commit. A record whose removal the power took back is not one of them: its slot is filled.
pub fn unended_sessions(backend: &dyn Backend) -> Vec<WriterId> {
    let listed = backend.list(layout::SESSIONS_FOLDER).unwrap();
    let places = listed.iter().filter_map(|object| layout::parse_session(object.name.as_str()));
    let is_open =
        |place: &(WriterId, u64)| backend.length(&Name::new(layout::log(&place.0, place.1)).unwrap()).is_err();
    places.filter(is_open).map(|(writer, _)| writer).collect()
}

/// Writers of the session records that are there.
pub fn open_sessions(backend: &dyn Backend) -> Vec<WriterId> {
    let listed = backend.list(layout::SESSIONS_FOLDER).unwrap();
    listed.iter().filter_map(|object| Some(layout::parse_session(object.name.as_str())?.0)).collect()
}
