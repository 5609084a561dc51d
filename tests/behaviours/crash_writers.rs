// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several writers at once: other machines, other processes of one machine, cloned machines, and somebody who closes a session from
//! outside. No slot is ever overwritten, and whoever was told of a success has a snapshot.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use keepfast_engine::Error;
use keepfast_engine::backup::backup;
use keepfast_engine::events::{Events, Silent};
use keepfast_engine::repository::Repository;
use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::layout;
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::session::SessionRecord;
use keepfast_storage::local::LocalBackend;
use keepfast_storage::testing::{MemBackend, SimBackend};
use keepfast_storage::{Backend, Name, Put};

use super::crash_aftermath::{Promised, assert_nothing_changed, assert_whole, open_sessions, seen, writers};
use crate::support::history_script::{Machine, init_small, on_disk, open_bare, options, scratch, write_files};

/// A source with files of its own and files that all have.
fn source(base: &Path, number: u64) -> PathBuf {
    let source = base.join(format!("source-{number}"));
    write_files(&source.join("common"), 12, 0);
    write_files(&source.join("own"), 8, 1000 * number + 1000);
    source
}

fn back_up_at_once(
    backend: &Arc<dyn Backend>,
    key: &KeyFile,
    machines: &[Machine],
    rounds: usize,
    base: &Path,
) -> Promised {
    let promised = Mutex::new(Promised::new());
    std::thread::scope(|scope| {
        for (number, machine) in machines.iter().enumerate() {
            let promised = &promised;
            let source = [source(base, number as u64)];
            scope.spawn(move || {
                for round in 0..rounds {
                    write_files(&source[0].join("own"), 2, 7000 + (number * 100 + round) as u64);
                    let contents = on_disk(&source);
                    let summary =
                        machine.back_up(backend.clone(), key, &source).expect("writers do not disturb each other");
                    promised.lock().unwrap().insert(summary.snapshot.unwrap(), contents);
                }
            });
        }
    });
    promised.into_inner().unwrap()
}

#[test]
fn writers_that_back_up_at_once_all_succeed_on_every_backend() {
    let scratch = scratch();
    let local = LocalBackend::create(&scratch.path().join("local")).unwrap();
    let backends: [Arc<dyn Backend>; 3] = [Arc::new(MemBackend::new()), Arc::new(SimBackend::new()), Arc::new(local)];
    for (number, backend) in backends.into_iter().enumerate() {
        let place = scratch.path().join(number.to_string());
        let key = init_small(backend.as_ref()).unwrap();
        let machines = ["alpha", "beta", "gamma", "delta"].map(|name| Machine::new(name, &place));
        let promised = back_up_at_once(&backend, &key, &machines, 3, &place);
        let repository = open_bare(backend.clone(), &key, &place).unwrap();
        let view = assert_whole(&repository, &promised, &promised.values().next().unwrap().clone());
        assert_eq!(view.len(), 12);
        assert!(open_sessions(backend.as_ref()).is_empty());
    }
}

#[test]
fn processes_of_one_machine_are_writers_of_their_own() {
    let scratch = scratch();
    let backend: Arc<dyn Backend> = Arc::new(SimBackend::new());
    let key = init_small(backend.as_ref()).unwrap();
    let machine = Machine::new("alpha", scratch.path());
    let sessions = [machine.open(backend.clone(), &key).unwrap(), machine.open(backend.clone(), &key).unwrap()];
    let [first, second] =
        sessions.each_ref().map(|repository| Session::open(repository, machine.client(), Role::Writer).unwrap());
    assert_ne!(first.place().0, second.place().0, "two processes share a writer");
    first.abandon().unwrap();
    second.abandon().unwrap();
    let same = [machine.clone(), machine.clone(), machine.clone()];
    let promised = back_up_at_once(&backend, &key, &same, 3, scratch.path());
    let repository = open_bare(backend.clone(), &key, scratch.path()).unwrap();
    let view = assert_whole(&repository, &promised, &promised.values().next().unwrap().clone());
    assert_eq!(view.len(), 9);
    assert!(open_sessions(backend.as_ref()).is_empty());
    assert!(writers(&machine, &key).len() <= 3, "the writers of a machine are used again");
}

#[test]
fn a_cloned_machine_notices_that_its_place_is_taken_and_becomes_another_writer() {
    let scratch = scratch();
    let disk = Arc::new(SimBackend::new());
    let key = init_small(disk.as_ref()).unwrap();
    let source = [source(scratch.path(), 0)];
    let machine = Machine::new("alpha", scratch.path());
    let first = machine.back_up(disk.clone(), &key, &source).unwrap().snapshot.unwrap();
    let clone = machine.copy(&scratch.path().join("clone"));
    let repository = machine.open(disk.clone(), &key).unwrap();
    let session = Session::open(&repository, machine.client(), Role::Writer).unwrap();
    let before = disk.image();
    let second = clone.back_up(disk.clone(), &key, &source).unwrap().snapshot.unwrap();
    assert_nothing_changed(&before, &disk.image());
    assert!(writers(&machine, &key).is_disjoint(&writers(&clone, &key)), "the clone kept the writer");
    session.abandon().expect("the session of the original is untouched");
    // From now on each goes its own way.
    let mut promised = Promised::from([(first, on_disk(&source)), (second, on_disk(&source))]);
    for machine in [&machine, &clone, &machine, &clone] {
        let before = disk.image();
        let snapshot = machine.back_up(disk.clone(), &key, &source).unwrap().snapshot.unwrap();
        promised.insert(snapshot, on_disk(&source));
        assert_nothing_changed(&before, &disk.image());
    }
    let bare = open_bare(disk.clone(), &key, scratch.path()).unwrap();
    assert_eq!(assert_whole(&bare, &promised, &on_disk(&source)).len(), 6);
}

#[test]
fn a_machine_cloned_in_the_middle_of_a_backup_can_only_void_it() {
    let scratch = scratch();
    let disk = Arc::new(SimBackend::new());
    let key = init_small(disk.as_ref()).unwrap();
    let source = [source(scratch.path(), 0)];
    let machine = Machine::new("alpha", scratch.path());
    let first = machine.back_up(disk.clone(), &key, &source).unwrap().snapshot.unwrap();
    let repository = machine.open(disk.clone(), &key).unwrap();
    let in_the_middle = InTheMiddle::new(|| {
        let clone = machine.copy(&scratch.path().join("clone"));
        clone.back_up(disk.clone(), &key, &source).expect("the clone backs up");
    });
    let result = backup(&repository, &machine.client(), &options(&source), &in_the_middle);
    assert!(matches!(result, Err(Error::SessionVoid { .. })), "{result:?}");
    let bare = open_bare(disk.clone(), &key, scratch.path()).unwrap();
    let promised = Promised::from([(first, on_disk(&source))]);
    assert_eq!(assert_whole(&bare, &promised, &on_disk(&source)).len(), 2, "the first one and the clone's");
    machine.back_up(disk.clone(), &key, &source).expect("the next backup works");
    assert_eq!(assert_whole(&bare, &promised, &on_disk(&source)).len(), 3);
    assert!(open_sessions(disk.as_ref()).is_empty());
}

#[test]
fn a_session_whose_slot_is_filled_from_outside_says_so_and_shows_nothing() {
    let scratch = scratch();
    let disk = Arc::new(SimBackend::new());
    let key = init_small(disk.as_ref()).unwrap();
    let source = [source(scratch.path(), 0)];
    let machine = Machine::new("alpha", scratch.path());
    machine.back_up(disk.clone(), &key, &source).unwrap();
    let repository = machine.open(disk.clone(), &key).unwrap();
    let before = seen(&repository);
    let in_the_middle = InTheMiddle::new(|| void_every_session(&repository));
    let result = backup(&repository, &machine.client(), &options(&source), &in_the_middle);
    assert!(matches!(result, Err(Error::SessionVoid { .. })), "{result:?}");
    let bare = open_bare(disk.clone(), &key, scratch.path()).unwrap();
    assert_eq!(seen(&bare), before);
    assert_whole(&bare, &Promised::new(), &on_disk(&source));
    drop(repository);
    backup(&machine.open(disk.clone(), &key).unwrap(), &machine.client(), &options(&source), &Silent).unwrap();
    assert_eq!(seen(&bare).len(), 2);
    assert!(open_sessions(disk.as_ref()).is_empty());
}

#[test]
fn a_cache_that_breaks_in_the_middle_of_a_backup_does_not_make_its_snapshot_a_failure() {
    let scratch = scratch();
    let disk = Arc::new(SimBackend::new());
    let key = init_small(disk.as_ref()).unwrap();
    let source = [source(scratch.path(), 0)];
    let machine = Machine::new("alpha", scratch.path());
    let repository = machine.open(disk.clone(), &key).unwrap();
    let in_the_middle = InTheMiddle::new(|| break_cache(&machine.folder.join("cache")));
    let summary =
        backup(&repository, &machine.client(), &options(&source), &in_the_middle).expect("the storage is fine");
    let promised = Promised::from([(summary.snapshot.unwrap(), on_disk(&source))]);
    let bare = open_bare(disk.clone(), &key, scratch.path()).unwrap();
    assert_whole(&bare, &promised, &on_disk(&source));
    assert!(open_sessions(disk.as_ref()).is_empty());
    drop(repository);
    machine.back_up(disk.clone(), &key, &source).expect("the cache is made anew");
}

/// Takes a table away from under whoever uses the database.
fn break_cache(folder: &Path) {
    let mut broken = 0;
    for below in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(below.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if fs::read(&path).unwrap().starts_with(b"SQLite format 3") {
                rusqlite::Connection::open(path).unwrap().execute_batch("DROP TABLE cached").unwrap();
                broken += 1;
            }
        }
    }
    assert_eq!(broken, 1, "there is one database");
}

/// What a maintainer does with sessions that he takes for dead.
fn void_every_session(repository: &Repository) {
    for object in repository.backend.list(layout::SESSIONS_FOLDER).unwrap() {
        let (writer, sequence) = layout::parse_session(object.name.as_str()).unwrap();
        let bytes = repository.backend.get(&object.name, None).unwrap();
        let record = SessionRecord::open(&repository.keys, writer, sequence, &bytes).unwrap();
        let history = repository.history().unwrap();
        let slot = LogSlot {
            writer,
            sequence,
            previous: history.heads().get(&writer).map(|head| head.hash),
            clock: history.clock() + 1,
            heads: Vec::new(),
            time: 0,
            config_generation: repository.config_generation,
            body: LogBody::Void { session: record.session },
        };
        let object = slot.seal(&repository.keys);
        let name = Name::new(layout::log(&writer, sequence)).unwrap();
        assert_eq!(repository.backend.put_if_absent(&name, &[&object]).unwrap(), Put::Created);
    }
}

/// Does something once, while a backup runs.
struct InTheMiddle<F> {
    action: Mutex<Option<F>>,
}

impl<F: FnOnce() + Send> InTheMiddle<F> {
    fn new(action: F) -> Self {
        Self { action: Mutex::new(Some(action)) }
    }
}

impl<F: FnOnce() + Send> Events for InTheMiddle<F> {
    fn path_done(&self, _path: &[u8], _bytes: u64) {
        if let Some(action) = self.action.lock().unwrap().take() {
            action();
        }
    }
}
