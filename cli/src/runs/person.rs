// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who is asked during a run: the user at the terminal, or whoever has agreed to everything before. Each answer is written down
//! with the name of who gave it.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use keepfast_engine::profile::Asked;
use keepfast_engine::runbook::{Person, Question};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::folder;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::machine;
use crate::render::{text, wrapped};

/// The file of answers in a run's folder, one a line.
const NAME: &str = "answers.jsonl";

/// Between two looks whether the user wants to stop, in nanoseconds.
const PAUSE_NANOSECONDS: i64 = 100_000_000;

/// How answers are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// At the terminal, each for itself.
    Terminal,
    /// To all of them before, by `--yes`.
    Yes,
    /// It is a drill: nothing that matters is touched.
    Drill,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The step.
    pub step: String,
    /// The host; empty: all of the step's.
    pub host: String,
    /// What kind of question it was.
    pub asked: String,
    /// The question.
    pub text: String,
    /// The answer.
    pub agreed: bool,
    /// Who gave it.
    pub by: String,
    /// How.
    pub how: How,
}

/// Asks, and writes answers down.
pub struct Asker<'a> {
    context: &'a Context,
    how: How,
    /// Two hosts may have a question at once.
    answers: Mutex<File>,
}

impl<'a> Asker<'a> {
    /// Answers go into the folder of a run.
    ///
    /// # Errors
    /// There they can not be written.
    pub fn new(context: &'a Context, how: How, folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(NAME);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|error| Failure::other(format!("can not write {}: {error}", path.display())))?;
        Ok(Self { context, how, answers: Mutex::new(file) })
    }

    fn ask(&self, question: &Question) -> bool {
        self.context.output.flush();
        let mut stderr = io::stderr();
        // Whoever can not read the question answers no.
        let text = sentence(question, self.context.output.columns_of_questions());
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
        matches!(self.line().trim(), "y" | "Y" | "yes")
    }

    /// A line of the terminal; empty if the user wants to stop.
    fn line(&self) -> String {
        let stdin = io::stdin();
        let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE_NANOSECONDS };
        while !self.context.signals.cancelled() {
            let fd = stdin.as_fd();
            let mut looked = [PollFd::new(&fd, PollFlags::IN)];
            if poll(&mut looked, Some(&pause)).is_ok_and(|ready| ready > 0) {
                let mut line = String::new();
                return stdin.read_line(&mut line).map_or_else(|_| String::new(), |_| line);
            }
        }
        String::new()
    }
}

impl Person for Asker<'_> {
    fn agrees(&self, question: &Question) -> bool {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let agreed = match self.how {
            How::Terminal => self.ask(question),
            How::Yes | How::Drill => true,
        };
        let answer = Answer {
            at: folder::now(),
            step: question.step.id.clone(),
            host: question.host.to_string(),
            asked: word(question.asked).to_string(),
            text: question.text.to_string(),
            agreed,
            by: machine::label(),
            how: self.how,
        };
        // An answer that can not be written down is none.
        let line = serde_json::to_string(&answer).map(|line| format!("{line}\n"));
        let is_noted =
            line.is_ok_and(|line| answers.write_all(line.as_bytes()).and_then(|()| answers.sync_data()).is_ok());
        agreed && is_noted
    }
}

fn sentence(question: &Question, columns: usize) -> String {
    let host = if question.host.is_empty() { String::new() } else { format!(" on {}", text::plain(question.host)) };
    let title = text::plain(&question.step.title);
    let about = question.text.lines().map(|line| format!("  {}", text::plain(line.trim())));
    let about: Vec<String> = about.flat_map(|line| wrapped(&line, columns)).map(|line| format!("{line}\n")).collect();
    let (kind, asks) = match question.asked {
        Asked::Caution => ("caution", "go on?"),
        Asked::Manual => ("to be done by hand", "is it done?"),
        Asked::Repeat => ("in doubt", "do it again?"),
    };
    let head = wrapped(&format!("{kind}, {title}{host}:"), columns).join("\n");
    format!("{head}\n{}{asks} [y/N] ", about.concat())
}

/// What kind of question it is, as it stands in JSON.
fn word(asked: Asked) -> &'static str {
    match asked {
        Asked::Caution => "caution",
        Asked::Manual => "manual",
        Asked::Repeat => "repeat",
    }
}

/// All answers of a run. A line that was cut off is none.
pub fn answers(folder: &Path) -> Vec<Answer> {
    let text = std::fs::read_to_string(folder.join(NAME)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// How answers are given: by `--yes`, or by whoever sits at the terminal.
///
/// # Errors
/// Nobody does.
pub fn how(yes: bool) -> Result<How, Failure> {
    match yes {
        true => Ok(How::Yes),
        false if io::stdin().is_terminal() && io::stderr().is_terminal() => Ok(How::Terminal),
        false => Err(Failure::Usage(
            "there is no terminal to ask whether this shall be done; --dry-run shows what it is, --yes agrees to all of it"
                .to_string(),
        )),
    }
}
