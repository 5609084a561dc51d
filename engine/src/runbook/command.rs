// SPDX-License-Identifier: MIT OR Apache-2.0
//! A script, as whom and where inside a host it runs.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::profile::template::quoted;

/// A script for the POSIX shell. It ends at the first command that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The script; values are in it, secrets are not.
    pub script: String,
    /// As whom: by `su - USER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// In which container: by `docker exec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Its environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Names of the secrets that it reads, a line each, from the beginning of its standard input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

impl Command {
    /// The text for `sh -c`. No secret is in it: its first act is to read them.
    #[must_use]
    pub fn shell(&self) -> String {
        let mut inner = String::new();
        for name in &self.secrets {
            let _ = writeln!(inner, "IFS= read -r {name}; export {name}");
        }
        self.wrapped(&format!("{inner}set -e\n"))
    }

    /// What it reads before anything else: its secrets, a line each.
    #[must_use]
    pub fn reads(&self, secrets: &BTreeMap<String, String>) -> String {
        let line = |name: &String| format!("{}\n", secrets.get(name).map_or("", String::as_str));
        self.secrets.iter().map(line).collect()
    }

    /// The text as a person would type it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.wrapped("")
    }

    fn wrapped(&self, beginning: &str) -> String {
        let script = self.script.trim();
        let inner = format!("{beginning}{}{script}", exports(&self.environment));
        match (&self.container, &self.user) {
            (None, None) => inner,
            (None, Some(user)) => format!("su - {} -c {}", quoted(user), quoted(&inner)),
            (Some(container), None) => format!("docker exec -i {} sh -c {}", quoted(container), quoted(&inner)),
            (Some(container), Some(user)) => {
                format!("docker exec -i {} su - {} -c {}", quoted(container), quoted(user), quoted(&inner))
            }
        }
    }
}

/// Lines that set an environment.
pub(super) fn exports(environment: &BTreeMap<String, String>) -> String {
    environment.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect()
}
