// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file of the catalog in every state: lost, damaged, of another version, shared by several programs; and how little is read to learn
//! one more snapshot.

use std::fs;
use std::sync::Arc;

use keepfast_engine::blame::blame;
use keepfast_engine::catalog::{Learned, ask};
use keepfast_engine::events::Silent;
use keepfast_engine::forget::{self, Selection, forget};
use keepfast_engine::history::Snapshot;
use keepfast_engine::prune::prune;
use keepfast_engine::repository::Repository;
use keepfast_engine::versions::{Which, versions};
use keepfast_engine::{Error, Result};
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::Name;
use keepfast_storage::testing::{Operation, RecordingBackend};

use crate::support::collector::all_of_it;
use crate::support::sandbox::{Sandbox, client, let_time_pass};

/// The history of a path in words, and what was learned for it.
fn history(repository: &Repository, path: &[u8]) -> (Vec<(usize, &'static str)>, Learned) {
    let history = repository.history().unwrap();
    let (snapshots, _) = history.snapshots(repository).unwrap();
    let chosen: Vec<&Snapshot> = snapshots.iter().collect();
    let question = |catalog: &_| {
        let changes = versions(catalog, &chosen, path, Which::Changing)?;
        let word = |change: &keepfast_engine::versions::Change| match (&change.before, &change.after) {
            (None, _) => "created",
            (_, None) => "removed",
            _ => "changed",
        };
        Ok(changes.iter().map(|change| (change.snapshot, word(change))).collect())
    };
    ask(repository, &history, &snapshots, &Silent, question).unwrap()
}

fn cached(sandbox: &Sandbox) -> Repository {
    sandbox.open_cached_on(sandbox.objects.clone()).unwrap()
}

fn file(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.path("cache").join(sandbox.open().id().to_string()).join("catalog.sqlite")
}

/// A backup after a change of one of two hundred files.
fn night(sandbox: &Sandbox, content: &str) -> SnapshotId {
    fs::write(sandbox.source().join("7"), content).unwrap();
    sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap()
}

fn nights(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..200 {
        fs::write(sandbox.source().join(number.to_string()), format!("{number}")).unwrap();
    }
    let_time_pass();
    for number in 0..count {
        night(&sandbox, &format!("night {number}"));
    }
    sandbox
}

const THREE: [(usize, &str); 3] = [(0, "created"), (1, "changed"), (2, "changed")];

#[test]
fn one_more_snapshot_is_learned_from_the_leaves_that_differ() {
    let sandbox = nights(2);
    history(&cached(&sandbox), b"7");
    night(&sandbox, "third");
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let repository = sandbox.open_cached_on(recording.clone()).unwrap();
    recording.take();
    let (told, learned) = history(&repository, b"7");
    assert_eq!((told.as_slice(), learned.snapshots), (&THREE[..], 1));
    let reads = || {
        let packs = recording.take().into_iter().filter(|record| record.name.starts_with("packs/"));
        packs.filter(|record| record.operation == Operation::Get).count()
    };
    let for_one = reads();
    assert!((1..=8).contains(&for_one), "{for_one} segments for one changed file");
    assert_eq!(history(&repository, b"7").1.snapshots, 0);
    assert_eq!(reads(), 0, "what is known is not read again");
}

#[test]
fn a_catalog_that_is_lost_damaged_or_of_another_version_is_made_anew() {
    let sandbox = nights(3);
    let sql = |text: &str| rusqlite::Connection::open(file(&sandbox)).unwrap().execute_batch(text).unwrap();
    let damage = |from: usize| {
        let mut bytes = fs::read(file(&sandbox)).unwrap();
        bytes[from..].iter_mut().for_each(|byte| *byte ^= 0x5a);
        fs::write(file(&sandbox), bytes).unwrap();
    };
    let states: [(&str, &dyn Fn()); 8] = [
        ("whole", &|| {}),
        ("lost", &|| fs::remove_file(file(&sandbox)).unwrap()),
        ("empty", &|| fs::write(file(&sandbox), b"").unwrap()),
        ("no database", &|| damage(0)),
        ("damaged behind its first page", &|| damage(4096)),
        ("of another version", &|| sql("PRAGMA user_version = 9000")),
        ("without a table", &|| sql("DROP TABLE versions")),
        ("with a value of another type", &|| sql("UPDATE versions SET mode = 'rw-r--r--'")),
    ];
    for (state, make) in states {
        history(&cached(&sandbox), b"7");
        // A file that others stand on stays; nobody does.
        make();
        assert_eq!(history(&cached(&sandbox), b"7").0, THREE, "{state}");
        assert_eq!(history(&cached(&sandbox), b"7").1.snapshots, 0, "{state}: the new one is kept");
    }
}

#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = nights(1);
    history(&cached(&sandbox), b"7");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file(&sandbox)), mode(file(&sandbox).parent().unwrap())), (0o600, 0o700));
}

#[test]
fn several_programs_learn_at_the_same_time() {
    let sandbox = nights(6);
    for round in 0..3 {
        if round > 0 {
            fs::remove_file(file(&sandbox)).unwrap();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| history(&cached(&sandbox), b"7").0)).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap().len(), 6);
            }
        });
        assert_eq!(history(&cached(&sandbox), b"7").1.snapshots, 0);
    }
}

#[test]
fn a_snapshot_is_compared_with_one_that_is_still_there() {
    let sandbox = nights(2);
    history(&cached(&sandbox), b"7");
    let gone = night(&sandbox, "gone");
    fs::remove_file(sandbox.source().join("8")).unwrap();
    fs::write(sandbox.source().join("only there"), "").unwrap();
    let also_gone = night(&sandbox, "also gone");
    assert_eq!(history(&cached(&sandbox), b"8").0, [(0, "created"), (3, "removed")]);
    // What was learned last is deleted with its trees; the file 8 is back.
    let selection = Selection::Named(vec![gone, also_gone]);
    forget(&sandbox.open(), &client(), &selection, forget::Mode::Write).unwrap();
    prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
    fs::write(sandbox.source().join("8"), "8").unwrap();
    fs::remove_file(sandbox.source().join("only there")).unwrap();
    night(&sandbox, "night 1");
    assert_eq!(history(&cached(&sandbox), b"7").0.len(), 3, "its time has changed");
    assert_eq!(history(&cached(&sandbox), b"8").0, [(0, "created"), (2, "changed")]);
    assert_eq!(history(&cached(&sandbox), b"9").0, [(0, "created")]);
    assert_eq!(history(&cached(&sandbox), b"only there").0, []);
    // And when nothing of it is left at all.
    let all = sandbox.snapshots().iter().map(|snapshot| snapshot.id).collect();
    forget(&sandbox.open(), &client(), &Selection::Named(all), forget::Mode::Write).unwrap();
    prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
    night(&sandbox, "new");
    for path in [b"7", b"8", b"9"] {
        assert_eq!(history(&cached(&sandbox), path).0, [(0, "created")]);
    }
}

#[test]
fn what_only_forgotten_snapshots_had_is_swept_out() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("early"), "").unwrap();
    for number in 0..70 {
        night(&sandbox, &format!("{number}"));
    }
    history(&cached(&sandbox), b"7");
    let rows = |table: &str| {
        let connection = rusqlite::Connection::open(file(&sandbox)).unwrap();
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(rows("snapshots"), 70);
    let old: Vec<SnapshotId> = sandbox.snapshots().iter().take(68).map(|snapshot| snapshot.id).collect();
    forget(&sandbox.open(), &client(), &Selection::Named(old), forget::Mode::Write).unwrap();
    fs::remove_file(sandbox.source().join("early")).unwrap();
    night(&sandbox, "last");
    for _ in 0..2 {
        assert_eq!(history(&cached(&sandbox), b"7").0, THREE);
        assert_eq!(history(&cached(&sandbox), b"early").0, [(0, "created"), (2, "removed")]);
    }
    assert_eq!(rows("snapshots"), 3);
    assert!(rows("versions") < 12, "{}", rows("versions"));
}

#[test]
fn a_damaged_tree_costs_its_snapshot_and_no_other() {
    let sandbox = nights(2);
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    night(&sandbox, "third");
    // The tree packs of the last backup are those that learning it reads beside what was read before.
    history(&cached(&sandbox), b"7");
    let repository = sandbox.open_cached_on(recording.clone()).unwrap();
    fs::remove_file(file(&sandbox)).unwrap();
    let (_, learned) = history(&repository, b"7");
    assert_eq!(learned.snapshots, 3);
    let names: Vec<String> = recording
        .take()
        .into_iter()
        .filter(|record| record.name.starts_with("packs/"))
        .map(|record| record.name)
        .collect();
    let last = names.last().unwrap();
    sandbox.objects.edit(|image| drop(image.remove(&Name::new(last).unwrap())));
    fs::remove_file(file(&sandbox)).unwrap();
    let (told, learned) = history(&cached(&sandbox), b"7");
    assert_eq!((told.as_slice(), learned.snapshots, learned.damaged.len()), (&THREE[..2], 2, 1));
}

/// Who brought each line.
fn lines(sandbox: &Sandbox, at: Option<usize>, path: &[u8]) -> Result<Vec<(usize, String)>> {
    let repository = cached(sandbox);
    let history = repository.history()?;
    let (snapshots, _) = history.snapshots(&repository)?;
    let chosen: Vec<&Snapshot> = snapshots.iter().collect();
    let reader = repository.reader();
    let question = |catalog: &_| blame(catalog, &reader, &chosen, at, path, &Silent);
    let (lines, _) = ask(&repository, &history, &snapshots, &Silent, question)?;
    Ok(lines.into_iter().map(|line| (line.snapshot, String::from_utf8(line.bytes).unwrap())).collect())
}

#[test]
fn blame_names_the_snapshot_that_brought_a_line() {
    let sandbox = Sandbox::new();
    for text in ["a\nb\n", "a\nb\n", "a\nnew\nb\n", "b\nnew\nb\n"] {
        night(&sandbox, text);
    }
    let line = |snapshot, text: &str| (snapshot, format!("{text}\n"));
    assert_eq!(lines(&sandbox, None, b"7").unwrap(), [line(3, "b"), line(2, "new"), line(0, "b")]);
    assert_eq!(lines(&sandbox, Some(1), b"7").unwrap(), [line(0, "a"), line(0, "b")]);
    // Gone for a night, it begins anew; the newest snapshot that has it is meant.
    fs::remove_file(sandbox.source().join("7")).unwrap();
    sandbox.backup_with(&sandbox.options_at_top());
    assert_eq!(lines(&sandbox, None, b"7").unwrap().len(), 3);
    assert!(matches!(lines(&sandbox, Some(4), b"7"), Err(Error::NoPath { .. })));
    night(&sandbox, "b\n");
    assert_eq!(lines(&sandbox, None, b"7").unwrap(), [line(5, "b")]);
    night(&sandbox, "b\n\0");
    let error = lines(&sandbox, None, b"7").unwrap_err().to_string();
    assert!(error.contains("/7 is binary") && error.contains("snapshot"), "{error}");
    assert_eq!(lines(&sandbox, Some(5), b"7").unwrap(), [line(5, "b")]);
    assert!(matches!(lines(&sandbox, None, b""), Err(Error::WrongType { .. })));
}
