// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run has done, in a folder of its own: `plan.json` once, then a line in `journal.jsonl` before and after everything
//! that is done, on the disk before the next thing begins. A last line that was cut off is no line.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{Plan, RunbookError};

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The step's id; empty for what concerns the run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// The host; empty for what concerns all of them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// What.
    pub event: Event,
    /// More on it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person agreed to a caution.
    Agreed,
    /// A task begins.
    Begun,
    /// It has ended well.
    Done,
    /// There was nothing to do.
    Passed,
    /// It has failed.
    Failed,
    /// Undoing it begins.
    Undoing,
    /// It is undone.
    Undone,
    /// The whole run has ended well.
    Finished,
    /// The whole run is undone.
    Reverted,
    /// A person gave it up as it was.
    Abandoned,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskState {
    /// Nothing has been done.
    #[default]
    Waiting,
    /// It was begun, and nobody knows how far it came.
    InDoubt,
    /// It has failed: it may have done a part.
    Failed,
    /// It is done.
    Done,
    /// There was nothing to do.
    Passed,
    /// Undoing it was begun.
    Undoing,
    /// It is undone.
    Undone,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunState {
    /// Nothing has been done yet.
    #[default]
    Waiting,
    /// Something has been done; it can be resumed.
    Unfinished,
    /// An undo was begun; it can be resumed.
    Undoing,
    /// It has ended well.
    Finished,
    /// It is undone.
    Reverted,
    /// A person gave it up.
    Abandoned,
}

/// The journal of one run, held by this process alone.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: File,
    /// Bytes of whole lines in it.
    length: u64,
    /// Whether something may stand behind them that could not be taken away.
    is_torn: bool,
    lock: File,
    records: Vec<Record>,
}

const PLAN: &str = "plan.json";
const LINES: &str = "journal.jsonl";

impl Journal {
    /// Begins one in a new folder of `runs`, named as the plan's run.
    ///
    /// # Errors
    /// It could not be written, or is there already.
    pub fn create(runs: &Path, plan: &Plan) -> Result<Self, RunbookError> {
        let folder = runs.join(&plan.run);
        let failed = |source| RunbookError::Journal { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(runs).map_err(failed)?;
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let lock = locked(&folder, &plan.run)?;
        let text = serde_json::to_vec_pretty(plan).map_err(|error| failed(io::Error::other(error)))?;
        let mut file = new(&folder.join("plan.partial")).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(folder.join("plan.partial"), folder.join(PLAN)).map_err(failed)?;
        let file = new(&folder.join(LINES)).map_err(failed)?;
        for folder in [&folder, runs] {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(Self { folder, file, length: 0, is_torn: false, lock, records: Vec::new() })
    }

    /// Goes on with one.
    ///
    /// # Errors
    /// It is not there, damaged, or another process holds it.
    pub fn open(runs: &Path, run: &str) -> Result<(Self, Plan), RunbookError> {
        let folder = existing(runs, run)?;
        let lock = locked(&folder, run)?;
        let (plan, records, length) = read(&folder)?;
        let path = folder.join(LINES);
        let failed = |source| RunbookError::Journal { path: path.clone(), source };
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        file.set_len(length).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok((Self { folder, file, length, is_torn: false, lock, records }, plan))
    }

    /// Looks at one without holding it.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn look(runs: &Path, run: &str) -> Result<(Plan, Vec<Record>), RunbookError> {
        let (plan, records, _) = read(&existing(runs, run)?)?;
        Ok((plan, records))
    }

    /// Names of all runs, oldest first: a run's number begins with its time.
    ///
    /// # Errors
    /// The folder can not be listed; one that is not there has none.
    pub fn list(runs: &Path) -> Result<Vec<String>, RunbookError> {
        let failed = |source| RunbookError::Journal { path: runs.to_path_buf(), source };
        let entries = match fs::read_dir(runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // One without a plan was never begun.
            if entry.path().join(PLAN).exists()
                && let Some(name) = entry.file_name().to_str()
            {
                names.push(name.to_string());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Writes a line, on the disk when this returns.
    ///
    /// # Errors
    /// It could not be written. Then nothing of it is there, or no other line is taken either: what is not written down must
    /// not be done.
    pub fn write(&mut self, record: Record) -> Result<(), RunbookError> {
        let failed = |source| RunbookError::Journal { path: self.folder.join(LINES), source };
        let mut line = serde_json::to_vec(&record).map_err(|error| failed(io::Error::other(error)))?;
        line.push(b'\n');
        if self.is_torn {
            return Err(failed(io::Error::other("a line before was cut off")));
        }
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            self.is_torn = self.file.set_len(self.length).and_then(|()| self.file.sync_data()).is_err();
            return Err(failed(error));
        }
        self.length += line.len() as u64;
        self.records.push(record);
        Ok(())
    }

    /// All lines.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The folder, for the output of commands and the report.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is just starting has the lock, too, until it is another program.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

impl RunState {
    /// How far a run is of which these are the lines.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut state = Self::Waiting;
        for record in records {
            state = match record.event {
                Event::Finished => Self::Finished,
                Event::Reverted => Self::Reverted,
                Event::Abandoned => Self::Abandoned,
                Event::Undoing | Event::Undone => Self::Undoing,
                Event::Agreed if state == Self::Waiting => Self::Waiting,
                _ if state == Self::Undoing => Self::Undoing,
                _ => Self::Unfinished,
            };
        }
        state
    }
}

impl TaskState {
    /// How far each task is, by step and host.
    #[must_use]
    pub fn of(records: &[Record]) -> BTreeMap<(String, String), Self> {
        let mut states = BTreeMap::new();
        for record in records.iter().filter(|record| !record.step.is_empty() && !record.host.is_empty()) {
            let state = match record.event {
                Event::Begun => Self::InDoubt,
                Event::Done => Self::Done,
                Event::Passed => Self::Passed,
                Event::Failed => Self::Failed,
                Event::Undoing => Self::Undoing,
                Event::Undone => Self::Undone,
                _ => continue,
            };
            states.insert((record.step.clone(), record.host.clone()), state);
        }
        states
    }
}

/// The folder of a run.
fn existing(runs: &Path, run: &str) -> Result<PathBuf, RunbookError> {
    let is_name = !run.is_empty() && !run.starts_with('.') && !run.contains('/');
    let folder = runs.join(run);
    if is_name && folder.join(PLAN).exists() { Ok(folder) } else { Err(RunbookError::NoRun { run: run.to_string() }) }
}

fn new(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

fn locked(folder: &Path, run: &str) -> Result<File, RunbookError> {
    let path = folder.join("lock");
    let failed = |source| RunbookError::Journal { path: path.clone(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(RunbookError::Busy { run: run.to_string() }),
        Err(error) => Err(failed(error.into())),
    }
}

/// The plan, the lines, and how many bytes of the file are whole lines.
fn read(folder: &Path) -> Result<(Plan, Vec<Record>, u64), RunbookError> {
    let path = folder.join(PLAN);
    let text = fs::read(&path).map_err(|source| RunbookError::Journal { path: path.clone(), source })?;
    let plan = serde_json::from_slice(&text)
        .map_err(|error| RunbookError::JournalInvalid { path: path.clone(), why: error.to_string() })?;
    let path = folder.join(LINES);
    let text = match fs::read(&path) {
        Ok(text) => text,
        // Nothing was begun yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(RunbookError::Journal { path, source }),
    };
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut records = Vec::new();
    for (number, line) in text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let record = serde_json::from_slice(line).map_err(|error| RunbookError::JournalInvalid {
            path: path.clone(),
            why: format!("line {}: {error}", number + 1),
        })?;
        records.push(record);
    }
    Ok((plan, records, whole as u64))
}
