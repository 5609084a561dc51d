// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wrapped files, which can be made from start to end only: a thread makes the bytes into a nameless file on this machine, and who reads
//! finds them there, at any place and as often as wanted.
//!
//! A thread is never far ahead of its readers: who looks at the beginning of a large archive does not wait for, or pay, all of it.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use keepfast_repo_format::tree::entry::Entry;

use super::content::Bytes;
use crate::error::{Error, Result, describe};
use crate::reader::Reader;
use crate::tree::bytes_of;
use crate::unwrap::{Faults, Piece};

/// Wrapped files that are on this machine at a time. Readers of more of them make them again.
const MAX_SPOOLS: usize = 8;

/// How far a thread goes ahead of its readers, in bytes: several reads of a kernel, and little to throw away.
const AHEAD_BYTES: u64 = 4 << 20;

/// The wrapped files that were read last, by inode number.
pub(super) struct Spools {
    reader: Arc<Reader>,
    folder: PathBuf,
    kept: Mutex<VecDeque<(u64, Kept)>>,
}

/// Lets the thread go when the file is not kept any more.
struct Kept(Arc<Spool>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.lock().is_left = true;
        self.0.changed.notify_all();
    }
}

/// A wrapped file, as far as it has been made.
struct Spool {
    file: File,
    made: Mutex<Made>,
    changed: Condvar,
}

#[derive(Default)]
struct Made {
    /// Bytes from the beginning that are in the file, or lost.
    bytes: u64,
    /// How far the readers want it.
    wanted: u64,
    /// Places that can not be had, and why.
    lost: Vec<(Range<u64>, String)>,
    /// Why there is no more.
    ended: Option<String>,
    /// Nobody will read it any more.
    is_left: bool,
}

impl Spools {
    /// Files are made in `folder`, and have no name there.
    pub(super) fn new(reader: Arc<Reader>, folder: PathBuf) -> Self {
        Self { reader, folder, kept: Mutex::default() }
    }

    /// The bytes of a range that lies within a wrapped file.
    pub(super) fn read(&self, inode: u64, entry: &Entry, range: Range<u64>) -> Result<Bytes> {
        let spool = self.spool(inode, entry)?;
        spool.wait_for(&range)?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        spool.file.read_exact_at(&mut bytes, range.start).map_err(Error::Output)?;
        Ok(Bytes::Owned(bytes))
    }

    /// The kernel has forgotten the file: nobody reads it.
    pub(super) fn forget(&self, inode: u64) {
        self.lock().retain(|(other, _)| *other != inode);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Kept)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spool(&self, inode: u64, entry: &Entry) -> Result<Arc<Spool>> {
        let mut kept = self.lock();
        let place = kept.iter().position(|(other, _)| *other == inode);
        if let Some(found) = place.and_then(|place| kept.remove(place)) {
            let spool = found.1.0.clone();
            kept.push_front(found);
            return Ok(spool);
        }
        let file = tempfile::tempfile_in(&self.folder).map_err(Error::Output)?;
        let spool = Arc::new(Spool { file, made: Mutex::default(), changed: Condvar::new() });
        kept.push_front((inode, Kept(spool.clone())));
        kept.truncate(MAX_SPOOLS);
        let (maker, reader, entry) = (Arc::downgrade(&spool), self.reader.clone(), entry.clone());
        thread::spawn(move || {
            let failed = make(&maker, &reader, &entry).err();
            let Some(spool) = maker.upgrade() else { return };
            let why = failed.map_or_else(|| "it is shorter than its entry says".to_string(), |error| describe(&error));
            spool.lock().ended = Some(why);
            spool.changed.notify_all();
        });
        Ok(spool)
    }
}

/// Makes the file, until its end or until nobody wants it.
fn make(spool: &Weak<Spool>, reader: &Reader, entry: &Entry) -> Result<()> {
    let mut bytes = bytes_of(reader, entry, Faults::Name);
    while let Some(piece) = bytes.next()? {
        let Some(spool) = spool.upgrade() else { return Ok(()) };
        let at = spool.lock().bytes;
        if let Piece::Bytes(bytes) = &piece {
            spool.file.write_all_at(bytes, at).map_err(Error::Output)?;
        }
        let mut made = spool.lock();
        made.bytes = at + piece.length();
        if let Piece::Lost { reason, .. } = piece {
            let lost = at..made.bytes;
            made.lost.push((lost, reason));
        }
        spool.changed.notify_all();
        while made.bytes >= made.wanted.saturating_add(AHEAD_BYTES) && !made.is_left {
            made = spool.changed.wait(made).unwrap_or_else(PoisonError::into_inner);
        }
    }
    Ok(())
}

impl Spool {
    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, range: &Range<u64>) -> Result<()> {
        let mut made = self.lock();
        made.wanted = made.wanted.max(range.end);
        self.changed.notify_all();
        while made.bytes < range.end && made.ended.is_none() {
            made = self.changed.wait(made).unwrap_or_else(PoisonError::into_inner);
        }
        let lost = made.lost.iter().find(|(lost, _)| lost.start < range.end && range.start < lost.end);
        let lost = lost.map(|(_, reason)| reason);
        match lost.or(made.ended.as_ref().filter(|_| made.bytes < range.end)) {
            Some(reason) => Err(Error::Lost { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}
