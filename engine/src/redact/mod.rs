// SPDX-License-Identifier: MIT OR Apache-2.0
//! Contents without their secrets, or without a part of them, and all else byte for byte as it was: for whoever hands a dump to somebody else.
//!
//! A secret is what the mask of [`compare`](crate::compare) takes for one, and its place takes the fingerprint that `diff` shows. The format is told by
//! the content. A reader that gives up is named, and rules for lines take over; what nobody can read is refused, and never passed through.
//! Memory is bounded whatever the input: what has to be whole lies in a temporary file without a name.

mod archive;
mod binary;
mod document;
mod files;
mod json;
mod lines;
mod path;
mod spool;
mod sql;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::compare::detect::{HEAD_BYTES, detect};
use crate::compare::output::{self, Output};
use crate::compare::{Bytes, Format, GaveUp, Mask, Trouble};

pub use files::{Files, IfUnsafe, Selection, write_file};
pub use path::Missing;

/// What shall become of a content.
pub struct Rules<'a> {
    /// Hides secrets, or nothing.
    pub mask: &'a Mask,
    /// Parts that are left out, as `diff` names them.
    pub omit: &'a [String],
    /// Whether a content that would be refused is known to be harmless, by its path; members of archives have the archive before them.
    pub keep: &'a dyn Fn(&str) -> bool,
    /// Whether lines stay lines.
    pub lines: Lines,
}

/// What becomes of the lines of a secret that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// They go with it.
    Any,
    /// What follows stands in the line in which it stood, though the format may take empty lines for something: to be shown, not to be read.
    Kept,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Values that were replaced.
    pub hidden: u64,
    /// Parts that were left out.
    pub omitted: u64,
    /// Readers that gave up, and for which content: there lines were looked at one by one, which finds less.
    pub doubts: Vec<(String, GaveUp)>,
}

/// Why a content was not written. What was written before counts for nothing.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nobody can say that no secret is in it.
    #[error("{path} is {what}: no reader can tell whether secrets are in it")]
    Unsafe {
        /// Of the content.
        path: String,
        /// What it is.
        what: String,
    },
    /// There is nothing that could be left out.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// What is to be left out can not be found, as its reader gave up.
    #[error("nothing can be left out of {path}: {why}")]
    NoParts {
        /// Of the content.
        path: String,
        /// What stands against it.
        why: String,
    },
    /// It can not be read, or the output can not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes the content of `path` as the rules have it.
///
/// # Errors
/// See [`Fault`].
pub fn redact(bytes: &dyn Bytes, path: &str, rules: &Rules, sink: &mut dyn Write) -> Result<Report, Fault> {
    let mut report = Report::default();
    content(bytes, path, rules, 0, &mut report, sink)?;
    Ok(report)
}

/// A text as it may be shown, with as many lines: what [`redact`] makes of it. What that would refuse is hidden line by line.
pub fn shown(text: Vec<u8>, mask: &Mask) -> Vec<u8> {
    let rules = Rules { mask, omit: &[], keep: &|_| false, lines: Lines::Kept };
    let (mut made, mut report) = (Vec::new(), Report::default());
    // So deep that no archive is made anew.
    match content(&text, "", &rules, usize::MAX, &mut report, &mut made) {
        Ok(()) => made,
        // Nothing else fails in memory.
        Err(_) => mask.text(&text).into_owned(),
    }
}

/// Other bytes for a secret; with as many lines as it had, and the same space around it, if lines are kept.
fn instead(secret: &str, hidden: String, lines: Lines) -> String {
    if lines == Lines::Any {
        return hidden;
    }
    let (start, end) = (secret.trim_start(), secret.trim_end());
    if start.is_empty() {
        return hidden;
    }
    let (lead, trail) = (&secret[..secret.len() - start.len()], &secret[end.len()..]);
    let count = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    let (inner, hidden) = (&secret[lead.len()..end.len()], hidden.trim());
    format!("{lead}{hidden}{}{trail}", "\n".repeat(count(inner).saturating_sub(count(hidden))))
}

/// The same for a content in `depth` archives.
fn content(
    bytes: &dyn Bytes,
    path: &str,
    rules: &Rules,
    depth: usize,
    report: &mut Report,
    sink: &mut dyn Write,
) -> Result<(), Fault> {
    if rules.omit.is_empty() && (bytes.is_empty() || !rules.mask.hides()) {
        return Ok(Output::new(bytes, sink).finish()?);
    }
    match by_format(bytes, path, rules, depth, report, sink) {
        // Whoever refuses has written nothing.
        Err(Fault::Unsafe { .. }) if rules.omit.is_empty() && (rules.keep)(path) => {
            Ok(Output::new(bytes, sink).finish()?)
        }
        done => done,
    }
}

fn by_format(
    bytes: &dyn Bytes,
    path: &str,
    rules: &Rules,
    depth: usize,
    report: &mut Report,
    sink: &mut dyn Write,
) -> Result<(), Fault> {
    let head = output::head(bytes, HEAD_BYTES)?;
    let format = detect(&head, bytes.len());
    let done = match format {
        Format::Json | Format::JsonLines => json::write(bytes, rules, report, sink),
        Format::Sql => sql::write(bytes, rules, report, sink),
        Format::Text if sql::begins(&head) => sql::write(bytes, rules, report, sink),
        Format::Yaml | Format::Toml | Format::Ini | Format::Xml => document::write(format, bytes, rules, report, sink),
        Format::Gzip | Format::Zip | Format::Tar => {
            return archive::write(format, bytes, path, rules, depth, report, sink);
        }
        Format::Certificate if head.starts_with(b"\x30") => {
            return binary::certificate(bytes, path, rules, sink);
        }
        Format::Certificate | Format::Text => return by_line(bytes, path, rules, report, sink),
        Format::Binary => return binary::write(bytes, &head, path, rules, sink),
    };
    match done {
        Ok(()) => Ok(()),
        Err(Stop::Fault(fault)) => Err(fault),
        Err(Stop::Trouble(Trouble::Io(error))) => Err(error.into()),
        Err(Stop::Trouble(Trouble::GaveUp(why))) if rules.omit.is_empty() => {
            report.doubts.push((path.to_string(), why));
            by_line(bytes, path, rules, report, sink)
        }
        Err(Stop::Trouble(Trouble::GaveUp(why))) => {
            Err(Fault::NoParts { path: path.to_string(), why: why.to_string() })
        }
    }
}

fn by_line(
    bytes: &dyn Bytes,
    path: &str,
    rules: &Rules,
    report: &mut Report,
    sink: &mut dyn Write,
) -> Result<(), Fault> {
    if !rules.omit.is_empty() {
        let why = "it is text, which has no parts with names".to_string();
        return Err(Fault::NoParts { path: path.to_string(), why });
    }
    lines::write(bytes, path, rules.mask, report, sink)
}

/// Why a reader ended: before it has written anything, except for I/O.
enum Stop {
    Trouble(Trouble),
    Fault(Fault),
}

impl<T: Into<Trouble>> From<T> for Stop {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Fault(missing.into())
    }
}
