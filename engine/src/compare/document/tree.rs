// SPDX-License-Identifier: MIT OR Apache-2.0
//! A document as the comparison sees it: nodes with digests, whose children are listed on demand.
//!
//! The comparison of two trees is the same whether they are in memory or too large for it.

use super::Value;
use super::digest::Digest;
use super::identity::Columns;
use crate::compare::Trouble;
use std::borrow::Cow;

/// A value in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Of its key, in a map; in a list, of what tells it from the other elements, if something does.
    pub(crate) name: Digest,
    /// Of the value.
    pub(crate) digest: Digest,
    /// Where the tree finds the value.
    pub(crate) at: u64,
    /// Its length there, or the most that the type holds.
    pub(crate) length: u32,
    /// How far before it its key stands.
    pub(crate) lead: u32,
}

/// What is directly in a container.
#[derive(Default)]
pub(crate) struct Children {
    /// In the order of the document; in a map each name once.
    pub(crate) nodes: Vec<Node>,
    /// In a list, what may tell its elements apart.
    pub(crate) columns: Columns,
}

/// A document.
pub(crate) trait Tree {
    /// Whether it is small: then [`Tree::value`] has every value at no cost.
    const IN_MEMORY: bool;

    /// What is directly in a container, but at most `room` nodes.
    ///
    /// # Errors
    /// There are more, or it can not be read.
    fn children(&self, of: &Node, room: usize) -> Result<Children, Trouble>;

    /// The key of a node of a map.
    ///
    /// # Errors
    /// It can not be read.
    fn key(&self, of: &Node) -> Result<String, Trouble>;

    /// The value; `None` for a container that is too large for it.
    ///
    /// # Errors
    /// It can not be read.
    fn value(&self, of: &Node) -> Result<Option<Cow<'_, Value>>, Trouble>;
}
