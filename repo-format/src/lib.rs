// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns the values of a repository into bytes and back: `docs/format.md` in code, module by section.
//!
//! No file, no network, no clock, no thread: the caller brings bytes, keys and times. Decoders never panic, check every
//! length before they take memory for it, and refuse what is not canonical.

pub mod condemned;
pub mod config;
pub mod crypto;
pub mod directory;
pub mod envelope;
pub mod error;
pub mod frame;
pub mod generation;
pub mod id;
pub mod index;
pub mod key_slot;
pub mod keys;
pub mod layout;
pub mod log;
pub mod manifest;
pub mod pack;
pub mod recipe;
pub mod record;
pub mod segment;
pub mod session;
pub mod tree;
#[cfg(test)]
mod vectors;
mod wire;

pub use error::FormatError;
