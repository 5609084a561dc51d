// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the soak's users were told, and the comparison with what is there. The oracle: it takes only exit codes and output for
//! promises, and reads what is there with the program and plain system calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::host::Host;
use crate::support::capture::{capture, without_holes};
use crate::support::random::Random;

/// Whether a snapshot has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    There,
    Forgotten,
    /// Whoever changed that died over it.
    Unknown,
}

#[derive(Default)]
struct Books {
    /// What each run of a backup had before it.
    trees: BTreeMap<String, String>,
    /// Runs that ended without a snapshot, and were told so.
    void: BTreeSet<String>,
    snapshots: BTreeMap<String, State>,
    /// The run that made each of them.
    runs: BTreeMap<String, String>,
    /// Snapshots that were brought back, or may have been.
    undeleted: BTreeSet<String>,
}

/// What was promised.
#[derive(Default)]
pub struct Ledger(Mutex<Books>);

/// All that is promised to come back of a folder, in short.
pub fn digest(folder: &Path) -> String {
    let found = format!("{:?}", without_holes(capture(folder)));
    blake3::hash(found.as_bytes()).to_hex().to_string()
}

impl Ledger {
    /// A run begins to save a tree.
    pub fn begin(&self, run: &str, tree: String) {
        self.0.lock().unwrap().trees.insert(run.to_string(), tree);
    }

    /// A run was told that it made no snapshot.
    pub fn nothing_of(&self, run: &str) {
        self.0.lock().unwrap().void.insert(run.to_string());
    }

    /// A run was told of its snapshot.
    pub fn made(&self, run: &str, snapshot: &str) {
        let mut books = self.0.lock().unwrap();
        books.snapshots.insert(snapshot.to_string(), State::There);
        books.runs.insert(snapshot.to_string(), run.to_string());
    }

    /// What the tree of a snapshot was.
    pub fn tree_of(&self, snapshot: &str) -> String {
        let books = self.0.lock().unwrap();
        books.trees[&books.runs[snapshot]].clone()
    }

    pub fn set(&self, snapshot: &str, state: State) {
        self.0.lock().unwrap().snapshots.insert(snapshot.to_string(), state);
    }

    /// Chooses at most `count` snapshots in a state, and says that it is unknown until it is set again.
    pub fn take(&self, state: State, count: usize, random: &mut Random) -> Vec<String> {
        let mut books = self.0.lock().unwrap();
        let fitting = books.snapshots.iter().filter(|(_, now)| **now == state);
        let mut fitting: Vec<String> = fitting.map(|(id, _)| id.clone()).collect();
        while fitting.len() > count {
            fitting.swap_remove(random.below(fitting.len()));
        }
        for id in &fitting {
            books.snapshots.insert(id.clone(), State::Unknown);
            if state == State::Forgotten {
                books.undeleted.insert(id.clone());
            }
        }
        fitting
    }

    pub fn count(&self, state: State) -> usize {
        self.0.lock().unwrap().snapshots.values().filter(|now| **now == state).count()
    }

    /// Snapshots that were brought back and are there.
    pub fn brought_back(&self) -> Vec<String> {
        let books = self.0.lock().unwrap();
        let is_there = |id: &&String| books.snapshots.get(*id) == Some(&State::There);
        books.undeleted.iter().filter(is_there).cloned().collect()
    }

    /// While nobody is at work: everything promised is there and comes back as it was, and nothing else is visible. Returns how
    /// many snapshots there are.
    pub fn verify(&self, auditor: &Host) -> usize {
        let found = auditor.ok(&["snapshots"]).objects();
        let mut books = self.0.lock().unwrap();
        let mut visible = BTreeSet::new();
        for object in found.iter().filter(|object| object["id"].is_string()) {
            let (id, run) = (object["id"].as_str().unwrap(), object["tags"][0].as_str().unwrap());
            assert!(!books.void.contains(run), "{run} was told that it failed, and made snapshot {id}");
            assert_ne!(books.snapshots.get(id), Some(&State::Forgotten), "snapshot {id} of {run} was forgotten");
            // What was committed by a run that died before it could tell stays.
            books.snapshots.insert(id.to_string(), State::There);
            books.runs.insert(id.to_string(), run.to_string());
            visible.insert(id.to_string());
            let target = auditor.folder.join("restored");
            auditor.ok(&["restore", id, "--target", target.to_str().unwrap()]);
            assert_eq!(digest(&target.join("tree")), books.trees[run], "snapshot {id} of {run} is not what it was");
            fs::remove_dir_all(target).unwrap();
        }
        for (id, state) in &mut books.snapshots {
            assert!(*state != State::There || visible.contains(id), "snapshot {id} was committed and is lost");
            if !visible.contains(id) {
                *state = State::Forgotten;
            }
        }
        drop(books);
        auditor.ok(&["check", "--read-data"]);
        visible.len()
    }
}
