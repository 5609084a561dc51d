// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast mount`: snapshots as folders and files, until a signal or `umount` ends it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keepfast_engine::events::{Events, Problem};
use keepfast_engine::mount::{Access, MountOptions, Mounted, REFRESH_AFTER, Unmounted, default_threads, mount};
use keepfast_engine::repository::Distance;
use keepfast_engine::target::OwnershipMode;
use serde_json::json;

use crate::args::MountArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, repository, scope};
use crate::render::json as js;

/// How soon a signal is answered, and a problem shown.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Mounts, and stays until the mount has ended. That somebody ends it is how it is meant to go: whoever does finds exit code 0.
pub fn run(context: &Context, args: &MountArgs) -> Result<Done, Failure> {
    let mountpoint = empty_folder(&args.mountpoint)?;
    let repository = Arc::new(repository::open(&context.global)?);
    let options = options(context, args, &mountpoint, repository.distance)?;
    let told = Arc::new(Told::default());
    let mounted = mount(repository, &options, told.clone())?;
    let place = mountpoint.display();
    context.output.object(json!({ "mounted": mountpoint.to_string_lossy() }));
    context.output.note(&format!("mounted at {place}; end with Ctrl-C or `umount {place}`"));
    context.output.finish().map_err(Failure::Output)?;
    let problems = serve(context, mounted, &told)?;
    context.output.summary(json!({
        "mountpoint": mountpoint.to_string_lossy(),
        "problems": js::problems(&problems),
    }));
    Ok(Done::from_problems(problems.len()))
}

/// Waits for the end, and shows what could not be read.
fn serve(context: &Context, mut mounted: Mounted, told: &Told) -> Result<Vec<Problem>, Failure> {
    let mut all = Vec::new();
    let mut show = || {
        let new = told.take();
        context.output.problems(&new);
        all.extend(new);
    };
    loop {
        let has_ended = mounted.wait(LOOK_EVERY)?;
        show();
        if has_ended {
            break;
        }
        if context.signals.cancelled() {
            if mounted.unmount()? == Unmounted::InUse {
                context.output.warn("it was in use: programs that still look at it get errors now");
            }
            show();
            break;
        }
    }
    Ok(all)
}

fn options(
    context: &Context,
    args: &MountArgs,
    mountpoint: &Path,
    distance: Distance,
) -> Result<MountOptions, Failure> {
    let threads = context.global.threads.map(usize::from);
    Ok(MountOptions {
        mountpoint: mountpoint.to_path_buf(),
        scope: scope::scope(&args.scope)?,
        access: if args.allow_other { Access::All } else { Access::Owner },
        ownership: if args.numeric_ids { OwnershipMode::Numeric } else { OwnershipMode::ByName },
        spool: repository::scratch_folder(&context.global)?,
        threads: threads.unwrap_or_else(|| default_threads(machine::threads(&context.global), distance)),
        refresh_after: REFRESH_AFTER,
    })
}

/// The folder to mount at, as an absolute path: it is read again when nobody knows any more where the program was started.
fn empty_folder(mountpoint: &Path) -> Result<PathBuf, Failure> {
    let failed = |why: &str, hint: &str| Failure::Other {
        message: format!("can not mount at {}: {why}", mountpoint.display()),
        hint: hint.to_string(),
    };
    let of_system = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => failed("there is no such folder", "make it first; it must be empty"),
        io::ErrorKind::NotADirectory => failed("it is not a folder", ""),
        io::ErrorKind::NotConnected => failed("a mount was left there by a program that has died", "`umount` it first"),
        _ => failed(&error.to_string(), ""),
    };
    let path = fs::canonicalize(mountpoint).map_err(of_system)?;
    match fs::read_dir(&path).map_err(of_system)?.next() {
        None => Ok(path),
        Some(_) => Err(failed("it is not empty", "what is in it would be hidden")),
    }
}

/// Keeps what was told until it is shown.
#[derive(Default)]
struct Told(Mutex<Vec<Problem>>);

impl Told {
    fn take(&self) -> Vec<Problem> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Events for Told {
    fn problem(&self, problem: &Problem) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(problem.clone());
    }
}
