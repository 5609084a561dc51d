// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wrapped files in the target: they come from start to end, because a deflate stream can be made in no other order.

use std::sync::atomic::Ordering;

use super::Shared;
use super::content::{Lost, Wrote, clear_lost};
use super::files::FileJob;
use crate::error::Result;
use crate::target::TargetFile;
use crate::tree::bytes_of;
use crate::unwrap::{Faults, Piece};

/// Writes a file, sparing what is equal in an existing one, which has its length already.
pub(super) fn write(shared: &Shared, job: &FileJob, file: &TargetFile, is_new: bool) -> Result<Wrote> {
    let mut bytes = bytes_of(&shared.reader, &job.entry, Faults::Name);
    let (mut wrote, mut lost, mut at) = (Wrote::default(), Lost::default(), 0);
    while let Some(piece) = bytes.next()? {
        shared.check()?;
        let range = at..at + piece.length();
        at = range.end;
        match piece {
            Piece::Bytes(bytes) => {
                if is_new || !holds(file, range.start, &bytes)? {
                    file.write_at(range.start, &bytes)?;
                    wrote.bytes += bytes.len() as u64;
                }
            }
            Piece::Lost { reason, .. } => {
                lost.add(shared, &job.path, range.clone(), reason);
                clear_lost(file, range, is_new, &mut wrote)?;
            }
        }
    }
    lost.tell(shared, &job.path);
    shared.written.fetch_add(wrote.bytes, Ordering::Relaxed);
    Ok(wrote)
}

/// Whether a file has the entry's content. One that can not be made is equal to nothing.
pub(super) fn is_equal(shared: &Shared, job: &FileJob, file: &TargetFile) -> Result<bool> {
    let mut bytes = bytes_of(&shared.reader, &job.entry, Faults::Name);
    let mut at = 0;
    while let Some(piece) = bytes.next()? {
        shared.check()?;
        match &piece {
            Piece::Bytes(bytes) if holds(file, at, bytes)? => at += piece.length(),
            Piece::Bytes(_) | Piece::Lost { .. } => return Ok(false),
        }
    }
    Ok(file.len()? == job.entry.metadata.size)
}

fn holds(file: &TargetFile, at: u64, bytes: &[u8]) -> Result<bool> {
    let mut buffer = vec![0; bytes.len()];
    Ok(file.read_at(at, &mut buffer)? == bytes.len() && buffer == bytes)
}
