// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast diff SNAPSHOT --live`: where the files of the snapshot are on this machine, and which paths of it are meant.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::diff::{Live, LiveSummary, Places, diff_live};
use keepfast_engine::events::Events;
use keepfast_engine::history::Snapshot;
use keepfast_engine::reader::Reader;
use keepfast_engine::repository::Repository;
use keepfast_engine::select::trim;
use keepfast_engine::source::OneFileSystem;
use keepfast_engine::tree::{Root, find};

use super::Compared;
use super::listing::Listing;
use crate::args::DiffArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::backup as sources;
use crate::options::{machine, scope, time};
use crate::render::page::LiveSide;
use crate::render::text;

/// Compares a snapshot with the live file system.
///
/// # Errors
/// The snapshot is of another host, its files can not be found, or something can not be read.
pub fn compare(
    context: &Context,
    args: &DiffArgs,
    repository: &Repository,
    (before, paths): (&Snapshot, &[Vec<u8>]),
    listing: &mut Listing,
    events: &dyn Events,
) -> Result<Compared, Failure> {
    let reader = repository.reader();
    let places = places(args, &reader, before)?;
    let folders = sources::folders_in_use(&context.global, std::slice::from_ref(&context.global), &[repository])?;
    let own = sources::own_folders(&places.sources(), &folders)?;
    let paths = paths.iter().map(|path| stored(&reader, before, &places, path)).collect::<Result<Vec<_>, _>>()?;
    let mut side = LiveSide {
        host: host(before),
        read: time::now().seconds.saturating_mul(1_000_000_000),
        paths: places.sources().into_iter().map(|path| path.into_os_string().into_vec()).collect(),
        unread: 0,
    };
    let live = Live {
        places,
        excludes: sources::excludes(&args.exclude, &own)?,
        one_file_system: if args.exclude.one_file_system { OneFileSystem::Stay } else { OneFileSystem::Cross },
        threads: machine::listing_threads(&context.global),
    };
    let mut all = LiveSummary::default();
    for path in &paths {
        let outcome = diff_live(&reader, before, &live, path, events, &mut |difference, old, new| {
            listing.take(difference, old, new.map(|(entry, _)| entry), new.map(|(_, found)| found));
        });
        context.output.check().map_err(Failure::Output)?;
        let found = outcome.map_err(|error| on_no_side(scope::name_snapshot(before)(error)))?;
        all.summary.add(&found.summary);
        all.streams.extend(found.streams);
        all.problems.extend(found.problems);
    }
    side.unread = all.problems.len() as u64;
    Ok(Compared { found: all, paths, live: Some(side) })
}

/// A second snapshot may have been meant.
fn on_no_side(error: Error) -> Failure {
    match error {
        Error::NoPath { .. } => Failure::Other {
            message: format!("{}, and it is not there now", text::error(&error)),
            hint: "with --live only the first word is a snapshot, all others are paths".to_string(),
        },
        other => other.into(),
    }
}

/// What this machine is called, as the snapshot has it if that is one of its own.
fn host(before: &Snapshot) -> String {
    let names = machine::own_names();
    names.iter().find(|name| **name == before.manifest.host).unwrap_or(&names[0]).clone()
}

fn places(args: &DiffArgs, reader: &Arc<Reader>, before: &Snapshot) -> Result<Places, Failure> {
    if let Some(root) = &args.root {
        if !root.is_dir() {
            return Err(Failure::other(format!("--root: {} is no folder", text::path(root.as_os_str().as_bytes()))));
        }
        let root = std::path::absolute(root).map_err(|error| Failure::other(format!("--root: {error}")))?;
        return Ok(Places::below(reader, before, &root)?);
    }
    let names = machine::own_names();
    let host = &before.manifest.host;
    if !names.contains(host) {
        return Err(Failure::Other {
            message: format!(
                "snapshot {} was made on {}, and this is {}",
                text::short(before.id),
                text::plain(host),
                text::plain(&names.join(", "))
            ),
            hint: "--root DIR says where its files are; --root / compares it with this machine all the same"
                .to_string(),
        });
    }
    Places::recorded(reader, before).map_err(|error| match error {
        Error::Invalid(message) => Failure::Other { message, hint: "--root DIR says where its files are".to_string() },
        other => other.into(),
    })
}

/// The path in the snapshot that is meant: one of this machine that was saved, or one that the snapshot has.
fn stored(reader: &Arc<Reader>, before: &Snapshot, places: &Places, path: &[u8]) -> Result<Vec<u8>, Failure> {
    let root = Root { id: before.manifest.root, level: before.manifest.root_level };
    let trimmed = trim(path);
    let is_absolute = path.starts_with(b"/");
    if trimmed.is_empty() && !is_absolute {
        return Ok(Vec::new());
    }
    let given = || PathBuf::from(Path::new(std::ffi::OsStr::from_bytes(path)));
    let here = places.stored(&scope::absolute(&given())?);
    if !is_absolute && find(reader, root, trimmed)?.is_some() {
        return Ok(trimmed.to_vec());
    }
    Ok(here.unwrap_or_else(|| trimmed.to_vec()))
}
