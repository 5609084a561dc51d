// SPDX-License-Identifier: MIT OR Apache-2.0
//! `kill -9` for real: a child process backs up in a loop into a folder and is killed at random moments. This binary is both: the
//! test is the parent, the first test below is the child, and does nothing unless the parent starts it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_engine::repository::Repository;
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::layout;
use keepfast_storage::Backend;
use keepfast_storage::local::LocalBackend;

use super::crash_aftermath::{open_sessions, writers};
use crate::support::history_script::{
    Contents, Machine, in_snapshot, init_small, on_disk, random_bytes, scratch, write_files,
};

/// Where the child finds everything.
const FOLDER_VARIABLE: &str = "KEEPFAST_TEST_CRASH_FOLDER";

const CHILD: &str = "behaviours::crash_processes::child_that_backs_up_until_it_is_killed";

/// How often the child is killed.
const KILLS: u64 = 25;

/// Chooses the moments.
const SEED: u64 = 0x6b66_0002;

/// The longest the child lives after its first backup of a run began: several backups.
const LONGEST_LIFE_MS: u64 = 300;

/// A child that has not begun by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    machine: Machine,
    repository: PathBuf,
    source: [PathBuf; 1],
    key: PathBuf,
    /// The child appends a line here when it begins, and one for each snapshot it was promised.
    diary: PathBuf,
}

impl Place {
    fn new(base: &Path) -> Self {
        Self {
            machine: Machine::new("alpha", base),
            repository: base.join("repository"),
            source: [base.join("source")],
            key: base.join("key"),
            diary: base.join("diary"),
        }
    }

    fn backend(&self) -> Arc<LocalBackend> {
        Arc::new(LocalBackend::open(&self.repository).unwrap())
    }

    fn write(&self, line: &str) {
        let mut diary = OpenOptions::new().create(true).append(true).open(&self.diary).unwrap();
        diary.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Whole lines of the diary.
    fn read(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.diary).unwrap_or_default();
        text.split_inclusive('\n').filter_map(|line| Some(line.strip_suffix('\n')?.to_string())).collect()
    }

    /// Edits the source and backs up; the diary tells of it when it returned.
    fn back_up(&self, key: &KeyFile, round: u64) {
        write_files(&self.source[0], 3, 5000 + round * 10);
        fs::write(self.source[0].join("big"), random_bytes(round, 200_000)).unwrap();
        let contents = digest(&on_disk(&self.source));
        let summary = self.machine.back_up(self.backend(), key, &self.source).expect("a backup works");
        self.write(&format!("{} {contents}", summary.snapshot.unwrap()));
    }
}

fn digest(contents: &Contents) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, bytes) in contents {
        hasher.update(&(path.len() as u64).to_le_bytes()).update(path);
        hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

#[test]
fn child_that_backs_up_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE) else { return };
    let place = Place::new(Path::new(&folder));
    let key = KeyFile::parse(&fs::read_to_string(&place.key).unwrap()).unwrap();
    let begun = place.read().len() as u64;
    place.write("begun");
    for round in begun + 1.. {
        place.back_up(&key, round * 7);
    }
}

#[test]
fn a_backup_killed_at_any_moment_harms_nothing() {
    let scratch = scratch();
    let place = Place::new(scratch.path());
    let key = init_small(&LocalBackend::create(&place.repository).unwrap()).unwrap();
    fs::write(&place.key, key.to_text()).unwrap();
    write_files(&place.source[0], 30, 0);
    let mut killed_in_session = 0;
    for kill in 0..KILLS {
        let seed = SEED + kill;
        let moment = u64::from_le_bytes(*random_bytes(seed, 8).first_chunk().unwrap()) % LONGEST_LIFE_MS;
        println!("seed {seed:#x}: killed after {moment} ms");
        kill_a_child(&place, Duration::from_millis(moment));
        killed_in_session += u64::from(!open_sessions(place.backend().as_ref()).is_empty());
        look_around(&place, &key);
        place.back_up(&key, 100_000 + kill);
        let open = open_sessions(place.backend().as_ref());
        let own = writers(&place.machine, &key);
        assert!(!open.iter().any(|writer| own.contains(writer)), "a dead session is still open");
    }
    look_around(&place, &key);
    assert!(killed_in_session > 0, "no kill hit a session: nothing was tested");
    place.backend().sweep_temporaries().unwrap();
    look_around(&place, &key);
}

/// Starts the child, and kills it so long after it began.
fn kill_a_child(place: &Place, moment: Duration) {
    let lines = place.read().len();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([CHILD, "--exact", "--nocapture"]).env(FOLDER_VARIABLE, place.machine.folder.parent().unwrap());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while place.read().len() == lines {
        assert!(started.elapsed() < PATIENCE, "the child does not begin");
        assert_eq!(child.try_wait().unwrap(), None, "the child ended");
        sleep(Duration::from_millis(2));
    }
    sleep(moment);
    assert_eq!(child.try_wait().unwrap(), None, "the child ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Every snapshot that was promised reads back, everything listed is an object, and check finds nothing.
fn look_around(place: &Place, key: &KeyFile) {
    let backend = place.backend();
    let repository: Repository = place.machine.open(backend.clone(), key).unwrap();
    let (snapshots, damaged) = repository.history().unwrap().snapshots(&repository).unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    let lines = place.read();
    for (id, contents) in lines.iter().filter_map(|line| line.split_once(' ')) {
        let snapshot = snapshots.iter().find(|snapshot| snapshot.id.to_string() == id);
        let snapshot = snapshot.unwrap_or_else(|| panic!("snapshot {id} was committed and is lost"));
        // The newest ones are read whole: every earlier one was, when it was among them, and check looks at all.
        if snapshots.iter().rev().take(6).any(|newest| newest.id == snapshot.id) {
            assert_eq!(digest(&in_snapshot(&repository, snapshot).unwrap()), contents, "snapshot {id} reads back");
        }
    }
    for listed in backend.list("").unwrap() {
        let name = listed.name.as_str();
        assert!(name == layout::README_NAME || name.contains('/') && !name.contains("tmp"), "{name} is not an object");
    }
    let report = check(&repository, ReadData::All, 2, &Silent).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
