// SPDX-License-Identifier: MIT OR Apache-2.0
//! A member as the entry of a tree, without content.

use std::collections::HashMap;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata, Owner, Xattrs};
use keepfast_repo_format::tree::order;

use super::{Member, MemberKind};

/// Longest target of a symbolic link in a tree.
const MAX_TARGET_BYTES: usize = 65_535;

/// Makes entries; what many of them have in common is held once.
#[derive(Default)]
pub struct Entries {
    directory: Arc<[u8]>,
    owners: HashMap<Owner, Arc<Owner>>,
    no_xattrs: Arc<Xattrs>,
}

impl Entries {
    /// The entry at `path` for `member`. A hard link is a file.
    pub fn entry(&mut self, path: &[u8], member: &Member) -> Entry {
        let (directory, name) = order::split(path);
        if *self.directory != *directory {
            self.directory = directory.into();
        }
        let file_type = match member.kind {
            MemberKind::Entry(file_type) => file_type,
            MemberKind::HardLink | MemberKind::Note | MemberKind::Unknown(_) => FileType::File,
        };
        let owner = match self.owners.get(&member.owner) {
            Some(owner) => owner.clone(),
            None => self.owners.entry(member.owner.clone()).or_insert_with(|| Arc::new(member.owner.clone())).clone(),
        };
        let is_empty = member.xattrs.is_empty();
        let metadata = Metadata {
            file_type,
            mode: member.mode,
            owner,
            modified: member.modified,
            changed: member.changed.unwrap_or(member.modified),
            born: member.born,
            inode: 0,
            link_group: None,
            inode_flags: 0,
            device: member.device,
            target: if file_type == FileType::Symlink { member.link.clone() } else { Vec::new() },
            xattrs: if is_empty { self.no_xattrs.clone() } else { Arc::new(member.xattrs.clone()) },
            size: if file_type == FileType::File { member.size } else { 0 },
        };
        let marks = if member.doubts.is_empty() { Marks::default() } else { Marks(Marks::UNREADABLE) };
        Entry {
            directory: self.directory.clone(),
            name: name.to_vec(),
            metadata,
            marks,
            content: Content::default(),
            layers: Vec::new(),
        }
    }
}

/// Why a member can be no entry.
///
/// # Errors
/// A sentence.
pub fn refusal(member: &Member, path: &[u8]) -> Result<(), String> {
    let is_folder = member.kind == MemberKind::Entry(FileType::Directory);
    match member.kind {
        MemberKind::Note => {}
        MemberKind::Unknown(b'M') => {
            return Err("it goes on in another volume of the archive".to_string());
        }
        _ if path.is_empty() && !is_folder => return Err("the top can only be a folder".to_string()),
        MemberKind::Entry(FileType::Symlink) => {
            let fits = (1..=MAX_TARGET_BYTES).contains(&member.link.len()) && !member.link.contains(&0);
            if !fits {
                return Err("the target of the link can be none".to_string());
            }
        }
        _ => {}
    }
    Ok(())
}
