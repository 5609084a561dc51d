// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where runs and drills are kept: in the state folder, outside of any repository, so that a run can be resumed or undone while
//! its repository is out of reach.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use keepfast_engine::runbook::{Journal, Plan, Record, RunState};
use rustix::fs::{FlockOperation, flock};

use crate::args::GlobalArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::repository;

/// A run that there is.
pub struct Seen {
    /// Its number.
    pub run: String,
    /// What it does.
    pub plan: Plan,
    /// What it has done.
    pub records: Vec<Record>,
    /// How far it is.
    pub state: RunState,
}

/// Where runs are.
///
/// # Errors
/// The user has no state folder.
pub fn runs(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    Ok(repository::folders(global)?.state.join("runs"))
}

/// Where drills are.
///
/// # Errors
/// The user has no state folder.
pub fn drills(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    Ok(repository::folders(global)?.state.join("drills"))
}

/// A number for a new run: its time, so that they sort as they were begun.
pub fn number() -> String {
    let now = Timestamp::now();
    let part = now.subsec_nanosecond().unsigned_abs() / 1_000_000;
    format!("{}-{part:03}", now.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S"))
}

/// Now, in milliseconds since 1970, as journals note it.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Makes sure that no other process works on this profile for as long as the lock is held.
///
/// # Errors
/// Another one does; the folder can not be used.
pub fn lock(folder: &Path, profile: &str) -> Result<File, Failure> {
    let path = folder.join(format!("{profile}.lock"));
    let failed = |error: std::io::Error| Failure::other(format!("can not use {}: {error}", path.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::Other {
            message: format!("another process works on {profile} at this moment"),
            hint: "wait until it has ended; `keepfast status` shows how far it is".to_string(),
        }),
        Err(error) => Err(failed(error.into())),
    }
}

/// All runs of a profile, or of all profiles, oldest first. One that can not be read is warned of.
///
/// # Errors
/// The folder can not be listed.
pub fn all(context: &Context, folder: &Path, profile: Option<&str>) -> Result<Vec<Seen>, Failure> {
    let mut all = Vec::new();
    for run in Journal::list(folder).map_err(Failure::Runbook)? {
        match Journal::look(folder, &run) {
            Ok((plan, _)) if profile.is_some_and(|profile| profile != plan.profile) => {}
            Ok((plan, records)) => all.push(Seen { run, plan, state: RunState::of(&records), records }),
            Err(error) => context.output.warn(&format!("the run {run} can not be read: {error}")),
        }
    }
    Ok(all)
}

/// Writes a file of a run's folder, whole or not at all. It may hold what nobody else should read.
///
/// # Errors
/// It could not be written.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    let partial = folder.join(format!("{name}.partial"));
    let failed = |error: std::io::Error| Failure::other(format!("can not write {}: {error}", path.display()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial).map_err(failed)?;
    std::io::Write::write_all(&mut file, bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&partial, &path).map_err(failed)?;
    Ok(path)
}
