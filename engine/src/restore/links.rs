// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files with several names: the first name of a group is restored like any file, the later ones become links to it.
//!
//! An existing file with several names is kept only when one group has it and it is equal in everything that a restore
//! sets: writing into it would change it under names that may be outside the target.

use std::collections::{HashMap, HashSet};

use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use super::files::FileJob;
use super::pass::PassEnd;
use super::{Change, Compare, Mode, Shared, content};
use crate::error::Result;
use crate::target::{Directory, Existing, OwnershipMode, Target, TargetErrorKind};

/// What may stay of an existing file that has several names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shares {
    /// Nothing: in the snapshot its names are not those of one file.
    Break,
    /// All, for this group, if it is equal.
    Keep(u64),
}

/// Groups that came by on the forward walk.
#[derive(Default)]
pub(super) struct Groups {
    first_names: HashMap<u64, Vec<u8>>,
    /// Existing inodes that a group's first name is at. The first group that comes has it.
    claimed: HashSet<(u64, u64)>,
}

/// What is to be done with a name.
pub(super) enum Role {
    /// Restore it.
    First(Shares),
    /// Link it to this path.
    Later(Vec<u8>),
}

impl Groups {
    /// The role of the name that comes next; `directory` is its folder if that exists.
    pub(super) fn role(&mut self, entry: &Entry, path: &[u8], directory: Option<&Directory>) -> Result<Role> {
        let Some(group) = entry.metadata.link_group else { return Ok(Role::First(Shares::Break)) };
        if let Some(first) = self.first_names.get(&group) {
            return Ok(Role::Later(first.clone()));
        }
        self.first_names.insert(group, path.to_vec());
        let existing = directory.map_or(Ok(None), |directory| directory.existing(&entry.name))?;
        let keeps = existing.is_some_and(|existing| self.claimed.insert((existing.device, existing.inode)));
        Ok(Role::First(if keeps { Shares::Keep(group) } else { Shares::Break }))
    }
}

/// Whether an existing file with several names stays as it is.
pub(super) fn stays(shared: &Shared, job: &FileJob, existing: &Existing) -> Result<bool> {
    let metadata = &job.entry.metadata;
    let Shares::Keep(group) = job.shares else { return Ok(false) };
    let owners = shared.options.ownership == OwnershipMode::Numeric && shared.ownership.is_privileged();
    let is_equal = existing.file_type == FileType::File
        && (existing.size, existing.modified, existing.mode) == (metadata.size, metadata.modified, metadata.mode)
        && (!owners || (existing.uid, existing.gid) == (metadata.owner.uid, metadata.owner.gid));
    if !is_equal {
        return Ok(false);
    }
    if shared.options.compare == Compare::Content && !has_content(shared, job)? {
        return Ok(false);
    }
    shared.kept_groups.lock().expect("no holder panics").insert(group);
    Ok(true)
}

/// Whether the existing file has the entry's content. Nothing about the file changes, not even a mode that forbids to look:
/// then it counts as different.
pub(super) fn has_content(shared: &Shared, job: &FileJob) -> Result<bool> {
    match job.directory.open_file_to_read(&job.name) {
        Ok(file) => content::is_equal(shared, job, &file),
        Err(error) if error.kind == TargetErrorKind::Denied => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl PassEnd {
    /// Makes the later names of files with several names. No target: a dry run into nothing.
    pub(super) fn links(&self, shared: &Shared, target: Option<&Target>) -> Result<()> {
        for (path, first, group) in &self.links {
            shared.check()?;
            let linked = match target {
                Some(target) => link(shared, target, path, first, *group),
                None => Ok(Change::Created),
            };
            match linked {
                Ok(change) => shared.changed(path, change),
                Err(error) => shared.failed(path, error),
            }
        }
        Ok(())
    }
}

fn link(shared: &Shared, target: &Target, path: &[u8], first: &[u8], group: u64) -> Result<Change> {
    let ((folder, name), (first_folder, first_name)) = (order::split(path), order::split(first));
    let is_dry = shared.options.mode == Mode::DryRun;
    let folder = match target.directory(folder) {
        // The folder would be new, or stand in the place of something else.
        Err(_) if is_dry => return Ok(Change::Created),
        folder => folder?,
    };
    let there = folder.existing(name)?;
    let change = if there.is_some() { Change::Updated } else { Change::Created };
    if is_dry && !shared.kept_groups.lock().expect("no holder panics").contains(&group) {
        return Ok(change);
    }
    let first_folder = target.directory(first_folder)?;
    let wanted = first_folder.existing(first_name)?;
    if let (Some(there), Some(wanted)) = (there, wanted)
        && (there.inode, there.device) == (wanted.inode, wanted.device)
    {
        return Ok(Change::Unchanged);
    }
    if !is_dry {
        if let Some(there) = there {
            shared.clear(&folder, name, &there)?;
        }
        folder.hard_link(name, &first_folder, first_name)?;
    }
    Ok(change)
}
