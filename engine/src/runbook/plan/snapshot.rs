// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a plan needs out of a snapshot, and whether it is there.

use super::super::run::Contents;
use super::super::{Place, RunbookError};
use super::{From, Planner};
use crate::profile::{Files, Need, ProfileError, Step, Values, template};

impl Planner<'_> {
    /// A file that the snapshot must have.
    pub(super) fn file(&self, step: &Step, place: &Place, path: &str) -> Result<From, RunbookError> {
        let Some((_, contents)) = self.choice.snapshot else {
            return Err(RunbookError::NoSnapshot { runbook: self.choice.runbook.to_string() });
        };
        let lacks = |what: String| RunbookError::NotInSnapshot { step: step.id.clone(), what };
        let found = contents.matching(&place.name, path).map_err(&lacks)?;
        found.first().map(|path| From::File(path.clone())).ok_or_else(|| lacks(path.to_string()))
    }

    /// What the snapshot has of the profile's files of these ids.
    pub(super) fn files(
        &self,
        step: &Step,
        place: &Place,
        ids: &[String],
        values: &Values,
    ) -> Result<Vec<String>, RunbookError> {
        let Some((_, contents)) = self.choice.snapshot else {
            return Err(RunbookError::NoSnapshot { runbook: self.choice.runbook.to_string() });
        };
        let lacks = |what: String| RunbookError::NotInSnapshot { step: step.id.clone(), what };
        let mut all = Vec::new();
        for id in ids {
            let Some(files) = self.choice.profile.capture.files.iter().find(|files| files.id == *id) else {
                return Err(lacks(format!("the files {id:?}, which the profile does not capture")));
            };
            if let Some(when) = &files.when
                && !when.holds(values)?
            {
                continue;
            }
            let found = find(files, contents, &place.name, values)?;
            let (found, missing) = found.map_err(&lacks)?;
            match (files.need, found.is_empty(), missing.first()) {
                (Need::All, _, Some(path)) => return Err(lacks(path.clone())),
                (Need::One, true, _) => return Err(lacks(format!("one of {}", files.paths.join(", ")))),
                _ => all.extend(found),
            }
        }
        all.sort();
        all.dedup();
        if let Some(path) = all.iter().find(|path| path.contains('\n')) {
            return Err(lacks(format!("{path:?}, whose name can not stand in a list of lines")));
        }
        Ok(all)
    }
}

/// The paths of an entry that a snapshot has, and the patterns for which it has nothing.
type Found = Result<(Vec<String>, Vec<String>), String>;

fn find(files: &Files, contents: &dyn Contents, host: &str, values: &Values) -> Result<Found, ProfileError> {
    // In a snapshot the root is the system's own.
    let values = values.clone().below("");
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for path in &files.paths {
        let path = template::text(path, &values)?;
        let pattern = path.trim_matches('/');
        let matching = match contents.matching(host, pattern) {
            Ok(matching) => matching,
            Err(why) => return Ok(Err(why)),
        };
        if matching.is_empty() {
            missing.push(pattern.to_string());
        }
        found.extend(matching);
    }
    Ok(Ok((found, missing)))
}
