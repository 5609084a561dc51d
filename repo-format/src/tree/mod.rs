// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree of a snapshot: entries, their order, and the nodes they are stored in (`docs/format.md` section 8).

pub mod boundary;
pub(crate) mod column;
pub mod entry;
pub mod inner;
pub mod leaf;
pub mod list;
pub mod order;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
