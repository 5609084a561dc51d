// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs that a check on this machine has found damaged, as a file in its state folder: backups from here act as if they were
//! not there, and so store again what is still in the source.
//!
//! A hint, one id a line. Lost, it costs the healing; wrong, it costs an upload. Readers do not look at it.

use std::collections::{BTreeSet, HashSet};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keepfast_repo_format::id::PackId;

use crate::error::{Error, Result};

/// In the state folder of a repository.
const FILE: &str = "damaged-packs";

/// The packs that are noted. Lines that are none are passed over.
pub(crate) fn noted(state: &Path) -> Result<HashSet<PackId>> {
    let path = state.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().filter_map(PackId::from_hex).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
        Err(source) => Err(Error::State { operation: "read", path, source }),
    }
}

/// Replaces what is noted.
pub(crate) fn note(state: &Path, packs: &HashSet<PackId>) -> Result<()> {
    let fail = |path: PathBuf| move |source| Error::State { operation: "write", path, source };
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(fail(state.to_path_buf()))?;
    let (path, new) = (state.join(FILE), state.join(format!("{FILE}.new")));
    let sorted: BTreeSet<String> = packs.iter().map(ToString::to_string).collect();
    let text: String = sorted.into_iter().map(|id| id + "\n").collect();
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_data()));
    written.and_then(|()| std::fs::rename(&new, &path)).map_err(fail(path.clone()))
}
