// SPDX-License-Identifier: MIT OR Apache-2.0
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Capabilities, Finding, Guarantee, Use, probe};
use crate::local::LocalBackend;
use crate::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation, RecordingBackend};
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// How a storage can be weaker than its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weakness {
    /// Conditional puts overwrite and say yes: a popular S3 gateway.
    Overwrites,
    /// They overwrite and say no.
    OverwritesQuietly,
    /// Look first, then put: two that look at the same time both create.
    LooksThenPuts,
    /// A name that was asked for in vain stays absent for the next question.
    RemembersAbsence,
    /// Lists lack the newest name.
    ListsLate,
    /// Deletes say yes, and keep.
    Keeps,
    /// Deletes are refused.
    RefusesDeletes,
    /// Ranges are ignored.
    IgnoresRanges,
    /// Ranges beyond the end give what there is.
    CutsRanges,
}

struct Weak {
    inner: MemBackend,
    weakness: Weakness,
    misses: AtomicU64,
}

impl Weak {
    fn new(weakness: Weakness) -> Self {
        Self { inner: MemBackend::new(), weakness, misses: AtomicU64::new(0) }
    }

    fn replace(&self, name: &Name, parts: &[&[u8]]) {
        self.inner.edit(|image| image.insert(name.clone(), parts.concat()));
    }
}

impl Backend for Weak {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        match self.weakness {
            Weakness::Overwrites => self.replace(name, parts),
            Weakness::OverwritesQuietly if self.inner.length(name).is_ok() => {
                self.replace(name, parts);
                return Ok(Put::Exists);
            }
            Weakness::LooksThenPuts if self.inner.length(name).is_err() => {
                std::thread::sleep(std::time::Duration::from_millis(20));
                self.replace(name, parts);
            }
            _ => return self.inner.put_if_absent(name, parts),
        }
        Ok(Put::Created)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        match (self.weakness, range) {
            (Weakness::RemembersAbsence, None)
                if name.as_str().ends_with("read") && self.misses.fetch_add(1, Ordering::Relaxed) < 2 =>
            {
                self.inner.get(&Name::new("absent").unwrap(), None)
            }
            (Weakness::IgnoresRanges, _) => self.inner.get(name, None),
            (Weakness::CutsRanges, Some(range)) => {
                let length = self.inner.length(name)?;
                self.inner.get(name, Some(range.start.min(length)..range.end.min(length)))
            }
            (_, range) => self.inner.get(name, range),
        }
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.inner.length(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        let mut listed = self.inner.list(folder)?;
        if self.weakness == Weakness::ListsLate {
            listed.pop();
        }
        Ok(listed)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        match self.weakness {
            Weakness::Keeps => Ok(Delete::Deleted),
            Weakness::RefusesDeletes => Ok(Delete::Refused),
            _ => self.inner.delete(name),
        }
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }
    fn barrier(&self) -> Result<(), StorageError> {
        self.inner.barrier()
    }

    fn location(&self) -> String {
        "weak".to_owned()
    }
}

#[test]
fn a_backend_that_keeps_the_contract_has_every_guarantee_and_is_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let local = LocalBackend::create(&folder.path().join("repository")).unwrap();
    for backend in [Arc::new(local) as Arc<dyn Backend>, Arc::new(MemBackend::new())] {
        backend.put_if_absent(&Name::new("config/00000000").unwrap(), &[b"config"]).unwrap();
        let capabilities = probe(&*backend).unwrap();
        assert_eq!(capabilities, Capabilities::full(), "{capabilities}");
        assert_eq!(capabilities.allows(), Use::ManyWritersAndPrune);
        let left: Vec<String> = backend.list("").unwrap().into_iter().map(|listed| listed.name.to_string()).collect();
        assert_eq!(left, ["config/00000000"]);
    }
}

#[test]
fn each_weakness_is_found_and_named_and_told_from_the_others() {
    let table = [
        (Weakness::Overwrites, Guarantee::CreateOnce, Use::OneWriter, "overwrote"),
        (Weakness::OverwritesQuietly, Guarantee::CreateOnce, Use::OneWriter, "overwrote"),
        (Weakness::LooksThenPuts, Guarantee::CreateOnce, Use::OneWriter, "racing puts"),
        (Weakness::RemembersAbsence, Guarantee::ReadAfterWrite, Use::Nothing, "could not be read at once"),
        (Weakness::ListsLate, Guarantee::ListConsistent, Use::Nothing, "did not show"),
        (Weakness::Keeps, Guarantee::Delete, Use::ManyWriters, "could still be read"),
        (Weakness::RefusesDeletes, Guarantee::Delete, Use::ManyWriters, "refuses"),
        (Weakness::IgnoresRanges, Guarantee::Range, Use::Nothing, "came back wrong"),
        (Weakness::CutsRanges, Guarantee::Range, Use::Nothing, "beyond the end"),
    ];
    for (weakness, guarantee, allowed, words) in table {
        let capabilities = probe(&Weak::new(weakness)).unwrap();
        let failing: Vec<_> = capabilities.why().collect();
        let [(found, why)] = failing[..] else { panic!("{weakness:?}: {capabilities}") };
        assert_eq!(found, guarantee, "{weakness:?}: {why}");
        assert!(why.contains(words), "{weakness:?}: {why}");
        assert_eq!(capabilities.allows(), allowed, "{weakness:?}");
    }
}

#[test]
fn a_storage_that_can_not_be_asked_is_an_error_and_no_finding() {
    for operation in [Operation::Put, Operation::Get, Operation::List, Operation::Delete] {
        for kind in [ErrorKind::Denied, ErrorKind::Transient, ErrorKind::Other] {
            if operation == Operation::Delete && kind == ErrorKind::Denied {
                continue;
            }
            let fault = Fault::new(operation, "", 1, kind, Moment::BeforeEffect);
            let mem = Arc::new(MemBackend::new());
            let faulty = FaultyBackend::new(mem.clone(), vec![fault]);
            assert_eq!(probe(&faulty).unwrap_err().kind, kind, "{operation:?}");
            assert!(mem.image().is_empty(), "{operation:?} {kind:?}");
        }
    }
}

#[test]
fn two_probes_at_once_do_not_disturb_each_other() {
    let backend = MemBackend::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(probe(&backend).unwrap(), Capabilities::full()));
        }
    });
    assert!(backend.image().is_empty());
}

#[test]
fn a_probe_stays_within_its_folder_and_its_requests() {
    let recording = RecordingBackend::new(Arc::new(MemBackend::new()));
    probe(&recording).unwrap();
    let records = recording.take();
    assert!(records.iter().all(|record| record.name.starts_with("probe")), "{records:?}");
    assert!(records.len() <= 80, "{}", records.len());
}

#[test]
fn what_fails_is_one_line_of_words() {
    let mut capabilities = Capabilities::full();
    assert_eq!(capabilities.to_string(), "everything holds");
    *capabilities.of_mut(Guarantee::Delete) = Finding::Fails("it stays".to_owned());
    capabilities.create_once = Finding::Fails("two of them".to_owned());
    assert_eq!(capabilities.to_string(), "create_once fails: two of them; delete fails: it stays");
}
