// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stays of a drill: when it was, how it went, how long it took and how old the data was. One file each, in the state folder.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::about::Data;
use super::folder;
use crate::exit::Failure;

/// A drill.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Drill {
    /// Its number.
    pub run: String,
    /// The profile.
    pub profile: String,
    /// The runbook; none if everything was restored and compared.
    pub runbook: Option<String>,
    /// What was brought back.
    pub data: Option<Data>,
    /// In milliseconds since 1970.
    pub begun: i64,
    /// The same; none while it goes on, or if it was cut off.
    pub ended: Option<i64>,
    /// Whether it went well; none as long as it has not ended.
    pub ok: Option<bool>,
    /// The step that failed, and what it does.
    pub failed_step: Option<String>,
    /// Why it failed.
    pub why: Option<String>,
}

impl Drill {
    /// How long it took.
    pub fn seconds(&self) -> Option<f64> {
        self.ended.map(|ended| (ended - self.begun) as f64 / 1e3)
    }

    /// How old the data was when it began.
    pub fn age_seconds(&self) -> Option<f64> {
        self.data.as_ref().map(|data| data.age_seconds(self.begun))
    }

    /// Writes it down.
    ///
    /// # Errors
    /// It could not be written.
    pub fn write(&self, drills: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Failure::other(error.to_string()))?;
        folder::write(drills, &format!("{}.json", self.run), &text).map(drop)
    }
}

/// All that there are, oldest first.
///
/// # Errors
/// The folder can not be listed, or one of them not be read.
pub fn all(drills: &Path) -> Result<Vec<Drill>, Failure> {
    let failed = |path: &Path, why: String| Failure::other(format!("can not read {}: {why}", path.display()));
    let entries = match fs::read_dir(drills) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(drills, error.to_string())),
    };
    let mut all: Vec<Drill> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(drills, error.to_string()))?.path();
        if path.extension().is_some_and(|end| end == "json") {
            let text = fs::read(&path).map_err(|error| failed(&path, error.to_string()))?;
            all.push(serde_json::from_slice(&text).map_err(|error| failed(&path, error.to_string()))?);
        }
    }
    all.sort_by(|a, b| a.run.cmp(&b.run));
    Ok(all)
}
