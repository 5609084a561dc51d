// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a page that is made first and stands last: what could not be read stands at the top, and is known at the end.
//!
//! It waits in a file without a name, which no other user can open and which is gone with the program.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use maud::Markup;

use super::MAX_CONTENT_BYTES;
use crate::exit::Failure;

/// Takes a part of a page.
pub struct Spool {
    file: BufWriter<File>,
    bytes: u64,
}

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile().map_err(failed)?), bytes: 0 })
    }

    /// Appends.
    ///
    /// # Errors
    /// The temporary file can not be written.
    pub fn put(&mut self, markup: &Markup) -> Result<(), Failure> {
        self.raw(&markup.0)
    }

    /// Appends markup that is opened here and closed elsewhere.
    ///
    /// # Errors
    /// The temporary file can not be written.
    pub fn raw(&mut self, markup: &str) -> Result<(), Failure> {
        self.bytes += markup.len() as u64;
        self.file.write_all(markup.as_bytes()).map_err(failed)
    }

    /// Whether the page has as much as it may have.
    pub fn is_full(&self) -> bool {
        self.bytes >= MAX_CONTENT_BYTES
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Copies everything to its place.
    ///
    /// # Errors
    /// The temporary file can not be read, or `out` not be written.
    pub fn pour(mut self, out: &mut dyn Write) -> Result<(), Failure> {
        self.file.flush().map_err(failed)?;
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        io::copy(&mut file, out).map_err(Failure::Output)?;
        Ok(())
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::Other {
        message: format!("can not write a temporary file in {}: {error}", std::env::temp_dir().display()),
        hint: "TMPDIR names another folder for it".to_string(),
    }
}
