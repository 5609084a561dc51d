// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares a folder with what was restored of it, without any code of the engine: type, bytes, mode, time, link target.
//! Owners are left out: an ordinary user can not restore them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::exit::Failure;
use crate::render::{json as js, text};

/// How much of two files is in memory.
const BUFFER_BYTES: usize = 256 << 10;

/// What differs at a path of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path in the source.
    pub path: PathBuf,
    /// What differs.
    pub what: String,
}

impl Difference {
    /// For people.
    pub fn to_line(&self) -> String {
        format!("{}: {}", text::path(self.path.as_os_str().as_bytes()), text::plain(&self.what))
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let mut object = json!({ "what": self.what });
        js::put_path(&mut object, "path", self.path.as_os_str().as_bytes());
        object
    }
}

/// A comparison that is going on.
pub struct Comparison<'a> {
    /// Folders of the source that were not backed up.
    left_out: &'a [PathBuf],
    cancelled: &'a dyn Fn() -> bool,
    outcome: Outcome,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Paths looked at.
    pub compared: u64,
    /// Everything that differs.
    pub differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    /// Starts with nothing compared.
    pub fn new(left_out: &'a [PathBuf], cancelled: &'a dyn Fn() -> bool) -> Self {
        Self { left_out, cancelled, outcome: Outcome::default() }
    }

    /// Compares a path and everything below it.
    pub fn compare(&mut self, source: &Path, restored: &Path) {
        let mut open = vec![(source.to_path_buf(), restored.to_path_buf())];
        while let Some((source, restored)) = open.pop() {
            if (self.cancelled)() {
                return;
            }
            self.outcome.compared += 1;
            let names = self.one(&source, &restored).unwrap_or_else(|what| {
                self.outcome.differences.push(Difference { path: source.clone(), what });
                BTreeSet::new()
            });
            for name in names.iter().rev() {
                let below = source.join(name);
                if !self.left_out.contains(&below) {
                    open.push((below, restored.join(name)));
                }
            }
        }
    }

    /// What was found.
    ///
    /// # Errors
    /// The user asked to stop.
    pub fn finish(self) -> Result<Outcome, Failure> {
        if (self.cancelled)() { Err(keepfast_engine::Error::Cancelled.into()) } else { Ok(self.outcome) }
    }

    /// Compares one path; returns the names in it if it is a folder on both sides, and what differs as an error.
    fn one(&mut self, source: &Path, restored: &Path) -> Result<BTreeSet<OsString>, String> {
        let before = look(source, "in the source")?;
        let after = look(restored, "in the restore")?;
        let (before, after) = match (before, after) {
            (Some(before), Some(after)) => (before, after),
            (None, Some(_)) => return Err("is gone from the source since the backup".to_string()),
            (Some(_), None) => return Err("was not restored".to_string()),
            (None, None) => return Ok(BTreeSet::new()),
        };
        if kind(&before) != kind(&after) {
            return Err(format!("is a {}, was restored as a {}", kind(&before), kind(&after)));
        }
        // The names go on even if something else differs.
        let names = if before.is_dir() { names(source, restored)? } else { BTreeSet::new() };
        if let Err(what) = same(source, restored, &before, &after) {
            self.outcome.differences.push(Difference { path: source.to_path_buf(), what });
        }
        Ok(names)
    }
}

fn look(path: &Path, side: &str) -> Result<Option<Metadata>, String> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("can not be looked at {side}: {error}")),
    }
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "folder",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symbolic link",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "device",
    }
}

fn names(source: &Path, restored: &Path) -> Result<BTreeSet<OsString>, String> {
    let mut names = BTreeSet::new();
    for (folder, side) in [(source, "in the source"), (restored, "in the restore")] {
        let failed = |error: io::Error| format!("can not be listed {side}: {error}");
        for entry in fs::read_dir(folder).map_err(failed)? {
            names.insert(entry.map_err(failed)?.file_name());
        }
    }
    Ok(names)
}

fn same(source: &Path, restored: &Path, before: &Metadata, after: &Metadata) -> Result<(), String> {
    if before.is_file() {
        if before.len() != after.len() {
            return Err(format!("has {} bytes, {} were restored", before.len(), after.len()));
        }
        same_bytes(source, restored)?;
    }
    if before.is_symlink() && fs::read_link(source).ok() != fs::read_link(restored).ok() {
        return Err("points to something else".to_string());
    }
    if kind(before) == "device" && before.rdev() != after.rdev() {
        return Err("is another device".to_string());
    }
    // A symbolic link has no mode of its own.
    if !before.is_symlink() && before.mode() != after.mode() {
        return Err(format!("has mode {:o}, {:o} was restored", before.mode() & 0o7777, after.mode() & 0o7777));
    }
    if (before.mtime(), before.mtime_nsec()) != (after.mtime(), after.mtime_nsec()) {
        return Err("has another modification time".to_string());
    }
    Ok(())
}

fn same_bytes(source: &Path, restored: &Path) -> Result<(), String> {
    let open = |path: &Path| File::open(path).map_err(|error| format!("can not be read: {error}"));
    let (mut source, mut restored) = (open(source)?, open(restored)?);
    let (mut left, mut right) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut offset = 0_u64;
    loop {
        let (read, other) = (fill(&mut source, &mut left)?, fill(&mut restored, &mut right)?);
        if left[..read] != right[..other] {
            let place = left[..read].iter().zip(&right[..other]).take_while(|(a, b)| a == b).count();
            return Err(format!("differs from byte {}", offset + place as u64));
        }
        if read == 0 {
            return Ok(());
        }
        offset += read as u64;
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> Result<usize, String> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("can not be read: {error}")),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
