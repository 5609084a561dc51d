// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes that are written once and read at any place: in memory while they are few, then in a temporary file without a name, sealed.
//!
//! They are what a file was before its secrets were hidden, so nobody who reads the disk later may find them: each file has a key of its own, which
//! is never written. It is a stream cipher made of the keyed output of BLAKE3, at the place of each byte, which is written once; nobody but this
//! process has the file, so nothing tells a change of it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use zeroize::Zeroizing;

use crate::compare::Bytes;

/// Bytes in memory at most.
const MEMORY_BYTES: usize = 4 << 20;

/// What was written.
#[derive(Default)]
pub(super) struct Spool {
    memory: Vec<u8>,
    sealed: Option<Sealed>,
    length: u64,
}

/// A file whose bytes are combined with those of a stream.
struct Sealed {
    file: File,
    key: Zeroizing<[u8; 32]>,
}

impl Sealed {
    fn new() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { file: tempfile::tempfile()?, key })
    }

    /// Combines what is, or will be, at `offset`; twice is not at all.
    fn combine(&self, offset: u64, bytes: &mut [u8]) {
        let mut stream = blake3::Hasher::new_keyed(&self.key).finalize_xof();
        stream.set_position(offset);
        let mut part = [0; 16 << 10];
        for bytes in bytes.chunks_mut(part.len()) {
            let part = &mut part[..bytes.len()];
            stream.fill(part);
            bytes.iter_mut().zip(part).for_each(|(byte, with)| *byte ^= *with);
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes.to_vec();
        self.combine(offset, &mut bytes);
        self.file.write_all_at(&bytes, offset)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.sealed.is_none() && self.memory.len() + bytes.len() > MEMORY_BYTES {
            let sealed = Sealed::new()?;
            sealed.write(0, &self.memory)?;
            self.memory = Vec::new();
            self.sealed = Some(sealed);
        }
        match &self.sealed {
            Some(sealed) => sealed.write(self.length, bytes)?,
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
        let Some(sealed) = &self.sealed else { return Bytes::read_at(&self.memory, offset, buffer) };
        sealed.file.read_exact_at(buffer, offset)?;
        sealed.combine(offset, buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::{MEMORY_BYTES, Spool};
    use crate::compare::Bytes;

    #[test]
    fn what_is_in_the_file_can_not_be_read_without_the_process_that_wrote_it() {
        let secret = b"password = hunter2\n";
        let text: Vec<u8> = secret.iter().copied().cycle().take(MEMORY_BYTES + 100_000).collect();
        let mut spool = Spool::default();
        // Pieces of any length: each byte has its place.
        let mut rest = &text[..];
        for length in (1..).map(|number| number * 7919 % 70_000) {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            spool.write_all(piece).unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        for (from, to) in [(0, text.len()), (1, 2), (MEMORY_BYTES - 3, MEMORY_BYTES + 70_003)] {
            let mut read = vec![0; to - from];
            spool.read_at(from as u64, &mut read).unwrap();
            assert!(read == text[from..to], "{from} to {to}");
        }
        let sealed = spool.sealed.expect("it is larger than what stays in memory");
        let mut stored = vec![0; text.len()];
        sealed.file.read_exact_at(&mut stored, 0).unwrap();
        assert!(!stored.windows(7).any(|part| part == b"hunter2"));
        assert!(stored.windows(16).all(|part| part != [0; 16]), "all of it is combined");
    }
}
