// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runbooks and their steps.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::super::Condition;
use super::On;

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
    /// As whom the script runs: by `su - USER`. Empty: as whoever keepfast is there.
    #[serde(default)]
    pub user: Option<String>,
    /// In which container the script runs, or the folders are: by `docker exec`. Empty: in none.
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
    /// A step before it: only on hosts where that was done, and there was not nothing to do ("if previously stopped").
    #[serde(default)]
    pub only_where_done: Option<String>,
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
    /// Why it can not be undone. No undo of the run is begun then.
    #[serde(default)]
    pub final_because: Option<String>,
    /// What happens with it if it was begun, and nobody knows whether it ended.
    #[serde(default)]
    pub repeat: Repeat,
    /// Whether it runs even if a step before it failed: tidying up.
    #[serde(default)]
    pub always: bool,
    /// Longest time it may take on one host.
    #[serde(default, deserialize_with = "super::duration")]
    pub timeout: Option<Duration>,
    /// Part of the vendor's document that says so.
    #[serde(default)]
    pub section: String,
    /// What a reader should know that is no warning.
    #[serde(default)]
    pub note: String,
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

/// Something that must be true: exactly one of `run`, `port`, `closed`, `offline`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A script, on the step's hosts, that ends with 0.
    #[serde(default)]
    pub run: Option<String>,
    /// A TCP port of the step's hosts that answers.
    #[serde(default)]
    pub port: Option<u16>,
    /// A TCP port of the step's hosts that does not answer, or refuses: nobody gets in there.
    #[serde(default)]
    pub closed: Option<u16>,
    /// At which address `port` or `closed` is tried, if not at that of the step's hosts.
    #[serde(default)]
    pub at: Option<String>,
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
    #[serde(default, deserialize_with = "super::duration")]
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
