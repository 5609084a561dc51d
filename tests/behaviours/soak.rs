// SPDX-License-Identifier: MIT OR Apache-2.0
//! "It holds in a crowd": many machines, each the real program in processes of its own, back up, forget, bring back and prune in one
//! repository, while chance kills, interrupts and stops them. Whoever was told of a snapshot keeps it, and in the end nothing is
//! left that nobody needs.

mod host;
mod ledger;
mod parties;
mod storage;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, RwLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::host::Host;
use self::ledger::{Ledger, State};
use self::parties::{Alarm, Stage, collect, keep, read, write};
use self::storage::Storage;
use crate::support::history_script::scratch;
use crate::support::random::Random;
use crate::support::servers::Server;

/// How long a soak of the ordinary tests works, on each storage.
const SHORT: Duration = Duration::from_secs(30);

/// How long `--ignored` ones work unless `KEEPFAST_SOAK_SECONDS` says.
const LONG: Duration = Duration::from_secs(600);

/// More prunes than it takes until one finds nothing to do: each takes what only deltas needed that the one before it has taken.
const MOST_PRUNES: usize = 12;

/// Time between two looks at everything, about.
const WORK: Duration = Duration::from_secs(30);

/// Small shapes, so that little data gives many chunks, segments, nodes and packs.
const SHAPE: [&str; 18] = [
    "init",
    "--kdf-memory",
    "8",
    "--chunk-min",
    "256",
    "--chunk-average",
    "1024",
    "--chunk-max",
    "8192",
    "--chunk-normalization",
    "1",
    "--data-segment",
    "16384",
    "--tree-segment",
    "4096",
    "--pack-size",
    "1M",
    "--leaf-target=8",
];

/// How many there are.
#[derive(Clone, Copy)]
struct Crowd {
    writers: usize,
    collectors: usize,
}

/// Two collectors: what one moves the other has to see.
const FEW: Crowd = Crowd { writers: 3, collectors: 2 };
const MANY: Crowd = Crowd { writers: 8, collectors: 2 };

/// The program beside this one, or the one that `KEEPFAST_PROGRAM` names; `None`, and a printed reason, where there is none. With
/// `CI=true` it must be there.
fn program() -> Option<PathBuf> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("keepfast"));
    let program = std::env::var_os("KEEPFAST_PROGRAM").map(PathBuf::from).or_else(beside)?;
    if program.is_file() {
        return Some(program);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no {}", program.display());
    println!("skipped: no {}; `cargo build` makes it", program.display());
    None
}

fn seed() -> u64 {
    let given = std::env::var("KEEPFAST_SOAK_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()))
}

fn long() -> Duration {
    let given = std::env::var("KEEPFAST_SOAK_SECONDS").ok().map(|text| text.parse().expect("a number of seconds"));
    given.map_or(LONG, Duration::from_secs)
}

/// The folder of a soak. It stays after a failure if `KEEPFAST_SOAK_KEEP` is set.
struct Scratch(Option<TempDir>);

impl Drop for Scratch {
    fn drop(&mut self) {
        let keeps = std::thread::panicking() && std::env::var_os("KEEPFAST_SOAK_KEEP").is_some();
        if let (true, Some(folder)) = (keeps, self.0.take()) {
            println!("kept: {}", folder.keep().display());
        }
    }
}

fn soak(storage: &Storage, crowd: Crowd, time: Duration) {
    let Some(program) = program() else { return };
    let scratch = Scratch(Some(scratch()));
    let base = scratch.0.as_ref().expect("it is there until it is dropped").path();
    let environment = storage.environment(base);
    let host = |name: String| Host::new(&name, base, &program, &environment);
    let auditor = host("auditor".to_string());
    auditor.ok(&SHAPE);
    let parts = (time.as_secs() / WORK.as_secs()).max(2) as u32;
    let stage = Stage {
        ledger: Ledger::default(),
        gate: RwLock::new(()),
        end: Instant::now() + time,
        over: AtomicBool::new(false),
        tally: Mutex::default(),
    };
    let (stage, seed) = (&stage, seed());
    println!("KEEPFAST_SOAK_SEED={seed}");
    std::thread::scope(|scope| {
        let of = |number: usize| Random::new(seed.wrapping_mul(1000) + number as u64);
        for number in 0..crowd.writers {
            let (writer, random) = (host(format!("writer-{number}")), of(number));
            scope.spawn(move || write(stage, &writer, random));
        }
        for number in 0..crowd.collectors {
            let (collector, random) = (host(format!("collector-{number}")), of(100 + number));
            scope.spawn(move || collect(stage, &collector, random));
        }
        let (keeper, random) = (host("keeper".to_string()), of(200));
        scope.spawn(move || keep(stage, &keeper, random, crowd.writers));
        let (reader, random) = (host("reader".to_string()), of(201));
        scope.spawn(move || read(stage, &reader, random));
        for part in 0..parts {
            sleep(time / parts);
            let _alarm = Alarm(&stage.over);
            let _gate = stage.gate.write().unwrap();
            // A look takes longer the more there is. When the time is over, the last look is at the end.
            if !stage.goes_on() {
                break;
            }
            let snapshots = stage.ledger.verify(&auditor);
            println!("look {} of {parts}: {snapshots} snapshots are whole", part + 1);
        }
    });
    finish(storage, stage, &auditor, base);
}

/// After all have stopped: what is there is whole, and prunes leave nothing else.
fn finish(storage: &Storage, stage: &Stage, auditor: &Host, base: &Path) {
    stage.ledger.verify(auditor);
    // A list that names a snapshot which came back stays until that is forgotten again.
    let brought_back = stage.ledger.brought_back();
    if !brought_back.is_empty() {
        let arguments: Vec<&str> = ["forget"].into_iter().chain(brought_back.iter().map(String::as_str)).collect();
        auditor.ok(&arguments);
        brought_back.iter().for_each(|id| stage.ledger.set(id, State::Forgotten));
    }
    for attempt in 1.. {
        let last = auditor.ok(&["prune", "--max-unused", "0", "--wait", "0", "--void-after", "0"]);
        assert_eq!(last.summary()["finished"], true, "{}", last.told());
        if last.summary()["packs_deleted"] == 0 {
            break;
        }
        assert!(attempt < MOST_PRUNES, "there is always something left to prune: {}", last.told());
    }
    let snapshots = stage.ledger.verify(auditor);
    storage.assert_minimal(base, snapshots);
    for (what, count) in stage.tally.lock().unwrap().iter() {
        println!("{count:6} {what}");
    }
}

#[test]
fn a_crowd_in_a_folder_loses_nothing_and_leaves_nothing() {
    soak(&Storage::Folder, FEW, SHORT);
}

#[test]
fn a_crowd_in_a_bucket_loses_nothing_and_leaves_nothing() {
    let Some(server) = Server::moto() else { return };
    soak(&Storage::Bucket(Box::new(server)), FEW, SHORT);
}

#[test]
#[ignore = "takes KEEPFAST_SOAK_SECONDS, or ten minutes"]
fn a_large_crowd_in_a_folder_loses_nothing_and_leaves_nothing() {
    soak(&Storage::Folder, MANY, long());
}

#[test]
#[ignore = "takes KEEPFAST_SOAK_SECONDS, or ten minutes"]
fn a_large_crowd_in_a_bucket_loses_nothing_and_leaves_nothing() {
    let Some(server) = Server::moto() else { return };
    soak(&Storage::Bucket(Box::new(server)), MANY, long());
}
