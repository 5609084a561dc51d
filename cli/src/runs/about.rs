// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is noted beside a run's journal when it begins: from what, by whom, and what to do about problems that are known. A run
//! that is resumed needs neither profile nor list of snapshots for it.

use std::fs;
use std::path::Path;

use keepfast_engine::profile::Profile;
use keepfast_engine::runbook::Plan;
use serde::{Deserialize, Serialize};

use super::folder;
use crate::exit::Failure;
use crate::options::machine;

/// The file.
const NAME: &str = "about.json";

/// What is noted of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct About {
    /// Who began it.
    pub user: String,
    /// With which program.
    pub program: String,
    /// What it is taken from.
    pub data: Option<Data>,
    /// Runbooks for problems that are known to come after it.
    pub remedies: Vec<Remedy>,
}

/// A snapshot, or a set of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The label that the snapshots of a set share.
    pub set: Option<String>,
    /// The snapshots.
    pub snapshots: Vec<Taken>,
}

/// A snapshot that is taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub host: String,
    /// When it was begun, in nanoseconds since 1970.
    pub started: i64,
    /// Whether it has all that was to be saved.
    pub complete: bool,
}

/// What to do about a problem that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// The runbook.
    pub runbook: String,
    /// What it does.
    pub title: String,
    /// What a person sees who needs it.
    pub symptom: String,
}

impl Data {
    /// The time of the oldest of its snapshots, in nanoseconds since 1970: what is not older than this is lost.
    pub fn started(&self) -> i64 {
        self.snapshots.iter().map(|taken| taken.started).min().unwrap_or_default()
    }

    /// How old it was at this moment (in milliseconds since 1970), in seconds.
    pub fn age_seconds(&self, at_milliseconds: i64) -> f64 {
        (at_milliseconds as f64 / 1e3 - self.started() as f64 / 1e9).max(0.0)
    }

    /// Its name, as it can be given on the command line.
    pub fn name(&self) -> String {
        match (&self.set, self.snapshots.first()) {
            (Some(set), _) => format!("set:{set}"),
            (None, Some(taken)) => taken.id.clone(),
            (None, None) => String::new(),
        }
    }
}

impl About {
    /// Of a run of this runbook.
    pub fn new(profile: &Profile, runbook: &str, data: Option<Data>) -> Self {
        let remedies = profile.runbooks.iter().filter(|(_, other)| other.remedy_of.as_deref() == Some(runbook));
        let remedies = remedies.map(|(name, other)| Remedy {
            runbook: name.clone(),
            title: other.title.clone(),
            symptom: other.symptom.clone().unwrap_or_default(),
        });
        Self { user: machine::label(), program: machine::PROGRAM.to_string(), data, remedies: remedies.collect() }
    }

    /// Writes it into the folder of a run.
    ///
    /// # Errors
    /// It could not be written.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::other(error.to_string()))?;
        folder::write(folder, NAME, &text).map(drop)
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let failed = |why: String| Failure::other(format!("can not read {}: {why}", path.display()));
        let text = fs::read(&path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
    }
}

/// The command that carries a remedy out.
pub fn remedy_command(plan: &Plan, remedy: &Remedy) -> String {
    format!("keepfast recover {} --runbook {}", plan.profile, remedy.runbook)
}
