// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a store holds at one moment. Copies share the bytes, so hundreds of crash states cost little memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::Operation;
use crate::{ErrorKind, Listed, Name, StorageError};

/// Objects by name. Unlike a backend it can be edited freely: to damage, lose or swap objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    objects: BTreeMap<Name, Arc<[u8]>>,
}

impl Image {
    /// The object's bytes.
    pub fn get(&self, name: &Name) -> Option<&Arc<[u8]>> {
        self.objects.get(name)
    }

    /// Puts the object there, over any other of this name.
    pub fn insert(&mut self, name: Name, bytes: impl Into<Arc<[u8]>>) {
        self.objects.insert(name, bytes.into());
    }

    /// Takes the object away; returns its bytes.
    pub fn remove(&mut self, name: &Name) -> Option<Arc<[u8]>> {
        self.objects.remove(name)
    }

    /// All objects, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Arc<[u8]>)> {
        self.objects.iter()
    }

    /// Names below a folder, sorted; all names for an empty folder.
    pub fn names(&self, folder: &str) -> Vec<Name> {
        self.objects.keys().filter(|name| is_below(name, folder)).cloned().collect()
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// As [`crate::Backend::get`].
    pub(super) fn read(&self, name: &Name, range: Option<Range<u64>>, location: &str) -> Result<Vec<u8>, StorageError> {
        let bytes = self.object(name, Operation::Get, location)?;
        let Some(range) = range else { return Ok(bytes.to_vec()) };
        let bounds = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let slice = bounds.and_then(|(start, end)| bytes.get(start..end));
        slice.map(<[u8]>::to_vec).ok_or_else(|| {
            let source = io::Error::other(format!("bytes {range:?} of {} asked for", bytes.len()));
            StorageError::from_io("read", name.as_str(), location, source).with_kind(ErrorKind::Range)
        })
    }

    /// As [`crate::Backend::length`].
    pub(super) fn length(&self, name: &Name, location: &str) -> Result<u64, StorageError> {
        Ok(self.object(name, Operation::Length, location)?.len() as u64)
    }

    /// As [`crate::Backend::list`].
    pub(super) fn list(&self, folder: &str, location: &str) -> Result<Vec<Listed>, StorageError> {
        if !folder.is_empty() && Name::new(folder).is_none() {
            let source = io::ErrorKind::InvalidInput.into();
            return Err(StorageError::from_io("list", folder, location, source).with_kind(ErrorKind::BadName));
        }
        let below = self.objects.iter().filter(|(name, _)| is_below(name, folder));
        Ok(below.map(|(name, bytes)| Listed { name: name.clone(), length: bytes.len() as u64 }).collect())
    }

    fn object(&self, name: &Name, operation: Operation, location: &str) -> Result<&Arc<[u8]>, StorageError> {
        self.objects.get(name).ok_or_else(|| {
            StorageError::from_io(operation.word(), name.as_str(), location, io::ErrorKind::NotFound.into())
        })
    }
}

fn is_below(name: &Name, folder: &str) -> bool {
    folder.is_empty() || name.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}
