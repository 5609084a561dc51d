// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file system that a restore writes into.
//!
//! Names and links come from a repository that may be hostile, and other programs may change the target meanwhile. So every path is
//! resolved beneath the target folder's descriptor and no symlink below it is ever followed. This module knows files
//! and metadata; it must not know trees, chunks or what a restore wants to overwrite.

mod directory;
mod error;
mod file;
mod locks;
mod metadata;
mod name;
mod ownership;
mod remove;
mod resolve;
mod root;

pub use directory::{Device, Directory, Existing, Made};
pub use error::{TargetError, TargetErrorKind};
pub use file::TargetFile;
pub use metadata::{Attribute, FailureKind, MetadataFailure};
pub use ownership::{Ownership, OwnershipMode};
pub use root::Target;

#[cfg(test)]
mod tests;
