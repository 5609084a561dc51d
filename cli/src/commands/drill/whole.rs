// SPDX-License-Identifier: MIT OR Apache-2.0
//! The drill of a profile that has no runbook for it: everything is restored, read back and compared with the snapshot.

use std::path::Path;

use keepfast_engine::filter::Filter;
use keepfast_engine::repository::Repository;
use keepfast_engine::restore::{Compare, Extras, Mode, RestoreOptions, Spared, Verify, restore};
use keepfast_engine::target::OwnershipMode;
use keepfast_engine::tree::Root;

use crate::context::Context;
use crate::exit::Failure;
use crate::options::machine;
use crate::progress::Progress;
use crate::render::text;

/// Restores the snapshot of each host; of several each into a folder of its name.
///
/// # Errors
/// Something could not be restored, or reads differently.
pub fn restore_all(
    context: &Context,
    repository: &Repository,
    roots: &[(String, Root)],
    scratch: &Path,
) -> Result<(), Failure> {
    for (number, (host, root)) in roots.iter().enumerate() {
        // A host's name may be anything; its folder's is not.
        let name = if host.contains('/') || host.starts_with('.') { number.to_string() } else { host.clone() };
        let target = if roots.len() == 1 { scratch.to_path_buf() } else { scratch.join(name) };
        let options = RestoreOptions {
            target,
            subtree: Vec::new(),
            filter: Filter::default(),
            extras: Extras::Keep,
            spared: Spared::default(),
            compare: Compare::Content,
            // Owners are root's to give.
            ownership: if rustix::process::geteuid().is_root() { OwnershipMode::Numeric } else { OwnershipMode::Skip },
            mode: Mode::Write,
            verify: Verify::Yes,
            threads: machine::threads(&context.global),
        };
        let progress = Progress::start(context);
        let summary = restore(repository.reader(), *root, &options, &progress, &|_, _| {})?;
        drop(progress);
        if let Some(problem) = summary.problems.first() {
            context.output.problems(&summary.problems);
            let count = text::counted(summary.problems.len() as u64, "path");
            return Err(Failure::Stopped {
                message: format!("{count} of {} did not come back: {}", text::plain(host), text::problem(problem)),
                hint: "`keepfast check --read-data` looks through the whole repository".to_string(),
                is_cancelled: false,
            });
        }
        let paths = text::counted(summary.created + summary.updated + summary.unchanged, "path");
        context.output.note(&format!("{}: {paths} restored and compared", text::plain(host)));
    }
    Ok(())
}
