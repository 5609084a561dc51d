// SPDX-License-Identifier: MIT OR Apache-2.0
//! What keepfast has stopped starts again even if keepfast is killed: a process on the host waits for a pipe to close.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use super::execute::{Fault, SSH_FAILED};
use super::{Command, Place};

/// Its first line: it is in place.
const READY: &str = "keepfast-guardian";

/// The word that lets it go without doing anything.
const DONE: &str = "done";

/// Waits on a host, and runs a command there once whoever started it is gone.
pub struct Guardian {
    child: Child,
}

impl Guardian {
    /// Starts one. When this returns it is in place.
    ///
    /// # Errors
    /// It could not be started there.
    pub fn start(place: &Place, command: &Command, secrets: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let script = format!(
            "trap '' HUP INT TERM\necho {READY}\nexec >/dev/null 2>&1\nword=\nIFS= read -r word || :\n\
             if [ \"$word\" = {DONE} ]; then exit 0; fi\n{}",
            command.script
        );
        let waiting = Command { script, ..command.clone() };
        let words = place.words(&waiting);
        let mut process = std::process::Command::new(&words[0]);
        process.args(&words[1..]).process_group(0);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = process.spawn().map_err(Fault::NotStarted)?;
        let preamble = command.reads(secrets);
        let mut line = String::new();
        if let (Some(stdin), Some(stdout)) = (child.stdin.as_mut(), child.stdout.take()) {
            stdin.write_all(preamble.as_bytes()).map_err(Fault::Input)?;
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        if line.trim() == READY {
            return Ok(Self { child });
        }
        drop(child.stdin.take());
        let code = child.wait().map_err(Fault::NotStarted)?.code().unwrap_or_default();
        Err(match code {
            SSH_FAILED if place.ssh.is_some() => Fault::Unreachable { host: place.name.clone(), tail: Vec::new() },
            code => Fault::Failed { code, tail: vec![line] },
        })
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
        match self.child.wait().map_err(Fault::NotStarted)?.code() {
            Some(0) => Ok(()),
            code => Err(Fault::Failed { code: code.unwrap_or_default(), tail: Vec::new() }),
        }
    }
}
