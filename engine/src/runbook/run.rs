// SPDX-License-Identifier: MIT OR Apache-2.0
//! Carries a plan out: each task is written down before it begins and after it has ended, so that a run that was cut off
//! anywhere goes on where it was, and nothing that is done is done again unasked.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use regex::Regex;

use super::checks::Found;
use super::{
    Action, Command, Event, Fault, From, Input, Journal, Place, Plan, Planned, Record, RunState, RunbookError, Sink,
    Stopped, Task, TaskState, Test, Why, execute,
};
use crate::profile::Asked;

/// Longest time that a question of the plan to a host may take.
const LOOK: Duration = Duration::from_secs(60);

/// So many bytes of a task's output are written down.
const LOGGED: usize = 16 << 20;

/// Held while a person is asked.
static ASKING: Mutex<()> = Mutex::new(());

/// What a runbook takes out of a snapshot, or out of the snapshots of a set. An error is a sentence.
pub trait Contents: Sync {
    /// Paths of `host` that a pattern names, without `/` at the beginning: a `*` stands for any part of a name.
    ///
    /// # Errors
    /// The snapshot could not be read.
    fn matching(&self, host: &str, pattern: &str) -> Result<Vec<String>, String>;

    /// A file.
    ///
    /// # Errors
    /// It could not be read.
    fn file(&self, host: &str, path: &str) -> Result<Input<'_>, String>;

    /// Files and folders as a tar archive, each under its path.
    ///
    /// # Errors
    /// They could not be read.
    fn archive(&self, host: &str, paths: &[String]) -> Result<Input<'_>, String>;
}

/// Who is asked.
pub trait Person: Sync {
    /// Whether the answer is yes.
    fn agrees(&self, question: &Question) -> bool;
}

/// What a person is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The kind of question.
    pub asked: Asked,
    /// The step.
    pub step: &'a Planned,
    /// The host; empty: all of the step's.
    pub host: &'a str,
    /// The caution, what to do, or what is in doubt.
    pub text: &'a str,
}

/// Who looks on.
pub trait Watch: Sync {
    /// A step begins; it has this number of all.
    fn step(&self, step: &Planned, number: usize, count: usize);

    /// Something became of a task.
    fn task(&self, step: &Planned, host: &str, event: Event, note: &str);

    /// A command wrote a line.
    fn line(&self, step: &Planned, host: &str, line: &str);

    /// Whether the user wants to stop.
    fn cancelled(&self) -> bool;
}

/// A plan on its way.
pub struct Runner<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// What has been done.
    pub journal: Mutex<Journal>,
    /// What is taken from.
    pub contents: Option<&'a dyn Contents>,
    /// Values of secrets, by name.
    pub secrets: &'a BTreeMap<String, String>,
    /// Who is asked.
    pub person: &'a dyn Person,
    /// Who looks on.
    pub watch: &'a dyn Watch,
    /// The time, in milliseconds since 1970.
    pub clock: fn() -> i64,
}

pub(super) type States = BTreeMap<(String, String), TaskState>;

#[expect(clippy::result_large_err, reason = "it is made once, when a run ends")]
impl Runner<'_> {
    /// Does what has not been done yet.
    ///
    /// # Errors
    /// Where it stopped. The journal has all before; steps that tidy up have been done.
    pub fn run(&self) -> Result<(), Stopped> {
        let states = self.states();
        self.may_go_on()?;
        let count = self.plan.steps.len();
        let (mut stopped, mut is_under_way) = (None, false);
        for (number, step) in self.plan.steps.iter().enumerate() {
            // Where nothing was begun there is nothing to tidy up.
            if stopped.is_some() && (!step.always || !self.has_begun()) {
                continue;
            }
            // What tidied up after a failure has to do so again after what comes now.
            let is_again = step.always && is_under_way;
            let waiting: Vec<&Task> =
                step.tasks.iter().filter(|task| is_again || is_open(&states, step, task)).collect();
            if waiting.is_empty() {
                continue;
            }
            is_under_way = true;
            self.watch.step(step, number + 1, count);
            if let Err((host, why)) = self.step(step, &waiting, &states) {
                stopped.get_or_insert_with(|| self.stopped(number, step, host, why));
            }
        }
        match stopped {
            Some(stopped) => Err(stopped),
            None => self.write("", "", Event::Finished, "").map_err(|why| self.outside(why.into())),
        }
    }

    fn has_begun(&self) -> bool {
        self.journal().records().iter().any(|record| record.event == Event::Begun)
    }

    fn may_go_on(&self) -> Result<(), Stopped> {
        let how = match RunState::of(self.journal().records()) {
            RunState::Waiting | RunState::Unfinished => return Ok(()),
            RunState::Undoing => "undoing it was begun; undo it to the end",
            RunState::Finished => "it was carried out",
            RunState::Reverted => "it was undone",
            RunState::Abandoned => "it was given up",
        };
        let over = RunbookError::Over { run: self.plan.run.clone(), how: how.to_string() };
        Err(self.outside(over.into()))
    }

    /// Does a step on the hosts where it is open. The first that fails is in the error; those at work beside it end first.
    fn step(&self, step: &Planned, tasks: &[&Task], states: &States) -> Result<(), (String, Why)> {
        let first = tasks.first().map(|task| task.host.clone()).unwrap_or_default();
        self.caution(step).map_err(|why| (first, why))?;
        let one = |task: &&Task| self.task(step, task, states).map_err(|why| (task.host.clone(), why));
        if !step.is_parallel || tasks.len() == 1 {
            return tasks.iter().try_for_each(one);
        }
        thread::scope(|scope| {
            let workers: Vec<_> = tasks.iter().map(|task| scope.spawn(move || one(task))).collect();
            let ended: Vec<_> = workers.into_iter().map(joined).collect();
            ended.into_iter().collect()
        })
    }

    /// Asks about what the vendor warns of, once in a run.
    fn caution(&self, step: &Planned) -> Result<(), Why> {
        let Some(text) = &step.caution else { return Ok(()) };
        let agreed = |record: &Record| record.step == step.id && record.event == Event::Agreed;
        if self.journal().records().iter().any(agreed) {
            return Ok(());
        }
        self.ask(&Question { asked: Asked::Caution, step, host: "", text })?;
        Ok(self.write(&step.id, "", Event::Agreed, text)?)
    }

    fn ask(&self, question: &Question) -> Result<(), Why> {
        // Hosts of a step that work at once must not ask at once.
        let _one = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
        if self.person.agrees(question) { Ok(()) } else { Err(Why::Refused) }
    }

    /// Does a task, and writes down what became of it.
    fn task(&self, step: &Planned, task: &Task, states: &States) -> Result<(), Why> {
        let host = task.host.as_str();
        let place = self.place(host);
        let sink = Log::new(self, step, host, true)?;
        if sink.cancelled() {
            return Err(Fault::Cancelled.into());
        }
        let is_doubtful = matches!(state(states, step, task), TaskState::InDoubt | TaskState::Failed);
        if let Some((why, is_as_wanted)) = self.passes(step, &place, task, &sink)? {
            if is_as_wanted {
                self.ensured(task, &place, &sink)?;
            }
            // What was begun may be why there is nothing to do any more: then it is there to be undone.
            return self.tell(step, host, if is_doubtful { Event::Done } else { Event::Passed }, why);
        }
        if is_doubtful && step.asks_to_repeat {
            let text = "it was begun before, and may have been done in part; do it again?";
            self.ask(&Question { asked: Asked::Repeat, step, host, text })?;
        }
        for test in &task.require {
            let required = |found| Why::Required { says: test.says.clone(), found };
            self.holds(test, &place, &sink).map_err(|found| found.map_or(Why::Fault(Fault::Cancelled), required))?;
        }
        self.tell(step, host, Event::Begun, "")?;
        match self.act(step, task, &place, &sink).and_then(|()| self.ensured(task, &place, &sink)) {
            Ok(()) => self.tell(step, host, Event::Done, ""),
            Err(why) => {
                self.tell(step, host, Event::Failed, &why.to_string())?;
                Err(why)
            }
        }
    }

    fn ensured(&self, task: &Task, place: &Place, sink: &Log) -> Result<(), Why> {
        task.ensure.iter().try_for_each(|test| {
            let ensured = |found| Why::Ensured { says: test.says.clone(), found };
            self.holds(test, place, sink).map_err(|found| found.map_or(Why::Fault(Fault::Cancelled), ensured))
        })
    }

    /// Why there is nothing to do, and whether that is because it is so already.
    fn passes(
        &self,
        step: &Planned,
        place: &Place,
        task: &Task,
        sink: &Log,
    ) -> Result<Option<(&'static str, bool)>, Why> {
        if let Some(other) = &step.only_where_done
            && self.states().get(&(other.clone(), task.host.clone())) != Some(&TaskState::Done)
        {
            return Ok(Some(("what it belongs to was not done here", false)));
        }
        let looks = [(&task.present, false, "there is none here"), (&task.unless, true, "it is so already")];
        for (command, means_nothing_to_do, why) in looks {
            let Some(command) = command else { continue };
            let is_so = match execute(place, command, self.secrets, None, Some(LOOK), &Quiet(sink)) {
                Ok(_) => true,
                Err(Fault::Failed { .. }) => false,
                Err(fault) => return Err(fault.into()),
            };
            if is_so == means_nothing_to_do {
                return Ok(Some((why, means_nothing_to_do)));
            }
        }
        Ok(None)
    }

    fn holds(&self, test: &Test, place: &Place, sink: &Log) -> Result<(), Option<String>> {
        test.holds(place, self.secrets, &Quiet(sink)).map_err(|found| match found {
            Found::Other(found) => Some(found),
            Found::Cancelled => None,
        })
    }

    fn act(&self, step: &Planned, task: &Task, place: &Place, sink: &Log) -> Result<(), Why> {
        match &task.action {
            Action::Check => Ok(()),
            Action::Manual(text) => self.ask(&Question { asked: Asked::Manual, step, host: &task.host, text }),
            Action::Run { command, reads } => {
                let input = reads.as_ref().map(|from| self.input(&task.host, from)).transpose()?;
                let limit = Some(Duration::from_secs(step.limit));
                execute(place, command, self.secrets, input, limit, sink)?;
                Ok(())
            }
        }
    }

    fn input(&self, host: &str, from: &From) -> Result<Input<'_>, Why> {
        let what = match from {
            From::File(path) => path.clone(),
            From::Archive(paths) => paths.join(", "),
        };
        let Some(contents) = self.contents else {
            return Err(Why::Contents { what, why: "there is no snapshot".to_string() });
        };
        let input = match from {
            From::File(path) => contents.file(host, path),
            From::Archive(paths) => contents.archive(host, paths),
        };
        input.map_err(|why| Why::Contents { what, why })
    }

    pub(super) fn place(&self, host: &str) -> Place {
        self.plan.places.get(host).cloned().unwrap_or_else(|| Place::here(host))
    }

    /// Runs what undoes a task.
    pub(super) fn undo_command(&self, step: &Planned, host: &str, command: &Command) -> Result<(), Why> {
        let sink = Log::new(self, step, host, false)?;
        execute(&self.place(host), command, self.secrets, None, Some(Duration::from_secs(step.limit)), &sink)?;
        Ok(())
    }

    pub(super) fn states(&self) -> States {
        TaskState::of(self.journal().records())
    }

    /// Writes a line of the journal, and says so.
    pub(super) fn tell(&self, step: &Planned, host: &str, event: Event, note: &str) -> Result<(), Why> {
        self.write(&step.id, host, event, note)?;
        self.watch.task(step, host, event, note);
        Ok(())
    }

    pub(super) fn write(&self, step: &str, host: &str, event: Event, note: &str) -> Result<(), RunbookError> {
        let (step, host, note) = (step.to_string(), host.to_string(), note.to_string());
        self.journal().write(Record { at: (self.clock)(), step, host, event, note })
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stopped(&self, number: usize, step: &Planned, host: String, why: Why) -> Stopped {
        let (step, title) = (step.id.clone(), step.title.clone());
        Stopped { number: number + 1, count: self.plan.steps.len(), step, title, host, why }
    }

    /// What concerns no step.
    pub(super) fn outside(&self, why: Why) -> Stopped {
        let (step, title, host) = (String::new(), self.plan.title.clone(), String::new());
        Stopped { number: 0, count: self.plan.steps.len(), step, title, host, why }
    }
}

fn joined<T>(handle: thread::ScopedJoinHandle<T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(super) fn state(states: &States, step: &Planned, task: &Task) -> TaskState {
    states.get(&(step.id.clone(), task.host.clone())).copied().unwrap_or_default()
}

fn is_open(states: &States, step: &Planned, task: &Task) -> bool {
    !matches!(state(states, step, task), TaskState::Done | TaskState::Passed)
}

/// Where a task's output goes: the log of the run, whoever looks on, and the rule which line means failure.
struct Log<'a> {
    runner: &'a Runner<'a>,
    step: &'a Planned,
    host: &'a str,
    /// The file, and how much may still be put into it.
    file: Mutex<(File, usize)>,
    fail_on: Option<Regex>,
    ignore: Vec<Regex>,
}

impl<'a> Log<'a> {
    fn new(runner: &'a Runner, step: &'a Planned, host: &'a str, judges: bool) -> Result<Self, Why> {
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
struct Quiet<'a>(&'a Log<'a>);

impl Sink for Quiet<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
