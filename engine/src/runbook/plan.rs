// SPDX-License-Identifier: MIT OR Apache-2.0
//! A runbook with everything put in: every script on every host, word for word. It is what a dry run shows, what runs, and
//! what is resumed, even if the profile has changed since.

mod snapshot;
mod task;

use std::collections::BTreeMap;
use std::time::Duration;

use super::checks::{Test, TestKind};
use super::run::Contents;
use super::{Command, Place, RunbookError, actions, places};
use crate::profile::{Check, On, Profile, ProfileError, Repeat, Step, Values, template};

pub use task::{Action, From, Plan, Planned, Task, Undo};

/// Longest time that a script may take if its step does not say.
const LIMIT: Duration = Duration::from_secs(3600);

/// What a plan is made for.
pub struct Choice<'a> {
    /// The system.
    pub profile: &'a Profile,
    /// The name of the runbook.
    pub runbook: &'a str,
    /// The variables.
    pub values: &'a Values,
    /// The number of the run: letters, digits, `-`.
    pub run: &'a str,
    /// The name of this machine.
    pub here: &'a str,
    /// Which host a step takes that runs on one host of a role; the first by name if it is not here.
    pub one: &'a BTreeMap<String, String>,
    /// What is taken from, and its name; none: the runbook needs nothing.
    pub snapshot: Option<(&'a str, &'a dyn Contents)>,
    /// The time, in milliseconds since 1970.
    pub now: i64,
}

/// Makes the plan: puts in variables, finds hosts, and looks whether the snapshot has all that is needed.
///
/// # Errors
/// What the profile or the snapshot lacks.
pub fn plan(choice: &Choice) -> Result<Plan, RunbookError> {
    let profile = choice.profile;
    let Some(runbook) = profile.runbooks.get(choice.runbook) else {
        return Err(RunbookError::Profile(ProfileError::NoRunbook {
            profile: profile.name.clone(),
            name: choice.runbook.to_string(),
            known: profile.runbooks.keys().cloned().collect(),
        }));
    };
    if runbook.needs_snapshot && choice.snapshot.is_none() {
        return Err(RunbookError::NoSnapshot { runbook: choice.runbook.to_string() });
    }
    let mut plan = steps(choice, &runbook.steps)?;
    plan.runbook = choice.runbook.to_string();
    plan.title.clone_from(&runbook.title);
    Ok(plan)
}

/// The same for steps that are no runbook, such as those before a capture.
///
/// # Errors
/// As [`plan`].
pub fn steps(choice: &Choice, steps: &[Step]) -> Result<Plan, RunbookError> {
    let profile = choice.profile;
    let values = choice.values.clone().of_run(choice.run);
    let hosts = places(profile, &values, choice.here)?;
    count_roles(profile)?;
    let operator = values.on(profile, choice.here, &crate::profile::Host::default())?;
    let planner = Planner { choice, hosts: &hosts, operator: (Place::here(choice.here), operator), steps };
    let mut planned = Vec::with_capacity(steps.len());
    for (number, step) in steps.iter().enumerate() {
        // The journal tells steps apart by their ids.
        if steps[..number].iter().any(|other| other.id == step.id) {
            let why = format!("there are two steps {:?}", step.id);
            return Err(ProfileError::Invalid { name: profile.name.clone(), why }.into());
        }
        if let Some(step) = planner.step(step)? {
            planned.push(step);
        }
    }
    let mut places: BTreeMap<String, Place> =
        hosts.iter().map(|(place, ..)| (place.name.clone(), place.clone())).collect();
    let here = Place::here(choice.here);
    places.entry(here.name.clone()).or_insert(here);
    Ok(Plan {
        profile: profile.name.clone(),
        runbook: String::new(),
        title: String::new(),
        document: profile.document.clone(),
        run: choice.run.to_string(),
        snapshot: choice.snapshot.map(|(name, _)| name.to_string()),
        made: choice.now,
        values: values.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        places,
        steps: planned,
    })
}

/// Whether there are enough hosts of each role, and not too many, and none of another one.
fn count_roles(profile: &Profile) -> Result<(), ProfileError> {
    for (host, role) in profile.hosts.iter().flat_map(|(name, host)| host.roles.iter().map(move |role| (name, role))) {
        if !profile.roles.is_empty() && !profile.roles.contains_key(role) {
            let known = profile.roles.keys().cloned().collect();
            let (profile, host, role) = (profile.name.clone(), host.clone(), role.clone());
            return Err(ProfileError::NoRole { profile, host, role, known });
        }
    }
    for (role, needs) in profile.roles.iter().filter(|_| !profile.hosts.is_empty()) {
        let found = profile.hosts.values().filter(|host| host.roles.contains(role)).count();
        let expected = match needs.at_most {
            _ if found < needs.at_least => format!("at least {}", needs.at_least),
            Some(most) if found > most => format!("at most {most}"),
            _ => continue,
        };
        return Err(ProfileError::Hosts { profile: profile.name.clone(), role: role.clone(), expected, found });
    }
    Ok(())
}

struct Planner<'a> {
    choice: &'a Choice<'a>,
    hosts: &'a [(Place, Vec<String>, Values)],
    operator: (Place, Values),
    steps: &'a [Step],
}

impl Planner<'_> {
    fn step(&self, step: &Step) -> Result<Option<Planned>, RunbookError> {
        let mut tasks = Vec::new();
        let targets = self.targets(step)?;
        for (place, values) in &targets {
            tasks.push(self.task(step, place, values)?);
        }
        let Some((_, values)) = targets.first() else { return Ok(None) };
        let caution = step.caution.as_ref().map(|text| template::text(text, values)).transpose()?;
        Ok(Some(Planned {
            id: step.id.clone(),
            title: template::text(&step.title, values)?,
            section: step.section.clone(),
            note: step.note.clone(),
            caution,
            is_parallel: matches!(step.on, On::All(_)),
            always: step.always,
            asks_to_repeat: step.repeat == Repeat::Ask,
            only_where_done: step.only_where_done.clone(),
            fail_on: step.fail_on.clone(),
            ignore: step.ignore.iter().map(|ignore| (ignore.line.clone(), ignore.because.clone())).collect(),
            limit: step.timeout.unwrap_or(LIMIT).as_secs(),
            tasks,
        }))
    }

    /// The hosts of a step: those of its role for which its condition holds.
    fn targets(&self, step: &Step) -> Result<Vec<(&Place, &Values)>, ProfileError> {
        let having: Vec<(&Place, &Values)> = match step.on.role() {
            None => vec![(&self.operator.0, &self.operator.1)],
            Some(role) => {
                let having = self.hosts.iter().filter(|(_, roles, _)| roles.iter().any(|has| has == role));
                having.map(|(place, _, values)| (place, values)).collect()
            }
        };
        let mut targets = Vec::with_capacity(having.len());
        for (place, values) in &having {
            let applies = match &step.when {
                Some(when) => when.holds(values)?,
                None => true,
            };
            if applies {
                targets.push((*place, *values));
            }
        }
        if let On::One(role) = &step.on {
            match self.choice.one.get(role) {
                Some(wanted) if !having.iter().any(|(place, _)| place.name == *wanted) => {
                    let known = having.iter().map(|(place, _)| place.name.clone()).collect();
                    return Err(ProfileError::NoHost { name: wanted.clone(), known });
                }
                Some(wanted) => targets.retain(|(place, _)| place.name == *wanted),
                None => targets.truncate(1),
            }
        }
        Ok(targets)
    }

    fn task(&self, step: &Step, place: &Place, values: &Values) -> Result<Task, RunbookError> {
        let command = |script: &str| of_step(step, script, values);
        let (action, undo) = self.action(step, place, values)?;
        let undo = match (&step.undo, &step.undo_by, &step.final_because) {
            (Some(script), ..) => Undo::Run(command(script)?),
            (_, Some(why), _) => Undo::Nothing(why.clone()),
            (.., Some(why)) => Undo::Never(why.clone()),
            _ => undo,
        };
        let tests = |checks: &[Check]| checks.iter().map(|check| test(check, values)).collect::<Result<Vec<_>, _>>();
        Ok(Task {
            host: place.name.clone(),
            action,
            present: step.present.as_deref().map(command).transpose()?,
            unless: step.unless.as_deref().map(command).transpose()?,
            require: tests(&step.require)?,
            ensure: tests(&step.ensure)?,
            undo,
        })
    }

    /// What the step does on a host, and how that is undone if the step does not say.
    fn action(&self, step: &Step, place: &Place, values: &Values) -> Result<(Action, Undo), RunbookError> {
        let run = self.choice.run;
        let inside = of_step(step, "", values)?;
        let plain = |script: String| Command { script, ..inside.clone() };
        let action = |script: String| Action::Run { command: plain(script), reads: None };
        if let Some(text) = &step.manual {
            return Ok((Action::Manual(template::text(text, values)?), Undo::Nothing("a person did it".to_string())));
        }
        if let Some(script) = &step.run {
            let reads = match &step.stdin {
                Some(path) => Some(self.file(step, place, &template::text(path, values)?)?),
                None => None,
            };
            let undo = Undo::Nothing("it changes nothing that lasts".to_string());
            return Ok((Action::Run { command: of_step(step, script, values)?, reads }, undo));
        }
        if let Some(saved) = &step.save_aside {
            let (path, copy) = (template::text(&saved.path, values)?, copy(&saved.to, run, values)?);
            return Ok((action(actions::save_aside(&path, &copy)), Undo::Run(plain(actions::drop_aside(&copy)))));
        }
        if let Some(wipe) = &step.wipe {
            let invalid =
                |why| RunbookError::Profile(ProfileError::Invalid { name: self.choice.profile.name.clone(), why });
            let missing = || {
                let (step, path, by) = (&step.id, &wipe.inside, &wipe.saved_by);
                invalid(format!("step {step}: no step {by:?} before it saves {path} aside"))
            };
            let before = self.steps.iter().take_while(|other| other.id != step.id);
            let saved = before.filter(|other| other.id == wipe.saved_by).find_map(|other| other.save_aside.as_ref());
            let saved = saved.ok_or_else(missing)?;
            let (folder, path) = (template::text(&wipe.inside, values)?, template::text(&saved.path, values)?);
            let (folder, path) = (folder.trim_end_matches('/'), path.trim_end_matches('/'));
            let below = folder.strip_prefix(path).filter(|below| below.is_empty() || below.starts_with('/'));
            let below = below.ok_or_else(missing)?;
            let copy = copy(&saved.to, run, values)?;
            if copy.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) {
                return Err(invalid(format!("step {}: the copy {copy} is inside of what is wiped", step.id)));
            }
            let undo = plain(actions::unwipe(folder, &copy, below));
            return Ok((action(actions::wipe(folder, &copy, below)), Undo::Run(undo)));
        }
        let Some(ids) = &step.restore else {
            return Ok((Action::Check, Undo::Nothing("it changes nothing".to_string())));
        };
        let paths = self.files(step, place, ids, values)?;
        if paths.is_empty() {
            return Ok((Action::Check, Undo::Nothing("the snapshot has none of these files".to_string())));
        }
        let root = values.get("root")?;
        let command = plain(actions::restore(root, &paths, run, &step.id));
        let undo = Undo::Run(plain(actions::unrestore(root, run, &step.id)));
        Ok((Action::Run { command, reads: Some(From::Archive(paths)) }, undo))
    }
}

fn copy(to: &str, run: &str, values: &Values) -> Result<String, ProfileError> {
    Ok(format!("{}-{run}", template::text(to, values)?.trim_end_matches('/')))
}

/// A script with what the step says about how it runs.
fn of_step(step: &Step, script: &str, values: &Values) -> Result<Command, ProfileError> {
    command(script, step.user.as_deref(), step.container.as_deref(), &step.environment, values)
}

/// A script with values put in.
///
/// # Errors
/// A variable that there is not, or that has no value.
pub fn command(
    script: &str,
    user: Option<&str>,
    container: Option<&str>,
    environment: &BTreeMap<String, String>,
    values: &Values,
) -> Result<Command, ProfileError> {
    let text = |template: &str| template::text(template, values);
    let mut filled = BTreeMap::new();
    for (name, value) in environment {
        filled.insert(name.clone(), text(value)?);
    }
    let named = |template: &str| text(template).map(|name| Some(name).filter(|name| !name.is_empty()));
    let uses = |name: &&String| script.contains(&format!("${name}")) || script.contains(&format!("${{{name}}}"));
    Ok(Command {
        script: template::script(script, values)?,
        user: user.map(named).transpose()?.flatten(),
        container: container.map(named).transpose()?.flatten(),
        environment: filled,
        secrets: values.secrets().iter().filter(uses).cloned().collect(),
    })
}

fn test(check: &Check, values: &Values) -> Result<Test, ProfileError> {
    let kind = if let Some(script) = &check.run {
        TestKind::Run(command(script, check.user.as_deref(), check.container.as_deref(), &BTreeMap::new(), values)?)
    } else if let Some(port) = check.port {
        TestKind::Port { address: at(check, values)?, port }
    } else if let Some(port) = check.closed {
        TestKind::Closed { address: at(check, values)?, port }
    } else {
        let address = template::text(check.offline.as_deref().unwrap_or_default(), values)?;
        TestKind::Offline { address, ports: check.ports.clone() }
    };
    Ok(Test {
        kind,
        within: check.within.map_or(0, |within| within.as_secs()),
        says: template::text(&check.says, values)?,
    })
}

/// Where the port of a check is.
fn at(check: &Check, values: &Values) -> Result<String, ProfileError> {
    match &check.at {
        Some(address) => template::text(address, values),
        None => Ok(values.get("address")?.to_string()),
    }
}
