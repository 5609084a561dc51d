// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is stopped while a system is backed up, and starts again whatever happens: beside each of them a guardian waits on its
//! host for this process to end.

use std::collections::BTreeMap;
use std::time::Duration;

use keepfast_engine::runbook::{Guardian, Quieted, Sink, execute};

use crate::context::Context;
use crate::exit::Failure;

/// Longest time for one command.
const LIMIT: Duration = Duration::from_secs(600);

/// All that is stopped; it starts again at the latest when this is dropped.
pub struct Quiet<'a> {
    context: &'a Context,
    secrets: &'a BTreeMap<String, String>,
    stopped: Vec<(&'a Quieted, Guardian)>,
}

/// Commands that start something again are not to be stopped.
struct ToTheEnd;

impl Sink for ToTheEnd {}

impl<'a> Quiet<'a> {
    /// Stops everything, in order.
    ///
    /// # Errors
    /// Something could not be stopped; what was is running again.
    pub fn begin(
        context: &'a Context,
        all: &'a [Quieted],
        secrets: &'a BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let mut quiet = Self { context, secrets, stopped: Vec::new() };
        for quieted in all {
            let place = &quieted.place;
            let failed = |what: &str, fault: &dyn std::fmt::Display| Failure::Other {
                message: format!("{} on {}: {what} {fault}", quieted.title, place.name),
                hint: "nothing was backed up; what had been stopped was started again".to_string(),
            };
            let guardian = Guardian::start(place, &quieted.resume, secrets)
                .map_err(|fault| failed("the process that would start it again", &fault))?;
            context.output.note(&format!("stop     {} on {}", quieted.title, place.name));
            quiet.stopped.push((quieted, guardian));
            execute(place, &quieted.run, secrets, None, Some(LIMIT), &ToTheEnd)
                .map_err(|fault| failed("the command", &fault))?;
        }
        Ok(quiet)
    }

    /// Starts everything again, last first.
    ///
    /// # Errors
    /// Something does not run again: the most urgent thing there is.
    pub fn end(mut self) -> Result<(), Failure> {
        let failed = self.resume();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::Other {
            message: format!("NOT RUNNING AGAIN: {}", failed.join("; ")),
            hint: "start it by hand now; the snapshots are saved".to_string(),
        })
    }

    fn resume(&mut self) -> Vec<String> {
        let mut failed = Vec::new();
        while let Some((quieted, guardian)) = self.stopped.pop() {
            let place = &quieted.place;
            self.context.output.note(&format!("start    {} on {}", quieted.title, place.name));
            match execute(place, &quieted.resume, self.secrets, None, Some(LIMIT), &ToTheEnd) {
                Ok(_) => guardian.release(),
                // The guardian has a way of its own to the host.
                Err(fault) => match guardian.act() {
                    Ok(()) => {}
                    Err(again) => failed.push(format!(
                        "{} on {}: the command {fault}, and the second time {again}; by hand: {}",
                        quieted.title,
                        place.name,
                        quieted.resume.shown()
                    )),
                },
            }
        }
        failed
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        for failed in self.resume() {
            self.context.output.warn(&format!("NOT RUNNING AGAIN: {failed}"));
        }
    }
}
