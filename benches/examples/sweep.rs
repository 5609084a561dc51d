// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chunk lengths, segment lengths, zstd levels and rules of delta over one's own corpora, to choose the defaults by:
//! `cargo run --release -p keepfast-benches --example sweep -- CORPORA [WORDS OF A SETTING...]`.
//!
//! CORPORA has a folder for each corpus, and in it one for each version, in the order of their names. Each setting gets new
//! repositories on `TMPDIR` (a RAM disk, if the storage is not to count). One folder is brought to the state of each version in turn, by
//! `rsync`, which must be there, and backed up; then the first and the last are restored, five times each, and the shortest time counts. Cut points
//! differ from repository to repository, and sizes by some percent with them; of times only the ratios within a run mean something.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use keepfast_engine::backup::{Archives, BackupOptions, Compression, DeltaLimits, Mode, Parent, backup};
use keepfast_engine::events::Silent;
use keepfast_engine::filter::Filter;
use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::{
    Credential, FirstKey, Found, InitOptions, LocalFolders, Parameters, Repository, init,
};
use keepfast_engine::restore::{self, Compare, Extras, RestoreOptions, Spared, Verify, restore};
use keepfast_engine::session::Client;
use keepfast_engine::source::{Excludes, OneFileSystem, SourceOptions};
use keepfast_engine::target::OwnershipMode;
use keepfast_engine::tree::Root;
use keepfast_repo_format::config::ChunkerParams;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::key_slot::KdfParams;
use keepfast_repo_format::tree::entry::Timestamp;
use keepfast_storage::local::LocalBackend;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Which version a version is compared with.
#[derive(Clone, Copy)]
enum Chain {
    /// The one before.
    Last,
    /// That whose number is this one's without its lowest bit: the way back to the first has as many steps as the number has bits.
    Skip,
}

#[derive(Clone)]
struct Setting {
    name: String,
    parameters: Parameters,
    compression: Compression,
    deltas: DeltaLimits,
    chain: Chain,
}

/// The defaults, then what differs from them in one respect.
fn settings() -> Vec<Setting> {
    let base = Setting {
        name: "defaults".to_string(),
        parameters: Parameters::default(),
        compression: Compression::Auto,
        deltas: DeltaLimits::default(),
        chain: Chain::Last,
    };
    let mut all = vec![base.clone()];
    let mut add = |name: String, change: &dyn Fn(&mut Setting)| {
        let mut setting = Setting { name, ..base.clone() };
        change(&mut setting);
        all.push(setting);
    };
    for (min, avg, max) in [(2, 8, 64), (4, 16, 64), (4, 16, 128), (16, 64, 512)] {
        let chunker = ChunkerParams { min: min << 10, avg: avg << 10, max: max << 10, normalization: 2 };
        add(format!("chunks {min}/{avg}/{max} KiB"), &|setting| setting.parameters.chunker = chunker);
    }
    for kib in [512, 1024, 1536, 3072] {
        add(format!("segments {kib} KiB"), &|setting| setting.parameters.data_segment = kib << 10);
    }
    for kib in [64, 256, 4096] {
        add(format!("tree segments {kib} KiB"), &|setting| setting.parameters.tree_segment = kib << 10);
    }
    for level in [1, 2, 3, 4, 6, 9, 12] {
        add(format!("level {level}"), &|setting| setting.compression = Compression::Level(level));
    }
    add("delta none".to_string(), &|setting| setting.deltas = DeltaLimits::NONE);
    for steps in [1, 2, 3, 4, 6, 8, 12] {
        add(format!("delta steps {steps}"), &|setting| setting.deltas.steps = steps);
    }
    for mib in [4, 8, 16, 24] {
        add(format!("delta bytes {mib} MiB"), &|setting| setting.deltas.bytes = mib << 20);
    }
    add("delta skip".to_string(), &|setting| {
        setting.chain = Chain::Skip;
        setting.deltas.steps = 8;
    });
    all
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let corpora = PathBuf::from(arguments.next().ok_or("usage: sweep CORPORA [WORDS OF A SETTING...]")?);
    let words: Vec<_> = arguments.collect();
    let corpora = folders(&corpora.canonicalize()?)?;
    for corpus in &corpora {
        let name = corpus.file_name().unwrap_or_default().to_string_lossy();
        println!(
            "\n{name}\n{:24} {:>9} {:>9} {:>8} {:>8} {:>8}",
            "setting", "first MB", "all MB", "backup s", "first ms", "last ms"
        );
        for setting in settings() {
            if words.is_empty() || words.iter().any(|word| setting.name.contains(word.as_str())) {
                run(&setting, &folders(corpus)?)?;
            }
        }
    }
    Ok(())
}

fn folders(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut folders: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    if folders.is_empty() { Err(format!("no folder in {}", folder.display()).into()) } else { Ok(folders) }
}

fn run(setting: &Setting, versions: &[PathBuf]) -> Outcome<()> {
    let place = tempfile::tempdir()?;
    let repository = make(setting, place.path())?;
    let live = place.path().join("live");
    let mut made: Vec<SnapshotId> = Vec::new();
    let (mut first_bytes, mut seconds) = (0, 0.0);
    for (number, version) in versions.iter().enumerate() {
        let parent = match setting.chain {
            Chain::Skip if number > 0 => Parent::Snapshot(made[number & (number - 1)]),
            Chain::Skip | Chain::Last => Parent::Newest,
        };
        bring_to(&live, version)?;
        let started = Instant::now();
        let summary = backup(&repository, &client(), &options(setting, &live, parent), &Silent)?;
        seconds += started.elapsed().as_secs_f64();
        made.push(summary.snapshot.ok_or("no snapshot")?);
        if number == 0 {
            first_bytes = stored_bytes(&place.path().join("repository"))?;
        }
    }
    let bytes = stored_bytes(&place.path().join("repository"))?;
    let first = shortest_restore(place.path(), made[0])?;
    let last = shortest_restore(place.path(), made[made.len() - 1])?;
    let [first_mb, mb] = [first_bytes, bytes].map(|bytes| bytes as f64 / 1e6);
    println!("{:24} {first_mb:9.2} {mb:9.2} {seconds:8.2} {first:8.0} {last:8.0}", setting.name);
    Ok(())
}

fn make(setting: &Setting, place: &Path) -> Outcome<Repository> {
    let folder = place.join("repository");
    let backend = LocalBackend::create(&folder)?;
    let kdf = KdfParams::new(8 << 10, 1, 1)?;
    let options =
        InitOptions { parameters: setting.parameters.clone(), kdf, label: "sweep".to_string(), now: 1_700_000_000 };
    init(&backend, &options, &FirstKey::Password("sweep".to_string()))?;
    open(place)
}

fn open(place: &Path) -> Outcome<Repository> {
    let folders = LocalFolders { cache: Some(place.join("cache")), state: place.join("state") };
    let backend = Arc::new(LocalBackend::open(&place.join("repository"))?);
    Ok(Found::locate(backend)?.open(&Credential::Password("sweep".to_string()), &folders)?)
}

fn client() -> Client {
    Client {
        host: "host".into(),
        user: "user".into(),
        process: 1,
        program: "sweep".into(),
        now: now().seconds.cast_unsigned(),
    }
}

fn now() -> Timestamp {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: time.as_secs().cast_signed(), nanos: time.subsec_nanos() }
}

fn options(setting: &Setting, live: &Path, parent: Parent) -> BackupOptions {
    BackupOptions {
        source: SourceOptions {
            working_directory: live.to_path_buf(),
            paths: vec![".".into()],
            excludes: Excludes::default(),
            one_file_system: OneFileSystem::Cross,
            threads: 2,
        },
        streams: Vec::new(),
        missing: Vec::new(),
        paths: vec![b"live".to_vec()],
        parent,
        tags: Vec::new(),
        description: String::new(),
        archives: Archives::none(),
        compression: setting.compression,
        deltas: setting.deltas,
        threads: 2,
        mode: Mode::Commit,
        clock: now,
    }
}

/// Changes what differs and nothing else, as the owner of the folder would.
fn bring_to(live: &Path, version: &Path) -> Outcome<()> {
    let mut from = version.as_os_str().to_owned();
    from.push("/");
    let done = Command::new("rsync").args(["-a", "--delete", "--inplace"]).arg(from).arg(live).status()?;
    if done.success() { Ok(()) } else { Err(format!("rsync from {}: {done}", version.display()).into()) }
}

fn stored_bytes(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { stored_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// Milliseconds.
fn shortest_restore(place: &Path, snapshot: SnapshotId) -> Outcome<f64> {
    let times = (0..5).map(|_| timed_restore(place, snapshot)).collect::<Outcome<Vec<_>>>()?;
    Ok(times.into_iter().fold(f64::INFINITY, f64::min) * 1e3)
}

/// Seconds of a restore by a client that has just been started.
fn timed_restore(place: &Path, snapshot: SnapshotId) -> Outcome<f64> {
    let target = tempfile::tempdir()?;
    let started = Instant::now();
    let repository = open(place)?;
    let (snapshots, _) = repository.history()?.snapshots(&repository)?;
    let found: &Snapshot = snapshots.iter().find(|found| found.id == snapshot).ok_or("snapshot")?;
    let root = Root { id: found.manifest.root, level: found.manifest.root_level };
    let options = RestoreOptions {
        target: target.path().to_path_buf(),
        subtree: Vec::new(),
        filter: Filter::default(),
        extras: Extras::Keep,
        spared: Spared::default(),
        compare: Compare::Content,
        ownership: OwnershipMode::Numeric,
        mode: restore::Mode::Write,
        verify: Verify::No,
        threads: 2,
    };
    let summary = restore(repository.reader(), root, &options, &Silent, &|_, _| ())?;
    if summary.problems.is_empty() {
        Ok(started.elapsed().as_secs_f64())
    } else {
        Err(format!("{:?}", summary.problems[0]).into())
    }
}
