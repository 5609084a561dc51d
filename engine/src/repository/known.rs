// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this machine remembers of a repository, so that opening it again takes two requests instead of one for each key
//! slot and three more: the config object, and the key slot that opened last.
//!
//! For `found`. A file in the cache folder, lost at any time. It decides nothing: the config is signed, and the key slot is
//! fetched again, which shows that it was not revoked and that the repository at the location is still this one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keepfast_repo_format::crypto;
use keepfast_repo_format::id::{RepositoryId, SlotId};

use super::LocalFolders;

/// Name of the file.
const FILE: &str = "opening";

/// First line, with the version of the file's form.
const HEAD: &str = "keepfast opening 1";

/// A config object is far smaller; a longer file is none of ours.
const MAX_CONFIG_BYTES: usize = 64 << 10;

/// What opened last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The key slot.
    pub(super) slot: SlotId,
    /// Generation of the config.
    pub(super) generation: u64,
    /// The config object.
    pub(super) config: Vec<u8>,
}

impl Opening {
    /// What is remembered; whatever is wrong with it, nothing is.
    pub(super) fn read(folders: &LocalFolders, id: RepositoryId) -> Option<Self> {
        Self::parse(&fs::read(path(folders, id)?).ok()?)
    }

    /// Remembers. What can not be written is found out anew next time.
    pub(super) fn write(&self, folders: &LocalFolders, id: RepositoryId) {
        let Some(path) = path(folders, id) else { return };
        let Some(folder) = path.parent() else { return };
        let temporary = folder.join(format!(".tmp-{FILE}-{}", u64::from_le_bytes(crypto::random())));
        let written = DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| {
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(&self.bytes())?;
            fs::rename(&temporary, &path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let head = format!("{HEAD}\nslot {}\nconfig {} {}\n", self.slot, self.generation, self.config.len());
        [head.as_bytes(), &self.config].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut line = || {
            let (line, after) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'\n')?)?;
            rest = &after[1..];
            std::str::from_utf8(line).ok()
        };
        (line()? == HEAD).then_some(())?;
        let slot = SlotId::from_hex(line()?.strip_prefix("slot ")?)?;
        let (generation, length) = line()?.strip_prefix("config ")?.split_once(' ')?;
        let (generation, length) = (generation.parse().ok()?, length.parse::<usize>().ok()?);
        let whole = rest.len() == length && length <= MAX_CONFIG_BYTES;
        whole.then(|| Self { slot, generation, config: rest.to_vec() })
    }
}

fn path(folders: &LocalFolders, id: RepositoryId) -> Option<PathBuf> {
    let cache: &Path = folders.cache.as_deref()?;
    Some(cache.join(id.to_string()).join(FILE))
}

#[cfg(test)]
mod tests {
    use super::{LocalFolders, Opening};
    use keepfast_repo_format::id::{RepositoryId, SlotId};

    #[test]
    fn what_is_remembered_is_whole_or_nothing() {
        let opening = Opening { slot: SlotId([7; 32]), generation: 3, config: b"\nconfig\n".to_vec() };
        let bytes = opening.bytes();
        assert_eq!(Opening::parse(&bytes), Some(opening));
        (0..bytes.len()).for_each(|length| assert_eq!(Opening::parse(&bytes[..length]), None, "{length}"));
        assert_eq!(Opening::parse(&[bytes.as_slice(), b"x"].concat()), None);
    }

    #[test]
    fn without_a_cache_folder_nothing_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let opening = Opening { slot: SlotId([7; 32]), generation: 0, config: vec![1] };
        let id = RepositoryId([1; 16]);
        let state = folder.path().join("state");
        opening.write(&LocalFolders { cache: None, state: state.clone() }, id);
        assert!(!state.exists());
        let folders = LocalFolders { cache: Some(folder.path().join("cache")), state };
        assert_eq!(Opening::read(&folders, id), None);
        opening.write(&folders, id);
        assert_eq!(Opening::read(&folders, id), Some(opening));
        assert_eq!(Opening::read(&folders, RepositoryId([2; 16])), None);
    }
}
