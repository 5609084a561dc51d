// SPDX-License-Identifier: MIT OR Apache-2.0
//! Outputs of commands, and standard input, as files of the snapshot: they take their place in tree order beside the walked paths.
//! A command that fails, or can not be started, leaves an entry marked unreadable and makes the snapshot partial.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::boundary::link_group;
use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Marks, Metadata, Timestamp};
use keepfast_repo_format::tree::order;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use super::Plan;
use super::assemble::Step;
use super::big::BigReader;
use super::lane::Outlets;
use super::said::Said;
use super::work::State;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::pool::Pool;
use crate::source::Walked;

/// How long a cancelled backup may wait for a silent command before it ends it.
const CANCEL_LATENCY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Between two looks whether a command that has closed its output has ended: most have by then.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A file of the snapshot whose content is read from a stream.
pub struct Stream {
    /// Path in the snapshot, without leading `/`.
    pub path: Vec<u8>,
    /// Where the bytes come from.
    pub input: StreamInput,
    /// What it is beside its bytes; none: a file of root's, made now. What is no file has no bytes: its input is not read.
    pub entry: Option<Box<Entry>>,
    /// If the file has several names, the first of them in the tree.
    pub first_name: Option<Vec<u8>>,
    /// Whether it may have no bytes; else it has failed then.
    pub may_be_empty: bool,
    /// How long it may take.
    pub limit: Option<Duration>,
    /// Secrets by name, which are masked in what a command says on standard error; then events tell it. None: nobody listens, and
    /// it goes where that of this process goes.
    pub secrets: Option<BTreeMap<String, String>>,
}

impl Stream {
    /// A file of root's, which may be empty and take any time.
    #[must_use]
    pub fn new(path: Vec<u8>, input: StreamInput) -> Self {
        Self { path, input, entry: None, first_name: None, may_be_empty: true, limit: None, secrets: None }
    }

    fn is(&self, file_type: FileType) -> bool {
        self.entry.as_ref().map_or(FileType::File, |entry| entry.metadata.file_type) == file_type
    }
}

/// Where a stream's bytes come from.
pub enum StreamInput {
    /// Program and arguments; its standard output is stored.
    Command(Vec<std::ffi::OsString>),
    /// The same, and what it reads: secrets, which stand in no list of processes.
    CommandReading(Vec<std::ffi::OsString>, Vec<u8>),
    /// A reader that is used once, such as standard input.
    Reader(Mutex<Option<Box<dyn Read + Send>>>),
}

/// The next thing in tree order.
pub(super) enum Planned<'a> {
    Walked(Walked),
    /// A folder that only exists because a stream lies in it, or what else has no bytes.
    Folder(Entry),
    Stream(&'a Stream),
}

type Key = (Vec<u8>, Vec<u8>);

/// Merges streams into the walk.
///
/// # Errors
/// A path that is not valid, given twice, or inside another stream. Each step: a folder of the walk has the path of a stream, or what is
/// none is above it.
pub(super) fn merge<'a>(
    walk: impl Iterator<Item = Walked> + 'a,
    streams: &'a [Stream],
) -> Result<impl Iterator<Item = Result<Planned<'a>>>> {
    let mut extra: BTreeMap<OrderedKey, Option<&'a Stream>> = BTreeMap::new();
    for stream in streams {
        let (directory, name) = order::split(&stream.path);
        let is_valid = order::valid_name(name) && order::valid_directory(directory);
        if !is_valid || order::join(directory, name) != stream.path {
            return Err(Error::Invalid(format!("{:?} can not be the path of a stream", shown(&stream.path))));
        }
        match extra.insert(OrderedKey((directory.to_vec(), name.to_vec())), Some(stream)) {
            None => {}
            Some(None) if stream.is(FileType::Directory) => {}
            Some(None) => {
                return Err(Error::Invalid(format!("{} is a stream, nothing can lie below it", shown(&stream.path))));
            }
            Some(Some(_)) => {
                return Err(Error::Invalid(format!("two streams have the path {}", shown(&stream.path))));
            }
        }
        let mut folder = directory;
        while !folder.is_empty() {
            let (above, name) = order::split(folder);
            let above_it = extra.entry(OrderedKey((above.to_vec(), name.to_vec()))).or_insert(None);
            if above_it.is_some_and(|stream| !stream.is(FileType::Directory)) {
                return Err(Error::Invalid(format!("{} is a stream, nothing can lie below it", shown(folder))));
            }
            folder = above;
        }
    }
    let mut walk = walk.peekable();
    let mut extra = extra.into_iter().peekable();
    Ok(std::iter::from_fn(move || {
        let Some((OrderedKey((directory, name)), _)) = extra.peek() else {
            return walk.next().map(Planned::Walked).map(Ok);
        };
        let step = match walk.peek() {
            None => Ordering::Greater,
            Some(Walked::Problem(_)) => Ordering::Less,
            Some(Walked::Found(found)) => order::compare(&found.directory, &found.name, directory, name),
        };
        match step {
            Ordering::Less => walk.next().map(Planned::Walked).map(Ok),
            Ordering::Greater => extra.next().map(|(key, stream)| Ok(planned(key, stream))),
            Ordering::Equal => walk.next().zip(extra.next()).map(|(walked, (key, stream))| one_of(walked, key, stream)),
        }
    }))
}

/// Of what is walked and planned under the same path: a walked folder holds streams, a stream takes the place of a walked file.
fn one_of(walked: Walked, key: OrderedKey, stream: Option<&Stream>) -> Result<Planned<'_>> {
    let is_folder = matches!(&walked, Walked::Found(found) if found.stat.file_type == FileType::Directory);
    let path = || shown(&order::join(&key.0.0, &key.0.1));
    match stream {
        None if is_folder => Ok(Planned::Walked(walked)),
        None => Err(Error::Invalid(format!("{} is no folder, no stream can lie in it", path()))),
        // What was in the folder would come after it, below a file.
        Some(stream) if is_folder && !stream.is(FileType::Directory) => {
            Err(Error::Invalid(format!("{} is a folder, no stream can have its path", path())))
        }
        Some(stream) => Ok(planned(key, Some(stream))),
    }
}

struct OrderedKey(Key);

impl Ord for OrderedKey {
    fn cmp(&self, other: &Self) -> Ordering {
        order::compare(&self.0.0, &self.0.1, &other.0.0, &other.0.1)
    }
}

impl PartialOrd for OrderedKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OrderedKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for OrderedKey {}

fn planned(OrderedKey((directory, name)): OrderedKey, stream: Option<&Stream>) -> Planned<'_> {
    match stream {
        Some(Stream { entry: Some(entry), .. }) if entry.metadata.file_type != FileType::File => {
            Planned::Folder(Entry::clone(entry))
        }
        Some(stream) => Planned::Stream(stream),
        None => Planned::Folder(made_up(&directory, name, FileType::Directory, 0o755, Timestamp::default())),
    }
}

/// An entry for something that no file system holds: owned by root, without times of its own but the one given.
fn made_up(directory: &[u8], name: Vec<u8>, file_type: FileType, mode: u32, time: Timestamp) -> Entry {
    let metadata = Metadata { mode, modified: time, changed: time, ..Metadata::of(file_type) };
    let (marks, content) = (Marks(Marks::STREAM), Content::default());
    Entry { directory: directory.into(), name, metadata, marks, content, layers: Vec::new() }
}

/// Reads a stream to its end and sends its entry. `previous` is what each lane has of it from the time before.
pub(super) fn capture<'env>(
    plan: &'env Plan<'env>,
    pool: &Pool<'env>,
    outlets: &mut Outlets,
    stream: &Stream,
    previous: Vec<Vec<Content>>,
) -> Result<()> {
    for (lane, previous) in previous.into_iter().enumerate() {
        outlets.send(lane, Step::FileBegin { previous });
    }
    let (directory, name) = order::split(&stream.path);
    let mut entry = match &stream.entry {
        Some(entry) => Entry::clone(entry),
        None => made_up(directory, name.to_vec(), FileType::File, 0o600, (plan.options.clock)()),
    };
    let mut bytes = BigReader::new(plan, pool, outlets, &vec![true; plan.lanes.len()]);
    let failure = match &stream.input {
        StreamInput::Reader(reader) => {
            let mut reader = reader.lock().expect("no holder panics").take();
            match &mut reader {
                Some(reader) => bytes.stream(reader, &stream.path)?.map(|error| error.to_string()),
                None => Some("has been read already".to_string()),
            }
        }
        StreamInput::Command(words) => run(words, None, plan.events, &mut bytes, stream)?,
        StreamInput::CommandReading(words, reads) => run(words, Some(reads), plan.events, &mut bytes, stream)?,
    };
    let is_missing = failure.is_none() && bytes.read == 0 && !stream.may_be_empty;
    let failure = if is_missing { Some("it wrote nothing".to_string()) } else { failure };
    entry.metadata.size = bytes.read;
    entry.layers = std::mem::take(&mut bytes.layers);
    let problems: Vec<_> = failure
        .map(|text| Problem { path: stream.path.clone(), code: ProblemCode::Stream, text })
        .into_iter()
        .inspect(|problem| plan.events.problem(problem))
        .collect();
    if !problems.is_empty() {
        entry.marks.0 |= Marks::UNREADABLE;
    }
    plan.events.path_done(&entry.path(), 0);
    for lane in outlets.open() {
        let (mut entry, problems) = (Box::new(entry.clone()), problems.clone());
        let key = plan.lanes[lane].repository.keys.boundary();
        entry.metadata.link_group = stream.first_name.as_ref().map(|name| link_group(key, name));
        outlets.send(lane, Step::FileEnd { entry, state: State::New, problems });
    }
    Ok(())
}

/// Runs a command; the result says what failed. The child never outlives the capture.
fn run(
    words: &[std::ffi::OsString],
    reads: Option<&[u8]>,
    events: &dyn Events,
    bytes: &mut BigReader,
    stream: &Stream,
) -> Result<Option<String>> {
    let [program, arguments @ ..] = words else { return Ok(Some("no command was given".to_string())) };
    let program = program.to_string_lossy();
    let mut command = Command::new(&words[0]);
    // A group of its own, so that a shell and what it started can be ended together.
    command.args(arguments).stdout(Stdio::piped()).process_group(0);
    command.stdin(if reads.is_some() { Stdio::piped() } else { Stdio::null() });
    if stream.secrets.is_some() {
        command.stderr(Stdio::piped());
    }
    let spawned = command.spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(error) => return Ok(Some(format!("can not run {program}: {error}"))),
    };
    let mut child = Reaped { child, is_reaped: false };
    let secrets = stream.secrets.clone().zip(child.child.stderr.take());
    let said = secrets.map(|(secrets, pipe)| Said::listen(pipe, secrets));
    // A few lines, which the pipe holds. One that ends without reading them is its own matter.
    if let (Some(mut stdin), Some(reads)) = (child.child.stdin.take(), reads) {
        let _ = stdin.write_all(reads);
    }
    let output = child.child.stdout.take().expect("the output was asked for as a pipe");
    let mut output = Polled { output, events, begun: Instant::now(), limit: stream.limit };
    let failure = bytes.stream(&mut output, &stream.path)?;
    drop(output);
    let failure = match failure {
        Some(error) => Some(error.to_string()),
        None => match child.wait(events) {
            Ok(Some(status)) if status.success() => None,
            Ok(Some(status)) => Some(format!("{program} failed: {status}")),
            Ok(None) => Some("cancelled".to_string()),
            Err(error) => Some(format!("can not wait for {program}: {error}")),
        },
    };
    let mut lines = said.map(Said::end).unwrap_or_default();
    // The last one mostly says why.
    let why = failure.as_ref().and_then(|_| lines.pop());
    lines.iter().for_each(|line| events.said(&stream.path, line));
    Ok(failure.map(|failure| why.map_or(failure.clone(), |why| format!("{failure}: {why}"))))
}

/// The output of a command that may be silent for long: looks up between waits whether the user asked to stop.
struct Polled<'a> {
    output: ChildStdout,
    events: &'a dyn Events,
    begun: Instant,
    limit: Option<Duration>,
}

impl Read for Polled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.events.cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            if let Some(limit) = self.limit.filter(|limit| self.begun.elapsed() > *limit) {
                return Err(io::Error::other(format!("it had not ended after {} s", limit.as_secs())));
            }
            let mut wanted = [PollFd::new(&self.output, PollFlags::IN)];
            match poll(&mut wanted, Some(&CANCEL_LATENCY)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.output.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Kills the command, and what it started, when the capture ends early.
struct Reaped {
    child: Child,
    is_reaped: bool,
}

impl Reaped {
    /// Waits for the command, which may live on after the end of its output; `None` if the user asked to stop.
    fn wait(&mut self, events: &dyn Events) -> io::Result<Option<ExitStatus>> {
        let mut pause = FIRST_PAUSE;
        while !events.cancelled() {
            if let Some(status) = self.child.try_wait()? {
                self.is_reaped = true;
                return Ok(Some(status));
            }
            thread::sleep(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        Ok(None)
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        // Also when the command itself has ended: what it started may live on. As long as nobody has asked how it ended, no
        // other group can have its number.
        if !self.is_reaped {
            if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
