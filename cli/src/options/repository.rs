// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the global options to an opened repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::repository::{Credential, Found, LocalFolders, Repository};
use keepfast_engine::storage::ErrorKind;
use keepfast_engine::storage::local::LocalBackend;

use crate::args::GlobalArgs;
use crate::exit::Failure;
use crate::options::credential::Source;
use crate::options::machine::{UserFolder, user_folder};

/// Schemes that other backup programs take; somebody who uses them means no folder of such a name.
const OTHER_SCHEMES: [&str; 14] =
    ["s3", "sftp", "ssh", "rest", "rclone", "b2", "azure", "gs", "swift", "webdav", "http", "https", "opendal", "s3s"];

/// The folder of the repository.
///
/// # Errors
/// None was named, or it is not a folder of this machine.
pub fn path(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    let named = global.repository.as_ref().filter(|path| !path.as_os_str().is_empty());
    let path = named.ok_or_else(|| Failure::Other {
        message: "no repository was named".to_string(),
        hint: "use -r PATH or the variable KEEPFAST_REPOSITORY".to_string(),
    })?;
    let scheme = path.to_str().and_then(|text| text.split_once(':')).map(|(scheme, _)| scheme);
    match scheme {
        Some(scheme) if OTHER_SCHEMES.contains(&scheme) => Err(Failure::Other {
            message: format!("{} is not on this machine: this version has local repositories only", path.display()),
            hint: "mount the storage and name the folder; a folder of such a name can be written ./NAME".to_string(),
        }),
        Some("local") => Ok(PathBuf::from(&path.to_str().unwrap_or_default()["local:".len()..])),
        _ => Ok(path.clone()),
    }
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
    Ok(LocalFolders { cache, state })
}

/// The storage in a folder that must be there.
///
/// # Errors
/// It is not there, or can not be read.
pub fn backend(path: &Path) -> Result<LocalBackend, Failure> {
    LocalBackend::open(path).map_err(|error| match error.kind {
        ErrorKind::NotFound => Error::NoRepository { location: path.display().to_string() }.into(),
        _ => error.into(),
    })
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
    let path = path(global)?;
    // First whether there is a repository: nobody likes to type a password only to learn that there is none.
    let found = Found::locate(Arc::new(backend(&path)?))?;
    let credential = Source::find(global)?.read()?;
    let repository = found.open(&credential, &folders(global)?)?;
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
    fn a_repository_is_a_folder() {
        for folder in ["/srv/backup", "backup", "./s3:x", "a:b", "/x/s3:y"] {
            assert_eq!(path_of(folder).unwrap(), folder);
        }
        assert_eq!(path_of("local:/srv").unwrap(), "/srv");
    }

    #[test]
    fn what_is_not_local_is_refused_by_name() {
        for place in ["s3:http://x/y", "sftp:u@h:/x", "rest:https://x", "rclone:r:x", "s3://b/r"] {
            assert!(path_of(place).unwrap_err().contains("local repositories only"), "{place}");
        }
    }
}
