// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a profile.

use std::path::PathBuf;

/// A profile can not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// There is none of that name.
    #[error("there is no profile {name:?}; there are: {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A file could not be read.
    #[error("can not read the profile {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The document is no profile.
    #[error("the profile {name} is not valid: {why}")]
    Invalid {
        /// Its name.
        name: String,
        /// What is wrong, and where.
        why: String,
    },
    /// Profiles that inherit from each other.
    #[error("the profile {name} inherits from itself: {}", chain.join(" -> "))]
    Circle {
        /// Its name.
        name: String,
        /// The way back to it.
        chain: Vec<String>,
    },
    /// A variable that the profile does not have.
    #[error("there is no variable {name:?}; there are: {}", known.join(", "))]
    NoVariable {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A variable that has no value.
    #[error("the variable {name} needs a value: {help}")]
    NoValue {
        /// The name.
        name: String,
        /// What it is.
        help: String,
    },
    /// A value that the variable may not have.
    #[error("{name} can not be {value:?}; it can be: {}", choices.join(", "))]
    NotAChoice {
        /// The variable.
        name: String,
        /// The value.
        value: String,
        /// All that it may have.
        choices: Vec<String>,
    },
    /// A value that nothing can be done with: a root that is no absolute path, or one that no command can be given.
    #[error("{name} can not be {value:?}")]
    Value {
        /// The variable.
        name: String,
        /// The value.
        value: String,
    },
    /// A secret would stand in a script.
    #[error("{{{{{name}}}}} is a secret: scripts get it as ${name}, it is put into no text")]
    SecretInText {
        /// The variable.
        name: String,
    },
    /// Text with braces that are not closed, or hold no name.
    #[error("{text:?} is no template: {why}")]
    Template {
        /// The text.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// A host that the profile does not have.
    #[error("there is no host {name:?}; there are: {}", known.join(", "))]
    NoHost {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A host's role that the profile does not have: nothing would be done there, and nothing be said of it.
    #[error("the host {host} has the role {role:?}, which the profile {profile} does not have; it has: {}", known.join(", "))]
    NoRole {
        /// The profile.
        profile: String,
        /// The host.
        host: String,
        /// Its role.
        role: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A runbook that the profile does not have.
    #[error("the profile {profile} has no runbook {name:?}; it has: {}", known.join(", "))]
    NoRunbook {
        /// The profile.
        profile: String,
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Too few or too many hosts of a role.
    #[error("the profile {profile} needs {expected} with the role {role}, and has {found}")]
    Hosts {
        /// The profile.
        profile: String,
        /// The role.
        role: String,
        /// How many it needs.
        expected: String,
        /// How many it has.
        found: usize,
    },
}
