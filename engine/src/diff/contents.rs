// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed inside a file that differs: its two contents, each from a snapshot or from the live file system, given to the readers of formats.

use std::io;
use std::sync::{Mutex, PoisonError};

use keepfast_repo_format::tree::entry::{Entry, FileType};

use super::same::{READ_ATTEMPTS, changing, holds_still};
use crate::compare::{Bytes, GaveUp, Mask, Outcome, Terms, compare};
use crate::content::FileBytes;
use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::redact;
use crate::source::{self, Found, SourceFile};

/// One side of a file that differs. What is no file counts as empty.
#[derive(Clone, Copy)]
pub enum Side<'a> {
    /// A file of a snapshot.
    Stored(&'a Entry),
    /// A live file.
    Live(&'a Found),
}

/// Compares the contents of two files, their secrets hidden; what is missing counts as empty, and so does what is no file. A live file that changes meanwhile is read
/// again.
///
/// # Errors
/// A content can not be read, or a live file does not hold still.
pub fn contents(
    reader: &Reader,
    before: Option<Side>,
    after: Option<Side>,
    terms: Terms,
) -> Result<(Outcome, Vec<GaveUp>)> {
    for _ in 0..READ_ATTEMPTS {
        let sides = [before, after].map(|side| Opened::new(reader, side));
        let [old, new] = sides;
        let (old, new) = (old?, new?);
        let outcome = compare(old.bytes(), new.bytes(), terms);
        if !(old.holds_still()? && new.holds_still()?) {
            continue;
        }
        return outcome.map(|(outcome, gave_up)| (hidden(outcome, terms.mask), gave_up)).map_err(|error| {
            let failure = old.take_failure().or_else(|| new.take_failure());
            failure.unwrap_or_else(|| Error::Lost { reason: error.to_string() })
        });
    }
    Err(changing())
}

/// Texts without their secrets; of what is told in the terms of a format they are hidden already.
fn hidden(outcome: Outcome, mask: &Mask) -> Outcome {
    match outcome {
        Outcome::Text { before, after } => {
            Outcome::Text { before: redact::shown(before, mask), after: redact::shown(after, mask) }
        }
        other => other,
    }
}

/// A side that can be read.
enum Opened<'a> {
    Nothing,
    Stored(Box<FileBytes<'a>>),
    Live(Box<LiveBytes>),
}

impl<'a> Opened<'a> {
    fn new(reader: &'a Reader, side: Option<Side<'a>>) -> Result<Self> {
        let is_file = |file_type| file_type == FileType::File;
        Ok(match side {
            Some(Side::Stored(entry)) if is_file(entry.metadata.file_type) => {
                Self::Stored(Box::new(FileBytes::new(reader, entry)?))
            }
            Some(Side::Live(found)) if is_file(found.stat.file_type) => {
                Self::Live(Box::new(LiveBytes { file: source::open(found)?, failure: Mutex::default() }))
            }
            _ => Self::Nothing,
        })
    }

    fn bytes(&self) -> &dyn Bytes {
        static NOTHING: Vec<u8> = Vec::new();
        match self {
            Self::Nothing => &NOTHING,
            Self::Stored(bytes) => bytes.as_ref(),
            Self::Live(bytes) => bytes.as_ref(),
        }
    }

    fn holds_still(&self) -> Result<bool> {
        if let Self::Live(bytes) = self { holds_still(&bytes.file) } else { Ok(true) }
    }

    fn take_failure(&self) -> Option<Error> {
        match self {
            Self::Nothing => None,
            Self::Stored(bytes) => bytes.take_failure(),
            Self::Live(bytes) => bytes.failure.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }
}

/// A live file, of the size that it was opened with.
struct LiveBytes {
    file: SourceFile,
    failure: Mutex<Option<Error>>,
}

impl Bytes for LiveBytes {
    fn len(&self) -> u64 {
        self.file.opened().size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self.file.read_at(offset, buffer) {
            Ok(length) if length == buffer.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => {
                let text = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(Error::Source(error));
                Err(io::Error::other(text))
            }
        }
    }
}
