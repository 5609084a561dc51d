// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one popular S3 gateway does.

use std::ops::Range;
use std::sync::Arc;

use super::MemBackend;
use crate::{Backend, Delete, Listed, Name, Put, StorageError};

/// Says yes to a conditional put, and overwrites what is there.
pub struct OverwritingBackend(Arc<MemBackend>);

impl OverwritingBackend {
    /// Overwrites objects of `inner`.
    pub fn new(inner: Arc<MemBackend>) -> Self {
        Self(inner)
    }
}

impl Backend for OverwritingBackend {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        self.0.edit(|image| image.insert(name.clone(), parts.concat()));
        Ok(Put::Created)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        self.0.get(name, range)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.0.length(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.0.list(folder)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        self.0.delete(name)
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.0.rely_on(name)
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.0.barrier()
    }

    fn location(&self) -> String {
        "overwriting".to_owned()
    }
}
