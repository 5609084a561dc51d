// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ranges of remote objects kept on the local disk, so that the trees of a repository are not fetched every night.
//!
//! For whoever reads trees of a remote repository (`Reader` of the engine). Only for immutable objects, which the name
//! identifies for ever. Lost or wrong bytes cost work and nothing else: they are checked here and authenticated by the
//! reader. It must never be asked by whoever wants to know what the storage holds.
//!
//! **Why here and why only this.** Index objects, manifests, generations and log slots live, decoded, in the engine's
//! local index (`engine/src/index/cached.rs`); a copy of their bytes would serve nobody. Segments of tree packs are
//! what remains. They do not go into that database: they are a hundred times larger than its rows, are thrown away one by
//! one when space is short, which would fragment the file that every look-up needs, and each use would be a write
//! transaction that other processes wait for. One file a segment needs no lock and no repair. And it is not a wrapper
//! around a backend: that sees names and ranges, and can not tell trees, which come back, from data, which does not.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::Name;

/// Bytes that a file needs beyond its content: the checksum.
const CHECKSUM_BYTES: usize = 32;

/// Longer ranges are not kept: no segment is longer, and a damaged name must not fill memory.
const MAX_RANGE_BYTES: u64 = 32 << 20;

/// When space is short, the cache shrinks to this part of its bound, so that not every put has to look through it.
const SHRINK_TO_PERCENT: u64 = 80;

/// How old a time of last use may be before a use renews it: saves a write for each read, and an hour does not matter
/// for what was not used for weeks.
const USE_RESOLUTION: Duration = Duration::from_secs(3600);

/// Temporary files older than this belong to nobody: no segment takes an hour to be written to a local disk.
const TEMPORARY_AGE: Duration = Duration::from_secs(3600);

/// Beginning of the names of temporary files.
const TEMPORARY: &str = ".tmp-";

/// Not looked through yet, so its size is not known.
const UNKNOWN: u64 = u64::MAX;

/// A bounded folder of ranges. Many threads and many processes may share it.
#[derive(Debug)]
pub struct RangeCache {
    folder: PathBuf,
    max_bytes: u64,
    /// What the files take, as far as this process knows: others add to it unseen until the next look.
    bytes: AtomicU64,
}

impl RangeCache {
    /// A cache of at most about `max_bytes` in `folder`, which is made with rights 0700 unless it exists. The folder
    /// must be its own: what is in it may be removed.
    ///
    /// # Errors
    /// The folder can not be made.
    pub fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned(), max_bytes, bytes: AtomicU64::new(UNKNOWN) })
    }

    /// The bytes of that range, if they are here whole. Whatever goes wrong is a miss.
    pub fn get(&self, name: &Name, range: &Range<u64>) -> Option<Vec<u8>> {
        let length = length_of(range)?;
        let path = self.path(name, range);
        let mut file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        let fits = metadata.is_file() && metadata.len() == length as u64 + CHECKSUM_BYTES as u64;
        let bytes = fits.then(|| read(&mut file, name, range, length)).flatten();
        if bytes.is_none() {
            let _ = fs::remove_file(&path);
        }
        let used = metadata.modified().ok();
        if used.and_then(|used| used.elapsed().ok()).is_none_or(|age| age > USE_RESOLUTION) {
            let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        }
        bytes
    }

    /// Keeps the bytes of a range. What can not be kept (no space, no right) is not kept.
    pub fn put(&self, name: &Name, range: &Range<u64>, bytes: &[u8]) {
        let fits = length_of(range) == Some(bytes.len()) && (bytes.len() as u64) < self.max_bytes;
        if !fits || self.try_put(name, range, bytes).is_err() {
            return;
        }
        let added = (bytes.len() + CHECKSUM_BYTES) as u64;
        let known = self.bytes.load(Ordering::Relaxed);
        if known == UNKNOWN || known.saturating_add(added) > self.max_bytes {
            self.bytes.store(self.shrink(), Ordering::Relaxed);
        } else {
            self.bytes.fetch_add(added, Ordering::Relaxed);
        }
    }

    /// Lets go of a range, because its bytes turned out to be wrong in a way that the checksum can not see.
    pub fn forget(&self, name: &Name, range: &Range<u64>) {
        let _ = fs::remove_file(self.path(name, range));
    }

    /// One file for each range, named by hash: no name of an object can leave the folder.
    fn path(&self, name: &Name, range: &Range<u64>) -> PathBuf {
        let hash = blake3::Hasher::new()
            .update(&range.start.to_le_bytes())
            .update(&range.end.to_le_bytes())
            .update(name.as_str().as_bytes())
            .finalize()
            .to_hex();
        self.folder.join(&hash[..2]).join(&hash[2..])
    }

    fn try_put(&self, name: &Name, range: &Range<u64>, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name, range);
        let folder = path.parent().expect("a range has a folder");
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let random = getrandom::u64().map_err(io::Error::other)?;
        let temporary = folder.join(format!("{TEMPORARY}{random:016x}"));
        let written =
            OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary).and_then(|mut file| {
                file.write_all(&checksum(name, range, bytes))?;
                file.write_all(bytes)
            });
        // No flush: after a power cut the checksum tells what is whole.
        let done = written.and_then(|()| fs::rename(&temporary, &path));
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    /// Counts the files, and removes those unused for longest if they are too many. Returns the bytes that stay.
    fn shrink(&self) -> u64 {
        let mut files = Vec::new();
        for folder in entries(&self.folder) {
            for file in entries(&folder.path()) {
                let Ok(metadata) = file.metadata() else { continue };
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                if file.file_name().to_string_lossy().starts_with(TEMPORARY) {
                    if used.elapsed().is_ok_and(|age| age > TEMPORARY_AGE) {
                        let _ = fs::remove_file(file.path());
                    }
                    continue;
                }
                files.push((used, metadata.len(), file.path()));
            }
        }
        let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
        if bytes <= self.max_bytes {
            return bytes;
        }
        files.sort_unstable();
        let goal = self.max_bytes.saturating_mul(SHRINK_TO_PERCENT) / 100;
        for (_, length, path) in files {
            if bytes <= goal {
                break;
            }
            // Gone already: another process makes room too.
            let _ = fs::remove_file(path);
            bytes -= length;
        }
        bytes
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

/// Length of a range that can be kept.
fn length_of(range: &Range<u64>) -> Option<usize> {
    let length = range.end.checked_sub(range.start).filter(|length| *length <= MAX_RANGE_BYTES)?;
    usize::try_from(length).ok()
}

fn read(file: &mut File, name: &Name, range: &Range<u64>, length: usize) -> Option<Vec<u8>> {
    let mut stored = [0; CHECKSUM_BYTES];
    file.read_exact(&mut stored).ok()?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).ok()?;
    (checksum(name, range, &bytes) == stored).then_some(bytes)
}

/// Name and range take part: bytes that stray to another file are not that range's.
fn checksum(name: &Name, range: &Range<u64>, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    *blake3::Hasher::new()
        .update(&(name.as_str().len() as u64).to_le_bytes())
        .update(name.as_str().as_bytes())
        .update(&range.start.to_le_bytes())
        .update(&range.end.to_le_bytes())
        .update(bytes)
        .finalize()
        .as_bytes()
}

#[cfg(test)]
mod tests;
