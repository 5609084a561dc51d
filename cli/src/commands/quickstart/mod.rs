// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast quickstart`: from nothing to a proven backup in one command, then the commands for every day.
//!
//! The proof does not rely on the engine: the restored files are compared with the source by a walk of their own.

mod compare;
mod place;
mod scratch;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use keepfast_engine::backup::{Archives, BackupOptions, Compression, DeltaLimits, Mode, Parent, Summary, backup};
use keepfast_engine::filter::Filter;
use keepfast_engine::format::id::SnapshotId;
use keepfast_engine::repository::Repository;
use keepfast_engine::restore::{Compare, Extras, RestoreOptions, Spared, Verify, restore};
use keepfast_engine::source::{Excludes, OneFileSystem, SourceOptions};
use keepfast_engine::target::OwnershipMode;
use keepfast_engine::tree::Root;
use serde_json::json;

use crate::args::QuickstartArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::backup as sources;
use crate::options::{machine, repository, time};
use crate::progress::Progress;
use crate::render::{json as js, text};
use compare::{Comparison, Difference};
use place::Place;
use scratch::Scratch;

/// More differences than this are counted, not printed.
const MAX_DIFFERENCES_PRINTED: usize = 20;

/// Sets up, backs up, restores, compares.
pub fn run(context: &Context, args: &QuickstartArgs) -> Result<Done, Failure> {
    let source = fs::canonicalize(&args.path)
        .map_err(|error| Failure::other(format!("can not open {}: {error}", args.path.display())))?;
    let place = Place::find(context)?;
    place.tell(context);
    let repository = repository::open(&place.global)?;
    // Made before the backup: it may lie in the source and must not change a folder's time afterwards.
    let scratch = Scratch::create()?;
    let mut own =
        vec![place.repository.clone(), place.state.join(repository.id().to_string()), scratch.path().to_path_buf()];
    own.extend(place.cache.iter().map(|cache| cache.join(repository.id().to_string())));
    let own = sources::own_folders(std::slice::from_ref(&source), &own)?;
    let summary = save(context, &repository, &source, &own)?;
    let id = summary.snapshot.expect("a backup in this mode makes a snapshot");
    list(context, &repository, id, &summary)?;
    let problems = bring_back(context, &repository, id, &source, scratch.target())?;
    let cancelled = || context.signals.cancelled();
    let mut comparison = Comparison::new(&own, &cancelled);
    comparison.compare(&source, &scratch.restored(&source));
    let outcome = comparison.finish()?;
    // What the backup has told already is no news.
    let told =
        |difference: &&Difference| !summary.problems.iter().any(|problem| is_same(&problem.path, &difference.path));
    let differences: Vec<&Difference> = outcome.differences.iter().filter(told).collect();
    report(context, outcome.compared, &differences);
    let problems = [&summary.problems[..], &problems].concat();
    context.output.problems(&problems);
    place.tell_commands(context, &args.path);
    context.output.summary(json!({
        "repository": place.repository.to_string_lossy(),
        "key_file": place.key_file.as_ref().map(|file| file.to_string_lossy()),
        "snapshot": id.to_string(),
        "paths_compared": outcome.compared,
        "identical": differences.is_empty() && problems.is_empty(),
        "differences": differences.iter().map(|difference| difference.to_json()).collect::<Vec<_>>(),
        "problems": js::problems(&problems),
    }));
    Ok(Done::from_problems(differences.len() + problems.len()))
}

/// Whether a path as the backup tells it is the path of a difference.
fn is_same(told: &[u8], path: &Path) -> bool {
    let plain = |bytes: &[u8]| bytes.strip_prefix(b"/").unwrap_or(bytes).to_vec();
    plain(told) == plain(path.as_os_str().as_bytes())
}

fn save(context: &Context, repository: &Repository, source: &Path, own: &[PathBuf]) -> Result<Summary, Failure> {
    context.output.claim().map_err(Failure::Output)?;
    context.output.note(&format!("backing up {}", source.display()));
    let mut excludes = Excludes::builder();
    for folder in own {
        excludes.path(folder.as_os_str().as_bytes());
    }
    let threads = machine::threads(&context.global);
    let options = BackupOptions {
        paths: vec![source.as_os_str().as_bytes().to_vec()],
        source: SourceOptions {
            working_directory: machine::working_directory()?,
            paths: vec![source.to_path_buf()],
            excludes: excludes.build().map_err(|error| Failure::other(error.to_string()))?,
            one_file_system: OneFileSystem::Cross,
            threads,
        },
        streams: Vec::new(),
        missing: Vec::new(),
        parent: Parent::Newest,
        tags: vec!["quickstart".to_string()],
        description: String::new(),
        archives: Archives::up_to(u64::MAX, &[]).map_err(|error| Failure::other(error.to_string()))?,
        compression: Compression::Auto,
        deltas: DeltaLimits::default(),
        threads,
        mode: Mode::Commit,
        clock: time::now,
    };
    let progress = Progress::start(context);
    Ok(backup(repository, &machine::client(None), &options, &progress)?)
}

fn list(context: &Context, repository: &Repository, id: SnapshotId, summary: &Summary) -> Result<(), Failure> {
    let (snapshots, _) = repository.history()?.snapshots(repository)?;
    if !snapshots.iter().any(|snapshot| snapshot.id == id) {
        return Err(Failure::other(format!("snapshot {id} was saved but is not listed")));
    }
    let (totals, out) = (&summary.totals, &context.output);
    let files = text::counted(totals.files, "file");
    let (content, stored) = (text::size(totals.bytes), text::size(totals.stored_bytes));
    out.note(&format!("snapshot {} saved: {files}, {content}, {stored} added to the repository", text::short(id)));
    Ok(())
}

/// Restores into `target`; returns the problems.
fn bring_back(
    context: &Context,
    repository: &Repository,
    id: SnapshotId,
    source: &Path,
    target: PathBuf,
) -> Result<Vec<keepfast_engine::events::Problem>, Failure> {
    context.output.note("restoring it into a scratch folder and comparing every file");
    let (snapshots, _) = repository.history()?.snapshots(repository)?;
    let found = snapshots.iter().find(|snapshot| snapshot.id == id);
    let manifest = &found.ok_or_else(|| Failure::other(format!("snapshot {id} is gone")))?.manifest;
    let options = RestoreOptions {
        target,
        subtree: keepfast_engine::select::trim(source.as_os_str().as_bytes()).to_vec(),
        filter: Filter::default(),
        extras: Extras::Keep,
        spared: Spared::default(),
        compare: Compare::Content,
        ownership: OwnershipMode::Skip,
        mode: keepfast_engine::restore::Mode::Write,
        verify: Verify::No,
        threads: machine::threads(&context.global),
    };
    let progress = Progress::start(context);
    let root = Root { id: manifest.root, level: manifest.root_level };
    Ok(restore(repository.reader(), root, &options, &progress, &|_, _| {})?.problems)
}

fn report(context: &Context, compared: u64, differences: &[&Difference]) {
    let compared = text::counted(compared, "path");
    if differences.is_empty() {
        context.output.note(&format!("identical: {compared} compared"));
        return;
    }
    for difference in differences.iter().take(MAX_DIFFERENCES_PRINTED) {
        context.output.line(&format!("differs: {}", difference.to_line()));
    }
    let count = text::counted(differences.len() as u64, "difference");
    context.output.line(&format!("{count}, {compared} compared"));
}
