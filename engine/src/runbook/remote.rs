// SPDX-License-Identifier: MIT OR Apache-2.0
//! A command at the other end of ssh says when it begins and how it ends. ssh itself does not tell an exit code 255 of the
//! command from a host that it did not reach, does not end while a service holds the command's output, and does not end the
//! command when it is ended.

use std::process::{Command, Stdio};

use super::Place;
use crate::profile::template::quoted;

/// Begins the lines in which it says so, on standard error.
const WORD: &str = "keepfast-command";

/// What a line says about the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It begins, and this number is its process group's.
    Begun(i32),
    /// It has ended with this exit code.
    Ended(i32),
}

/// The text for the shell there around that of a command.
pub(super) fn saying(shell: &str) -> String {
    format!(
        "echo \"{WORD} begins $$\" >&2\nsh -c {}\ncode=$?\necho \"{WORD} ended $code\" >&2\nexit $code",
        quoted(shell)
    )
}

/// What a line says, if it does, and what stands before that: a line of the command without an end.
pub(super) fn said(line: &str) -> Option<(&str, Said)> {
    let (before, says) = line.split_once(WORD)?;
    let (what, number) = says.trim_start().split_once(' ')?;
    let number = number.parse().ok()?;
    match what {
        "begins" => Some((before, Said::Begun(number))),
        "ended" => Some((before, Said::Ended(number))),
        _ => None,
    }
}

/// Ends a command there, with its process group, as well as it can be done.
pub(super) fn end(place: &Place, group: i32) {
    if group < 2 {
        return;
    }
    let script = format!(
        "kill -TERM -{group} 2>/dev/null || exit 0\nfor second in 1 2 3 4 5; do\n  kill -0 -{group} 2>/dev/null || exit 0\n  \
         sleep 1\ndone\nkill -KILL -{group}"
    );
    let words = place.starting(&script);
    let mut process = Command::new(&words[0]);
    process.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It may be out of reach: the fault says that the command may still run.
    let _ = process.status();
}
