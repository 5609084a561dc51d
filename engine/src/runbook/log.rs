// SPDX-License-Identifier: MIT OR Apache-2.0
//! What commands of a run write: kept in the run's folder, shown to whoever looks on, and judged.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};

use regex::Regex;

use super::{Planned, RunbookError, Runner, Sink, Why};

/// So many bytes of a task's output are written down.
const LOGGED: usize = 16 << 20;

/// Where a task's output goes: the log of the run, whoever looks on, and the rule which line means failure.
pub(super) struct Log<'a> {
    runner: &'a Runner<'a>,
    step: &'a Planned,
    host: &'a str,
    /// The file, and how much may still be put into it.
    file: Mutex<(File, usize)>,
    fail_on: Option<Regex>,
    ignore: Vec<Regex>,
}

impl<'a> Log<'a> {
    pub(super) fn new(runner: &'a Runner, step: &'a Planned, host: &'a str, judges: bool) -> Result<Self, Why> {
        let path = runner.journal().folder().join("output.log");
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|source| RunbookError::Journal { path: path.clone(), source })?;
        let pattern = |text: &str| {
            Regex::new(text)
                .map_err(|error| RunbookError::JournalInvalid { path: path.clone(), why: error.to_string() })
        };
        let fail_on = step.fail_on.as_deref().filter(|_| judges).map(pattern).transpose()?;
        let ignore = step.ignore.iter().map(|(line, _)| pattern(line)).collect::<Result<_, _>>()?;
        Ok(Self { runner, step, host, file: Mutex::new((file, LOGGED)), fail_on, ignore })
    }
}

impl Sink for Log<'_> {
    fn line(&self, line: &str) -> Option<String> {
        let text = format!("{} {}: {line}\n", self.step.id, self.host);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, left) = &mut *file;
        let text = if *left > text.len() { text } else { format!("{} {}: ...\n", self.step.id, self.host) };
        if *left > 0 {
            // The log is a help; a full disk must not end a recovery.
            let _ = file.write_all(text.as_bytes());
            *left = if text.len() < *left { *left - text.len() } else { 0 };
        }
        self.runner.watch.line(self.step, self.host, line);
        let is_failure = self.fail_on.as_ref().is_some_and(|fail_on| fail_on.is_match(line));
        (is_failure && !self.ignore.iter().any(|ignore| ignore.is_match(line))).then(|| line.to_string())
    }

    fn cancelled(&self) -> bool {
        // What tidies up is what comes after a cancellation.
        !self.step.always && self.runner.watch.cancelled()
    }
}

/// For commands that only look: nobody reads what they write.
pub(super) struct Quiet<'a>(pub(super) &'a Log<'a>);

impl Sink for Quiet<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
