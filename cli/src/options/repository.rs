// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the global options to an opened repository.

use std::path::{Path, PathBuf};

use keepfast_engine::repository::{Credential, Found, LocalFolders, Repository};
use keepfast_engine::storage::local::file_system::{FileSystem, StateFolder};

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
    Ok(LocalFolders { cache: cache.filter(|cache| on_this_machine(cache)), state })
}

/// SQLite can not share a file between machines, so there the index is kept in memory, which costs work and nothing else.
fn on_this_machine(cache: &Path) -> bool {
    // It may not be there yet; what it will be made in is.
    let existing = cache.ancestors().find(|folder| folder.exists());
    let file_system = existing.and_then(|folder| FileSystem::of(folder).ok());
    match file_system.map(FileSystem::as_state_folder) {
        Some(StateFolder::Network(which)) => {
            storage::warn(&format!(
                "the cache folder {} is on {}, so the index is kept in memory; --cache-dir names another",
                cache.display(),
                which.word()
            ));
            false
        }
        _ => true,
    }
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
    let backend = storage::backend(global, &location, Access::Open)?;
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
    let repository = found.at(storage::distance(&location)).open(&credential, &folders)?;
    Ok((repository, credential))
}

#[cfg(test)]
mod tests {
    use super::path;
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
    fn a_command_for_folders_refuses_what_is_elsewhere() {
        for place in ["sftp:u@h:/x", "s3://b/r"] {
            assert!(path_of(place).unwrap_err().contains("not on this machine"), "{place}");
        }
    }
}
