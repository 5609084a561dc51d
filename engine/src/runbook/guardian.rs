// SPDX-License-Identifier: MIT OR Apache-2.0
//! What keepfast has stopped starts again even if keepfast is killed: a process on the host waits for a pipe to close.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Stdio};

use super::execute::{Fault, SSH_FAILED, masked};
use super::{Command, Place};

/// Its first line: it is in place.
const READY: &str = "keepfast-guardian";

/// The word that lets it go without doing anything.
const DONE: &str = "done";

/// So many last lines of its command are told.
const TOLD: usize = 5;

/// Waits on a host, and runs a command there once whoever started it is gone.
pub struct Guardian {
    child: Child,
    said: BufReader<ChildStdout>,
    secrets: BTreeMap<String, String>,
}

impl Guardian {
    /// Starts one. When this returns it is in place.
    ///
    /// # Errors
    /// It could not be started there.
    pub fn start(place: &Place, command: &Command, secrets: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let preamble = command.reads(secrets).map_err(Fault::Input)?;
        let waiting = Command { script: waiting(&command.script), ..command.clone() };
        let words = place.words(&waiting);
        let mut process = std::process::Command::new(&words[0]);
        process.args(&words[1..]).process_group(0);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().map_err(Fault::NotStarted)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Fault::NotStarted(std::io::Error::other("it has no pipes")));
        };
        // One that is gone already says why.
        let _ = stdin.write_all(preamble.as_bytes());
        let (mut said, mut noise) = (BufReader::new(stdout), Vec::new());
        let mut line = String::new();
        // A login shell may greet first.
        while said.read_line(&mut line).is_ok_and(|count| count > 0) {
            if line.trim() == READY {
                child.stdin = Some(stdin);
                return Ok(Self { child, said, secrets: secrets.clone() });
            }
            noise.push(masked(line.trim(), secrets));
            line.clear();
        }
        drop(stdin);
        let mut errors = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            let _ = stderr.read_to_string(&mut errors);
        }
        noise.extend(errors.lines().map(|line| masked(line, secrets)));
        match child.wait().map_err(Fault::NotStarted)?.code().unwrap_or_default() {
            SSH_FAILED if place.ssh.is_some() => Err(Fault::Unreachable { host: place.name.clone(), tail: noise }),
            code => Err(Fault::Failed { code, tail: noise }),
        }
    }

    /// Lets it go: what it would do has been done.
    pub fn release(mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = writeln!(stdin, "{DONE}");
        }
        let _ = self.child.wait();
    }

    /// Lets it do its work now, and waits for it.
    ///
    /// # Errors
    /// Its command failed.
    pub fn act(mut self) -> Result<(), Fault> {
        drop(self.child.stdin.take());
        let tail: Vec<String> =
            self.said.lines().map_while(Result::ok).map(|line| masked(&line, &self.secrets)).collect();
        match self.child.wait().map_err(Fault::NotStarted)?.code() {
            Some(0) => Ok(()),
            code => Err(Fault::Failed { code: code.unwrap_or_default(), tail }),
        }
    }
}

/// The script that waits. Services that the command starts hold none of its pipes, and heed signals as they always do.
fn waiting(script: &str) -> String {
    format!(
        "trap '' HUP INT TERM PIPE\necho {READY}\nword=\nIFS= read -r word || :\n\
         if [ \"$word\" = {DONE} ]; then exit 0; fi\nsaid=$(mktemp) || said=\nset +e\n\
         (\ntrap - HUP INT TERM PIPE\nset -e\n{script}\n) </dev/null >\"${{said:-/dev/null}}\" 2>&1\ncode=$?\n\
         if [ -n \"$said\" ]; then tail -n {TOLD} \"$said\" 2>/dev/null; rm -f \"$said\"; fi\nexit $code"
    )
}
