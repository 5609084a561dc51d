// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where quickstart keeps repository and key: what the user named, or the user's own folders. Makes what is missing.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use keepfast_engine::format::key_slot::KdfParams;
use keepfast_engine::repository::Parameters;
use keepfast_engine::storage::location::Location;

use crate::args::GlobalArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::credential::Source;
use crate::options::machine::{UserFolder, user_folder};
use crate::options::storage::{self, Access};
use crate::options::{new_repository, repository};
use crate::render::text;

/// Where everything is.
pub struct Place {
    /// The repository.
    pub repository: PathBuf,
    /// The key file; `None` if the user named a password.
    pub key_file: Option<PathBuf>,
    /// Local index.
    pub cache: Option<PathBuf>,
    /// Identity of the writer.
    pub state: PathBuf,
    /// The global options with all of this in them.
    pub global: GlobalArgs,
    is_new: bool,
}

impl Place {
    /// Finds repository and key, and makes both if there is neither.
    ///
    /// # Errors
    /// One of them is there without the other, or can not be made.
    pub fn find(context: &Context) -> Result<Self, Failure> {
        let mut global = context.global.clone();
        let named = global.repository.as_ref().is_some_and(|path| !path.as_os_str().is_empty());
        if !named {
            global.repository = Some(user_folder(UserFolder::Data)?.join("default"));
        }
        let path = repository::path(&global)?;
        let key_file = match Source::find(&global)? {
            Source::KeyFile(file) => Some(file),
            Source::Terminal => Some(user_folder(UserFolder::Config)?.join("default.key")),
            // A password stays where it is named.
            _ => None,
        };
        if let Some(file) = &key_file {
            global.key_file = Some(file.clone());
        }
        let folders = repository::folders(&global)?;
        let is_new = create_missing(&global, &path, key_file.as_deref())?;
        Ok(Self { repository: path, key_file, cache: folders.cache, state: folders.state, global, is_new })
    }

    /// Says where everything is, and what that means.
    pub fn tell(&self, context: &Context) {
        let out = &context.output;
        let word = if self.is_new { "created" } else { "in use" };
        out.note(&format!("repository {} ({word})", self.repository.display()));
        if let Some(file) = &self.key_file {
            out.note(&format!("key file   {} ({word})", file.display()));
            out.note("           without this file nothing can be restored: keep a copy elsewhere");
        }
    }

    /// The commands for every day.
    pub fn tell_commands(&self, context: &Context, source: &Path) {
        let quoted = |path: &Path| quote(&path.to_string_lossy());
        let out = &context.output;
        out.note("");
        out.note("for every day:");
        out.note(&format!("  export KEEPFAST_REPOSITORY={}", quoted(&self.repository)));
        if let Some(file) = &self.key_file {
            out.note(&format!("  export KEEPFAST_KEY_FILE={}", quoted(file)));
        }
        let source = quoted(&std::fs::canonicalize(source).unwrap_or_else(|_| source.to_path_buf()));
        out.note(&format!("  keepfast backup {source}"));
        out.note("  keepfast snapshots");
        out.note(&format!("  keepfast restore latest:{source} --target FOLDER"));
        out.note("  keepfast check --read-data");
    }
}

/// Makes repository and key file if there is neither; `true` if it did.
fn create_missing(global: &GlobalArgs, path: &Path, key_file: Option<&Path>) -> Result<bool, Failure> {
    let Some(file) = key_file else { return Ok(false) };
    let location = Location::Folder(path.to_path_buf());
    let has_repository = match storage::backend(global, &location, Access::Open) {
        Ok(backend) => {
            keepfast_engine::repository::Found::locate(backend).map(|_| true).or_else(|error| match error {
                keepfast_engine::Error::NoRepository { .. } => Ok(false),
                other => Err(Failure::from(other)),
            })?
        }
        Err(failure) if failure.code() == crate::exit::NO_REPOSITORY => false,
        Err(failure) => return Err(failure),
    };
    let half = |message: String, hint: &str| Err(Failure::Other { message, hint: hint.to_string() });
    match (has_repository, file.exists()) {
        (true, true) => Ok(false),
        (true, false) => half(
            format!("there is a repository in {}, but no key file {}", path.display(), file.display()),
            "name its key file with --key-file, or another repository with -r",
        ),
        (false, true) => half(
            format!("there is a key file {}, but no repository in {}", file.display(), path.display()),
            "name its repository with -r, or another key file with --key-file",
        ),
        (false, false) => {
            if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
                made.map_err(|error| Failure::other(format!("can not make {}: {error}", folder.display())))?;
            }
            let options = new_repository::options(Parameters::default(), KdfParams::default());
            new_repository::with_key_file(global, &location, file, &options)?;
            Ok(true)
        }
    }
}

/// A word for the shell, and for the eye: in quotes only where it must be.
fn quote(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+:@%,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_string();
    }
    text::plain(&format!("'{}'", word.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_can_be_pasted_into_a_shell() {
        assert_eq!(
            (quote("/a/b-c.d"), quote("/a b"), quote("it's"), quote("")),
            ("/a/b-c.d".into(), "'/a b'".into(), "'it'\\''s'".into(), "''".into())
        );
    }
}
