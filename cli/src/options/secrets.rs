// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values of a profile's secrets, from where it says that they are. They are held in memory only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use keepfast_engine::profile::{Profile, SecretFrom};
use keepfast_engine::runbook::{self, Action, CapturePlan, Plan, TestKind, Undo};

use crate::exit::Failure;

/// Names of all secrets that a plan's commands read.
pub fn names(plan: &Plan) -> BTreeSet<String> {
    let tasks = plan.steps.iter().flat_map(|step| &step.tasks);
    tasks.flat_map(commands).flat_map(|command| command.secrets.iter().cloned()).collect()
}

/// Names of the secrets that undoing it reads: whatever else has been lost stands in no undo's way.
pub fn names_for_undo(plan: &Plan) -> BTreeSet<String> {
    let tasks = plan.steps.iter().flat_map(|step| &step.tasks);
    let undos = tasks.filter_map(|task| if let Undo::Run(command) = &task.undo { Some(command) } else { None });
    undos.flat_map(|command| command.secrets.iter().cloned()).collect()
}

fn commands(task: &runbook::Task) -> Vec<&runbook::Command> {
    let mut all: Vec<&runbook::Command> = task.present.iter().chain(&task.unless).collect();
    if let Action::Run { command, .. } = &task.action {
        all.push(command);
    }
    if let Undo::Run(command) = &task.undo {
        all.push(command);
    }
    for test in task.require.iter().chain(&task.ensure) {
        if let TestKind::Run(command) = &test.kind {
            all.push(command);
        }
    }
    all
}

/// Where each comes from, for people.
pub fn origin(from: &SecretFrom) -> String {
    match (&from.file, &from.command, &from.environment) {
        (Some(file), ..) => format!("the first line of {file}"),
        (_, Some(command), _) => format!("the first line that `{command}` writes"),
        (.., Some(variable)) => format!("the environment variable {variable}"),
        _ => "nowhere".to_string(),
    }
}

/// Reads those that a plan needs.
///
/// # Errors
/// One that the profile does not have, or that could not be read. No value is in a message.
pub fn read(profile: &Profile, plan: &Plan) -> Result<BTreeMap<String, String>, Failure> {
    named(profile, names(plan))
}

/// Reads those that a backup needs.
///
/// # Errors
/// As [`read`].
pub fn of_capture(profile: &Profile, plan: &CapturePlan) -> Result<BTreeMap<String, String>, Failure> {
    let streams = plan.hosts.iter().flat_map(|host| &host.streams).map(|stream| &stream.command);
    let quieted = plan.quiesce.iter().flat_map(|quieted| [&quieted.run, &quieted.resume]);
    let mut all: BTreeSet<String> =
        streams.chain(quieted).flat_map(|command| command.secrets.iter().cloned()).collect();
    all.extend(names(&plan.before));
    all.extend(names(&plan.after));
    named(profile, all)
}

/// Reads those of these names.
///
/// # Errors
/// As [`read`].
pub fn named(profile: &Profile, names: BTreeSet<String>) -> Result<BTreeMap<String, String>, Failure> {
    let mut secrets = BTreeMap::new();
    for name in names {
        let from = profile.variables.get(&name).and_then(|variable| variable.secret.as_ref());
        let from = from.ok_or_else(|| Failure::other(format!("the profile does not say where {name} comes from")))?;
        let value = first_line(from).map_err(|why| Failure::Other {
            message: format!("can not read the secret {name} from {}: {why}", origin(from)),
            hint: "nothing has been done by this command; the profile says where it comes from".to_string(),
        })?;
        secrets.insert(name, value);
    }
    Ok(secrets)
}

fn first_line(from: &SecretFrom) -> Result<String, String> {
    let text = match (&from.file, &from.command, &from.environment) {
        (Some(file), ..) => fs::read_to_string(file).map_err(|error| error.to_string())?,
        (_, Some(command), _) => output(command)?,
        (.., Some(variable)) => std::env::var(variable).map_err(|error| error.to_string())?,
        _ => return Err("it says neither file nor command nor environment".to_string()),
    };
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_string()),
        _ => Err("it is empty".to_string()),
    }
}

fn output(command: &str) -> Result<String, String> {
    let output = Command::new("sh").arg("-c").arg(command).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    String::from_utf8(output.stdout).map_err(|_| "its output is not UTF-8".to_string())
}
