// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a location to a backend: which kind it is, and what stands around it (limits, retries).
//!
//! For `options::repository` and `init`. One arm for each kind of storage; what a kind wants to know beyond its location
//! comes from the environment, in that arm and nowhere else.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_engine::repository::Distance;
use keepfast_engine::storage::cloud::{CloudBackend, CloudLocation};
use keepfast_engine::storage::limit::{Limit, LimitOptions};
use keepfast_engine::storage::local::LocalBackend;
use keepfast_engine::storage::location::{Location, RemoteText};
use keepfast_engine::storage::pace::Pace;
use keepfast_engine::storage::retry::{Retry, RetryOptions};
use keepfast_engine::storage::sftp::{Prompts, SftpBackend, SftpLocation, SftpOptions};
use keepfast_engine::storage::{Backend, ErrorKind, StorageError};

use crate::args::GlobalArgs;
use crate::exit::Failure;
use crate::options::cloud;
use crate::render::text;
use crate::signals;

/// A wait before another attempt that is worth a line: shorter ones nobody notices.
const TOLD_WAIT: Duration = Duration::from_secs(5);

/// Whether the place has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It has to.
    Open,
    /// It is made, as far as that is possible: a folder, not a bucket.
    Create,
}

/// Where the repository is.
///
/// # Errors
/// None was named, or the text makes no sense.
pub fn location(global: &GlobalArgs) -> Result<Location, Failure> {
    let named = global.repository.as_ref().filter(|text| !text.as_os_str().is_empty());
    let text = named.ok_or_else(|| Failure::Other {
        message: "no repository was named".to_string(),
        hint: "use -r LOCATION or the variable KEEPFAST_REPOSITORY".to_string(),
    })?;
    Location::parse(text.as_os_str()).map_err(|error| Failure::Other {
        message: format!("no repository can be there: {error}"),
        hint: "a folder of such a name can be written ./NAME".to_string(),
    })
}

/// What lies between this machine and the location.
pub fn distance(location: &Location) -> Distance {
    match location {
        Location::Folder(_) => Distance::Local,
        Location::Cloud(_) | Location::Sftp(_) => Distance::Remote,
    }
}

/// The storage at a location, with the limits and retries of the command line around it.
///
/// # Errors
/// It is not there, or can not be reached.
pub fn backend(global: &GlobalArgs, location: &Location, access: Access) -> Result<Arc<dyn Backend>, Failure> {
    let bare: Arc<dyn Backend> = match location {
        Location::Folder(path) => Arc::new(folder(path, access)?),
        Location::Cloud(url) => Arc::new(object_store(global, url)?),
        Location::Sftp(url) => Arc::new(sftp(global, url, access)?),
    };
    Ok(surround(global, distance(location), bare))
}

fn folder(path: &Path, access: Access) -> Result<LocalBackend, Failure> {
    match access {
        Access::Create => {
            let backend = LocalBackend::create(path)?;
            for concern in backend.concerns() {
                warn(&format!("{}: {concern}", path.display()));
            }
            Ok(backend)
        }
        Access::Open => LocalBackend::open(path).map_err(|error| match error.kind {
            ErrorKind::NotFound => Error::NoRepository { location: path.display().to_string() }.into(),
            _ => error.into(),
        }),
    }
}

fn object_store(global: &GlobalArgs, url: &RemoteText) -> Result<CloudBackend, Failure> {
    let location = CloudLocation::parse(url.as_typed()).map_err(|error| no_location(url, &error))?;
    cloud::backend(&location, idle_timeout(global))
}

/// A command of one's own for ssh: as in a shell it may have arguments, separated by blanks.
const SSH_COMMAND: &str = "KEEPFAST_SSH_COMMAND";

fn sftp(global: &GlobalArgs, url: &RemoteText, access: Access) -> Result<SftpBackend, Failure> {
    let location = SftpLocation::parse(url.as_typed()).map_err(|error| no_location(url, &error))?;
    let mut options = SftpOptions::default();
    options.stall_timeout = idle_timeout(global).unwrap_or(options.stall_timeout);
    if let Some(command) = env::var_os(SSH_COMMAND).filter(|command| !command.is_empty()) {
        let text = command.to_str().ok_or_else(|| Failure::other(format!("{SSH_COMMAND} is not UTF-8")))?;
        options.command = text.split_whitespace().map(Into::into).collect();
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        options.prompts = Prompts::OnTerminal;
    }
    match access {
        Access::Create => Ok(SftpBackend::create(&location, &options)?),
        Access::Open => SftpBackend::open(&location, &options).map_err(|error| match error.kind {
            ErrorKind::NotFound => Error::NoRepository { location: url.to_string() }.into(),
            _ => error.into(),
        }),
    }
}

/// How long a request may stand still, if the user has an opinion.
fn idle_timeout(global: &GlobalArgs) -> Option<Duration> {
    global.idle_timeout.map(|seconds| Duration::from_secs(seconds.into()))
}

fn no_location(url: &RemoteText, error: &dyn std::error::Error) -> Failure {
    Failure::Other {
        message: format!("no repository can be at {url}: {error}"),
        hint: "docs/guides/nas-and-s3.md shows a location of each kind".to_string(),
    }
}

/// Limits inside, so that each attempt is counted; retries around them.
fn surround(global: &GlobalArgs, distance: Distance, bare: Arc<dyn Backend>) -> Arc<dyn Backend> {
    let pace = Pace::real(signals::flag());
    let limits = limits(global, distance);
    let limited =
        if limits == LimitOptions::default() { bare } else { Arc::new(Limit::new(bare, limits, pace.clone())) };
    match distance {
        Distance::Local => limited,
        Distance::Remote => {
            let options = RetryOptions { retries: global.retries, ..RetryOptions::default() };
            Arc::new(Retry::new(limited, options, pace).with_notify(Arc::new(tell)))
        }
    }
}

fn limits(global: &GlobalArgs, distance: Distance) -> LimitOptions {
    let bytes = |kib: Option<NonZeroU32>| kib.and_then(|kib| NonZeroU64::new(u64::from(kib.get()) << 10));
    LimitOptions {
        upload: bytes(global.limit_upload),
        download: bytes(global.limit_download),
        connections: match distance {
            Distance::Local => None,
            Distance::Remote => NonZeroUsize::new(usize::from(global.connections)),
        },
    }
}

/// Says what the user should know and what stops nothing.
pub fn warn(text: &str) {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "warning: {text}");
}

/// A silent program that waits a minute looks like one that hangs.
fn tell(error: &StorageError, wait: Duration) {
    if wait >= TOLD_WAIT {
        warn(&format!("{}; trying again in {} s", text::error(error), wait.as_secs()));
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, backend, distance, limits, location};
    use crate::args::Cli;
    use clap::Parser;
    use keepfast_engine::repository::Distance;
    use keepfast_engine::storage::location::Location;

    fn global(arguments: &[&str]) -> crate::args::GlobalArgs {
        Cli::try_parse_from([&["keepfast", "version"], arguments].concat()).unwrap().global
    }

    #[test]
    fn a_location_that_makes_no_sense_is_refused_by_its_part() {
        for (text, part) in [("s4://b", "\"s4\""), (r"C:\x", "Windows"), ("rest:https://x", "\"rest\"")] {
            let failure = location(&global(&["-r", text])).unwrap_err();
            assert!(failure.message().contains(part), "{}", failure.message());
        }
    }

    #[test]
    fn a_folder_is_local_and_a_url_is_remote() {
        for (text, expected) in [
            ("/srv", Distance::Local),
            ("file:///srv", Distance::Local),
            ("s3://bucket/x", Distance::Remote),
            ("sftp:host:x", Distance::Remote),
        ] {
            assert_eq!(distance(&location(&global(&["-r", text])).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn limits_are_kib_and_connections_are_bounded_for_remote_storage_only() {
        let global = global(&["--limit-upload", "3", "--connections", "5"]);
        let local = limits(&global, Distance::Local);
        assert_eq!((local.upload.unwrap().get(), local.download, local.connections), (3072, None, None));
        assert_eq!(limits(&global, Distance::Remote).connections.unwrap().get(), 5);
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_repository() {
        let folder = tempfile::tempdir().unwrap();
        let place = Location::Folder(folder.path().join("a/b"));
        let open = |access| backend(&global(&[]), &place, access).map(|backend| backend.location());
        assert_eq!(open(Access::Open).unwrap_err().code(), 10);
        assert_eq!(open(Access::Create).unwrap(), place.to_string());
        assert_eq!(open(Access::Open).unwrap(), place.to_string());
    }
}
