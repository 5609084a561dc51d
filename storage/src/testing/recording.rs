// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes down what is asked of a backend, so that tests can count requests and bytes instead of seconds.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::{Operation, lock};
use crate::{Backend, Delete, Listed, Name, Put, StorageError};

/// One call, written down when it returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which method.
    pub operation: Operation,
    /// Object; for a list the folder; for a barrier empty.
    pub name: String,
    /// The range that a `get` asked for.
    pub range: Option<Range<u64>>,
    /// Bytes of content that were moved: offered by a put (also if the object existed), returned by a get, else 0.
    pub bytes: u64,
    /// The kind of error, if it was one.
    pub error: Option<crate::ErrorKind>,
}

/// Passes every call on and keeps a record of it.
pub struct RecordingBackend {
    inner: Arc<dyn Backend>,
    records: Mutex<Vec<Record>>,
}

impl RecordingBackend {
    /// Records calls on `inner`.
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self { inner, records: Mutex::default() }
    }

    /// The records since the last `take`, in the order in which the calls returned.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut lock(&self.records))
    }

    fn record<T>(
        &self,
        operation: Operation,
        name: &str,
        range: Option<Range<u64>>,
        bytes: impl FnOnce(&T) -> u64,
        result: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let error = result.as_ref().err().map(|error| error.kind);
        let bytes = result.as_ref().map_or(0, bytes);
        lock(&self.records).push(Record { operation, name: name.to_owned(), range, bytes, error });
        result
    }
}

impl Backend for RecordingBackend {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        let offered = parts.iter().map(|part| part.len() as u64).sum();
        let result = self.inner.put_if_absent(name, parts);
        self.record(Operation::Put, name.as_str(), None, |_| offered, result)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        let result = self.inner.get(name, range.clone());
        self.record(Operation::Get, name.as_str(), range, |bytes| bytes.len() as u64, result)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.record(Operation::Length, name.as_str(), None, |_| 0, self.inner.length(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.record(Operation::List, folder, None, |_| 0, self.inner.list(folder))
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        self.record(Operation::Delete, name.as_str(), None, |_| 0, self.inner.delete(name))
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.record(Operation::Barrier, "", None, |()| 0, self.inner.barrier())
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}
