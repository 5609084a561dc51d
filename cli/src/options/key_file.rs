// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a new key file: readable by its owner only, never over another file, on the disk before anybody relies on it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use keepfast_engine::format::key_slot::KeyFile;

use crate::exit::Failure;

/// A new key file, empty at first. Unless it is kept it goes away again.
pub struct NewKeyFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl NewKeyFile {
    /// Makes the file, so that whatever stands against it comes up before a key is needed that only it will hold.
    ///
    /// # Errors
    /// It exists, or can not be made.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::Other {
                message: format!("the key file {} exists already", path.display()),
                hint: "a key file is never overwritten, since a repository may depend on it; name another one"
                    .to_string(),
            },
            _ => Failure::other(format!("can not make the key file {}: {error}", path.display())),
        })?;
        Ok(Self { path: path.to_path_buf(), file, kept: false })
    }

    /// Writes the key.
    ///
    /// # Errors
    /// It could not be written to the disk.
    pub fn fill(&mut self, key: &KeyFile) -> Result<(), Failure> {
        let text = key.to_text();
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all()).and_then(|()| {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        });
        written.map_err(|error| Failure::other(format!("can not write the key file {}: {error}", self.path.display())))
    }

    /// There is, or may be, something that it opens.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewKeyFile {
    fn drop(&mut self) {
        if !self.kept {
            // The failure that led here matters more than a file that opens nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}
