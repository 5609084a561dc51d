// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine of the soak: the real program with state, cache and files of its own, and what befalls it while it runs. It knows
//! nothing of what the program is asked to do.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::random::Random;

/// A run that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(600);

/// Time between two looks at a run.
const GLANCE: Duration = Duration::from_millis(4);

/// What befalls a run, so long after it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Peace,
    Killed(Duration),
    Interrupted(Duration),
    Stopped { after: Duration, span: Duration },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Code(i32),
    Signal(i32),
}

/// What a run gave.
pub struct Run {
    pub what: String,
    pub fate: Fate,
    pub ending: Ending,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The objects of its output; none of a run that was cut off.
    pub fn objects(&self) -> Vec<Value> {
        self.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The summary that ends it.
    pub fn summary(&self) -> Value {
        self.objects().last().map(|object| object["summary"].clone()).unwrap_or_default()
    }

    /// Everything about it, for a failure.
    pub fn told(&self) -> String {
        format!("{} ({:?}) ended with {:?}\n{}\n{}", self.what, self.fate, self.ending, self.out, self.err)
    }
}

/// A machine.
pub struct Host {
    pub name: String,
    pub folder: PathBuf,
    program: PathBuf,
    environment: Vec<(String, OsString)>,
    /// Milliseconds of a run that nothing befell, about.
    typical: AtomicU64,
}

impl Host {
    /// A machine that has never seen the repository.
    pub fn new(name: &str, base: &Path, program: &Path, environment: &[(String, OsString)]) -> Self {
        let folder = base.join(name);
        fs::create_dir_all(folder.join("tree")).unwrap();
        let (name, program) = (name.to_string(), program.to_path_buf());
        Self { name, folder, program, environment: environment.to_vec(), typical: AtomicU64::new(150) }
    }

    /// Chance decides what befalls the next run, `percent` of the time anything at all.
    pub fn draw(&self, random: &mut Random, percent: usize) -> Fate {
        if !random.chance(percent) {
            return Fate::Peace;
        }
        let typical = self.typical.load(Ordering::Relaxed) as usize;
        let after = Duration::from_millis(random.below(typical + typical / 8 + 1) as u64);
        match random.below(5) {
            0 | 1 => Fate::Killed(after),
            2 => Fate::Interrupted(after),
            // Now and then longer than any patience of a collector.
            _ => Fate::Stopped { after, span: Duration::from_millis(*random.pick(&[50, 400, 1500, 3500])) },
        }
    }

    /// Runs the program to its end. `number` keeps runs of one machine at the same time apart.
    pub fn run(&self, arguments: &[&str], fate: Fate) -> Run {
        let path = |what: &str| self.folder.join(format!("{what}-{}", arguments[0]));
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg("--json")
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment.iter().cloned());
        command.env("HOME", &self.folder).env("TMPDIR", &self.folder).env("KEEPFAST_HOST", &self.name);
        command
            .env("KEEPFAST_STATE_DIR", self.folder.join("state"))
            .env("KEEPFAST_CACHE_DIR", self.folder.join("cache"));
        let (out, err) = (File::create(path("out")).unwrap(), File::create(path("err")).unwrap());
        let started = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap();
        let status = live_through(&mut child, fate, started);
        if fate == Fate::Peace {
            let (last, now) = (self.typical.load(Ordering::Relaxed), started.elapsed().as_millis() as u64);
            self.typical.store((3 * last + now) / 4, Ordering::Relaxed);
        }
        let text = |what| String::from_utf8_lossy(&fs::read(path(what)).unwrap()).into_owned();
        let ending = match status {
            Some(status) => status.code().map_or(Ending::Signal(status.signal().unwrap_or(0)), Ending::Code),
            None => Ending::Signal(0),
        };
        let run = Run {
            what: format!("{}: {}", self.name, arguments.join(" ")),
            fate,
            ending,
            out: text("out"),
            err: text("err"),
        };
        assert!(status.is_some(), "this run hangs: {}", run.told());
        run
    }

    /// Runs the program undisturbed; it must do everything.
    pub fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments, Fate::Peace);
        assert_eq!(run.ending, Ending::Code(0), "{}", run.told());
        run
    }
}

/// Lets the fate come over the process; `None` if it did not end.
fn live_through(child: &mut Child, fate: Fate, started: Instant) -> Option<ExitStatus> {
    let mut steps: Vec<(Duration, Signal)> = match fate {
        Fate::Peace => Vec::new(),
        Fate::Killed(after) => vec![(after, Signal::KILL)],
        Fate::Interrupted(after) => vec![(after, Signal::INT)],
        Fate::Stopped { after, span } => vec![(after + span, Signal::CONT), (after, Signal::STOP)],
    };
    let pid = Pid::from_child(child);
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if let Some((_, signal)) = steps.pop_if(|(moment, _)| started.elapsed() >= *moment) {
            // Not waited for yet, so the number is still this child's.
            kill_process(pid, signal).unwrap();
        }
        sleep(GLANCE);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}
