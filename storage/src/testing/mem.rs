// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects in memory: the fastest backend that keeps the contract, and the one whose objects a test can damage.

use std::ops::Range;
use std::sync::Mutex;

use super::{Image, lock};
use crate::{Backend, Delete, Listed, Name, Put, StorageError};

/// A store in memory. Everything is durable at once; nothing survives the value.
#[derive(Debug, Default)]
pub struct MemBackend {
    objects: Mutex<Image>,
}

impl MemBackend {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store with these objects.
    pub fn from_image(image: Image) -> Self {
        Self { objects: Mutex::new(image) }
    }

    /// What it holds now.
    pub fn image(&self) -> Image {
        lock(&self.objects).clone()
    }

    /// Changes objects behind the program's back, as bit rot or an attacker would.
    pub fn edit(&self, change: impl FnOnce(&mut Image)) {
        change(&mut lock(&self.objects));
    }
}

impl Backend for MemBackend {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        let bytes = parts.concat();
        let mut objects = lock(&self.objects);
        if objects.get(name).is_some() {
            return Ok(Put::Exists);
        }
        objects.insert(name.clone(), bytes);
        Ok(Put::Created)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        lock(&self.objects).read(name, range, "memory")
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        lock(&self.objects).length(name, "memory")
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        lock(&self.objects).list(folder, "memory")
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        let removed = lock(&self.objects).remove(name);
        Ok(if removed.is_some() { Delete::Deleted } else { Delete::Absent })
    }

    fn rely_on(&self, _name: &Name) -> Result<(), StorageError> {
        // Nothing is ever lost.
        Ok(())
    }

    fn barrier(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }
}
