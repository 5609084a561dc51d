// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast backup --profile NAME`: a system with its files and dumps, from all its hosts, at one moment: one snapshot a host,
//! all with the tag of one set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use keepfast_engine::backup::{BackupOptions, Stream, commands_of_host, files_of_host};
use keepfast_engine::events::{Problem, ProblemCode};
use keepfast_engine::format::id::SnapshotId;
use keepfast_engine::profile::Profile;
use keepfast_engine::repository::Repository;
use keepfast_engine::runbook::{
    Action, CapturePlan, Choice, Event, HostCapture, Journal, Plan, Planned, Runner, Sink, There, Watch, capture,
};
use keepfast_engine::tag::{TagEdit, tag};
use serde_json::{Value, json};

use super::quiet::Quiet;
use super::{Fate, location, options, print, read_once, to_json};
use crate::args::{BackupArgs, GlobalArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::backup as sources;
use crate::options::{also, machine, profiles, repository, secrets};
use crate::runs::data::FAILED_CHECK;
use crate::runs::person::{self, Asker, How};
use crate::runs::{folder, paste};

/// Backs a system up.
pub fn run(context: &Context, args: &BackupArgs, name: &str) -> Result<Done, Failure> {
    context.output.claim().map_err(Failure::Output)?;
    let profile = profiles::find(&args.system.profiles, name)?;
    let (values, one) =
        (profiles::values(&profile, &args.system.var, None)?, profiles::one_of(&profile, &args.system.one)?);
    let (run, here) = (folder::number(), args.host.clone().unwrap_or_else(machine::host_name));
    let choice = Choice {
        profile: &profile,
        runbook: "",
        values: &values,
        run: &run,
        here: &here,
        one: &one,
        snapshot: None,
        now: folder::now(),
    };
    let plan = capture(&choice).map_err(Failure::Runbook)?;
    if plan.hosts.is_empty() {
        return Err(Failure::other(format!("the profile {name} takes nothing from any host")));
    }
    let secrets = secrets::of_capture(&profile, &plan)?;
    let system = System { context, args, profile: &profile, run: &run, secrets: &secrets };
    if args.dry_run {
        return system.show(&plan);
    }
    system.back_up(&plan)
}

struct System<'a> {
    context: &'a Context,
    args: &'a BackupArgs,
    profile: &'a Profile,
    run: &'a str,
    secrets: &'a BTreeMap<String, String>,
}

/// What became of a host.
struct Taken {
    host: String,
    seconds: f64,
    fates: Result<Vec<Fate>, Failure>,
}

impl System<'_> {
    /// Says what would be taken, and by which commands, as they run; asks hosts which files they have, and runs nothing else.
    fn show(&self, plan: &CapturePlan) -> Result<Done, Failure> {
        let out = &self.context.output;
        let mut missing = 0;
        let mut hosts = Vec::new();
        let checks = |plan: &Plan| paste::of_steps(plan, &|_, _| Err("a check reads nothing".to_string()));
        checks(&plan.before).map_err(Failure::other)?.iter().for_each(|line| out.note(line));
        for quieted in &plan.quiesce {
            out.note(&format!("[{}] {}", quieted.place.name, paste::fed(&quieted.place, &quieted.run)));
        }
        for host in &plan.hosts {
            let there = self.ask(host)?;
            missing += there.missing.len();
            for path in &there.paths {
                out.line(&format!("[{}] /{path}", host.place.name));
            }
            for path in &there.missing {
                out.warn(&format!("{} has no {path}", host.place.name));
            }
            for stream in &host.streams {
                let command = paste::fed(&host.place, &stream.command);
                out.line(&format!("[{}] {} <- {command}", host.place.name, stream.path));
            }
            let streams: Vec<Value> = host
                .streams
                .iter()
                .map(|stream| json!({"path": stream.path, "command": paste::fed(&host.place, &stream.command)}))
                .collect();
            let name = &host.place.name;
            hosts.push(json!({"host": name, "paths": there.paths, "missing": there.missing, "streams": streams}));
        }
        for quieted in plan.quiesce.iter().rev() {
            out.note(&format!("[{}] {}", quieted.place.name, paste::fed(&quieted.place, &quieted.resume)));
        }
        checks(&plan.after).map_err(Failure::other)?.iter().for_each(|line| out.note(line));
        out.note("dry run: nothing was stopped, dumped or written");
        out.summary(json!({"profile": self.profile.name, "dry_run": true, "hosts": hosts}));
        Ok(Done::from_problems(missing))
    }

    fn back_up(&self, plan: &CapturePlan) -> Result<Done, Failure> {
        let globals: Vec<GlobalArgs> = std::iter::once(self.context.global.clone())
            .chain(also::globals(&self.context.global, &self.args.also)?)
            .collect();
        // Whoever can not be written to is known before anything is stopped.
        let (mut open, mut unopened) = (Vec::new(), Vec::new());
        for global in &globals {
            match repository::open(global) {
                Ok(repository) => open.push((location(global), repository)),
                Err(failure) => unopened.push((location(global), failure)),
            }
        }
        if open.is_empty() {
            return Err(unopened.swap_remove(0).1);
        }
        for (location, failure) in &unopened {
            self.context.output.warn(&format!("no snapshots in {location}: {}", failure.message()));
        }
        self.steps(&plan.before)?;
        let mut theres = Vec::with_capacity(plan.hosts.len());
        for host in &plan.hosts {
            theres.push(self.ask(host));
        }
        let quiet = Quiet::begin(self.context, &plan.quiesce, self.secrets)?;
        let mut taken = Vec::new();
        for (host, there) in plan.hosts.iter().zip(theres) {
            let started = Instant::now();
            let fates = there.and_then(|there| self.host(&globals, &open, host, &there));
            let is_cancelled = self.context.signals.cancelled();
            taken.push(Taken { host: host.place.name.clone(), seconds: started.elapsed().as_secs_f64(), fates });
            if is_cancelled {
                break;
            }
        }
        // The most urgent thing, and no reason to keep the rest back.
        let resumed = quiet.end();
        let mut problems = unopened.len();
        if let Err(failure) = self.steps(&plan.after) {
            self.context.output.warn(&format!("{}; the snapshots get the tag {FAILED_CHECK}", failure.message()));
            self.mark(&open, &taken)?;
            problems += 1;
        }
        let told = self.tell(taken, problems);
        resumed.and(told)
    }

    fn ask(&self, host: &HostCapture) -> Result<There, Failure> {
        let asked = host.there(&Stop(self.context));
        asked.map_err(|fault| Failure::other(format!("{} was asked for its files, and {fault}", host.place.name)))
    }

    /// Takes one host.
    fn host(
        &self,
        globals: &[GlobalArgs],
        open: &[(String, Repository)],
        host: &HostCapture,
        there: &There,
    ) -> Result<Vec<Fate>, Failure> {
        let repositories: Vec<&Repository> = open.iter().map(|(_, repository)| repository).collect();
        let mut options = options(self.context, self.args, globals, &repositories, repositories[0])?;
        options.streams = commands_of_host(host, self.secrets)?;
        options.missing = there.missing.iter().map(|path| missing(path)).collect();
        options.tags.extend([format!("profile:{}", self.profile.name), format!("set:{}", self.run)]);
        let absolute = there.paths.iter().map(|path| format!("/{path}").into_bytes());
        options.paths = absolute.chain(options.streams.iter().map(|stream| stream.path.clone())).collect();
        if host.place.ssh.is_none() {
            self.local(&mut options, host, there)?;
        } else {
            let scratch = repository::scratch_folder(&self.context.global)?;
            let (files, problems): (Vec<Stream>, Vec<Problem>) = files_of_host(host, &there.paths, &scratch)?;
            options.streams.extend(files);
            options.missing.extend(problems);
        }
        if options.source.paths.is_empty() && options.streams.is_empty() {
            return Err(Failure::other(format!("{} has nothing of what the profile takes", host.place.name)));
        }
        let client = machine::client(Some(&host.place.name));
        let outcomes = read_once(self.context, &repositories, &options, &client)?;
        let fate = |(outcome, (location, _)): (keepfast_engine::Result<_>, &(String, Repository))| Fate {
            location: location.clone(),
            outcome: outcome.map_err(Failure::from),
        };
        Ok(outcomes.into_iter().zip(open).map(fate).collect())
    }

    /// This machine's own files are read as those of any backup.
    fn local(&self, options: &mut BackupOptions, host: &HostCapture, there: &There) -> Result<(), Failure> {
        options.source.working_directory = PathBuf::from(if host.root.is_empty() { "/" } else { &host.root });
        options.source.paths = there.paths.iter().map(PathBuf::from).collect();
        let mut exclude = self.args.exclude.clone();
        exclude.exclude.extend(host.files.iter().flat_map(|files| files.exclude.clone()));
        options.source.excludes = sources::excludes(&exclude, &[])?;
        Ok(())
    }

    /// Runs the checks before or after.
    fn steps(&self, plan: &Plan) -> Result<(), Failure> {
        if plan.steps.is_empty() {
            return Ok(());
        }
        let folder = tempfile::tempdir().map_err(|error| Failure::other(format!("can not make a folder: {error}")))?;
        let asks = |step: &Planned| {
            step.caution.is_some() || step.tasks.iter().any(|task| matches!(task.action, Action::Manual(_)))
        };
        let how = if plan.steps.iter().any(asks) { person::how(self.args.system.yes)? } else { How::Yes };
        let asker = Asker::new(self.context, how, folder.path())?;
        let journal = Journal::create(folder.path(), plan).map_err(Failure::Runbook)?;
        let runner = Runner {
            plan,
            journal: Mutex::new(journal),
            contents: None,
            secrets: self.secrets,
            person: &asker,
            watch: &Stop(self.context),
            clock: folder::now,
        };
        runner.run().map_err(|stopped| Failure::Other {
            message: stopped.to_string(),
            hint: "nothing was stopped or changed by these checks; --yes agrees to what a person is asked".to_string(),
        })
    }

    fn mark(&self, open: &[(String, Repository)], taken: &[Taken]) -> Result<(), Failure> {
        let snapshots = |number: usize| -> Vec<SnapshotId> {
            let fates = taken.iter().filter_map(|taken| taken.fates.as_ref().ok()?.get(number));
            fates.filter_map(|fate| fate.outcome.as_ref().ok()?.snapshot).collect()
        };
        let edit = TagEdit { add: vec![FAILED_CHECK.to_string()], ..TagEdit::default() };
        for (number, (_, repository)) in open.iter().enumerate() {
            let ids = snapshots(number);
            if !ids.is_empty() {
                tag(repository, &machine::client(None), &ids, &edit)?;
            }
        }
        Ok(())
    }

    /// Tells what became of each host.
    fn tell(&self, taken: Vec<Taken>, mut problems: usize) -> Result<Done, Failure> {
        let (out, mut saved, mut hosts) = (&self.context.output, 0, Vec::new());
        let mut failed = None;
        for Taken { host, seconds, fates } in taken {
            out.note(&format!("host     {host}"));
            let fates = match fates {
                Ok(fates) => fates,
                Err(failure) => {
                    out.warn(&format!("no snapshot of {host}: {}", failure.message()));
                    hosts.push(json!({"host": host, "error": failure.message()}));
                    problems += 1;
                    failed.get_or_insert(failure);
                    continue;
                }
            };
            let mut all = Vec::new();
            for Fate { location, outcome } in fates {
                match outcome {
                    Ok(summary) => {
                        print(self.context, self.args, &summary, seconds);
                        out.problems(&summary.problems);
                        problems += summary.problems.len();
                        saved += 1;
                        all.push(super::with_location(to_json(self.args, &summary, seconds), &location));
                    }
                    Err(failure) => {
                        out.warn(&format!("no snapshot of {host} in {location}: {}", failure.message()));
                        all.push(json!({"location": location, "error": failure.message()}));
                        problems += 1;
                        failed.get_or_insert(failure);
                    }
                }
            }
            hosts.push(json!({"host": host, "repositories": all}));
        }
        match failed {
            Some(failure) if saved == 0 => return Err(failure),
            _ if self.context.signals.cancelled() => return Err(keepfast_engine::Error::Cancelled.into()),
            _ => {}
        }
        out.note(&format!("set      {}", self.run));
        if problems > 0 {
            out.warn(&format!(
                "the set {} lacks what is named above: `recover` and `drill` pass it over for an older one that is complete; back up again \
                 when that is repaired",
                self.run
            ));
        }
        out.summary(json!({"profile": self.profile.name, "set": self.run, "hosts": hosts}));
        Ok(Done::from_problems(problems))
    }
}

fn missing(path: &str) -> Problem {
    let path = path.trim_start_matches('/').as_bytes().to_vec();
    Problem { path, code: ProblemCode::Unreadable, text: "the profile needs it, and it is not there".to_string() }
}

/// Looks on without a word; the user may stop.
struct Stop<'a>(&'a Context);

impl Sink for Stop<'_> {
    fn cancelled(&self) -> bool {
        self.0.signals.cancelled()
    }
}

impl Watch for Stop<'_> {
    fn step(&self, step: &Planned, _: usize, _: usize) {
        self.0.output.note(&format!("check    {}", step.title));
    }

    fn task(&self, _: &Planned, _: &str, _: Event, _: &str) {}

    fn line(&self, _: &Planned, _: &str, _: &str) {}

    fn cancelled(&self) -> bool {
        self.0.signals.cancelled()
    }
}
