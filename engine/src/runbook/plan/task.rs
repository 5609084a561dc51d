// SPDX-License-Identifier: MIT OR Apache-2.0
//! A plan as it is written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{Command, Place, Test};

/// A runbook, ready to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The profile's name.
    pub profile: String,
    /// The runbook's.
    pub runbook: String,
    /// What it does.
    pub title: String,
    /// The vendor's document.
    pub document: String,
    /// The number of the run.
    pub run: String,
    /// What is taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub made: i64,
    /// The variables, without secrets.
    pub values: BTreeMap<String, String>,
    /// The hosts, by name.
    pub places: BTreeMap<String, Place>,
    /// What to do, in order.
    pub steps: Vec<Planned>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its id.
    pub id: String,
    /// What it does.
    pub title: String,
    /// The part of the vendor's document.
    #[serde(default)]
    pub section: String,
    /// What a reader should know.
    #[serde(default)]
    pub note: String,
    /// What is asked before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caution: Option<String>,
    /// Whether its hosts take part at once.
    pub is_parallel: bool,
    /// Whether it runs even after a failure.
    #[serde(default)]
    pub always: bool,
    /// Whether a person is asked before it is repeated.
    #[serde(default)]
    pub asks_to_repeat: bool,
    /// The step that must have been done on a host, and not been passed over there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_where_done: Option<String>,
    /// A line of output that looks so means failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_on: Option<String>,
    /// Lines that mean none, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<(String, String)>,
    /// Longest time on one host, in seconds.
    pub limit: u64,
    /// What happens on each host.
    pub tasks: Vec<Task>,
}

/// A step on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The host.
    pub host: String,
    /// What to do.
    pub action: Action,
    /// Whether what it is about is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<Command>,
    /// Whether there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Command>,
    /// What must be true before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Test>,
    /// What must be true afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ensure: Vec<Test>,
    /// How it is undone.
    pub undo: Undo,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: it only checks, or asks.
    Check,
    /// A person does it.
    Manual(String),
    /// A command.
    Run {
        /// The command.
        command: Command,
        /// What it reads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reads: Option<From>,
    },
}

/// What a command reads out of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// A file.
    File(String),
    /// Files and folders, as an archive.
    Archive(Vec<String>),
}

/// How a task is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// By a command.
    Run(Command),
    /// There is nothing to do, and why.
    Nothing(String),
    /// It can not be, and why.
    Never(String),
}
