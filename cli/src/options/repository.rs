// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the global options to an opened repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::repository::{Credential, Found, LocalFolders, Repository};
use keepfast_engine::storage::Backend;
use keepfast_engine::storage::local::file_system::{FileSystem, StateFolder};
use keepfast_engine::storage::location::Location;
use keepfast_engine::storage::reserve::Reserve;

use crate::args::GlobalArgs;
use crate::exit::Failure;
use crate::options::credential::Source;
use crate::options::machine::{UserFolder, user_folder};
use crate::options::storage::{self, Access};

/// The folder of the repository, for a command that works with one of this machine only.
///
/// # Errors
/// None was named, or it is not a folder of this machine.
pub fn path(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    let location = storage::location(global)?;
    location.folder().map(Into::into).ok_or_else(|| Failure::Other {
        message: format!("{location} is not on this machine"),
        hint: "this command works with a folder".to_string(),
    })
}

/// Where index and identity are kept.
///
/// # Errors
/// No folder was named and the user has none.
pub fn folders(global: &GlobalArgs) -> Result<LocalFolders, Failure> {
    let cache = match &global.cache_dir {
        _ if global.no_cache => None,
        Some(folder) => Some(folder.clone()),
        None => Some(user_folder(UserFolder::Cache)?),
    };
    let state = global.state_dir.clone().map_or_else(|| user_folder(UserFolder::State), Ok)?;
    warn_of_network(&state);
    Ok(LocalFolders { cache: cache.filter(|cache| on_this_machine(cache)), state })
}

/// Where bytes are put that are needed for a while and may be many: beside the local index, which is on a disk.
///
/// # Errors
/// No folder was named and the user has none.
pub fn scratch_folder(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    match &global.cache_dir {
        _ if global.no_cache => Ok(std::env::temp_dir()),
        Some(folder) => Ok(folder.clone()),
        None => user_folder(UserFolder::Cache),
    }
}

/// Two machines that share the folder, and locks that neither sees: each could take the other's session for a dead one of its own and
/// end it. That costs a backup, never data, and reading works: so it is told and not refused.
fn warn_of_network(state: &Path) {
    if let Some(which) = network_below(state) {
        storage::warn(&network_state(state, which));
    }
}

/// The network file system that a folder is on, or will be: it may not be there yet, and what it will be made in is.
fn network_below(folder: &Path) -> Option<FileSystem> {
    let existing = folder.ancestors().find(|folder| folder.exists())?;
    match FileSystem::of(existing).ok()?.as_state_folder() {
        StateFolder::Network(which) => Some(which),
        _ => None,
    }
}

fn network_state(state: &Path, which: FileSystem) -> String {
    let (folder, which) = (state.display(), which.word());
    format!(
        "the state folder {folder} is on {which}: another machine that uses it can end backups of this one; --state-dir names \
         a folder of this machine alone"
    )
}

/// SQLite can not share a file between machines, so there the index is kept in memory, which costs work and nothing else.
fn on_this_machine(cache: &Path) -> bool {
    let Some(which) = network_below(cache) else { return true };
    storage::warn(&format!(
        "the cache folder {} is on {}, so the index is kept in memory; --cache-dir names another",
        cache.display(),
        which.word()
    ));
    false
}

/// Opens the repository that the user named.
///
/// # Errors
/// There is none, or it does not open with what was given.
pub fn open(global: &GlobalArgs) -> Result<Repository, Failure> {
    open_with(global).map(|(repository, _)| repository)
}

/// The same, and what opened it.
///
/// # Errors
/// There is none, or it does not open with what was given.
pub fn open_with(global: &GlobalArgs) -> Result<(Repository, Credential), Failure> {
    let location = storage::location(global)?;
    open_on(global, &location, storage::backend(global, &location, Access::Open)?)
}

/// The same for a command that frees space: it may use what is set aside when the storage is full.
///
/// # Errors
/// There is none, or it does not open with what was given.
pub fn open_to_free(global: &GlobalArgs) -> Result<(Repository, Arc<Reserve>), Failure> {
    let location = storage::location(global)?;
    let reserve = Arc::new(Reserve::new(storage::backend(global, &location, Access::Open)?));
    Ok((open_on(global, &location, reserve.clone())?.0, reserve))
}

fn open_on(
    global: &GlobalArgs,
    location: &Location,
    backend: Arc<dyn Backend>,
) -> Result<(Repository, Credential), Failure> {
    let source = Source::find(global)?;
    let folders = folders(global)?;
    // A key file says which repository it is for, so that what is known of it need not be fetched.
    let early = if let Source::KeyFile(_) = source { source.read().ok() } else { None };
    let found = match &early {
        Some(Credential::KeyFile(file)) => Found::locate_known(backend, file.repository, &folders)?,
        // First whether there is a repository: nobody likes to type a password only to learn that there is none.
        _ => Found::locate(backend)?,
    };
    let credential = early.map_or_else(|| source.read(), Ok)?;
    let repository = found.at(storage::distance(location)).open(&credential, &folders)?;
    repository.index.watch_unreadable(|lost| {
        let (name, why) = (&lost.name, &lost.why);
        storage::warn(&format!("{name} can not be read, the packs themselves take its place: {why}"));
    });
    Ok((repository, credential))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FileSystem, network_state, path};
    use crate::args::Cli;
    use clap::Parser;

    fn path_of(repository: &str) -> Result<String, String> {
        let cli = Cli::try_parse_from(["keepfast", "-r", repository, "version"]).unwrap();
        path(&cli.global).map(|path| path.display().to_string()).map_err(|failure| failure.message())
    }

    #[test]
    fn a_repository_may_be_a_folder() {
        for folder in ["/srv/backup", "backup", "./s3:x", "a:b", "/x/s3:y"] {
            assert_eq!(path_of(folder).unwrap(), folder);
        }
        assert_eq!(path_of("local:/srv").unwrap(), "/srv");
    }

    #[test]
    fn a_state_folder_that_machines_share_is_told_with_the_way_out() {
        let text = network_state(Path::new("/home/state"), FileSystem::Nfs);
        assert!(text.contains("/home/state is on NFS") && text.contains("--state-dir"), "{text}");
    }

    #[test]
    fn a_command_for_folders_refuses_what_is_elsewhere() {
        for place in ["sftp:u@h:/x", "s3://b/r"] {
            assert!(path_of(place).unwrap_err().contains("not on this machine"), "{place}");
        }
    }
}
