// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changing the tags of snapshots. Snapshots are immutable and keep their ids: the change is an entry in the log.

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::log::{LogBody, Tagging};

use crate::error::{Error, Result};
use crate::repository::Repository;
use crate::session::{Client, Role, Session};

/// How tags are changed: first replaced, then removed, then added.
#[derive(Clone, Debug, Default)]
pub struct TagEdit {
    /// All tags become these.
    pub set: Option<Vec<String>>,
    /// These go.
    pub remove: Vec<String>,
    /// These come.
    pub add: Vec<String>,
}

impl TagEdit {
    /// The tags that `tags` become, sorted.
    pub fn apply(&self, tags: &[String]) -> Vec<String> {
        let mut tags = self.set.clone().unwrap_or_else(|| tags.to_vec());
        tags.retain(|tag| !self.remove.contains(tag));
        tags.extend(self.add.iter().cloned());
        tags.sort();
        tags.dedup();
        tags
    }
}

/// Changes the tags of snapshots; those whose tags stay the same are left out. Returns the changed ones with their new tags.
///
/// # Errors
/// [`Error::NoSnapshot`] if one is not visible any more.
pub fn tag(
    repository: &Repository,
    client: &Client,
    ids: &[SnapshotId],
    edit: &TagEdit,
) -> Result<Vec<(SnapshotId, Vec<String>)>> {
    let session = Session::open(repository, client.clone(), Role::Writer)?;
    let (snapshots, _) = session.history.snapshots(repository)?;
    let mut changed = Vec::new();
    for id in ids {
        let Some(snapshot) = snapshots.iter().find(|snapshot| snapshot.id == *id) else {
            session.abandon()?;
            return Err(Error::NoSnapshot { selector: id.to_string() });
        };
        let tags = edit.apply(&snapshot.tags);
        if tags != snapshot.tags {
            changed.push((*id, tags));
        }
    }
    if changed.is_empty() {
        session.abandon()?;
        return Ok(changed);
    }
    let taggings = changed.iter().map(|(snapshot, tags)| Tagging { snapshot: *snapshot, tags: tags.clone() }).collect();
    session.record(LogBody::Tag { taggings })?;
    Ok(changed)
}
