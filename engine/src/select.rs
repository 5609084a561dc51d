// SPDX-License-Identifier: MIT OR Apache-2.0
//! Naming snapshots: `latest`, `latest~3`, an id or the beginning of one, `tag:NAME`; with an optional `:PATH` behind it.

use crate::error::{Error, Result};
use crate::history::Snapshot;

/// Fewest digits of an id that are taken for one.
const MIN_ID_DIGITS: usize = 4;

/// Which snapshots are looked at at all.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Of these hosts; empty for all.
    pub hosts: Vec<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// Of exactly these paths, or containing them.
    pub paths: Vec<Vec<u8>>,
    /// Not started later than this (Unix nanoseconds).
    pub until: Option<i64>,
}

impl Scope {
    /// Whether the snapshot is looked at.
    pub fn takes(&self, snapshot: &Snapshot) -> bool {
        let manifest = &snapshot.manifest;
        (self.hosts.is_empty() || self.hosts.contains(&manifest.host))
            && self.tags.iter().all(|tag| snapshot.tags.contains(tag))
            && self.paths.iter().all(|path| manifest.paths.contains(path))
            && self.until.is_none_or(|until| manifest.started <= until)
    }

    /// The snapshots that are looked at, in their order.
    pub fn filter<'a>(&self, snapshots: &'a [Snapshot]) -> Vec<&'a Snapshot> {
        snapshots.iter().filter(|snapshot| self.takes(snapshot)).collect()
    }
}

/// The one snapshot that `selector` names; `snapshots` oldest first. Only `latest` looks at the scope: an id is an id.
///
/// # Errors
/// [`Error::NoSnapshot`], [`Error::NoSnapshots`], [`Error::ShortId`], [`Error::Ambiguous`].
pub fn select<'a>(snapshots: &'a [Snapshot], selector: &str, scope: &Scope) -> Result<&'a Snapshot> {
    let missing = || Error::NoSnapshot { selector: selector.to_string() };
    if snapshots.is_empty() {
        return Err(Error::NoSnapshots { selector: selector.to_string() });
    }
    let (base, back) = match selector.split_once('~') {
        Some((base, back)) => (base, back.parse::<usize>().map_err(|_| missing())?),
        None => (selector, 0),
    };
    let nth = |found: Vec<&'a Snapshot>| found.iter().rev().nth(back).copied().ok_or_else(missing);
    if base == "latest" {
        return nth(scope.filter(snapshots));
    }
    if let Some(tag) = base.strip_prefix("tag:") {
        return nth(scope.filter(snapshots).into_iter().filter(|s| s.tags.iter().any(|own| own == tag)).collect());
    }
    let is_id = (1..=64).contains(&base.len()) && base.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_id || back != 0 {
        return Err(missing());
    }
    if base.len() < MIN_ID_DIGITS {
        return Err(Error::ShortId { selector: selector.to_string(), least: MIN_ID_DIGITS });
    }
    let base = base.to_ascii_lowercase();
    let found: Vec<_> = snapshots.iter().filter(|snapshot| snapshot.id.to_string().starts_with(&base)).collect();
    match found[..] {
        [] => Err(missing()),
        [one] => Ok(one),
        _ => Err(Error::Ambiguous { selector: selector.to_string(), count: found.len() }),
    }
}

/// Splits `SNAPSHOT:PATH`; the path without leading and trailing slashes, empty if there is none.
pub fn split_path(selector: &[u8]) -> (&[u8], &[u8]) {
    // `tag:NAME:PATH` has two colons; the first belongs to the selector.
    let start = if selector.starts_with(b"tag:") { 4 } else { 0 };
    match selector[start..].iter().position(|byte| *byte == b':') {
        Some(colon) => (&selector[..start + colon], trim(&selector[start + colon + 1..])),
        None => (selector, b""),
    }
}

/// A path as it stands in a tree: no leading or trailing slash, no `.` components.
pub fn trim(path: &[u8]) -> &[u8] {
    let mut path = path;
    loop {
        path = match path {
            [b'/', rest @ ..] | [rest @ .., b'/'] => rest,
            [b'.', b'/', rest @ ..] => rest,
            b"." => b"",
            _ => return path,
        };
    }
}
