// SPDX-License-Identifier: MIT OR Apache-2.0
//! A live file that changes between the two readings of a comparison: what is told is of one moment.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keepfast_engine::compare::{Mask, Outcome, Readers, Terms};
use keepfast_engine::diff::{Difference, Live, Places, Side, contents, diff_live};
use keepfast_engine::events::Silent;
use keepfast_engine::source::{Excludes, OneFileSystem};
use keepfast_storage::{Backend, Delete, Listed, Name, Put, StorageError};

use crate::support::sandbox::{Sandbox, let_time_pass};

/// Writes the file anew when a content is asked for, the first time.
struct Meddling {
    inner: Arc<dyn Backend>,
    file: PathBuf,
    /// Readings of contents until it meddles; 0 for never.
    left: AtomicU64,
}

impl Meddling {
    fn meddle(&self) {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) == Ok(1) {
            let_time_pass();
            fs::write(&self.file, "later\n").unwrap();
        }
    }
}

impl Backend for Meddling {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        self.inner.put_if_absent(name, parts)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        self.meddle();
        self.inner.get(name, range)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.inner.length(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.inner.list(folder)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        self.inner.delete(name)
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.inner.barrier()
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[test]
fn a_live_file_that_changes_while_it_is_compared_is_compared_again() {
    let sandbox = Sandbox::new();
    let file = sandbox.source().join("file");
    fs::write(&file, "older\n").unwrap();
    sandbox.backup_with(&sandbox.options_at_top());
    fs::write(&file, "first\n").unwrap();
    let backend = Arc::new(Meddling { inner: sandbox.objects.clone(), file: file.clone(), left: AtomicU64::new(0) });
    let repository = sandbox.open_on(backend.clone()).unwrap();
    let (snapshots, _) = repository.history().unwrap().snapshots(&repository).unwrap();
    let reader = repository.reader();
    let live = Live {
        places: Places::below(&reader, &snapshots[0], &sandbox.source()).unwrap(),
        excludes: Excludes::default(),
        one_file_system: OneFileSystem::Cross,
        threads: 1,
    };
    let mut rows = Vec::new();
    diff_live(&reader, &snapshots[0], &live, b"", &Silent, &mut |difference, old, new| {
        rows.push((difference, old.cloned(), new.map(|(_, found)| found.clone())));
    })
    .unwrap();
    rows.retain(|(difference, ..)| *difference == Difference::Modified);
    let [(_, Some(old), Some(found))] = &rows[..] else { panic!("{rows:?}") };
    backend.left.store(1, Ordering::Relaxed);
    let mask = Mask::reveal();
    let terms = Terms { readers: Readers::All, mask: &mask, now_unix: 0 };
    let (outcome, _) = contents(&reader, Some(Side::Stored(old)), Some(Side::Live(found)), terms).unwrap();
    assert_eq!(backend.left.load(Ordering::Relaxed), 0, "it was changed between the two");
    let Outcome::Text { before, after } = outcome else { panic!("{outcome:?}") };
    assert_eq!((&before[..], &after[..]), (&b"older\n"[..], &b"later\n"[..]));
}
