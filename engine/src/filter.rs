// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which paths of a snapshot an operation is about: gitignore-style globs over stored paths.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::{Error, Result};
use crate::source::names_a_class;

/// Includes and excludes. With no includes everything is included; an exclude wins over an include.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Filter {
    /// Compiles the patterns. A pattern without a slash fits a name at any depth; one with a slash is tied to the top.
    ///
    /// # Errors
    /// A pattern is not a valid glob.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        let compile = |patterns: &[String]| -> Result<Option<Gitignore>> {
            if patterns.is_empty() {
                return Ok(None);
            }
            let mut builder = GitignoreBuilder::new("/");
            for pattern in patterns {
                let invalid =
                    |why: &dyn std::fmt::Display| Error::Invalid(format!("{pattern:?} is not a valid pattern: {why}"));
                if names_a_class(pattern) {
                    return Err(invalid(&"classes with names, such as [:alpha:], are not known here"));
                }
                builder.add_line(None, pattern).map_err(|error| invalid(&error))?;
            }
            builder
                .build()
                .map(Some)
                .map_err(|error| Error::Invalid(format!("the patterns do not work together: {error}")))
        };
        Ok(Self { include: compile(include)?, exclude: compile(exclude)? })
    }

    /// Whether the path is to be taken. A folder also fits for what lies in it.
    pub fn takes(&self, path: &[u8], is_folder: bool) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        let fits = |globs: &Gitignore| globs.matched_path_or_any_parents(path, is_folder).is_ignore();
        !self.exclude.as_ref().is_some_and(fits) && self.include.as_ref().is_none_or(fits)
    }

    /// Whether something in a folder that is taken may not be taken.
    pub fn leaves_out_parts(&self) -> bool {
        self.exclude.is_some()
    }

    /// Whether every path is taken.
    pub fn takes_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }
}
