// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository of a sandbox, mounted for a test; and whether this machine and user can mount at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_engine::events::{Events, Problem};
use keepfast_engine::mount::{Access, MountError, MountOptions, Mounted, mount};
use keepfast_engine::select::Scope;
use keepfast_engine::target::OwnershipMode;

use super::sandbox::Sandbox;

/// A mount, and what it told. It ends with this value, so that a test that fails leaves none.
pub struct Mount {
    pub mounted: Option<Mounted>,
    pub point: PathBuf,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told(Mutex<Vec<Problem>>);

impl Events for Told {
    fn problem(&self, problem: &Problem) {
        self.0.lock().unwrap().push(problem.clone());
    }
}

/// Whether a test can mount; says why not.
pub fn can_mount() -> bool {
    let missing = match File::options().read(true).write(true).open("/dev/fuse") {
        Err(error) => Some(format!("/dev/fuse: {error}")),
        Ok(_) if rustix::process::geteuid().is_root() => None,
        Ok(_) => Command::new("fusermount3").arg("-V").output().err().map(|error| format!("fusermount3: {error}")),
    };
    if let Some(missing) = &missing {
        println!("not tested here: {missing}");
    }
    missing.is_none()
}

pub fn options(sandbox: &Sandbox) -> MountOptions {
    let mountpoint = sandbox.path("mountpoint");
    fs::create_dir_all(&mountpoint).unwrap();
    MountOptions {
        mountpoint,
        scope: Scope::default(),
        access: Access::Owner,
        ownership: OwnershipMode::Numeric,
        spool: sandbox.path("."),
        threads: 4,
        refresh_after: Duration::ZERO,
    }
}

/// Mounts the sandbox's repository; `None` where the kernel does not let this user, which is said.
pub fn try_mount(sandbox: &Sandbox, options: &MountOptions) -> Option<Mount> {
    if !can_mount() {
        return None;
    }
    let told = Arc::new(Told::default());
    match mount(Arc::new(sandbox.open()), options, told.clone()) {
        Ok(mounted) => Some(Mount { mounted: Some(mounted), point: options.mountpoint.clone(), told }),
        // A container may have the device and not the right to use it.
        Err(Error::Mount(
            error @ (MountError::NoDevice | MountError::NoHelper | MountError::Denied | MountError::NoName),
        )) => {
            println!("not tested here: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

impl Mount {
    /// The source's folder in the newest snapshot.
    pub fn latest(&self, sandbox: &Sandbox) -> PathBuf {
        self.point.join("snapshots/latest").join(sandbox.source().strip_prefix("/").unwrap())
    }

    /// What could not be read, as it was told so far.
    pub fn problems(&self) -> Vec<Problem> {
        self.told.0.lock().unwrap().clone()
    }
}

/// Names in a folder, in the order that the system gives them.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether something is mounted at a path.
pub fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}
