// SPDX-License-Identifier: MIT OR Apache-2.0
//! Profiles: what one system is made of, how it is captured in one moment, and the runbooks that bring it back.
//!
//! A profile is a TOML document. [`Profile`] is the document as types; [`Library`] finds it by name, built in or in a folder of
//! the user's, and joins it with those it inherits from; [`template`] puts variables in; [`Condition`] says what applies;
//! [`review`] tells what is wrong with it before it is needed. This layer reads no clock, no environment and imports nothing of
//! the engine.

mod condition;
mod error;
mod library;
mod merge;
mod review;
mod schema;
mod shell;
pub mod template;
#[cfg(test)]
mod tests;
mod values;
mod vendor;

pub use condition::Condition;
pub use error::ProfileError;
pub use library::{BUILT_IN, Library, Listed, Origin};
pub use review::{Finding, review};
pub use schema::{
    Artifact, Asked, Capture, Check, Files, Form, Host, Ignore, Need, On, Profile, Quiesce, Repeat, Role, Runbook,
    SaveAside, Step, Stream, Variable, Vendor, Wipe,
};
pub use values::{SecretFrom, Values};
pub use vendor::Named;
