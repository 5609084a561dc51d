// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which snapshots a command is about: the options that narrow them down, and the selectors that name one.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use jiff::tz::TimeZone;
use keepfast_engine::Error;
use keepfast_engine::history::{History, Snapshot};
use keepfast_engine::repository::Repository;
use keepfast_engine::select::{Scope, select, split_path};

use crate::args::ScopeArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::time;
use crate::render::text;

/// The options as the engine's scope.
///
/// # Errors
/// `--at` is not a time.
pub fn scope(args: &ScopeArgs) -> Result<Scope, Failure> {
    let until = match &args.at {
        Some(text) => Some(time::parse_until(text, &TimeZone::system())?),
        None => None,
    };
    let paths = args.path.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?;
    Ok(Scope { hosts: args.host.clone(), tags: args.tag.clone(), paths, until })
}

/// The path as snapshots record it: from the top, without `.`, `..` and trailing slashes. Symbolic links stay.
///
/// # Errors
/// There is no working directory.
pub fn absolute(path: &Path) -> Result<Vec<u8>, Failure> {
    let here =
        env::current_dir().map_err(|error| Failure::other(format!("can not find the working directory: {error}")))?;
    let mut clean = PathBuf::from("/");
    for component in here.join(path).components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean.as_os_str().as_bytes().to_vec())
}

/// The snapshots that were named, or all that the scope takes if none was.
///
/// # Errors
/// A selector fits none or several.
pub fn several<'a>(
    snapshots: &'a [Snapshot],
    selectors: &[String],
    args: &ScopeArgs,
) -> Result<Vec<&'a Snapshot>, Failure> {
    let scope = scope(args)?;
    if selectors.is_empty() {
        return Ok(scope.filter(snapshots));
    }
    let mut chosen: Vec<&Snapshot> = Vec::new();
    for selector in selectors {
        let snapshot = select(snapshots, selector, &scope)?;
        if chosen.iter().all(|other| other.id != snapshot.id) {
            chosen.push(snapshot);
        }
    }
    Ok(chosen)
}

/// The snapshot and the path in it that `SNAPSHOT[:PATH]` names; the path may be any bytes, as names are.
///
/// # Errors
/// The selector fits none or several.
pub fn one<'a, 'b>(
    snapshots: &'a [Snapshot],
    selector: &'b (impl AsRef<OsStr> + ?Sized),
    args: &ScopeArgs,
) -> Result<(&'a Snapshot, &'b [u8]), Failure> {
    let (selector, path) = split_path(selector.as_ref().as_bytes());
    // No selector has such bytes.
    let selector = str::from_utf8(selector)
        .map_err(|_| Failure::other(format!("no snapshot fits \"{}\"", text::path(selector))))?;
    Ok((select(snapshots, selector, &scope(args)?)?, path))
}

/// Names the snapshot in which a path was not found; the engine only knows the root of its tree.
pub fn name_snapshot(snapshot: &Snapshot) -> impl Fn(Error) -> Error {
    let short = text::short(snapshot.id);
    move |error| match error {
        Error::NoPath { path, .. } => Error::NoPath { path, snapshot: short.clone() },
        other => other,
    }
}

/// The visible snapshots, oldest first, for `selectors` to choose from. What may hide one is told, unless each selector is the id of one that
/// is there: then nothing of what was asked for can be missing. Without selectors all are asked for.
///
/// # Errors
/// The storage.
pub fn visible<S: AsRef<OsStr>>(
    context: &Context,
    repository: &Repository,
    selectors: &[S],
) -> Result<Vec<Snapshot>, Failure> {
    let history = repository.history()?;
    let (snapshots, damaged) = history.snapshots(repository)?;
    let is_there = |selector: &S| names_by_id(&snapshots, selector.as_ref());
    if selectors.is_empty() || !selectors.iter().all(is_there) {
        warn_of_hidden(context, repository, &history, &damaged)?;
    }
    Ok(snapshots)
}

fn names_by_id(snapshots: &[Snapshot], selector: &OsStr) -> bool {
    let (selector, _) = split_path(selector.as_bytes());
    let is_id = selector.iter().all(u8::is_ascii_hexdigit);
    is_id && str::from_utf8(selector).is_ok_and(|id| select(snapshots, id, &Scope::default()).is_ok())
}

/// Tells of snapshots that can not be read, and of log slots that may hide some: the command ends with exit code 3 then.
///
/// # Errors
/// The storage.
pub fn warn_of_hidden(
    context: &Context,
    repository: &Repository,
    history: &History,
    damaged: &[Error],
) -> Result<(), Failure> {
    let missing = |text: &str| context.output.warn_of_missing(text);
    damaged.iter().for_each(|error| missing(&format!("a snapshot can not be read: {}", text::error(error))));
    for (slot, why) in history.missed_slots(repository)? {
        missing(&format!("{slot}: {why}; a snapshot may be missing here, and a forgotten one be back"));
    }
    Ok(())
}
