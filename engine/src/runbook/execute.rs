// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a command on a host to its end, its limit, or the user's wish to stop.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Command, Place};

/// Between two looks whether a command has ended, or shall.
const PAUSE: Duration = Duration::from_millis(20);

/// A service that a command has started may hold its output open for as long as it lives: this long is waited for the rest of
/// what the command itself wrote.
const AFTER_THE_END: Duration = Duration::from_millis(500);

/// So long a command that shall end has to tidy up.
const GRACE: Duration = Duration::from_secs(5);

/// Longest line that is looked at as one.
const MAX_LINE: u64 = 64 << 10;

/// So many last lines are remembered for messages.
const REMEMBERED: usize = 20;

/// ssh ends so if it did not reach the host.
pub(super) const SSH_FAILED: i32 = 255;

/// What a command reads.
pub type Input<'a> = Box<dyn Read + Send + 'a>;

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

/// Runs `command` at `place`. Its secrets stand in `secrets`; after them it reads `input`.
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
    let words = place.words(command);
    let mut process = std::process::Command::new(&words[0]);
    process.args(&words[1..]).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let preamble = command.reads(secrets);
    let has_input = input.is_some() || !preamble.is_empty();
    process.stdin(if has_input { Stdio::piped() } else { Stdio::null() });
    let mut child = process.spawn().map_err(Fault::NotStarted)?;
    let (lines, arrived) = mpsc::channel();
    for pipe in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)].into_iter().flatten() {
        let lines = lines.clone();
        // Not joined: a service may hold the pipe.
        thread::spawn(move || read_lines(pipe, &lines));
    }
    drop(lines);
    let stdin = child.stdin.take();
    let broken = &Mutex::new(None);
    thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            scope.spawn(move || {
                if let Err(error) = feed(&mut stdin, preamble.as_bytes(), input) {
                    // Held open: a command that saw an end here would take half of its input for all of it.
                    *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some((error, stdin));
                }
            });
        }
        let fed = Fed { sink, broken, secrets };
        let (status, tail) = watch(&mut child, &arrived, place, limit, &fed)?;
        ended(status, &tail, place)?;
        Ok(Output { tail })
    })
}

/// A sink, and what came of giving the command its input.
struct Fed<'a> {
    sink: &'a dyn Sink,
    broken: &'a Mutex<Option<(io::Error, ChildStdin)>>,
    secrets: &'a BTreeMap<String, String>,
}

impl Fed<'_> {
    /// A line without secrets.
    fn masked(&self, mut line: String) -> String {
        for secret in
            self.secrets.values().filter(|secret| !secret.is_empty() && line.contains(*secret)).collect::<Vec<_>>()
        {
            line = line.replace(secret, "***");
        }
        line
    }

    /// Why the command must not go on.
    fn stops(&self) -> Option<Fault> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        match broken {
            Some((error, stdin)) => {
                // Until the command has ended.
                *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some((io::Error::other("seen"), stdin));
                Some(Fault::Input(error))
            }
            None => self.sink.cancelled().then_some(Fault::Cancelled),
        }
    }
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

/// Gives a command what it reads. One that does not read to the end is its own matter.
fn feed(stdin: &mut ChildStdin, preamble: &[u8], input: Option<Input>) -> io::Result<()> {
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match stdin.write_all(preamble) {
        Err(error) if is_closed(&error) => return Ok(()),
        other => other?,
    }
    let Some(mut input) = input else { return Ok(()) };
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match stdin.write_all(&buffer[..count]) {
            Err(error) if is_closed(&error) => return Ok(()),
            other => other?,
        }
    }
}

fn read_lines(pipe: Box<dyn Read + Send>, lines: &Sender<String>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                if lines.send(text.trim_end_matches(['\n', '\r']).to_string()).is_err() {
                    return;
                }
            }
        }
    }
}

/// Waits for the end of a command, and for the lines that it wrote until then.
fn watch(
    child: &mut Child,
    arrived: &Receiver<String>,
    place: &Place,
    limit: Option<Duration>,
    fed: &Fed,
) -> Result<(ExitStatus, Vec<String>), Fault> {
    let (begun, mut ended_at) = (Instant::now(), None);
    let mut tail = Vec::new();
    let mut status = None;
    loop {
        let is_closed = match arrived.recv_timeout(PAUSE) {
            Ok(line) => {
                let line = fed.masked(line);
                if let Some(line) = fed.sink.line(&line) {
                    end(child);
                    return Err(Fault::Wrote { line });
                }
                if tail.len() == REMEMBERED {
                    tail.remove(0);
                }
                tail.push(line);
                continue;
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(if status.is_some() { Duration::ZERO } else { PAUSE });
                true
            }
        };
        if status.is_none() {
            status = child.try_wait().map_err(Fault::NotStarted)?;
            ended_at = status.map(|_| Instant::now());
        }
        if let (Some(status), Some(ended_at)) = (status, ended_at)
            && (is_closed || ended_at.elapsed() > AFTER_THE_END)
        {
            return Ok((status, tail));
        }
        if let Some(fault) = fed.stops() {
            end(child);
            return Err(fault);
        }
        if let Some(limit) = limit.filter(|limit| status.is_none() && begun.elapsed() > *limit) {
            end(child);
            return Err(Fault::TooLong { limit, host: place.name.clone() });
        }
    }
}

fn ended(status: ExitStatus, tail: &[String], place: &Place) -> Result<(), Fault> {
    let tail = tail.to_vec();
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(SSH_FAILED), _) if place.ssh.is_some() => Err(Fault::Unreachable { host: place.name.clone(), tail }),
        (Some(code), _) => Err(Fault::Failed { code, tail }),
        (None, signal) => Err(Fault::Killed { signal: signal.unwrap_or_default(), tail }),
    }
}

/// Ends a command and all that it started: first kindly.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    let _ = signal(Signal::TERM);
    let told = Instant::now();
    while told.elapsed() < GRACE {
        match child.try_wait() {
            Ok(Some(_)) => break,
            _ => thread::sleep(PAUSE),
        }
    }
    let _ = signal(Signal::KILL);
    let _ = child.wait();
}
