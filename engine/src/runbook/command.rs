// SPDX-License-Identifier: MIT OR Apache-2.0
//! A script, as whom and where inside a host it runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;

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
        self.wrapped(&format!("{}set -e\n{}{}", self.reads_secrets(), exports(&self.environment), self.script.trim()))
    }

    /// The same for a script that reads an input which has come in pieces, each behind its length. An input that breaks off
    /// has no last piece of length 0: everything that reads it is killed before it can take the end for the end.
    pub(super) fn shell_reading(&self) -> String {
        self.wrapped(&format!(
            "{DD}\n{}{{\n{PIECES}\n}} | {{\nset -e\n{}{}\n}}",
            self.reads_secrets(),
            exports(&self.environment),
            self.script.trim()
        ))
    }

    /// What it reads before anything else: its secrets, a line each.
    ///
    /// # Errors
    /// One has no value, or is none for a line.
    pub fn reads(&self, secrets: &BTreeMap<String, String>) -> io::Result<String> {
        let mut lines = String::new();
        for name in &self.secrets {
            let Some(secret) = secrets.get(name) else {
                return Err(io::Error::other(format!("the secret {name} has no value")));
            };
            if secret.contains(['\n', '\0']) {
                return Err(io::Error::other(format!("the secret {name} has more than one line")));
            }
            lines.push_str(secret);
            lines.push('\n');
        }
        Ok(lines)
    }

    /// The text as a person would type it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.wrapped(&format!("{}{}", exports(&self.environment), self.script.trim()))
    }

    fn reads_secrets(&self) -> String {
        let mut lines = String::new();
        for name in &self.secrets {
            // One that is cut off is none.
            let _ = writeln!(lines, "IFS= read -r {name} || exit 1; export {name}");
        }
        lines
    }

    /// Runs it as that user, in that container.
    fn wrapped(&self, inner: &str) -> String {
        match (&self.container, &self.user) {
            (None, None) => inner.to_string(),
            (None, Some(user)) => format!("su - {} -c {}", quoted(user), quoted(inner)),
            (Some(container), None) => format!("docker exec -i {} sh -c {}", quoted(container), quoted(inner)),
            (Some(container), Some(user)) => {
                format!("docker exec -i {} su - {} -c {}", quoted(container), quoted(user), quoted(inner))
            }
        }
    }
}

/// Nothing is begun where no input can be passed on. POSIX's `dd` may take a part of a piece for all of it.
const DD: &str = "dd bs=1 count=1 iflag=fullblock </dev/null >/dev/null 2>&1 || {\n  \
                  echo \"no dd here that knows iflag=fullblock, as those of GNU and BusyBox do: nothing can be given an input\" >&2\n  \
                  exit 1\n}";

/// Puts the pieces of an input together. `dd` never reads more than it shall. Who reads too little is no concern of it: that
/// ends it by PIPE, or where that is ignored by an error. Any other end of it is a piece that is missing.
const PIECES: &str = "trap 'kill -KILL 0' TERM HUP INT\nexec 3>&1\nwhile IFS= read -r piece; do\n  \
                      if [ \"$piece\" = 0 ]; then exit 0; fi\n  \
                      said=$(LC_ALL=C dd bs=\"$piece\" count=1 iflag=fullblock 2>&1 >&3 3>&-) || {\n    \
                      if [ $? -eq 141 ]; then exit 0; fi\n    \
                      case $said in *'Broken pipe'*) exit 0 ;; esac\n    \
                      echo \"its input can not be passed on: ${said:-dd was ended}\" >&2\n    kill -KILL 0\n  }\ndone\nkill -KILL 0";

/// Lines that set an environment.
pub(super) fn exports(environment: &BTreeMap<String, String>) -> String {
    environment.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect()
}
