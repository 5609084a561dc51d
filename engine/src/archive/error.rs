// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why an archive could not be read, and where.

use std::fmt;
use std::io;

/// An archive is damaged, or no archive.
#[derive(Debug)]
pub struct ArchiveError {
    /// Bytes of the archive, decompressed, before the block that could not be read or understood.
    pub offset: u64,
    /// The member in which it happened.
    pub member: Option<Vec<u8>>,
    /// What was found.
    pub fault: Fault,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file begins with something else.
    #[error("this is {found}, and no tar archive")]
    OtherFormat {
        /// What it seems to be.
        found: &'static str,
    },
    /// The file ends before its contents do.
    #[error("the archive is cut off: it ends")]
    CutOff,
    /// The file ends at the end of a member, without the blocks of zeros that end an archive.
    #[error("the archive is cut off: it ends without its end mark")]
    NoEndMark,
    /// A block that must be a header is none.
    #[error("the archive is damaged: there is no header")]
    NoHeader,
    /// A header says what can not be.
    #[error("the archive is damaged: {what}")]
    Malformed {
        /// What can not be.
        what: String,
    },
    /// The file could not be read, or not be decompressed.
    #[error("the archive can not be read ({0})")]
    Read(#[source] io::Error),
}

impl Fault {
    pub(super) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::CutOff } else { Self::Read(error) }
    }
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::OtherFormat { .. } => return write!(f, "{}", self.fault),
            fault => write!(f, "{fault} at byte {}", self.offset)?,
        }
        match &self.member {
            Some(member) => write!(f, ", in member {}", member.escape_ascii()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ArchiveError {}
