// SPDX-License-Identifier: MIT OR Apache-2.0
//! A profile's document as types. `docs/guides/your-own-profile.md` explains each key to whoever writes one.

mod procedure;
mod vendor;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::Condition;
use super::values::SecretFrom;

pub use procedure::{Asked, Check, Ignore, Repeat, Runbook, SaveAside, Step, Wipe};
pub use vendor::{Artifact, Form, Vendor};

/// A system: what it is made of, how it is captured and brought back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: that of the file without `.toml`. Not a key of the document.
    #[serde(skip)]
    pub name: String,
    /// One line on what the system is.
    #[serde(default)]
    pub title: String,
    /// The vendor's document that it follows.
    #[serde(default)]
    pub document: String,
    /// The profile that this one changes.
    #[serde(default)]
    pub inherits: Option<String>,
    /// What differs from site to site.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Kinds of hosts.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// The hosts of this site. A profile without any is for the machine it runs on, which then has every role.
    #[serde(default)]
    pub hosts: BTreeMap<String, Host>,
    /// What a backup takes.
    #[serde(default)]
    pub capture: Capture,
    /// How the vendor's own archives look.
    #[serde(default)]
    pub vendor: Vec<Vendor>,
    /// Procedures, by name.
    #[serde(default)]
    pub runbooks: BTreeMap<String, Runbook>,
}

/// Something that differs from site to site.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its value unless another one is given; none: it has to be given where it is used.
    #[serde(default)]
    pub value: Option<String>,
    /// What it is.
    #[serde(default)]
    pub help: String,
    /// All values that it may have; empty: any.
    #[serde(default)]
    pub choices: Vec<String>,
    /// Where a secret comes from. It reaches commands on their standard input and as `$name`; it stands in no script, list of
    /// processes, log or journal.
    #[serde(default)]
    pub secret: Option<SecretFrom>,
}

/// A kind of host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What such a host does.
    #[serde(default)]
    pub help: String,
    /// So many hosts must have it.
    #[serde(default)]
    pub at_least: usize,
    /// No more than so many may have it.
    #[serde(default)]
    pub at_most: Option<usize>,
    /// Whether a backup takes anything from such a host; else runbooks only run commands there.
    #[serde(default)]
    pub only_runbooks: bool,
}

/// A machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What it does.
    #[serde(default)]
    pub roles: Vec<String>,
    /// `user@address` for ssh; none: it is the machine that keepfast runs on.
    #[serde(default)]
    pub ssh: Option<String>,
    /// Port of its sshd.
    #[serde(default)]
    pub port: Option<u16>,
    /// Private key for ssh.
    #[serde(default)]
    pub identity: Option<String>,
    /// Further words for ssh.
    #[serde(default)]
    pub ssh_options: Vec<String>,
    /// Where its services listen; none: the address of `ssh`, or this machine.
    #[serde(default)]
    pub address: Option<String>,
    /// Variables of its own.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Environment of everything that runs there.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// What a backup takes, and what happens around it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// Parts of the vendor's document that say so.
    #[serde(default)]
    pub section: String,
    /// Files and folders.
    #[serde(default)]
    pub files: Vec<Files>,
    /// Outputs of commands.
    #[serde(default)]
    pub streams: Vec<Stream>,
    /// What must be true, or be done, before: checks and questions. One that fails means that nothing is captured.
    #[serde(default)]
    pub before: Vec<Step>,
    /// What is stopped while it is captured, and started again whatever happens.
    #[serde(default)]
    pub quiesce: Vec<Quiesce>,
    /// What is looked at afterwards. One that fails marks the snapshots as partial.
    #[serde(default)]
    pub after: Vec<Step>,
}

/// Files that a backup takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Names this entry, for the profiles that inherit it and for messages.
    pub id: String,
    /// What they are.
    #[serde(default)]
    pub title: String,
    /// On which hosts; none: on all of them.
    #[serde(default)]
    pub role: Option<String>,
    /// Absolute paths and shell patterns, below `{{root}}`.
    pub paths: Vec<String>,
    /// What is left out of them: patterns as in `--exclude`.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Which of them there must be.
    #[serde(default)]
    pub need: Need,
    /// Only then.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Part of the vendor's document that says so.
    #[serde(default)]
    pub section: String,
}

/// Which of some paths there must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Each.
    #[default]
    All,
    /// At least one of them.
    One,
    /// They may all be missing.
    None,
}

/// The output of a command, as a file of the snapshot.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Its path in the snapshot; names this entry, too.
    pub id: String,
    /// What it is.
    #[serde(default)]
    pub title: String,
    /// Where it runs: `one ROLE` or `each ROLE`.
    pub on: On,
    /// The script.
    pub run: String,
    /// As whom: by `su - USER`.
    #[serde(default)]
    pub user: Option<String>,
    /// In which container: by `docker exec`.
    #[serde(default)]
    pub container: Option<String>,
    /// Its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Whether it may write nothing.
    #[serde(default)]
    pub may_be_empty: bool,
    /// Only then.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Longest time it may take.
    #[serde(default, deserialize_with = "duration")]
    pub timeout: Option<Duration>,
    /// Part of the vendor's document that says so.
    #[serde(default)]
    pub section: String,
}

/// Something that is stopped during a capture.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiesce {
    /// Names this entry.
    pub id: String,
    /// What it does.
    #[serde(default)]
    pub title: String,
    /// Where.
    pub on: On,
    /// The script that stops.
    pub run: String,
    /// The script that undoes it. It runs once `run` has been begun, even if keepfast is killed.
    pub resume: String,
    /// Only then.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Part of the vendor's document that says so.
    #[serde(default)]
    pub section: String,
}

/// Where something runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum On {
    /// On the machine that keepfast runs on.
    #[default]
    Operator,
    /// On all hosts of a role at once.
    All(String),
    /// On each of them, one after the other.
    Each(String),
    /// On any one of them.
    One(String),
}

impl On {
    /// The role that it names.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::Operator => None,
            Self::All(role) | Self::Each(role) | Self::One(role) => Some(role),
        }
    }
}

impl<'de> Deserialize<'de> for On {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (how, role) = text.split_once(' ').unwrap_or((&text, ""));
        match (how, role.trim()) {
            ("operator", "") => Ok(Self::Operator),
            ("all", role) if !role.is_empty() => Ok(Self::All(role.to_string())),
            ("each", role) if !role.is_empty() => Ok(Self::Each(role.to_string())),
            ("one", role) if !role.is_empty() => Ok(Self::One(role.to_string())),
            _ => Err(serde::de::Error::custom(format!(
                "{text:?} is no place: operator, all ROLE, each ROLE or one ROLE is"
            ))),
        }
    }
}

/// A time such as `90s`, `10m`, `2h`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)) {
        Some(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(serde::de::Error::custom(format!("{text:?} is no time: 90s, 10m or 2h is"))),
    }
}
