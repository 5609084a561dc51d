// SPDX-License-Identifier: MIT OR Apache-2.0
//! Documents: the model that JSON, YAML, TOML, INI and XML are read into, and what changed between two of them.
//!
//! The comparison itself knows no format. It walks trees (`tree`), in memory (`memory`) or on disk (`json`), by the digests of their values.

pub mod compare;

pub(super) mod align;
pub(super) mod digest;
pub(super) mod identity;
mod memory;
mod number;
mod order;
pub(super) mod render;
pub(super) mod tree;

/// A value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number in decimal, as written: it is shown so. The comparison takes `1`, `1.0` and `10e-1` for one number; `==` does not.
    Number(String),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by key, each key once. Their order means nothing, but `==` minds it.
    Map(Vec<(String, Value)>),
}
