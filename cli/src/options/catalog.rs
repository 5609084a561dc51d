// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the global options to answers of the catalog: the repository, what is visible in it, and what could not be learned.

use keepfast_engine::Result;
use keepfast_engine::catalog::{self, Catalog};
use keepfast_engine::history::{History, Snapshot};
use keepfast_engine::repository::Repository;

use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, scope};
use crate::progress::Progress;
use crate::render::text;

/// A repository whose catalog is asked.
pub struct Asked {
    /// The repository.
    pub repository: Repository,
    /// Its visible snapshots, oldest first.
    pub snapshots: Vec<Snapshot>,
    history: History,
}

impl Asked {
    /// Opens the repository that the user named; tells of snapshots that can not be read.
    ///
    /// # Errors
    /// There is none, or it does not open with what was given.
    pub fn open(context: &Context) -> Result<Self, Failure> {
        let repository = repository::open(&context.global)?;
        let history = repository.history()?;
        let (snapshots, damaged) = history.snapshots(&repository)?;
        scope::warn_of_hidden(context, &repository, &history, &damaged)?;
        Ok(Self { repository, snapshots, history })
    }

    /// Asks the catalog, which learns before what it does not know; tells of snapshots that it could not learn. The question may be asked twice.
    ///
    /// # Errors
    /// What the question says.
    pub fn ask<T>(&self, context: &Context, question: impl FnMut(&Catalog) -> Result<T>) -> Result<(T, Done), Failure> {
        let progress = Progress::start(context);
        let answer = catalog::ask(&self.repository, &self.history, &self.snapshots, &progress, question);
        drop(progress);
        let (answer, learned) = answer?;
        for (id, error) in &learned.damaged {
            let short = text::short(id);
            context
                .output
                .warn(&format!("the answer lacks snapshot {short}, which can not be read: {}", text::error(error)));
        }
        Ok((answer, if learned.damaged.is_empty() { Done::Complete } else { Done::Incomplete }))
    }
}

/// A path that no snapshot has, as a failure with what to do.
pub fn in_no_snapshot(path: &[u8], snapshots: usize) -> Failure {
    if snapshots == 0 {
        return Failure::Other {
            message: format!("{} is in no snapshot: there are none to look at", text::stored_path(path)),
            hint: "`keepfast snapshots` lists the snapshots; options such as --host leave others out".to_string(),
        };
    }
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Failure::Other {
        message: format!("{} is in none of {}", text::stored_path(path), text::counted(snapshots as u64, "snapshot")),
        hint: format!("`keepfast find -i '{}'` looks for it elsewhere", text::path(name)),
    }
}
