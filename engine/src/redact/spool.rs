// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes that are written once and read at any place: in memory while they are few, then in a temporary file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::compare::Bytes;

/// Bytes in memory at most.
const MEMORY_BYTES: usize = 4 << 20;

/// What was written.
#[derive(Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    length: u64,
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() && self.memory.len() + bytes.len() > MEMORY_BYTES {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Bytes for Spool {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &self.file {
            Some(file) => file.read_exact_at(buffer, offset),
            None => Bytes::read_at(&self.memory, offset, buffer),
        }
    }
}
