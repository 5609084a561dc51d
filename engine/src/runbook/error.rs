// SPDX-License-Identifier: MIT OR Apache-2.0
//! What ends a runbook, and what hinders it from beginning.

use std::path::PathBuf;

use super::Fault;
use crate::profile::ProfileError;

/// A runbook could not begin, or its journal not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunbookError {
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A step needs what the snapshot does not have.
    #[error("step {step} needs {what}, which the snapshot does not have")]
    NotInSnapshot {
        /// The step.
        step: String,
        /// What it needs.
        what: String,
    },
    /// The runbook takes something from a snapshot, and there is none.
    #[error("the runbook {runbook} needs a snapshot")]
    NoSnapshot {
        /// The runbook.
        runbook: String,
    },
    /// Something that a backup stops meanwhile is on no host.
    #[error("{title:?} of the profile {profile} is for hosts with the role {role}, and there is none")]
    NothingToStop {
        /// The profile.
        profile: String,
        /// What is to be stopped.
        title: String,
        /// The role.
        role: String,
    },
    /// The journal could not be read or written.
    #[error("can not use the journal {}: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal is no journal.
    #[error("the journal {} is not valid: {why}", path.display())]
    JournalInvalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There is no such run, or it was cut off before anything could be done.
    #[error("there is no run {run:?}")]
    NoRun {
        /// The run.
        run: String,
    },
    /// Another process carries this run out.
    #[error("the run {run} is being carried out by another process")]
    Busy {
        /// The run.
        run: String,
    },
    /// It has ended.
    #[error("the run {run} has ended: {how}")]
    Over {
        /// The run.
        run: String,
        /// How.
        how: String,
    },
    /// A step was done that can not be undone.
    #[error("the run {run} can not be undone: {step} has been done on {host}: {because}")]
    Final {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// The host.
        host: String,
        /// Why it can not be undone.
        because: String,
    },
}

/// A runbook did not get to its end. Its journal says what has been done.
#[derive(Debug, thiserror::Error)]
#[error("step {number} of {count}, {title:?} on {host}: {why}")]
pub struct Stopped {
    /// The step's number, from 1.
    pub number: usize,
    /// How many there are.
    pub count: usize,
    /// Its id.
    pub step: String,
    /// What it does.
    pub title: String,
    /// The host.
    pub host: String,
    /// Why.
    pub why: Why,
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// Its command.
    #[error("the command {0}")]
    Fault(#[from] Fault),
    /// Something must be true before, and is not. Nothing of the step has been done.
    #[error("not begun: {says}{}", detail(.found))]
    Required {
        /// What is wrong, and what to do.
        says: String,
        /// What was found.
        found: String,
    },
    /// Something must be true afterwards, and is not.
    #[error("done, but {says}{}", detail(.found))]
    Ensured {
        /// What is wrong, and what to do.
        says: String,
        /// What was found.
        found: String,
    },
    /// A person said no.
    #[error("a person said no")]
    Refused,
    /// The snapshot.
    #[error("can not take {what} from the snapshot: {why}")]
    Contents {
        /// What.
        what: String,
        /// Why not.
        why: String,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] RunbookError),
}

fn detail(found: &str) -> String {
    if found.is_empty() { String::new() } else { format!(" ({found})") }
}
