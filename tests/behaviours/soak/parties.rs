// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who works on the soak's repository: writers, a keeper who forgets and brings back, collectors. Each repeats what it does until
//! the time is over, through the program alone, and takes only what another party may cause.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::host::{Ending, Fate, Host, Run};
use super::ledger::{Ledger, State, digest};
use crate::support::history_script::random_bytes;
use crate::support::random::Random;

/// Different contents of files: few, so that what was forgotten is written again, by several at the same time.
const CONTENTS: usize = 40;

/// Snapshots that stay, for each writer.
const KEPT_BY_WRITER: usize = 3;

/// Of those whose forgetting is killed nobody knows what they are until the next look: not too many at once.
const FORGOTTEN_AT_ONCE: usize = 12;

/// Runs of 100 that something befalls.
const FATEFUL_PERCENT: usize = 35;

/// What all parties share.
pub struct Stage {
    pub ledger: Ledger,
    /// Held by all who work; taken alone by whoever looks.
    pub gate: RwLock<()>,
    pub end: Instant,
    /// Somebody has failed.
    pub over: AtomicBool,
    /// How runs ended, for people.
    pub tally: Mutex<BTreeMap<String, u64>>,
}

impl Stage {
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.end && !self.over.load(Ordering::Relaxed)
    }

    fn count(&self, what: &str, run: &Run) {
        let fate = match run.fate {
            Fate::Peace => "in peace",
            Fate::Killed(_) => "killed",
            Fate::Interrupted(_) => "interrupted",
            Fate::Stopped { .. } => "stopped",
        };
        *self.tally.lock().unwrap().entry(format!("{what} {fate}: {:?}", run.ending)).or_default() += 1;
    }
}

/// Ends the soak if the thread that holds it panics.
pub struct Alarm<'a>(pub &'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Repeats `work` until the time is over or somebody fails.
fn repeat(stage: &Stage, mut work: impl FnMut()) {
    let _alarm = Alarm(&stage.over);
    while stage.goes_on() {
        let _gate = stage.gate.read().unwrap_or_else(PoisonError::into_inner);
        work();
    }
}

/// Edits its tree and backs it up, again and again.
pub fn write(stage: &Stage, host: &Host, mut random: Random) {
    let tree = host.folder.join("tree");
    let mut number = 0;
    repeat(stage, || {
        edit(&tree, &mut random);
        number += 1;
        let run_name = format!("{}-{number}", host.name);
        stage.ledger.begin(&run_name, digest(&tree));
        let fate = host.draw(&mut random, FATEFUL_PERCENT);
        let run = host.run(&["backup", "tree", "--tag", &run_name], fate);
        stage.count("backup", &run);
        match run.ending {
            Ending::Code(0) => stage.ledger.made(&run_name, run.summary()["snapshot"].as_str().unwrap()),
            Ending::Code(11) => stage.ledger.nothing_of(&run_name),
            Ending::Code(130) if matches!(fate, Fate::Interrupted(_)) => stage.ledger.nothing_of(&run_name),
            Ending::Signal(_) if fate != Fate::Peace => {}
            _ => panic!("{}", run.told()),
        }
    });
}

/// Changes some of the files.
fn edit(tree: &Path, random: &mut Random) {
    for _ in 0..=random.below(5) {
        let folder = tree.join(format!("d{}", random.below(3)));
        let path = folder.join(format!("f{}", random.below(8)));
        match random.below(10) {
            0 => drop(fs::remove_file(path)),
            1 => drop(fs::rename(&path, folder.join("moved"))),
            _ => {
                fs::create_dir_all(&folder).unwrap();
                let content = random.below(CONTENTS);
                // Most are a few chunks; some are several segments.
                let length = if content.is_multiple_of(10) { 90_000 } else { 37 * content * content };
                fs::write(path, random_bytes(content as u64, length)).unwrap();
            }
        }
    }
}

/// Forgets what is too much, and brings some of it back.
pub fn keep(stage: &Stage, host: &Host, mut random: Random, writers: usize) {
    repeat(stage, || {
        sleep(Duration::from_millis(random.below(600) as u64));
        if random.chance(25) {
            undelete(stage, host, &mut random);
        }
        let excess = stage.ledger.count(State::There).saturating_sub(KEPT_BY_WRITER * writers);
        if excess == 0 {
            return;
        }
        let ids = stage.ledger.take(State::There, excess.min(FORGOTTEN_AT_ONCE), &mut random);
        let arguments: Vec<&str> = ["forget"].into_iter().chain(ids.iter().map(String::as_str)).collect();
        let fate = host.draw(&mut random, FATEFUL_PERCENT);
        let run = host.run(&arguments, fate);
        stage.count("forget", &run);
        settle(stage, &run, &ids, [State::Forgotten, State::There]);
    });
}

fn undelete(stage: &Stage, host: &Host, random: &mut Random) {
    let ids = stage.ledger.take(State::Forgotten, 1, random);
    let Some(id) = ids.first() else { return };
    let run = host.run(&["undelete", id], host.draw(random, FATEFUL_PERCENT));
    stage.count("undelete", &run);
    // Prune may have taken it.
    let words = ["prune", "no forgotten", "not there any more"];
    let is_gone = run.ending == Ending::Code(1) && words.iter().any(|word| run.out.contains(word));
    if is_gone {
        stage.ledger.set(id, State::Forgotten);
    } else {
        settle(stage, &run, &ids, [State::There, State::Forgotten]);
    }
}

/// Writes down what a run made of snapshots: the first state if it did what it should, the second if it was told that it failed.
fn settle(stage: &Stage, run: &Run, ids: &[String], states: [State; 2]) {
    let state = match run.ending {
        Ending::Code(0) => states[0],
        Ending::Code(11) => states[1],
        Ending::Code(130) | Ending::Signal(_) if run.fate != Fate::Peace => return,
        _ => panic!("{}", run.told()),
    };
    ids.iter().for_each(|id| stage.ledger.set(id, state));
}

/// Restores snapshots that nobody forgets meanwhile, whatever is moved under it.
pub fn read(stage: &Stage, host: &Host, mut random: Random) {
    let target = host.folder.join("restored");
    repeat(stage, || {
        sleep(Duration::from_millis(random.below(300) as u64));
        let taken = stage.ledger.take(State::There, 1, &mut random);
        let Some(id) = taken.first() else { return };
        let fate = host.draw(&mut random, FATEFUL_PERCENT);
        let run = host.run(&["restore", id, "--target", target.to_str().unwrap()], fate);
        stage.count("restore", &run);
        match run.ending {
            Ending::Code(0) => assert_eq!(digest(&target.join("tree")), stage.ledger.tree_of(id), "{}", run.told()),
            Ending::Code(130) | Ending::Signal(_) if fate != Fate::Peace => {}
            _ => panic!("{}", run.told()),
        }
        stage.ledger.set(id, State::There);
        let _ = fs::remove_dir_all(&target);
    });
}

/// Prunes with little patience.
pub fn collect(stage: &Stage, host: &Host, mut random: Random) {
    repeat(stage, || {
        sleep(Duration::from_millis(random.below(500) as u64));
        let (wait, void_after) = (*random.pick(&["0", "2s", "5s"]), *random.pick(&["1s", "3s", "6s", "7d"]));
        let fate = host.draw(&mut random, FATEFUL_PERCENT);
        let run = host.run(&["prune", "--max-unused", "0", "--wait", wait, "--void-after", void_after], fate);
        stage.count("prune", &run);
        match run.ending {
            Ending::Code(0) => {
                let summary = run.summary();
                let mut tally = stage.tally.lock().unwrap();
                for what in ["packs_deleted", "packs_written", "sessions_voided", "prunes_finished"] {
                    *tally.entry(format!("prune, {what}")).or_default() += summary[what].as_u64().unwrap();
                }
            }
            Ending::Code(11) => {}
            Ending::Code(130) | Ending::Signal(_) if fate != Fate::Peace => {}
            _ => panic!("{}", run.told()),
        }
    });
}
