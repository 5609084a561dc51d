// SPDX-License-Identifier: MIT OR Apache-2.0
//! The part of a content that was read last, for the many small values that are read one after another.
//!
//! Without it every scalar that is shown would be a read of its own, and each of those may cost a file of a repository.

use crate::compare::Bytes;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Read at a time.
const BLOCK_BYTES: u64 = 64 << 10;

/// A content with the block that was read last.
pub(super) struct Recent<'a> {
    bytes: &'a dyn Bytes,
    block: Mutex<Block>,
}

#[derive(Default)]
struct Block {
    start: u64,
    content: Vec<u8>,
}

impl<'a> Recent<'a> {
    /// With nothing read yet.
    pub(super) fn new(bytes: &'a dyn Bytes) -> Self {
        Self { bytes, block: Mutex::default() }
    }
}

impl Block {
    fn part(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.content.get(start..start.checked_add(length)?)
    }

    fn read(&mut self, bytes: &dyn Bytes, offset: u64) -> io::Result<()> {
        let length = bytes.len().saturating_sub(offset).min(BLOCK_BYTES);
        let mut content = std::mem::take(&mut self.content);
        content.resize(usize::try_from(length).unwrap_or_default(), 0);
        bytes.read_at(offset, &mut content)?;
        (self.start, self.content) = (offset, content);
        Ok(())
    }
}

impl Bytes for Recent<'_> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.part(offset, buffer.len()).is_none() {
            if buffer.len() as u64 >= BLOCK_BYTES {
                return self.bytes.read_at(offset, buffer);
            }
            block.read(self.bytes, offset)?;
        }
        buffer.copy_from_slice(block.part(offset, buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Recent};
    use crate::compare::Bytes;
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counted(Vec<u8>, AtomicUsize);

    impl Bytes for Counted {
        fn len(&self) -> u64 {
            Bytes::len(&self.0)
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.read_at(offset, buffer)
        }
    }

    #[test]
    fn small_values_in_a_row_are_one_read() {
        let content: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        let counted = Counted(content.clone(), AtomicUsize::new(0));
        let recent = Recent::new(&counted);
        let read = |offset: usize, length: usize| {
            let mut buffer = vec![0; length];
            recent.read_at(offset as u64, &mut buffer).map(|()| buffer == content[offset..offset + length])
        };
        for offset in (1000..60_000).step_by(10) {
            assert!(read(offset, 10).unwrap());
        }
        assert_eq!(counted.1.load(Ordering::Relaxed), 1);
        for (offset, length) in
            [(0, 1), (199_990, 10), (60_000, 10_000), (5, BLOCK_BYTES as usize), (0, 200_000), (7, 0)]
        {
            assert!(read(offset, length).unwrap());
        }
        assert!(recent.read_at(199_995, &mut [0; 10]).is_err());
        assert!(read(199_995, 5).unwrap(), "an error is not remembered");
    }
}
