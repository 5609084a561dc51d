// SPDX-License-Identifier: MIT OR Apache-2.0
//! Folders in the order of the tree: byte by byte, with `/` below every other byte (`docs/format.md` section 8).
//!
//! For the walk, whose queue of folders is sorted by it.

use std::cmp::Ordering;
use std::sync::Arc;

use keepfast_repo_format::tree::order::compare_directories;

/// Path of a folder in the snapshot, sorted as the tree sorts directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreePath(pub(super) Arc<[u8]>);

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_directories(&self.0, &other.0)
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
