// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which snapshots compete for the places of a rule: those of one host and one set of paths, unless the user says otherwise.

use std::collections::BTreeMap;

use super::PolicyError;
use crate::history::{History, Snapshot};
use crate::retention::Windows;

/// A property that snapshots of one group share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Host.
    Host,
    /// Set of paths.
    Paths,
    /// Set of tags.
    Tags,
}

/// The properties that snapshots of one group share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping(Vec<By>);

impl Default for Grouping {
    fn default() -> Self {
        Self(vec![By::Host, By::Paths])
    }
}

impl Grouping {
    /// Reads `host,path,tag` or a part of it; the plural of each does, too. Empty: one group.
    ///
    /// # Errors
    /// Another word.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let by = words.map(|word| match word {
            "host" | "hosts" => Ok(By::Host),
            "path" | "paths" => Ok(By::Paths),
            "tag" | "tags" => Ok(By::Tags),
            _ => Err(PolicyError::Grouping { text: text.to_string() }),
        });
        by.collect::<Result<_, _>>().map(Self)
    }

    /// Whether snapshots of one group share this.
    pub fn has(&self, by: By) -> bool {
        self.0.contains(&by)
    }
}

/// Whether the times of a group are borne out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dating {
    /// They can be true.
    Dated,
    /// They can not be true, so these never take the place of dated ones.
    Undated,
}

/// What the snapshots of a group share; `None` where they need not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// Host.
    pub host: Option<String>,
    /// Paths, sorted.
    pub paths: Option<Vec<Vec<u8>>>,
    /// Tags, sorted.
    pub tags: Option<Vec<String>>,
    /// Whether the times can be true.
    pub dating: Dating,
}

/// Snapshots that compete with each other, the oldest first.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// What they share.
    pub key: GroupKey,
    /// The snapshots.
    pub snapshots: Vec<&'a Snapshot>,
}

/// Sorts snapshots into groups. `snapshots` stand from the oldest to the newest.
pub fn groups<'a>(
    snapshots: &[&'a Snapshot],
    grouping: &Grouping,
    windows: &Windows,
    history: &History,
) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<GroupKey, Vec<&Snapshot>> = BTreeMap::new();
    for &snapshot in snapshots {
        let dating = if windows.date(snapshot, history) { Dating::Dated } else { Dating::Undated };
        groups.entry(key(snapshot, grouping, dating)).or_default().push(snapshot);
    }
    groups.into_iter().map(|(key, snapshots)| Group { key, snapshots }).collect()
}

fn key(snapshot: &Snapshot, grouping: &Grouping, dating: Dating) -> GroupKey {
    let host = grouping.has(By::Host).then(|| snapshot.manifest.host.clone());
    let paths = grouping.has(By::Paths).then(|| sorted(&snapshot.manifest.paths));
    let tags = grouping.has(By::Tags).then(|| sorted(&snapshot.tags));
    GroupKey { host, paths, tags, dating }
}

fn sorted<T: Ord + Clone>(values: &[T]) -> Vec<T> {
    let mut values = values.to_vec();
    values.sort();
    values.dedup();
    values
}
