// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is compared with what: two snapshots that were named, or the newest and the one before a span of time.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use keepfast_engine::history::Snapshot;
use keepfast_engine::retention::Span;
use keepfast_engine::select::{select, trim};

use crate::args::DiffArgs;
use crate::exit::Failure;
use crate::options::scope;
use crate::render::text;

/// A snapshot and what it is compared with, and the paths that are compared; the empty one is all of them.
pub struct Sides<'a> {
    /// The earlier one.
    pub before: &'a Snapshot,
    /// The later one; `None` for the live file system.
    pub after: Option<&'a Snapshot>,
    /// Paths in the snapshots without slashes at their ends; for the live file system as they were given.
    pub paths: Vec<Vec<u8>>,
    /// The path in the later one that the only path of the earlier one is compared with, if that is another.
    pub other: Option<Vec<u8>>,
}

/// Finds them.
///
/// # Errors
/// A selector fits none or several; paths are given twice; there is no snapshot that is old enough.
pub fn find<'a>(snapshots: &'a [Snapshot], args: &DiffArgs) -> Result<Sides<'a>, Failure> {
    let trimmed = |paths: &[PathBuf]| paths.iter().map(|path| trim(path.as_os_str().as_bytes()).to_vec()).collect();
    if args.live {
        return live(snapshots, args);
    }
    if let Some(age) = &args.since {
        let (before, after) = since(snapshots, age, args)?;
        let paths: Vec<Vec<u8>> = trimmed(&args.what);
        return Ok(Sides {
            before,
            after: Some(after),
            paths: if paths.is_empty() { vec![Vec::new()] } else { paths },
            other: None,
        });
    }
    let [before, after, inside @ ..] = args.what.as_slice() else {
        return Err(Failure::Usage("name two snapshots to compare, one and --live, or --since AGE".to_string()));
    };
    let (before, old_path) = scope::one(snapshots, before, &args.scope)?;
    let (after, new_path) = scope::one(snapshots, after, &args.scope)?;
    let paths = match inside {
        [] => vec![old_path.to_vec()],
        _ if !old_path.is_empty() || !new_path.is_empty() => {
            return Err(Failure::Usage("the path was given twice".to_string()));
        }
        inside => trimmed(inside),
    };
    let other = (old_path != new_path).then(|| new_path.to_vec());
    Ok(Sides { before, after: Some(after), paths, other })
}

fn live<'a>(snapshots: &'a [Snapshot], args: &DiffArgs) -> Result<Sides<'a>, Failure> {
    let [before, inside @ ..] = args.what.as_slice() else {
        return Err(Failure::Usage("name the snapshot to compare with the live files".to_string()));
    };
    let (before, path) = scope::one(snapshots, before, &args.scope)?;
    let paths = match inside {
        [] => vec![path.to_vec()],
        _ if !path.is_empty() => return Err(Failure::Usage("the path was given twice".to_string())),
        inside => inside.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect(),
    };
    Ok(Sides { before, after: None, paths, other: None })
}

/// The newest snapshot in the scope, and the newest of its host and paths that was started a span of time before it, or earlier.
fn since<'a>(snapshots: &'a [Snapshot], age: &str, args: &DiffArgs) -> Result<(&'a Snapshot, &'a Snapshot), Failure> {
    let span = Span::parse(age).map_err(|error| Failure::Usage(format!("--since: {error}")))?;
    let scope = scope::scope(&args.scope)?;
    let after = select(snapshots, "latest", &scope)?;
    let started = Timestamp::from_nanosecond(i128::from(after.manifest.started));
    let started =
        started.map_err(|_| Failure::other(format!("snapshot {} has no valid time", text::short(after.id))))?;
    let limit = span.before(&started.to_zoned(TimeZone::system())).timestamp().as_nanosecond();
    let is_older = |other: &&&Snapshot| {
        let (own, other) = (&after.manifest, &other.manifest);
        own.host == other.host && own.paths == other.paths && i128::from(other.started) <= limit
    };
    let before = scope.filter(snapshots).iter().rev().find(is_older).copied();
    let place = || {
        format!(
            "{} has no snapshot of the same paths that is {age} older than {}",
            after.manifest.host,
            text::short(after.id)
        )
    };
    Ok((before.ok_or_else(|| Failure::other(place()))?, after))
}
