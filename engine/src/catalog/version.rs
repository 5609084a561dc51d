// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a path was through a run of snapshots: everything that a restore would bring back, contents and attributes as fingerprints.
//!
//! For the catalog and whoever asks it. Two versions are equal exactly where [`crate::tree::compare`] finds no difference.

use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Metadata, Owner, Timestamp};

/// Bytes of a content id: no two contents of a repository share one by accident, and half a row of hex is still typed by people.
pub const CONTENT_ID_BYTES: usize = 16;

/// What a path was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What it was.
    pub file_type: FileType,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Who owned it.
    pub owner: Arc<Owner>,
    /// Size in bytes; 0 for anything but a file.
    pub size: u64,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Of a file its content id, empty if it was empty; of a symlink the target; of a device its numbers.
    pub content: Vec<u8>,
    /// Tells extended attributes and inode flags apart; 0 if there were none.
    pub attributes: i64,
}

impl Version {
    /// What an entry says.
    pub fn of(entry: &Entry) -> Self {
        let metadata = &entry.metadata;
        Self {
            file_type: metadata.file_type,
            mode: metadata.mode,
            owner: metadata.owner.clone(),
            size: metadata.size,
            modified: metadata.modified,
            content: content(entry),
            attributes: attributes(metadata),
        }
    }

    /// Names the content of a file, in every snapshot and at every path of the repository; `None` if it has none.
    pub fn content_id(&self) -> Option<&[u8]> {
        (self.file_type == FileType::File && !self.content.is_empty()).then_some(&*self.content)
    }

    /// Where a symlink points.
    pub fn target(&self) -> Option<&[u8]> {
        (self.file_type == FileType::Symlink).then_some(&*self.content)
    }
}

fn content(entry: &Entry) -> Vec<u8> {
    let metadata = &entry.metadata;
    match metadata.file_type {
        FileType::File => content_id(entry),
        FileType::Symlink => metadata.target.clone(),
        _ => {
            metadata.device.map_or_else(Vec::new, |(major, minor)| [major.to_le_bytes(), minor.to_le_bytes()].concat())
        }
    }
}

/// The beginning of the chunk id where one chunk is the whole content, so that a chunk which `check` or `cat` names can be looked for;
/// else a hash of what is stored: it is keyed, because chunk ids are.
fn content_id(entry: &Entry) -> Vec<u8> {
    if let (Content { height: 0, items }, true) = (&entry.content, entry.layers.is_empty()) {
        match items[..] {
            [] => return Vec::new(),
            [only] => {
                if let Some(id) = only.id {
                    return id.0[..CONTENT_ID_BYTES].to_vec();
                }
            }
            _ => {}
        }
    }
    let mut hasher = blake3::Hasher::new();
    put_content(&mut hasher, &entry.content);
    for layer in &entry.layers {
        hasher.update(&layer.length.to_le_bytes());
        put_content(&mut hasher, &layer.recipe);
    }
    hasher.finalize().as_bytes()[..CONTENT_ID_BYTES].to_vec()
}

fn put_content(hasher: &mut blake3::Hasher, content: &Content) {
    hasher.update(&[content.height]);
    hasher.update(&(content.items.len() as u64).to_le_bytes());
    for item in &content.items {
        hasher.update(&item.length.to_le_bytes());
        // A hole has no id, and no chunk has this one.
        hasher.update(&item.id.map_or([0; 32], |id| id.0));
    }
}

fn attributes(metadata: &Metadata) -> i64 {
    if metadata.xattrs.is_empty() && metadata.inode_flags == 0 {
        return 0;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&metadata.inode_flags.to_le_bytes());
    for part in metadata.xattrs.iter().flat_map(|(name, value)| [name, value]) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(first)
}
