// SPDX-License-Identifier: MIT OR Apache-2.0
//! The standard streams. One value for the whole run, shared by all threads.
//!
//! JSON mode prints JSON on standard output and nothing else; problems that stop nothing go to standard error as text in
//! text mode, and into the summary in JSON mode.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, StderrLock, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::args::GlobalArgs;
use crate::render::{json, text, wrapped};
use keepfast_engine::events::Problem;

/// More problems than this are counted, not printed: the rest is in the snapshot and in `--json`.
const MAX_PROBLEMS_PRINTED: usize = 20;

/// What standard output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn columns_of(stream: &(impl IsTerminal + AsFd)) -> usize {
    if !stream.is_terminal() {
        return usize::MAX;
    }
    rustix::termios::tcgetwinsize(stream).map_or(80, |size| if size.ws_col == 0 { 80 } else { size.ws_col.into() })
}

/// Prints what is wrong, no wider than a terminal. Nobody is left to tell if standard error is closed.
fn complain(stderr: &mut StderrLock, text: &str) {
    let columns = columns_of(&io::stderr());
    for line in text.lines().flat_map(|line| wrapped(line, columns)) {
        let _ = writeln!(stderr, "{line}");
    }
}

fn buffered(out: Box<dyn Write + Send>) -> BufWriter<Box<dyn Write + Send>> {
    BufWriter::with_capacity(1 << 16, out)
}

/// The standard streams.
pub struct Output {
    format: Format,
    verb: &'static str,
    quiet: bool,
    stdout: Mutex<BufWriter<Box<dyn Write + Send>>>,
    /// What shows the text page by page, if anything does.
    pager: Mutex<Option<Child>>,
    /// What a thread that could not return it met while writing.
    failed: Mutex<Option<io::Error>>,
    /// Whether a warning told that something may be missing.
    lacks: AtomicBool,
}

impl Output {
    /// The streams of this process, for the command `verb`.
    pub fn new(format: Format, verb: &'static str, global: &GlobalArgs) -> Self {
        let stdout = Mutex::new(buffered(Box::new(io::stdout())));
        let (pager, failed, lacks) = Default::default();
        Self { format, verb, quiet: global.quiet, stdout, pager, failed, lacks }
    }

    /// From here on nothing else of this process prints to standard output: what takes archives apart tells its developers there
    /// what it can not take apart, in the midst of our JSON.
    ///
    /// # Errors
    /// The system has no file descriptor left, or no `/dev/null`.
    pub fn claim(&self) -> io::Result<()> {
        let own = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let nothing = File::options().write(true).open("/dev/null");
        let nothing = nothing.map_err(|error| io::Error::new(error.kind(), format!("/dev/null: {error}")))?;
        let mut stdout = self.stdout.lock().expect("no holder panics");
        stdout.flush()?;
        *stdout = buffered(Box::new(own));
        rustix::stdio::dup2_stdout(&nothing)?;
        Ok(())
    }

    /// Whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a line of a result, in text mode.
    pub fn line(&self, line: &str) {
        if self.format == Format::Text {
            self.write(line);
        }
    }

    /// Prints a line that is no result but good to know, in text mode unless the user wants quiet.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            self.line(line);
        }
    }

    /// Prints a line of prose, in text mode, no wider than a terminal.
    pub fn prose(&self, line: &str) {
        wrapped(line, self.columns()).iter().for_each(|line| self.line(line));
    }

    /// The same for what is no result, as [`Output::note`].
    pub fn note_prose(&self, line: &str) {
        if !self.quiet {
            self.prose(line);
        }
    }

    /// Prints one object of a stream, in JSON mode.
    pub fn object(&self, value: Value) {
        if self.format == Format::Json {
            self.write(&json::object(value));
        }
    }

    /// Prints the summary that ends a command, in JSON mode.
    pub fn summary(&self, summary: Value) {
        if self.format == Format::Json {
            self.write(&json::summary(self.verb, summary));
        }
    }

    /// Prints a warning to standard error.
    pub fn warn(&self, message: &str) {
        complain(&mut io::stderr().lock(), &format!("warning: {message}"));
    }

    /// The same of something that may be missing in what is shown or done: the command is not complete.
    pub fn warn_of_missing(&self, message: &str) {
        self.lacks.store(true, Ordering::Relaxed);
        self.warn(message);
    }

    /// Whether anything was told to be missing.
    pub fn lacks_something(&self) -> bool {
        self.lacks.load(Ordering::Relaxed)
    }

    /// Prints what could not be saved or restored to standard error, in text mode.
    pub fn problems(&self, problems: &[Problem]) {
        if self.format == Format::Json {
            return;
        }
        let mut stderr = io::stderr().lock();
        for problem in problems.iter().take(MAX_PROBLEMS_PRINTED) {
            complain(&mut stderr, &format!("problem: {}", text::problem(problem)));
        }
        if let Some(more) = problems.len().checked_sub(MAX_PROBLEMS_PRINTED).filter(|more| *more > 0) {
            let _ = writeln!(stderr, "problem: ... and {} more; --json lists all", text::count(more as u64));
        }
    }

    /// Prints why the command failed.
    pub fn failure(&self, code: u8, message: &str, hint: &str) {
        if self.format == Format::Json {
            self.write(&json::failure(code, message, hint));
            if self.finish().is_err() {
                complain(&mut io::stderr().lock(), &format!("error: {message}"));
            }
            return;
        }
        let _ = self.finish();
        let mut stderr = io::stderr().lock();
        complain(&mut stderr, &format!("error: {message}"));
        hint.lines().for_each(|hint| complain(&mut stderr, &format!("hint: {hint}")));
    }

    /// Whether what was printed so far went wrong: a reason to stop printing more.
    pub fn check(&self) -> Result<(), io::Error> {
        self.failed.lock().expect("no holder panics").take().map_or(Ok(()), Err)
    }

    /// Shows what was printed so far: for what takes long, and is followed by people and programs.
    pub fn flush(&self) {
        let flushed = self.stdout.lock().expect("no holder panics").flush();
        if let Err(error) = flushed {
            self.failed.lock().expect("no holder panics").get_or_insert(error);
        }
    }

    /// Whether nobody reads the output any more.
    pub fn is_broken(&self) -> bool {
        self.failed.lock().expect("no holder panics").is_some()
    }

    /// Flushes, and tells what went wrong with writing since the last check.
    ///
    /// # Errors
    /// Standard output could not be written.
    pub fn finish(&self) -> Result<(), io::Error> {
        self.check()?;
        let mut stdout = self.stdout.lock().expect("no holder panics");
        let flushed = stdout.flush();
        if let Some(mut pager) = self.pager.lock().expect("no holder panics").take() {
            // Its input ends here; it stays until the reader has seen enough.
            *stdout = buffered(Box::new(io::stdout()));
            let _ = pager.wait();
        }
        flushed
    }

    /// Columns that a table may take: those of the terminal, or no limit for a file or pipe.
    pub fn columns(&self) -> usize {
        columns_of(&io::stdout())
    }

    /// Columns that a question to the user may take.
    pub fn columns_of_questions(&self) -> usize {
        columns_of(&io::stderr())
    }

    /// Prints bytes of a result as they are, in text mode.
    pub fn bytes(&self, bytes: &[u8]) {
        if self.format == Format::Text {
            self.write_all(&[bytes]);
        }
    }

    /// From here on a text is shown page by page, by the program that `PAGER` names, or `less`. Without one it is printed.
    pub fn page(&self) {
        if self.is_json() {
            return;
        }
        let program = std::env::var("PAGER").ok().filter(|program| !program.is_empty());
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(program.unwrap_or_else(|| "command -v less >/dev/null && exec less || exec cat".to_string()));
        if std::env::var_os("LESS").is_none() {
            command.env("LESS", "FRX");
        }
        let Ok(mut pager) = command.stdin(Stdio::piped()).spawn() else { return };
        let Some(input) = pager.stdin.take() else { return };
        *self.stdout.lock().expect("no holder panics") = buffered(Box::new(input));
        *self.pager.lock().expect("no holder panics") = Some(pager);
    }

    fn write(&self, line: &str) {
        self.write_all(&[line.as_bytes(), b"\n"]);
    }

    fn write_all(&self, parts: &[&[u8]]) {
        let mut stdout = self.stdout.lock().expect("no holder panics");
        let written = parts.iter().try_for_each(|part| stdout.write_all(part));
        if let Err(error) = written {
            self.failed.lock().expect("no holder panics").get_or_insert(error);
        }
    }
}
