// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folder that quickstart restores into. Only its owner can look in; it is removed at the end, read-only folders included.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::exit::Failure;

/// A folder that goes away with this value.
pub struct Scratch(TempDir);

impl Scratch {
    /// Makes it in the system's folder for temporary files.
    ///
    /// # Errors
    /// It can not be made.
    pub fn create() -> Result<Self, Failure> {
        let made = tempfile::Builder::new().prefix("keepfast-quickstart-").tempdir();
        made.map(Self).map_err(|error| Failure::other(format!("can not make a scratch folder: {error}")))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where to restore into.
    pub fn target(&self) -> PathBuf {
        self.path().join("restored")
    }

    /// Where `source` is after it was restored: a folder becomes the target, a file lies in it.
    pub fn restored(&self, source: &Path) -> PathBuf {
        match source.file_name() {
            Some(name) if !source.is_dir() => self.target().join(name),
            _ => self.target(),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        open_up(self.path());
    }
}

/// Gives folders back the permissions that removing what is in them takes.
fn open_up(folder: &Path) {
    // What can not be opened up can not be removed; the folder for temporary files is cleaned by the system.
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
