// SPDX-License-Identifier: MIT OR Apache-2.0
//! keepfast without a face: everything the program does, silently.
//!
//! Reading order, each layer importing only from those before it: [`error`], [`events`]; [`index`], [`history`], [`reader`],
//! `pool`, [`unwrap`], [`session`], [`repository`], [`capability`]; [`writer`], [`tree`], [`catalog`]; [`archive`], [`text`], [`source`], [`target`], [`filter`], [`retention`], [`compare`], [`content`], [`redact`], [`importance`], [`profile`], [`runbook`]; then one module per
//! operation, [`backup`] first. Operations never import each other.

pub mod archive;
pub mod backup;
pub mod blame;
pub mod capability;
pub mod catalog;
pub mod check;
pub mod compare;
pub mod content;
pub mod copy;
pub mod diff;
pub mod dump;
pub mod error;
pub mod events;
pub mod export;
pub mod filter;
pub mod find;
pub mod forget;
pub mod history;
pub mod identity;
pub mod import;
pub mod importance;
pub mod index;
pub mod key;
pub mod mount;
mod pool;
pub mod profile;
pub mod prune;
pub mod reader;
pub mod recover;
pub mod redact;
pub mod repository;
pub mod restore;
pub mod retention;
pub mod runbook;
pub mod select;
pub mod session;
pub mod sessions;
pub mod source;
pub mod stats;
pub mod tag;
pub mod target;
pub mod text;
pub mod tree;
pub mod undelete;
pub mod unwrap;
pub mod versions;
pub mod writer;

pub use error::{Error, Result};
/// The values that operations take and give back, for whoever uses no other crate than this one.
pub use keepfast_repo_format as format;
/// Where a repository can be.
pub use keepfast_storage as storage;
