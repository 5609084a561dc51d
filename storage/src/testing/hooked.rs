// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets a test act before each call: wait for a turn, change the source, count.

use std::ops::Range;
use std::sync::Arc;

use super::Operation;
use crate::{Backend, Delete, Listed, Name, Put, StorageError};

/// Passes every call on after the hook has returned.
pub struct HookedBackend<H> {
    inner: Arc<dyn Backend>,
    hook: H,
}

impl<H: Fn(Operation, &str) + Send + Sync> HookedBackend<H> {
    /// Has `hook` called with each operation on `inner` and its object (for a list the folder, for a barrier nothing). `rely_on`
    /// asks no storage anything, so it is passed on at once.
    pub fn new(inner: Arc<dyn Backend>, hook: H) -> Self {
        Self { inner, hook }
    }
}

impl<H: Fn(Operation, &str) + Send + Sync> Backend for HookedBackend<H> {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        (self.hook)(Operation::Put, name.as_str());
        self.inner.put_if_absent(name, parts)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        (self.hook)(Operation::Get, name.as_str());
        self.inner.get(name, range)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        (self.hook)(Operation::Length, name.as_str());
        self.inner.length(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        (self.hook)(Operation::List, folder);
        self.inner.list(folder)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        (self.hook)(Operation::Delete, name.as_str());
        self.inner.delete(name)
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }

    fn barrier(&self) -> Result<(), StorageError> {
        (self.hook)(Operation::Barrier, "");
        self.inner.barrier()
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}
