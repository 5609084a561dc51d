// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes a repository of many nights: `cargo run --release -p keepfast-benches --example nights -- DIR NIGHTS FILES EDITS`. For measuring what
//! grows with the number of snapshots: `history`, `find`, and what the catalog learns of each night. It prints how long the last part takes.
//!
//! Real files in a folder beside the repository, real backups, dates a day apart from tomorrow on. Of each night's edits one hits the same file.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use keepfast_engine::backup::{self, Archives, BackupOptions, Compression, DeltaLimits, Parent, backup};
use keepfast_engine::catalog::Catalog;
use keepfast_engine::events::Silent;
use keepfast_engine::repository::{Credential, FirstKey, Found, InitOptions, LocalFolders, Parameters, init};
use keepfast_engine::session::Client;
use keepfast_engine::source::{Excludes, OneFileSystem, SourceOptions};
use keepfast_repo_format::key_slot::KdfParams;
use keepfast_repo_format::tree::entry::Timestamp;
use keepfast_storage::local::LocalBackend;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Files of a folder, as in a folder of configuration.
const FOLDER_FILES: usize = 40;

/// Which night it is.
static NIGHT: AtomicI64 = AtomicI64::new(0);

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, nights, files, edits] = &arguments[..] else {
        return Err("usage: nights DIR NIGHTS FILES EDITS".into());
    };
    let number = |text: &String| text.parse::<usize>();
    let (folder, nights, files, edits) = (PathBuf::from(folder), number(nights)?, number(files)?, number(edits)?);
    let key = folder.with_extension("key");
    // The name that a backup stores must not depend on where this program was started.
    fs::create_dir_all(folder.with_extension("source"))?;
    let source = fs::canonicalize(folder.with_extension("source"))?;
    let folders = LocalFolders { cache: Some(folder.with_extension("cache")), state: folder.with_extension("state") };
    fs::create_dir_all(&folder)?;
    let backend = Arc::new(LocalBackend::create(&folder)?);
    let parameters = Parameters::default();
    let options =
        InitOptions { parameters, kdf: KdfParams::new(8 << 10, 1, 1)?, label: "nights".into(), now: 1_700_000_000 };
    let (_, file) = init(backend.as_ref(), &options, &FirstKey::KeyFile)?;
    let file = file.ok_or("no key file was made")?;
    fs::write(&key, file.to_text().as_bytes())?;
    (0..files).try_for_each(|number| write(&source, number, 0))?;
    let credential = Credential::KeyFile(file);
    for night in 0..nights {
        NIGHT.store(night as i64, Ordering::Relaxed);
        if night > 0 {
            // A walk over all files whose steps have nothing in common with the size of a folder.
            (0..edits).try_for_each(|edit| {
                write(&source, if edit == 0 { 7 } else { (night * edits + edit) * 617 % files }, night)
            })?;
        }
        let repository = Found::locate(backend.clone())?.open(&credential, &folders)?;
        backup(&repository, &client(), &backup_options(&source)?, &Silent)?;
    }
    let repository = Found::locate(backend)?.open(&credential, &folders)?;
    let (snapshots, _) = repository.history()?.snapshots(&repository)?;
    let started = Instant::now();
    Catalog::open(&repository)?.learn(&repository.reader(), &snapshots[..1], &HashSet::new(), &Silent)?;
    let first = started.elapsed();
    Catalog::open(&repository)?.learn(&repository.reader(), &snapshots, &HashSet::new(), &Silent)?;
    let others = (started.elapsed() - first) / (nights - 1).max(1) as u32;
    println!("repository  {}", folder.display());
    println!("key file    {}", key.display());
    println!("cache       {}", folder.with_extension("cache").display());
    println!("the catalog learned the first night in {first:?}, each of the others in {others:?}");
    println!("changed every night: {}", path(&source, 7).display());
    Ok(())
}

fn path(source: &Path, number: usize) -> PathBuf {
    source.join(format!("etc/{:03}/service-{number}.conf", number / FOLDER_FILES))
}

/// Some hundred bytes to some kilobytes of lines, of which one tells the night.
fn write(source: &Path, number: usize, night: usize) -> Outcome<()> {
    let path = path(source, number);
    fs::create_dir_all(path.parent().ok_or("a file lies in a folder")?)?;
    let lines = (0..10 + number % 90).map(|line| match line {
        5 => format!("changed = {night}\n"),
        _ => format!("option_{line} = value {} of service {number}\n", line * number % 97),
    });
    Ok(fs::write(path, lines.collect::<String>())?)
}

fn client() -> Client {
    Client {
        host: "host".into(),
        user: "user".into(),
        process: 1,
        program: "nights".into(),
        now: clock().seconds as u64,
    }
}

fn clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: now.as_secs() as i64 + (1 + NIGHT.load(Ordering::Relaxed)) * DAY, nanos: now.subsec_nanos() }
}

fn backup_options(source: &Path) -> Outcome<BackupOptions> {
    Ok(BackupOptions {
        source: SourceOptions {
            working_directory: source.to_path_buf(),
            paths: vec!["etc".into()],
            excludes: Excludes::default(),
            one_file_system: OneFileSystem::Cross,
            threads: 2,
        },
        streams: Vec::new(),
        missing: Vec::new(),
        paths: vec![source.join("etc").as_os_str().as_bytes().to_vec()],
        parent: Parent::Newest,
        tags: Vec::new(),
        description: String::new(),
        archives: Archives::up_to(0, &[])?,
        compression: Compression::Level(1),
        deltas: DeltaLimits::default(),
        threads: 2,
        mode: backup::Mode::Commit,
        clock,
    })
}
