// SPDX-License-Identifier: MIT OR Apache-2.0
//! A profile's document as types. `docs/guides/your-own-profile.md` explains each key to whoever writes one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::Condition;
use super::values::SecretFrom;

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

/// A procedure.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// What it does, in a line.
    pub title: String,
    /// When it is the right one.
    #[serde(default)]
    pub purpose: String,
    /// What a person sees who needs it: it is then the remedy of a known problem.
    #[serde(default)]
    pub symptom: Option<String>,
    /// The runbook after which that problem is known to come.
    #[serde(default)]
    pub remedy_of: Option<String>,
    /// Whether it takes anything out of a snapshot.
    #[serde(default)]
    pub needs_snapshot: bool,
    /// What it does, in order.
    pub steps: Vec<Step>,
}

/// One thing to do, to check, or to let a person do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Names it, within its runbook.
    pub id: String,
    /// What it does, as the vendor says it.
    pub title: String,
    /// Where it runs; checks alone and questions need none.
    #[serde(default)]
    pub on: On,
    /// Only then.
    #[serde(default)]
    pub when: Option<Condition>,
    /// What the vendor warns of: shown, and asked about, before anything else of the step.
    #[serde(default)]
    pub caution: Option<String>,
    /// A script.
    #[serde(default)]
    pub run: Option<String>,
    /// What a person does; asked about.
    #[serde(default)]
    pub manual: Option<String>,
    /// Captured files, by their ids, that are put back from the snapshot: what stands there is saved aside before.
    #[serde(default)]
    pub restore: Option<Vec<String>>,
    /// A folder that is copied before it is wiped.
    #[serde(default)]
    pub save_aside: Option<SaveAside>,
    /// A folder that is emptied: only if its copy is complete.
    #[serde(default)]
    pub wipe: Option<Wipe>,
    /// The stream, or file, of the snapshot that the script reads.
    #[serde(default)]
    pub stdin: Option<String>,
    /// As whom the script runs: by `su - USER`.
    #[serde(default)]
    pub user: Option<String>,
    /// In which container the script runs: by `docker exec`.
    #[serde(default)]
    pub container: Option<String>,
    /// The script's environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// A script that tells whether what the step is about is there at all ("if present"); it is passed over if not.
    #[serde(default)]
    pub present: Option<String>,
    /// A script that tells whether there is nothing to do ("or ensure it is already stopped").
    #[serde(default)]
    pub unless: Option<String>,
    /// What must be true before.
    #[serde(default)]
    pub require: Vec<Check>,
    /// What must be true afterwards.
    #[serde(default)]
    pub ensure: Vec<Check>,
    /// A line of output that looks so means failure, whatever the script's exit code.
    #[serde(default)]
    pub fail_on: Option<String>,
    /// Lines that mean no failure.
    #[serde(default)]
    pub ignore: Vec<Ignore>,
    /// The script that undoes it.
    #[serde(default)]
    pub undo: Option<String>,
    /// Why nothing has to be undone.
    #[serde(default)]
    pub undo_by: Option<String>,
    /// Why it can not be undone. An undo ends before it.
    #[serde(default)]
    pub final_because: Option<String>,
    /// What happens with it if it was begun, and nobody knows whether it ended.
    #[serde(default)]
    pub repeat: Repeat,
    /// Whether it runs even if a step before it failed: tidying up.
    #[serde(default)]
    pub always: bool,
    /// Longest time it may take on one host.
    #[serde(default, deserialize_with = "duration")]
    pub timeout: Option<Duration>,
    /// Part of the vendor's document that says so.
    #[serde(default)]
    pub section: String,
    /// What a reader should know that is no warning.
    #[serde(default)]
    pub note: String,
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

/// A folder that is copied before something happens to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaveAside {
    /// The folder.
    pub path: String,
    /// Where its copy goes; the number of the run is put behind it, so that no copy of an earlier run is touched.
    pub to: String,
}

/// A folder that is emptied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wipe {
    /// The folder; it stays, with nothing in it.
    pub inside: String,
    /// The step that saved it aside.
    pub saved_by: String,
}

/// Something that must be true: exactly one of `run`, `port`, `offline`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A script, on the step's hosts, that ends with 0.
    #[serde(default)]
    pub run: Option<String>,
    /// A TCP port of the step's hosts that answers.
    #[serde(default)]
    pub port: Option<u16>,
    /// An address that does not answer.
    #[serde(default)]
    pub offline: Option<String>,
    /// The ports at which `offline` is tried; none: that of ssh.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// As whom `run` runs.
    #[serde(default)]
    pub user: Option<String>,
    /// In which container `run` runs.
    #[serde(default)]
    pub container: Option<String>,
    /// How long it may take to become true.
    #[serde(default, deserialize_with = "duration")]
    pub within: Option<Duration>,
    /// What is wrong if it is not, and what to do then.
    pub says: String,
}

/// A line of output that means no failure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// Regular expression for the line.
    pub line: String,
    /// Why it means none.
    pub because: String,
}

/// What happens with a step that was begun and of which nobody knows whether it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    /// Doing it twice is as good as once: it runs again.
    #[default]
    Safe,
    /// A person is asked.
    Ask,
}

/// What a step asks a person about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A caution.
    Caution,
    /// Something that a person does.
    Manual,
    /// A step that may have been done already.
    Repeat,
}

/// How an archive of the vendor looks, for import and export.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// Names this entry.
    pub id: String,
    /// What it is.
    #[serde(default)]
    pub title: String,
    /// Regular expression for the whole name of the file. Groups `host` and `time` tell what they say.
    pub name: String,
    /// How `time` is written, in the words of strftime.
    #[serde(default)]
    pub time: String,
    /// What it is made of.
    pub form: Form,
    /// Its path in the snapshot, if it is one file there.
    #[serde(default)]
    pub path: Option<String>,
    /// Paths that an archive of this kind always has: what lacks one is of another system.
    #[serde(default)]
    pub has: Vec<String>,
    /// Regular expression for how it begins, once decompressed: what begins otherwise is of another system.
    #[serde(default)]
    pub starts: Option<String>,
    /// A file inside of it that describes it; shown.
    #[serde(default)]
    pub metadata: Option<String>,
    /// How it is made again.
    #[serde(default)]
    pub export: Option<Artifact>,
    /// Part of the vendor's document that says so.
    #[serde(default)]
    pub section: String,
}

/// What a vendor's archive is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Its members become files of the snapshot.
    Tree,
    /// It is one file of the snapshot, and looked into.
    #[default]
    File,
}

/// A file as the vendor's restore wants it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its name; `{{host}}` and `{{time}}` are the snapshot's.
    pub name: String,
    /// What of the snapshot is in it, as shell patterns; empty: everything of a tree, and the `path` of a file. Of a file the first
    /// that is there counts.
    #[serde(default)]
    pub paths: Vec<String>,
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
