// SPDX-License-Identifier: MIT OR Apache-2.0
//! The folder below which a drill brings a system back.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::exit::Failure;
use crate::options::{machine, repository};

/// A new folder of the drill's own.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// In `folder`, which is made if it is not there, or in the cache folder.
    ///
    /// # Errors
    /// It can not be made.
    pub fn create(context: &Context, folder: Option<&Path>, run: &str) -> Result<Self, Failure> {
        let folder = match folder {
            Some(folder) => machine::working_directory()?.join(folder),
            None => repository::scratch_folder(&context.global)?,
        };
        let path = folder.join(format!("drill-{run}"));
        let failed = |error: io::Error| Failure::Other {
            message: format!("can not make the scratch folder {}: {error}", path.display()),
            hint: "--scratch names another place".to_string(),
        };
        DirBuilder::new().recursive(true).mode(0o711).create(&folder).map_err(failed)?;
        // Services run under other names: they must get in, and need not see what is there.
        DirBuilder::new().mode(0o711).create(&path).map_err(failed)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes it away with all that is in it. What can not be removed is told.
    pub fn remove(self, context: &Context) {
        let removed = fs::remove_dir_all(&self.path).or_else(|_| {
            // What was brought back may be closed even to its owner.
            open_up(&self.path);
            fs::remove_dir_all(&self.path)
        });
        if let Err(error) = removed {
            context.output.warn(&format!("can not remove {}: {error}", self.path.display()));
        }
    }
}

fn open_up(folder: &Path) {
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let _ = fs::set_permissions(&folder, Permissions::from_mode(0o700));
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        open.extend(entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir())).map(|it| it.path()));
    }
}
