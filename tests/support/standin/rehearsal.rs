// SPDX-License-Identifier: MIT OR Apache-2.0
//! Carries a runbook out on stand-ins: whole, and with a fault at every single call.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keepfast_engine::profile::{Profile, Values};
use keepfast_engine::runbook::{
    Choice, Contents, Journal, Person, Plan, RunbookError, Runner, Stopped, Undo, Why, plan,
};

use super::{Calls, Fault, Marks, Recorder, State, World, difference};

/// Tells a test that it runs in a process of its own, which will be killed, and where its world is.
const CHILD: &str = "KEEPFAST_STANDIN_CHILD";

/// The number of every run.
const RUN: &str = "1";

/// So many worlds are tried at once: most of their time is waiting.
const AT_ONCE: usize = 6;

/// What a runbook is carried out with.
pub struct Stage {
    /// The system, with its hosts.
    pub profile: Profile,
    /// Its variables.
    pub values: BTreeMap<String, String>,
    /// The snapshot.
    pub contents: Box<dyn Contents>,
    /// Which host a step takes that runs on one of a role.
    pub one: BTreeMap<String, String>,
    /// Secrets, by name.
    pub secrets: BTreeMap<String, String>,
}

impl Stage {
    /// A profile and a snapshot, without anything special.
    pub fn new(profile: Profile, contents: impl Contents + 'static) -> Self {
        let (values, one, secrets) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { profile, values, contents: Box::new(contents), one, secrets }
    }
}

/// A folder that is wiped by a runbook.
pub struct Precious {
    /// The machine.
    pub host: &'static str,
    /// The folder.
    pub path: &'static str,
    /// Its copy, without the number of the run.
    pub copy: &'static str,
}

/// A runbook, and the machines that it is tried on.
pub struct Rehearsal<'a> {
    /// The runbook's name.
    pub runbook: &'a str,
    /// Puts the machines into an empty world.
    pub build: &'a (dyn Fn(&World) + Sync),
    /// What it is carried out with, in such a world.
    pub stage: &'a (dyn Fn(&World) -> Stage + Sync),
    /// What it wipes: at no moment may there be neither it nor its whole copy.
    pub precious: &'a [Precious],
    /// Steps that can not be done again once they have begun: if resuming is refused in one of them, it is undone.
    pub once: &'a [&'a str],
}

impl Rehearsal<'_> {
    /// A new world.
    pub fn ready(&self) -> World {
        let world = World::new();
        (self.build)(&world);
        world
    }

    /// The plan in a world, or why there is none.
    pub fn plan(&self, world: &World) -> Result<Plan, RunbookError> {
        let stage = (self.stage)(world);
        let values = Values::new(&stage.profile, &stage.values)?;
        let contents: &dyn Contents = &*stage.contents;
        plan(&Choice {
            profile: &stage.profile,
            runbook: self.runbook,
            values: &values,
            run: RUN,
            here: "operator",
            one: &stage.one,
            snapshot: Some(("snapshot", contents)),
            now: 0,
        })
    }

    /// Carries it out from the beginning.
    pub fn run(&self, world: &World, person: &dyn Person) -> Result<(), Stopped> {
        let plan = self.plan(world).unwrap();
        let journal = Journal::create(&world.runs(), &plan).unwrap();
        self.with(world, &plan, journal, person, |runner| runner.run())
    }

    /// Goes on where it stopped.
    pub fn resume(&self, world: &World, person: &dyn Person) -> Result<(), Stopped> {
        let (journal, plan) = opened(world);
        self.with(world, &plan, journal, person, |runner| runner.run())
    }

    /// Takes it back.
    pub fn undo(&self, world: &World, person: &dyn Person) -> Result<(), Stopped> {
        let (journal, plan) = opened(world);
        self.with(world, &plan, journal, person, |runner| runner.undo())
    }

    /// Carries it out with this little time for each step.
    pub fn run_in_seconds(&self, world: &World, seconds: u64) -> Result<(), Stopped> {
        let mut plan = self.plan(world).unwrap();
        plan.steps.iter_mut().for_each(|step| step.limit = seconds);
        let journal = Journal::create(&world.runs(), &plan).unwrap();
        self.with(world, &plan, journal, &Recorder::agrees(), |runner| runner.run())
    }

    fn with(
        &self,
        world: &World,
        plan: &Plan,
        journal: Journal,
        person: &dyn Person,
        act: fn(&Runner) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let stage = (self.stage)(world);
        let watch = Marks::of(world);
        act(&Runner {
            plan,
            journal: Mutex::new(journal),
            contents: Some(&*stage.contents),
            secrets: &stage.secrets,
            person,
            watch: &watch,
            clock: || 0,
        })
    }

    /// Carries it out to its end, everything agreed to.
    pub fn whole(&self) -> World {
        let world = self.ready();
        self.run(&world, &Recorder::agrees()).unwrap_or_else(|stopped| panic!("{stopped}"));
        world
    }

    /// With a fault at each call in turn: the run stops, nothing is lost, and resumed it comes to the same end; no call but
    /// those of the step that stopped is made twice.
    pub fn resumes_after_a_fault_at_every_call(&self, fault: Fault) {
        let whole = self.whole();
        let (end, calls) = (whole.state(), whole.calls());
        self.at_every_call(&calls, |k| {
            let world = self.ready();
            world.fault(k, fault);
            if let Err(stopped) = self.run(&world, &Recorder::agrees()) {
                self.nothing_is_lost(&world, k);
                if let Err(again) = self.resume(&world, &Recorder::agrees()) {
                    assert!(self.once.contains(&again.step.as_str()), "call {k}: stopped by {stopped}; then {again}");
                    return self.is_undone(&world, k);
                }
            }
            self.came_to_the_same_end(&world, k, &end, &calls);
        });
    }

    /// With a fault at each call in turn: undone, everything is as it was at the beginning; or, behind a step that can not be
    /// undone, undoing is refused and touches nothing.
    pub fn undoes_after_a_fault_at_every_call(&self, fault: Fault) {
        let calls = self.whole().calls();
        self.at_every_call(&calls, |k| {
            let world = self.ready();
            world.fault(k, fault);
            if self.run(&world, &Recorder::agrees()).is_ok() {
                return;
            }
            self.is_undone(&world, k);
        });
    }

    /// The whole run, undone, leaves everything as it was; `false` if its plan has steps that can not be undone.
    pub fn undoes_wholly(&self) -> bool {
        let world = self.ready();
        let start = world.state();
        let plan = self.plan(&world).unwrap();
        if plan.steps.iter().flat_map(|step| &step.tasks).any(|task| matches!(task.undo, Undo::Never(_))) {
            return false;
        }
        self.run(&world, &Recorder::agrees()).unwrap_or_else(|stopped| panic!("{stopped}"));
        self.undo(&world, &Recorder::agrees()).unwrap_or_else(|stopped| panic!("{stopped}"));
        let difference = difference(&start, &world.state());
        assert!(difference.is_empty(), "undone: {difference:#?}");
        true
    }

    /// keepfast is killed at each call in turn, before or after it does its work; what remains is resumed to the same end.
    /// `test` is the name of the calling test with its module path; it begins with [`is_child`].
    pub fn resumes_after_a_kill_at_every_call(&self, fault: Fault, test: &str) {
        let whole = self.whole();
        let (end, calls) = (whole.state(), whole.calls());
        self.at_every_call(&calls, |k| {
            let world = self.ready();
            world.fault(k, fault);
            let program = std::env::current_exe().unwrap();
            let name = test.split_once("::").unwrap().1;
            let mut child = Command::new(program);
            child.args(["--exact", name, "--nocapture"]).env(CHILD, world.folder());
            let output = child.stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.status.signal(), Some(9), "call {k}: {output:?}");
            wait_for_orphans(world.folder());
            self.nothing_is_lost(&world, k);
            if let Err(again) = self.resume(&world, &Recorder::agrees()) {
                assert!(self.once.contains(&again.step.as_str()), "call {k} ({}): {again}", words(&calls, k));
                return self.is_undone(&world, k);
            }
            self.came_to_the_same_end(&world, k, &end, &calls);
        });
    }

    /// In the process that will be killed: carries the runbook out in the world that the parent has made.
    pub fn run_as_child(&self) {
        let folder = std::env::var_os(CHILD).unwrap();
        let world = World::open(Path::new(&folder));
        std::fs::write(world.folder().join("runner"), format!("{}\n", std::process::id())).unwrap();
        let ended = self.run(&world, &Recorder::agrees());
        panic!("it was not killed: {ended:?}");
    }

    /// Everything is as at the beginning; or, behind what can not be undone, an undo is refused and touches nothing.
    fn is_undone(&self, world: &World, k: usize) {
        let stopped = world.state();
        let expected = match self.undo(world, &Recorder::agrees()) {
            Ok(()) => self.ready().state(),
            Err(why) => {
                assert!(is_final(&why), "call {k}: not undone: {why}");
                stopped
            }
        };
        let difference = difference(&expected, &world.state());
        assert!(difference.is_empty(), "call {k}, undone: {difference:#?}");
    }

    fn at_every_call(&self, calls: &Calls, test: impl Fn(usize) + Sync) {
        let (next, count) = (AtomicUsize::new(1), calls.acts().len());
        assert!(count > 0, "the runbook calls nothing");
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let k = next.fetch_add(1, Ordering::Relaxed);
                        if k > count {
                            return;
                        }
                        test(k);
                    }
                });
            }
        });
    }

    fn came_to_the_same_end(&self, world: &World, k: usize, end: &State, calls: &Calls) {
        let difference = difference(end, &world.state());
        assert!(difference.is_empty(), "call {k} ({}), at the end: {difference:#?}", words(calls, k));
        let found = world.calls();
        assert_eq!(calls.steps(), found.steps(), "the order of steps with a fault at call {k} ({})", words(calls, k));
        let (expected, found) = (calls.by_task(), found.by_task());
        let differ: Vec<_> = found.iter().filter(|(task, made)| expected.get(*task) != Some(made)).collect();
        // A step that runs on all its hosts at once stops on all of them.
        let is_one_step = differ.windows(2).all(|two| two[0].0.0 == two[1].0.0);
        assert!(is_one_step, "call {k}: more than one step was repeated: {differ:#?}");
        for (task, made) in differ {
            let expected = expected.get(task).cloned().unwrap_or_default();
            // A first part of the task, and then the whole of it, or what was left to do.
            let is_documented = (0..=expected.len().min(made.len())).any(|part| {
                let (first, again) = made.split_at(part);
                expected.starts_with(first) && expected.ends_with(again) && made.len() >= expected.len()
            });
            assert!(is_documented, "call {k}: {task:?} made the calls {made:#?} in place of {expected:#?}");
        }
    }

    /// Nothing was wiped without its complete copy.
    fn nothing_is_lost(&self, world: &World, k: usize) {
        let start = self.ready();
        for precious in self.precious {
            let expected = State::of(&start.host(precious.host).path(precious.path));
            let host = world.host(precious.host);
            let there = difference(&expected, &State::of(&host.path(precious.path)));
            if there.is_empty() {
                continue;
            }
            let saved = difference(&expected, &State::of(&host.path(&format!("{}-{RUN}", precious.copy))));
            assert!(saved.is_empty(), "call {k}: {} on {} is lost: {saved:#?}", precious.path, precious.host);
        }
    }
}

/// The journal of a run that stopped. A command that another thread starts has the lock until it is another program.
fn opened(world: &World) -> (Journal, Plan) {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match Journal::open(&world.runs(), RUN) {
            Err(RunbookError::Busy { .. }) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            other => return other.unwrap(),
        }
    }
}

/// Whether this process is one that will be killed.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn is_final(stopped: &Stopped) -> bool {
    matches!(&stopped.why, Why::Journal(RunbookError::Final { .. }))
}

fn words(calls: &Calls, k: usize) -> String {
    calls.acts().iter().find(|call| call.number == k).map_or(String::new(), |call| call.words.clone())
}

/// What a killed keepfast has started ends by itself; before that, nothing can be compared.
fn wait_for_orphans(folder: &Path) {
    let wanted = format!("{CHILD}={}", folder.display());
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        let is_of_it = |path: std::path::PathBuf| {
            let environment = std::fs::read(path.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        if !std::fs::read_dir("/proc").unwrap().flatten().any(|entry| is_of_it(entry.path())) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("what a killed keepfast has started does not end");
}
