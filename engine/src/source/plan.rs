// SPDX-License-Identifier: MIT OR Apache-2.0
//! The named paths, merged: which path of the source becomes which path of the snapshot.
//!
//! An absolute path loses its leading `/`; a relative one is kept; `.` and `..` are resolved by their letters, and a
//! leading `..` is dropped. Paths that are the same or lie within each other end up in one tree of names, so that the
//! walk meets everything once. Nothing here looks at the file system.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::source::error::SourceError;
use crate::source::root::Links;

/// Place of a [`Node`] in the plan. The top is 0.
pub(super) type NodeId = usize;

/// Place of a base in the plan: the source folder that is the top of the snapshot for some of the named paths.
pub(super) type BaseId = usize;

/// A path of the snapshot that was named, or leads to one that was.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it lies in the source: beneath this base, under the same path as in the snapshot.
    pub(super) base: BaseId,
    /// Whether it was named itself, and what a link at its end then means.
    pub(super) named: Option<Links>,
    /// The next names on the way to other named paths.
    pub(super) children: BTreeMap<Vec<u8>, NodeId>,
}

/// All named paths.
#[derive(Debug)]
pub(super) struct Plan {
    nodes: Vec<Node>,
    /// Absolute paths without a trailing `/`; empty for `/`.
    bases: Vec<Vec<u8>>,
}

/// A named path after its letters were looked at.
struct NamedPath {
    base: Vec<u8>,
    names: Vec<Vec<u8>>,
    links: Links,
}

impl Plan {
    /// Merges `paths`; relative ones start at `working_directory`, which is absolute. Fails if none is given or two
    /// different ones would be the same in the snapshot.
    pub(super) fn new(paths: &[PathBuf], working_directory: &Path) -> Result<Self, SourceError> {
        let first = paths.first().ok_or(SourceError::NothingNamed)?;
        let mut plan = Self { nodes: Vec::new(), bases: Vec::new() };
        let base = plan.base(resolve(first, working_directory).base);
        plan.nodes.push(Node { base, named: None, children: BTreeMap::new() });
        for path in paths {
            plan.add(resolve(path, working_directory))?;
        }
        Ok(plan)
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Absolute source path of a base; empty for `/`.
    pub(super) fn base_path(&self, id: BaseId) -> &[u8] {
        &self.bases[id]
    }

    /// Absolute source path of what is called `stored` in the snapshot and lies beneath a base.
    pub(super) fn source(&self, base: BaseId, stored: &[u8]) -> Vec<u8> {
        let base = self.base_path(base);
        if stored.is_empty() { base.to_vec() } else { [base, b"/", stored].concat() }
    }

    /// Paths in the snapshot of everything that was named at or below the node that is called `stored`.
    pub(super) fn named_below(&self, id: NodeId, stored: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut open = vec![(id, stored.to_vec())];
        while let Some((id, path)) = open.pop() {
            let node = self.node(id);
            for (name, child) in &node.children {
                let below = if path.is_empty() { name.clone() } else { [&path, b"/".as_slice(), name].concat() };
                open.push((*child, below));
            }
            if node.named.is_some() {
                found.push(path);
            }
        }
        found
    }

    /// Base and link rule of the named path that is called `stored`.
    pub(super) fn named_at(&self, stored: &[u8]) -> (BaseId, Links) {
        let names = stored.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let id = names.fold(0, |at, name| self.nodes[at].children.get(name).copied().unwrap_or(at));
        (self.nodes[id].base, self.nodes[id].named.unwrap_or(Links::Keep))
    }

    fn add(&mut self, path: NamedPath) -> Result<(), SourceError> {
        let base = self.base(path.base);
        let mut at: NodeId = 0;
        for name in &path.names {
            let next = self.nodes.len();
            let id = *self.nodes[at].children.entry(name.clone()).or_insert(next);
            if id == next {
                self.nodes.push(Node { base, named: None, children: BTreeMap::new() });
            }
            at = id;
        }
        if self.nodes[at].named.is_some() && self.nodes[at].base != base {
            let stored = path.names.join(&b'/');
            let (first, second) = (self.source(self.nodes[at].base, &stored), self.source(base, &stored));
            return Err(SourceError::Collision { stored, first, second });
        }
        let node = &mut self.nodes[at];
        node.base = base;
        let follows = path.links == Links::Follow || node.named == Some(Links::Follow);
        node.named = Some(if follows { Links::Follow } else { Links::Keep });
        Ok(())
    }

    fn base(&mut self, path: Vec<u8>) -> BaseId {
        if let Some(known) = self.bases.iter().position(|base| *base == path) {
            return known;
        }
        self.bases.push(path);
        self.bases.len() - 1
    }
}

fn resolve(path: &Path, working_directory: &Path) -> NamedPath {
    let bytes = path.as_os_str().as_bytes();
    let is_absolute = bytes.starts_with(b"/");
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut climbs = 0_usize;
    for name in bytes.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if names.pop().is_none() => climbs += 1,
            b".." => {}
            name => names.push(name.to_vec()),
        }
    }
    let follows = names.is_empty() || bytes.ends_with(b"/") || bytes.ends_with(b"/.");
    let links = if follows { Links::Follow } else { Links::Keep };
    let base = if is_absolute { Vec::new() } else { climb(working_directory, climbs) };
    NamedPath { base, names, links }
}

/// `folder`, or the folder that many levels above it; never above `/`.
fn climb(folder: &Path, levels: usize) -> Vec<u8> {
    let bytes = folder.as_os_str().as_bytes();
    let names: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let kept = &names[..names.len().saturating_sub(levels)];
    kept.iter().flat_map(|name| [b"/".as_slice(), name]).collect::<Vec<_>>().concat()
}
