// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who and where we are: host, user, processors, folders by the XDG rules.

use std::env;
use std::path::{Path, PathBuf};
use std::thread;

use keepfast_engine::session::Client;
use rustix::process::{Resource, getrlimit};

use crate::args::GlobalArgs;
use crate::exit::Failure;
use crate::options::time;

/// Program and version, as in snapshots.
pub const PROGRAM: &str = concat!("keepfast ", env!("CARGO_PKG_VERSION"));

/// Who writes to the repository; `host` replaces the name of this machine, unless it is empty.
pub fn client(host: Option<&str>) -> Client {
    Client {
        host: host.filter(|name| !name.is_empty()).map_or_else(host_name, str::to_string),
        user: user_name(),
        process: std::process::id(),
        program: PROGRAM.to_string(),
        now: time::now_seconds(),
    }
}

/// What `key list` shows of a key made here.
pub fn label() -> String {
    format!("{}@{}", user_name(), host_name())
}

/// Name of this machine.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Names under which snapshots of this machine may stand: its own, and the one that `KEEPFAST_HOST` gives its backups.
pub fn own_names() -> Vec<String> {
    let given = env::var("KEEPFAST_HOST").ok().filter(|name| !name.is_empty());
    std::iter::once(host_name()).chain(given).collect()
}

fn user_name() -> String {
    let name = uzers::get_effective_username();
    name.map_or_else(|| rustix::process::geteuid().as_raw().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Whether a process with this number runs on this machine, or this program can not tell.
pub fn has_process(id: u32) -> bool {
    let proc = Path::new("/proc");
    !proc.join("self").exists() || proc.join(id.to_string()).exists()
}

/// Files that a command has open however many threads work: standard streams, repository, local index, and what a remote storage needs.
const OPEN_FILES: u64 = 24;

/// Files that a thread has open at once: of a restore a file, its folder, the folder above and a pack.
const OPEN_FILES_OF_A_THREAD: u64 = 4;

/// Worker threads: as asked for, or one for each processor; no more than have files to open (`ulimit -n`).
pub fn threads(global: &GlobalArgs) -> usize {
    let all = || thread::available_parallelism().map_or(1, usize::from);
    let with_files = getrlimit(Resource::Nofile)
        .current
        .map_or(u64::MAX, |files| (files.saturating_sub(OPEN_FILES) / OPEN_FILES_OF_A_THREAD).max(1));
    global.threads.map_or_else(all, usize::from).min(usize::try_from(with_files).unwrap_or(usize::MAX))
}

/// Threads that list folders; more than a few only wait for the disk.
pub fn listing_threads(global: &GlobalArgs) -> usize {
    threads(global).min(4)
}

/// Where relative paths begin.
pub fn working_directory() -> Result<PathBuf, Failure> {
    env::current_dir().map_err(|error| Failure::other(format!("can not find the working directory: {error}")))
}

/// A folder of the XDG rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFolder {
    /// What can be made again.
    Cache,
    /// What belongs to this machine.
    State,
    /// What the user sets.
    Config,
    /// What the user keeps.
    Data,
}

/// `keepfast` in the folder of the user.
///
/// # Errors
/// Neither the variable for it nor `HOME` is set.
pub fn user_folder(folder: UserFolder) -> Result<PathBuf, Failure> {
    let (variable, below_home) = match folder {
        UserFolder::Cache => ("XDG_CACHE_HOME", ".cache"),
        UserFolder::State => ("XDG_STATE_HOME", ".local/state"),
        UserFolder::Config => ("XDG_CONFIG_HOME", ".config"),
        UserFolder::Data => ("XDG_DATA_HOME", ".local/share"),
    };
    // The XDG rules: a relative path counts as not set.
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)));
    let base = base.ok_or_else(|| Failure::Other {
        message: format!("neither {variable} nor HOME names a folder"),
        hint: "set HOME, or name the folders with --cache-dir and --state-dir".to_string(),
    })?;
    Ok(base.join("keepfast"))
}
