// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stays of a drill: when it was, how it went, how long it took and how old the data was. One file each, in the state folder.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::about::Data;
use super::folder;
use crate::exit::Failure;

/// So many drills of a profile stay: two years of weekly ones, a quarter of nightly ones.
const KEPT: usize = 100;

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

/// Removes what is left of old drills of a profile. The newest stay, and the last one that went well however old it is:
/// `status` asks for it.
///
/// # Errors
/// They can not be listed, or one not be removed.
pub fn forget_old(drills: &Path, profile: &str) -> Result<(), Failure> {
    let of_profile: Vec<Drill> = all(drills)?.into_iter().filter(|drill| drill.profile == profile).collect();
    let good = of_profile.iter().rev().find(|drill| drill.ok == Some(true)).map(|drill| drill.run.clone());
    for drill in &of_profile[..of_profile.len().saturating_sub(KEPT)] {
        if Some(&drill.run) == good.as_ref() {
            continue;
        }
        let (folder, record) = (drills.join(&drill.run), drills.join(format!("{}.json", drill.run)));
        let failed =
            |path: &Path, error: io::Error| Failure::other(format!("can not remove {}: {error}", path.display()));
        // The record goes last: as long as something is left, it is found again.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&folder, error)),
            _ => {}
        }
        fs::remove_file(&record).map_err(|error| failed(&record, error))?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::{Drill, KEPT, all, forget_old};

    #[test]
    fn the_newest_drills_stay_and_the_last_that_went_well_and_those_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let write = |number: usize, profile: &str, ok| {
            let (run, profile) = (format!("{number:04}"), profile.to_string());
            Drill { run: run.clone(), profile, ok, ..Drill::default() }.write(folder.path()).unwrap();
            std::fs::create_dir(folder.path().join(run)).unwrap();
        };
        write(0, "other", Some(false));
        let good = 3;
        for number in 1..=KEPT + 10 {
            write(number, "mine", if number == 1 || number == good { Some(true) } else { Some(false) });
        }
        for _ in 0..2 {
            forget_old(folder.path(), "mine").unwrap();
            let left: Vec<usize> = all(folder.path()).unwrap().iter().map(|drill| drill.run.parse().unwrap()).collect();
            assert_eq!((left[0], left[1], left[2], left.len()), (0, good, 11, KEPT + 2));
            let folders =
                std::fs::read_dir(folder.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
            assert_eq!(folders.count(), KEPT + 2);
        }
    }
}
