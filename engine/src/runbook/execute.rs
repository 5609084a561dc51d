// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a command on a host to its end, its limit, or the user's wish to stop.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::input::{Input, feed};
use super::place::exports_of;
use super::remote::{self, Said};
use super::{Command, Place, processes};

/// Between two looks whether a command has ended, or shall.
const PAUSE: Duration = Duration::from_millis(20);

/// A service that a command has started may hold its output open for as long as it lives: this long is waited for the rest of
/// what the command itself wrote.
const AFTER_THE_END: Duration = Duration::from_millis(500);

/// Longest line that is looked at as one.
const MAX_LINE: u64 = 64 << 10;

/// So many lines may wait to be looked at: a command that writes faster waits.
const WAITING: usize = 256;

/// What is on its way behind these, in bytes: Linux's two pipes (pipe(7)) with what has been read of each.
const UNREAD_BYTES: usize = 2 * (64 << 10) + 2 * (8 << 10);

/// So many last lines are remembered for messages.
const REMEMBERED: usize = 20;

/// ssh ends so if it did not reach the host.
pub(super) const SSH_FAILED: i32 = 255;

/// What looks at a command while it runs.
pub trait Sink: Sync {
    /// A line that it wrote. What is returned ends it: the line means failure.
    fn line(&self, line: &str) -> Option<String> {
        let _ = line;
        None
    }

    /// Whether the user wants to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

/// What a command that ended well has left.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Its last lines.
    pub tail: Vec<String>,
}

/// A command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The program was not found, or may not run.
    #[error("could not be started: {0}")]
    NotStarted(io::Error),
    /// ssh did not reach the host.
    #[error("can not reach {host}: {}", last(.tail))]
    Unreachable {
        /// The host.
        host: String,
        /// What ssh said.
        tail: Vec<String>,
    },
    /// It says so by its exit code.
    #[error("ended with exit code {code}: {}", last(.tail))]
    Failed {
        /// The exit code.
        code: i32,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// A signal ended it.
    #[error("was ended by signal {signal}: {}", last(.tail))]
    Killed {
        /// The signal's number.
        signal: i32,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// A line of its output means failure.
    #[error("wrote {line:?}")]
    Wrote {
        /// The line.
        line: String,
    },
    /// It took longer than it may.
    #[error("had not ended after {} s and was told to; it may still run on {host}", limit.as_secs())]
    TooLong {
        /// How long it may take.
        limit: Duration,
        /// The host.
        host: String,
    },
    /// What it reads could not be read.
    #[error("could not be given its input: {0}")]
    Input(io::Error),
    /// The user wanted to stop.
    #[error("was stopped")]
    Cancelled,
}

fn last(tail: &[String]) -> String {
    match tail.iter().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => line.trim().to_string(),
        None => "it said nothing".to_string(),
    }
}

/// Runs `command` at `place`. Its secrets stand in `secrets`; after them it reads `input`, and never takes an input that breaks
/// off for a whole one, even if this process is killed.
///
/// # Errors
/// It did not end well.
pub fn execute(
    place: &Place,
    command: &Command,
    secrets: &BTreeMap<String, String>,
    input: Option<Input>,
    limit: Option<Duration>,
    sink: &dyn Sink,
) -> Result<Output, Fault> {
    let preamble = command.reads(secrets).map_err(Fault::Input)?;
    let (mut child, arrived) = start(place, command, input.is_some() || !preamble.is_empty(), input.is_some())?;
    let stdin = child.stdin.take();
    let (broken, is_over) = (&Mutex::new(None), &AtomicBool::new(false));
    thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            scope.spawn(move || {
                if let Err(error) = feed(&mut stdin, preamble.as_bytes(), input, is_over) {
                    // Held open until the command has ended.
                    *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some((Some(error), stdin));
                }
            });
        }
        let mut run = Run {
            place,
            sink,
            broken,
            secrets: longest_first(secrets),
            tail: Vec::new(),
            errors: Vec::new(),
            begun: None,
            code: None,
        };
        let ended = run.watch(&mut child, &arrived, limit);
        is_over.store(true, Ordering::Release);
        // A reader that waits to hand over a line ends.
        drop(arrived);
        run.ended(ended?)?;
        Ok(Output { tail: run.tail })
    })
}

/// A line that a command wrote, and where to.
struct Line {
    text: String,
    is_error: bool,
}

/// Starts it, and threads that read what it writes.
fn start(place: &Place, command: &Command, reads: bool, in_pieces: bool) -> Result<(Child, Receiver<Line>), Fault> {
    let shell = if in_pieces { command.shell_reading() } else { command.shell() };
    let shell = format!("{}{shell}", exports_of(place));
    let words = place.starting(&if place.ssh.is_some() { remote::saying(&shell) } else { shell });
    let mut process = std::process::Command::new(&words[0]);
    process.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    process.stdin(if reads { Stdio::piped() } else { Stdio::null() });
    let mut child = process.spawn().map_err(Fault::NotStarted)?;
    let (lines, arrived) = mpsc::sync_channel(WAITING);
    let pipes = [(child.stdout.take().map(boxed), false), (child.stderr.take().map(boxed), true)];
    for (pipe, is_error) in pipes.into_iter().filter_map(|(pipe, is_error)| Some((pipe?, is_error))) {
        let lines = lines.clone();
        // Not joined: a service may hold the pipe.
        thread::spawn(move || read_lines(pipe, is_error, &lines));
    }
    Ok((child, arrived))
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

fn read_lines(pipe: Box<dyn Read + Send>, is_error: bool, lines: &SyncSender<Line>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_string();
                if lines.send(Line { text, is_error }).is_err() {
                    return;
                }
            }
        }
    }
}

/// Secrets that are part of others come after them.
fn longest_first(secrets: &BTreeMap<String, String>) -> Vec<&str> {
    let mut all: Vec<&str> = secrets.values().map(String::as_str).filter(|secret| !secret.is_empty()).collect();
    all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    all
}

/// A line without secrets.
pub(crate) fn masked(line: &str, secrets: &BTreeMap<String, String>) -> String {
    without(line.to_string(), &longest_first(secrets))
}

fn remember(tail: &mut Vec<String>, line: String) {
    if tail.len() == REMEMBERED {
        tail.remove(0);
    }
    tail.push(line);
}

fn without(mut line: String, secrets: &[&str]) -> String {
    for secret in secrets.iter().filter(|secret| line.contains(**secret)).copied().collect::<Vec<_>>() {
        line = line.replace(secret, "***");
    }
    line
}

/// Why an input broke off, until that has been told; and the pipe that must not be closed before the command has ended.
type Broken = Mutex<Option<(Option<io::Error>, ChildStdin)>>;

/// A command that runs.
struct Run<'a> {
    place: &'a Place,
    sink: &'a dyn Sink,
    broken: &'a Broken,
    secrets: Vec<&'a str>,
    tail: Vec<String>,
    /// The last lines on standard error alone: why it failed, whatever else it wrote in the same moment.
    errors: Vec<String>,
    /// Its process group at the other end of ssh, once it has begun there.
    begun: Option<i32>,
    /// How it has ended there.
    code: Option<i32>,
}

impl Run<'_> {
    /// Waits for the end of the command, and for the lines that it wrote until then.
    fn watch(
        &mut self,
        child: &mut Child,
        arrived: &Receiver<Line>,
        limit: Option<Duration>,
    ) -> Result<Option<ExitStatus>, Fault> {
        let (begun, mut looked, mut ended_at) = (Instant::now(), Instant::now(), None);
        let (mut status, mut is_closed) = (None, false);
        loop {
            match arrived.recv_timeout(PAUSE) {
                Ok(line) => {
                    if let Err(fault) = self.line(line) {
                        self.end(child);
                        return Err(fault);
                    }
                    // There may be more lines than time.
                    if looked.elapsed() < PAUSE {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    is_closed = true;
                    thread::sleep(if ended_at.is_some() { Duration::ZERO } else { PAUSE });
                }
            }
            looked = Instant::now();
            if status.is_none() {
                status = child.try_wait().map_err(Fault::NotStarted)?;
            }
            if status.is_some() || self.code.is_some() {
                let ended_at = *ended_at.get_or_insert_with(Instant::now);
                if (is_closed && status.is_some()) || ended_at.elapsed() > AFTER_THE_END {
                    if let Err(fault) = self.rest(arrived) {
                        self.end(child);
                        return Err(fault);
                    }
                    if status.is_none() {
                        // The command has said how it ended; ssh waits for a service that holds its output.
                        processes::end(child);
                    }
                    return Ok(status);
                }
            } else if let Some(fault) = self.stops() {
                self.end(child);
                return Err(fault);
            } else if let Some(limit) = limit.filter(|limit| begun.elapsed() > *limit) {
                self.end(child);
                return Err(Fault::TooLong { limit, host: self.place.name.clone() });
            }
        }
    }

    /// Takes what the command had written when it ended and nobody has looked at yet: whoever looks may be slow, or the machine has stood
    /// still. A service that goes on writing is not waited for.
    fn rest(&mut self, arrived: &Receiver<Line>) -> Result<(), Fault> {
        let (mut lines, mut bytes, mut waited) = (0, 0, Duration::ZERO);
        while (lines < WAITING || bytes < UNREAD_BYTES) && waited < AFTER_THE_END {
            let asked = Instant::now();
            let Ok(line) = arrived.recv_timeout(PAUSE) else { break };
            waited += asked.elapsed();
            lines += 1;
            bytes += line.text.len() + 1;
            self.line(line)?;
        }
        Ok(())
    }

    /// Takes a line that the command wrote.
    fn line(&mut self, Line { text: mut line, is_error }: Line) -> Result<(), Fault> {
        if self.place.ssh.is_some()
            && let Some((before, said)) = remote::said(&line)
        {
            match said {
                Said::Begun(group) => self.begun = Some(group),
                Said::Ended(code) => self.code = Some(code),
            }
            if before.is_empty() {
                return Ok(());
            }
            line.truncate(before.len());
        }
        let line = without(line, &self.secrets);
        if let Some(line) = self.sink.line(&line) {
            return Err(Fault::Wrote { line });
        }
        if is_error {
            remember(&mut self.errors, line.clone());
        }
        remember(&mut self.tail, line);
        Ok(())
    }

    /// Why the command must not go on.
    fn stops(&self) -> Option<Fault> {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        match broken.as_mut().and_then(|(error, _)| error.take()) {
            Some(error) => Some(Fault::Input(error)),
            None => self.sink.cancelled().then_some(Fault::Cancelled),
        }
    }

    /// Ends the command, at the other end of ssh too.
    fn end(&self, child: &mut Child) {
        if let (Some(group), None) = (self.begun, self.code) {
            remote::end(self.place, group);
        }
        processes::end(child);
    }

    /// What its end means.
    fn ended(&self, status: Option<ExitStatus>) -> Result<(), Fault> {
        let mut tail = if self.errors.is_empty() { self.tail.clone() } else { self.errors.clone() };
        let host = || self.place.name.clone();
        let of_ssh = status.map(|status| (status.code(), status.signal()));
        match (self.code, of_ssh) {
            (Some(0), _) | (None, Some((Some(0), _))) => Ok(()),
            (Some(code), _) => Err(Fault::Failed { code, tail }),
            (None, Some((Some(SSH_FAILED), _))) if self.place.ssh.is_some() => {
                if self.begun.is_some() {
                    tail.push("the connection broke while the command ran, and it may still run there".to_string());
                }
                Err(Fault::Unreachable { host: host(), tail })
            }
            (None, Some((Some(code), _))) => Err(Fault::Failed { code, tail }),
            (None, other) => {
                Err(Fault::Killed { signal: other.and_then(|(_, signal)| signal).unwrap_or_default(), tail })
            }
        }
    }
}
