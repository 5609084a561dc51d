// SPDX-License-Identifier: MIT OR Apache-2.0
//! Log slots that are damaged, lost or exchanged: what they made visible, or invisible, a look at the log does not tell.
//!
//! For whoever lets the user choose among snapshots, relies on what is visible, or checks the storage.

use keepfast_repo_format::{FormatError, layout};

use super::History;
use crate::error::Result;
use crate::repository::Repository;

impl History {
    /// Log slots that did not open.
    pub fn damaged(&self) -> &[(String, FormatError)] {
        &self.damaged
    }

    /// Log slots that do not follow the one before them. They count; the one before was lost or replaced.
    pub fn broken_links(&self) -> &[String] {
        &self.broken_links
    }

    /// Log slots that other slots quote, or that the generation has absorbed, and that are not there or have other bytes: the
    /// storage has lost or exchanged them.
    pub fn lost(&self) -> &[String] {
        &self.lost
    }

    /// Slots that were there once, as other slots, the generation or this machine know, and are not: sorted, each once.
    pub(crate) fn lost_slots(&self, repository: &Repository) -> Result<Vec<String>> {
        let remembered = repository.index.cached_names(layout::LOG_FOLDER)?.into_iter().filter(|name| {
            layout::parse_log(name).is_some_and(|(writer, sequence)| !self.is_filled(&writer, sequence))
        });
        let mut lost: Vec<String> = self.broken_links.iter().chain(&self.lost).cloned().chain(remembered).collect();
        lost.sort();
        lost.dedup();
        Ok(lost)
    }

    /// Log slots that this look could not go by, and why: what they made visible, or invisible, it does not tell. The generation too, if
    /// that is lost: it knows what slots there were.
    pub(crate) fn gaps(&self, repository: &Repository) -> Result<Vec<(String, String)>> {
        let mut gaps: Vec<_> = self.damaged.iter().map(|(slot, why)| (slot.clone(), why.to_string())).collect();
        for slot in self.lost_slots(repository)? {
            let why = match self.broken_links.contains(&slot) {
                true => "does not follow the slot before it: a slot was lost or replaced",
                false => "was there once, and is missing or has other bytes now: what it made visible is lost",
            };
            if gaps.iter().all(|(gap, _)| *gap != slot) {
                gaps.push((slot, why.to_string()));
            }
        }
        let generation = self.lost_generation.iter();
        gaps.extend(
            generation.map(|lost| (lost.name.clone(), format!("{}; it tells what log slots there were", lost.why))),
        );
        Ok(gaps)
    }

    /// The same, but for slots that others wrote while the log was listed: a second look finds those.
    pub fn missed_slots(&self, repository: &Repository) -> Result<Vec<(String, String)>> {
        let mut missed = self.gaps(repository)?;
        if !missed.is_empty() {
            let again = Self::read(repository)?.gaps(repository)?;
            missed.retain(|gap| again.contains(gap));
        }
        Ok(missed)
    }

    /// Slots of which this machine remembers other bytes than those that were read.
    pub(crate) fn replaced_slots(&self, repository: &Repository) -> Result<Vec<String>> {
        let mut replaced = Vec::new();
        for name in repository.index.cached_names(layout::LOG_FOLDER)? {
            let (Some(place), Some(known)) = (layout::parse_log(&name), repository.index.cached(&name)?) else {
                continue;
            };
            if self.hashes.get(&place).is_some_and(|hash| !known.starts_with(&hash.0)) {
                replaced.push(name);
            }
        }
        Ok(replaced)
    }
}
