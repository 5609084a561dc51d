// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is left out of a backup, by name, by a tag file in a folder, or by size.
//!
//! The rule for globs is that of `.gitignore`, matched against the absolute source path, with one widening that restic's
//! users know: a pattern with a `/` inside but none at its start matches at any depth.
//!
//! | pattern | matches |
//! |---|---|
//! | `*.o`, `cache` | that name at any depth |
//! | `cache/` | the same, folders only |
//! | `/home/*/.cache` | that absolute path; `*` and `?` never match a `/` |
//! | `node_modules/.bin`, `./a/b` | these names one below the other, at any depth |
//! | `a/**/b`, `/srv/**` | `**` stands for any number of folders; `/srv/**` leaves `/srv` itself in |
//! | `!keep.o` | takes back an earlier match; the last pattern that matches decides |
//!
//! A folder that is left out is not listed, so nothing in it can be taken back: exclude `dir/*` and then `!dir/keep`.
//! Braces `{a,b}` and classes `[a-z]` work; `\` takes the meaning from the next character.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::pread;

/// First line of a `CACHEDIR.TAG` (the Cache Directory Tagging Specification).
const CACHEDIR_HEADER: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Whether a glob looks at upper and lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `A` is not `a`.
    Sensitive,
    /// `A` is `a`.
    Insensitive,
}

/// A pattern that can not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exclude pattern {pattern:?}: {reason}")]
pub struct ExcludeError {
    /// As given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A file whose presence in a folder leaves the folder's other contents out.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    pub(super) name: Vec<u8>,
    /// The file counts only if it begins with this.
    pub(super) header: Vec<u8>,
}

impl Tag {
    /// Whether the file of this name in `folder` begins with the header. One that can not be read is no tag: in doubt
    /// a folder is saved.
    pub(super) fn is_valid_in(&self, folder: BorrowedFd<'_>) -> bool {
        let mut start = vec![0; self.header.len()];
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        self.header.is_empty()
            || openat(folder, self.name.as_slice(), flags, Mode::empty())
                .and_then(|file| pread(&file, &mut start, 0))
                .is_ok_and(|length| start[..length] == self.header)
    }
}

/// Everything that is left out. [`Excludes::default`] leaves nothing out.
#[derive(Clone, Debug)]
pub struct Excludes {
    globs: Gitignore,
    /// Without their leading `/`.
    paths: Vec<Vec<u8>>,
    tags: Vec<Tag>,
    larger_than: u64,
}

impl Default for Excludes {
    fn default() -> Self {
        Self { globs: Gitignore::empty(), paths: Vec::new(), tags: Vec::new(), larger_than: u64::MAX }
    }
}

impl Excludes {
    /// Starts with nothing left out.
    pub fn builder() -> ExcludesBuilder {
        let mut globs = GitignoreBuilder::new("/");
        // A class that is never closed is a typing error here, and better refused than taken by the letter.
        globs.allow_unclosed_class(false);
        ExcludesBuilder { globs, paths: Vec::new(), tags: Vec::new(), larger_than: u64::MAX }
    }

    /// Whether a path may be left out; if none is, paths need not be put together.
    pub(super) fn has_paths(&self) -> bool {
        !self.globs.is_empty() || !self.paths.is_empty()
    }

    /// Whether the absolute path `source` is left out, here without its leading `/`.
    pub(super) fn leaves_out(&self, source: &[u8], is_folder: bool) -> bool {
        self.paths.iter().any(|path| path == source)
            || self.globs.matched(OsStr::from_bytes(source), is_folder).is_ignore()
    }

    /// Whether a file of this size is left out.
    pub(super) fn is_too_large(&self, size_bytes: u64) -> bool {
        size_bytes > self.larger_than
    }

    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

/// Whether a set of characters in it has a class with a name, which git knows and `globset` takes for single characters.
pub(crate) fn names_a_class(pattern: &str) -> bool {
    let mut parts = pattern.split("[:").skip(1);
    parts.any(|part| part.split_once(":]").is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase())))
}

/// Collects [`Excludes`]; patterns count in the order in which they are added.
#[derive(Clone, Debug)]
pub struct ExcludesBuilder {
    globs: GitignoreBuilder,
    paths: Vec<Vec<u8>>,
    tags: Vec<Tag>,
    larger_than: u64,
}

impl ExcludesBuilder {
    /// Adds one pattern. A `#` at its start is a character like any other.
    pub fn glob(&mut self, pattern: &str, case: Case) -> Result<&mut Self, ExcludeError> {
        let refuse = |reason: String| ExcludeError { pattern: pattern.to_owned(), reason };
        let line = to_gitignore(pattern).ok_or_else(|| refuse("matches nothing".to_owned()))?;
        if names_a_class(pattern) {
            return Err(refuse("classes with names, such as [:alpha:], are not known here".to_owned()));
        }
        self.globs
            .case_insensitive(case == Case::Insensitive)
            .and_then(|globs| globs.add_line(None, &line))
            .map_err(|error| refuse(error.to_string()))?;
        Ok(self)
    }

    /// Leaves out exactly this absolute path, whatever its bytes, and all below it. No pattern takes it back.
    pub fn path(&mut self, path: &[u8]) -> &mut Self {
        self.paths.push(path.strip_prefix(b"/").unwrap_or(path).to_vec());
        self
    }

    /// Adds the lines of an exclude file: one pattern each; empty lines and lines that start with `#` are skipped.
    pub fn lines<'a>(
        &mut self,
        lines: impl IntoIterator<Item = &'a str>,
        case: Case,
    ) -> Result<&mut Self, ExcludeError> {
        for line in lines {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.glob(line, case)?;
            }
        }
        Ok(self)
    }

    /// Leaves out the contents of folders with a valid `CACHEDIR.TAG`; the folder and the tag stay.
    pub fn caches(&mut self) -> &mut Self {
        self.if_present(b"CACHEDIR.TAG", Some(CACHEDIR_HEADER))
    }

    /// Leaves out the contents of folders that hold a file `name` (beginning with `header`, if given); the folder and
    /// that file stay.
    pub fn if_present(&mut self, name: &[u8], header: Option<&[u8]>) -> &mut Self {
        self.tags.push(Tag { name: name.to_vec(), header: header.unwrap_or_default().to_vec() });
        self
    }

    /// Leaves out files of more than `bytes`; the smallest limit given counts.
    pub fn larger_than(&mut self, bytes: u64) -> &mut Self {
        self.larger_than = self.larger_than.min(bytes);
        self
    }

    /// Compiles the patterns. Fails if together they are too large for the matcher.
    pub fn build(&self) -> Result<Excludes, ExcludeError> {
        let globs = self
            .globs
            .build()
            .map_err(|error| ExcludeError { pattern: "all together".to_owned(), reason: error.to_string() })?;
        let (paths, tags) = (self.paths.clone(), self.tags.clone());
        Ok(Excludes { globs, paths, tags, larger_than: self.larger_than })
    }
}

/// Rewrites our rule (see the head of this file) into that of a `.gitignore` at `/`; `None` if nothing is left.
fn to_gitignore(pattern: &str) -> Option<String> {
    let (negation, body) = pattern.strip_prefix('!').map_or(("", pattern), |rest| ("!", rest));
    let mut body = body;
    while let Some(rest) = body.strip_prefix("./") {
        body = rest;
    }
    if body.trim_end_matches('/').is_empty() {
        return None;
    }
    let anywhere = !body.starts_with('/') && !body.starts_with("**/");
    let inner_slash = body.trim_end_matches('/').contains('/');
    Some(match (anywhere && inner_slash, negation.is_empty() && body.starts_with('#')) {
        (true, _) => format!("{negation}**/{body}"),
        (false, true) => format!("\\{body}"),
        (false, false) => format!("{negation}{body}"),
    })
}
