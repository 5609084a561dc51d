// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs that sessions of this writer have put and not made visible yet, as a file beside its identity: what the next session
//! may adopt (`adoption`), so that an interrupted backup is not uploaded twice.
//!
//! Each line of it is an index object of one pack, sealed as in the repository, after its length. Lost, torn or old, the file
//! costs work and nothing else: whoever adopts asks the repository.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use keepfast_repo_format::envelope::{Kind, MAX_OBJECT_BYTES};
use keepfast_repo_format::keys::Keys;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::{index, record};

/// The ledger of one writer. Whoever holds the writer's identity may use it.
pub(crate) struct Ledger {
    path: PathBuf,
    /// Opened at the first line.
    file: Mutex<Option<File>>,
}

impl Ledger {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, file: Mutex::new(None) }
    }

    /// Every whole line, in the order of writing. What can not be read counts as not there.
    pub(crate) fn read(&self, keys: &Keys) -> Vec<PackRecord> {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let mut rest = &bytes[..];
        let mut packs = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u64::from(u32::from_le_bytes(*length));
            let object = usize::try_from(length).ok().filter(|_| length <= MAX_OBJECT_BYTES);
            let Some((object, after)) = object.and_then(|length| after.split_at_checked(length)) else { break };
            rest = after;
            let plain = record::open_structure(keys, Kind::Index, object);
            packs.extend(plain.and_then(|plain| index::decode(&plain)).unwrap_or_default());
        }
        packs
    }

    /// Adds a pack that the storage has taken.
    ///
    /// # Errors
    /// The line may be there in part; those before it are whole.
    pub(crate) fn note(&self, keys: &Keys, pack: &PackRecord) -> io::Result<()> {
        let object = record::seal_structure(keys, Kind::Index, &index::encode(std::slice::from_ref(pack)));
        let length = u32::try_from(object.len()).map_err(io::Error::other)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?);
        }
        let file = file.as_mut().expect("it was opened above");
        // One write, so that a process that dies leaves whole lines.
        file.write_all(&[&length.to_le_bytes()[..], &object].concat())
    }

    /// Forgets every pack: they are visible now, or another machine's.
    pub(crate) fn clear(&self) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // A pack that is still noted and visible is not adopted.
        let _ = std::fs::remove_file(&self.path);
    }
}
