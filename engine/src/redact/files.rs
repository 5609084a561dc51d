// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of a snapshot without their secrets, alone or as members of the archive that is made of a folder.

use std::cell::RefCell;
use std::io::Write;

use globset::{Glob, GlobMatcher};
use keepfast_repo_format::tree::entry::{Entry, FileType};

use super::path::{Missing, nearest};
use super::spool::Spool;
use super::{Fault, Lines, Report, Rules, redact};
use crate::archive::{Contents, Given};
use crate::compare::bytes::Sequential;
use crate::compare::{Bytes, Mask};
use crate::content::FileBytes;
use crate::error::{Error, Result};
use crate::reader::Reader;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Hides secrets, or nothing.
    pub mask: Mask,
    /// Of a file, parts as `diff` names them. Of a folder, globs of paths below it, and `GLOB:PART` for a part of a file.
    pub omit: Vec<String>,
    /// Globs of paths whose content passes although nobody can read it.
    pub keep: Vec<String>,
}

impl Selection {
    /// Everything as it is stored.
    pub fn everything() -> Self {
        Self { mask: Mask::reveal(), omit: Vec::new(), keep: Vec::new() }
    }

    /// Whether it changes anything.
    pub fn is_needed(&self) -> bool {
        self.mask.hides() || !self.omit.is_empty()
    }
}

/// Writes a file alone.
///
/// # Errors
/// [`Error::Redact`]; [`Error::Content`]; [`Error::Output`].
pub fn write_file(reader: &Reader, entry: &Entry, selection: &Selection, output: &mut dyn Write) -> Result<Report> {
    let keep = globs(&selection.keep)?;
    let path = String::from_utf8_lossy(&entry.path()).into_owned();
    changed(reader, entry, &path, &selection.mask, &selection.omit, &keep, output)
}

fn changed(
    reader: &Reader,
    entry: &Entry,
    path: &str,
    mask: &Mask,
    omit: &[String],
    keep: &[GlobMatcher],
    output: &mut dyn Write,
) -> Result<Report> {
    let bytes = FileBytes::new(reader, entry)?;
    let keep = |path: &str| keep.iter().any(|glob| glob.is_match(path) || glob.is_match(name(path)));
    redact(&bytes, path, &Rules { mask, omit, keep: &keep, lines: Lines::Any }, output).map_err(|fault| match fault {
        Fault::Io(error) => match bytes.take_failure() {
            Some(source) => Error::Content { path: entry.path(), source: Box::new(source) },
            None => Error::Output(error),
        },
        fault => Error::Redact(fault),
    })
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn globs(texts: &[String]) -> Result<Vec<GlobMatcher>> {
    texts.iter().map(|text| glob(text)).collect()
}

fn glob(text: &str) -> Result<GlobMatcher> {
    let glob = Glob::new(text.trim_matches('/')).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(glob.compile_matcher())
}

/// Something that is left out of a folder.
struct Omission {
    text: String,
    files: GlobMatcher,
    /// Of each of these files only this.
    part: Option<String>,
    is_found: bool,
}

/// What becomes of a file of which nobody can tell whether secrets are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfUnsafe {
    /// It is left out, and named.
    LeaveOut,
    /// No archive is made.
    Refuse,
}

/// The files of a folder as they go into an archive.
pub struct Files<'a> {
    reader: &'a Reader,
    mask: Mask,
    keep: Vec<GlobMatcher>,
    top: Vec<u8>,
    if_unsafe: IfUnsafe,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    omissions: Vec<Omission>,
    report: Report,
    /// Paths that came by, to find near ones.
    names: Vec<String>,
}

/// Paths that are kept for that.
const MAX_NAMES: usize = 4096;

impl<'a> Files<'a> {
    /// Of the folder at `top`, or only one file in it.
    ///
    /// # Errors
    /// [`Error::Invalid`]: something is no glob.
    pub fn new(
        reader: &'a Reader,
        top: &[u8],
        is_folder: bool,
        if_unsafe: IfUnsafe,
        selection: &Selection,
    ) -> Result<Self> {
        let mut omissions = Vec::new();
        for text in &selection.omit {
            let (files, part) = match text.split_once(':') {
                _ if !is_folder => ("**", Some(text.clone())),
                Some((files, part)) => (files, Some(part.to_string())),
                None => (text.as_str(), None),
            };
            omissions.push(Omission { text: text.clone(), files: glob(files)?, part, is_found: false });
        }
        let state = RefCell::new(State { omissions, ..State::default() });
        Ok(Self {
            reader,
            mask: selection.mask.clone(),
            keep: globs(&selection.keep)?,
            top: top.to_vec(),
            if_unsafe,
            state,
        })
    }

    /// What was done, when all files went by.
    ///
    /// # Errors
    /// [`Error::Redact`]: something that was to be left out was not there.
    pub fn finish(self) -> Result<Report> {
        let state = self.state.into_inner();
        match state.omissions.iter().find(|omission| !omission.is_found) {
            Some(missing) => {
                let file = missing.text.split(':').next().unwrap_or_default();
                let names = nearest(file, state.names);
                Err(Error::Redact(Missing::Nothing { path: missing.text.clone(), names }.into()))
            }
            None => Ok(state.report),
        }
    }

    fn inside(&self, path: &[u8]) -> String {
        let inside = path.strip_prefix(self.top.as_slice()).unwrap_or(path);
        String::from_utf8_lossy(inside.strip_prefix(b"/").unwrap_or(inside)).into_owned()
    }
}

impl Contents for Files<'_> {
    fn of(&self, entry: &Entry, path: &[u8]) -> Result<Given> {
        let inside = self.inside(path);
        let mut state = self.state.borrow_mut();
        let ancestors = std::iter::successors(Some(inside.as_str()), |path| path.rsplit_once('/').map(|(up, _)| up));
        let ancestors: Vec<&str> = ancestors.filter(|path| !path.is_empty()).collect();
        let mut parts = Vec::new();
        let mut is_omitted = false;
        for omission in &mut state.omissions {
            match &omission.part {
                None if ancestors.iter().any(|path| omission.files.is_match(path)) => {
                    (omission.is_found, is_omitted) = (true, true);
                }
                Some(part) if entry.metadata.file_type == FileType::File && omission.files.is_match(&inside) => {
                    omission.is_found = true;
                    parts.push(part.clone());
                }
                _ => {}
            }
        }
        if state.names.len() < MAX_NAMES && !inside.is_empty() {
            state.names.push(inside.clone());
        }
        if is_omitted {
            state.report.omitted += 1;
            return Ok(Given::LeftOut);
        }
        if entry.metadata.file_type != FileType::File || !self.mask.hides() && parts.is_empty() {
            return Ok(Given::AsStored);
        }
        let mut spool = Spool::default();
        match changed(self.reader, entry, &inside, &self.mask, &parts, &self.keep, &mut spool) {
            Ok(report) => {
                let all = &mut state.report;
                all.hidden += report.hidden;
                all.omitted += report.omitted;
                all.doubts.extend(report.doubts);
                let length = spool.len();
                Ok(Given::Instead(Box::new(SpoolReader { spool, at: 0 }), length))
            }
            Err(Error::Redact(Fault::Unsafe { path, what })) if self.if_unsafe == IfUnsafe::LeaveOut => {
                let member = path.strip_prefix(&inside).map_or("", |member| member.trim_start_matches('/'));
                let subject = if member.is_empty() { "it" } else { member };
                let why = "no reader can tell whether secrets are in it, so it was left out";
                Ok(Given::Refused(format!("{subject} is {what}: {why}")))
            }
            Err(error) => Err(error),
        }
    }
}

/// A spool from its start.
struct SpoolReader {
    spool: Spool,
    at: u64,
}

impl std::io::Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = Sequential::at(&self.spool, self.at).read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
