// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a backup of a profile takes from each host, with everything put in, and how hosts are asked for it.
//!
//! A host is asked by a script which of its files there are; one that is reached by ssh then sends them as a tar archive. So
//! nothing of keepfast has to be there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::plan::{command, steps};
use super::{Choice, Command, Fault, Place, Plan, RunbookError, Sink, execute, places};
use crate::profile::template::{self, quoted};
use crate::profile::{Files, Need, On, Profile, Values};

/// Longest time that a host has to say which files there are.
const LOOK: Duration = Duration::from_secs(60);

/// A backup of a system, ready to run.
pub struct CapturePlan {
    /// What is taken, host by host, sorted by name.
    pub hosts: Vec<HostCapture>,
    /// What must be true before.
    pub before: Plan,
    /// What is stopped meanwhile.
    pub quiesce: Vec<Quieted>,
    /// What must be true afterwards.
    pub after: Plan,
}

/// What is taken from one host.
pub struct HostCapture {
    /// The host.
    pub place: Place,
    /// Where its system begins; empty for `/`.
    pub root: String,
    /// Files and folders.
    pub files: Vec<Wanted>,
    /// Outputs of commands.
    pub streams: Vec<WantedStream>,
}

/// Files of an entry of the profile.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The entry.
    pub id: String,
    /// Paths and patterns below the root.
    pub patterns: Vec<String>,
    /// Which there must be.
    pub need: Need,
    /// What is left out.
    pub exclude: Vec<String>,
}

/// The output of a command.
#[derive(Clone, Debug)]
pub struct WantedStream {
    /// Its path in the snapshot.
    pub path: String,
    /// The command.
    pub command: Command,
    /// Whether it may write nothing.
    pub may_be_empty: bool,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// Something that is stopped meanwhile.
pub struct Quieted {
    /// What.
    pub title: String,
    /// Where.
    pub place: Place,
    /// Stops it.
    pub run: Command,
    /// Starts it again.
    pub resume: Command,
}

/// What a host has of what is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct There {
    /// Paths below the root, sorted, without `/` at the beginning.
    pub paths: Vec<String>,
    /// What must be there and is not: path, or all the paths of which one must be.
    pub missing: Vec<String>,
}

/// Plans a backup. What the choice says of a runbook is not looked at.
///
/// # Errors
/// What the profile lacks.
pub fn capture(choice: &Choice) -> Result<CapturePlan, RunbookError> {
    let (profile, capture) = (choice.profile, &choice.profile.capture);
    let (before, after) = (steps(choice, &capture.before)?, steps(choice, &capture.after)?);
    let hosts = places(profile, &choice.values.clone().of_run(choice.run), choice.here)?;
    let mut all = Vec::with_capacity(hosts.len());
    for (place, roles, values) in &hosts {
        let takes = |role: &String| profile.roles.get(role).is_none_or(|role| !role.only_runbooks);
        if !profile.roles.is_empty() && !roles.iter().any(takes) {
            continue;
        }
        let is_one = |role: &str| is_the_one(choice, &hosts, role, &place.name);
        let (files, streams) = (files(profile, roles, values)?, streams(profile, roles, values, &is_one)?);
        all.push(HostCapture { place: place.clone(), root: values.get("root")?.to_string(), files, streams });
    }
    let mut quiesce = Vec::new();
    for entry in &capture.quiesce {
        for (place, roles, values) in &hosts {
            let is_meant = runs_on(&entry.on, roles, &|role| is_the_one(choice, &hosts, role, &place.name));
            if !is_meant || !applies(entry.when.as_ref(), values)? {
                continue;
            }
            let script = |text: &str| command(text, None, None, &BTreeMap::new(), values);
            let title = if entry.title.is_empty() { entry.id.clone() } else { entry.title.clone() };
            quiesce.push(Quieted {
                title,
                place: place.clone(),
                run: script(&entry.run)?,
                resume: script(&entry.resume)?,
            });
        }
    }
    Ok(CapturePlan { hosts: all, before, quiesce, after })
}

type Hosts = [(Place, Vec<String>, Values)];

/// Whether a host is the one of its role on which something runs that runs on one.
fn is_the_one(choice: &Choice, hosts: &Hosts, role: &str, name: &str) -> bool {
    match choice.one.get(role) {
        Some(wanted) => wanted == name,
        None => {
            let first = hosts.iter().find(|(_, roles, _)| roles.iter().any(|has| has == role));
            first.is_some_and(|(place, ..)| place.name == name)
        }
    }
}

fn runs_on(on: &On, roles: &[String], is_one: &dyn Fn(&str) -> bool) -> bool {
    let has = |role: &String| roles.contains(role);
    match on {
        On::Operator => true,
        On::All(role) | On::Each(role) => has(role),
        On::One(role) => has(role) && is_one(role),
    }
}

fn applies(when: Option<&crate::profile::Condition>, values: &Values) -> Result<bool, RunbookError> {
    Ok(when.map(|when| when.holds(values)).transpose()?.unwrap_or(true))
}

fn files(profile: &Profile, roles: &[String], values: &Values) -> Result<Vec<Wanted>, RunbookError> {
    let mut wanted = Vec::new();
    for Files { id, role, paths, exclude, need, when, .. } in &profile.capture.files {
        if role.as_ref().is_some_and(|role| !roles.contains(role)) || !applies(when.as_ref(), values)? {
            continue;
        }
        let below = |path: &String| template::text(path.strip_prefix("{{root}}").unwrap_or(path), values);
        let patterns = paths.iter().map(below).collect::<Result<_, _>>()?;
        wanted.push(Wanted { id: id.clone(), patterns, need: *need, exclude: exclude.clone() });
    }
    Ok(wanted)
}

fn streams(
    profile: &Profile,
    roles: &[String],
    values: &Values,
    is_one: &dyn Fn(&str) -> bool,
) -> Result<Vec<WantedStream>, RunbookError> {
    let mut wanted = Vec::new();
    for stream in &profile.capture.streams {
        if !runs_on(&stream.on, roles, is_one) || !applies(stream.when.as_ref(), values)? {
            continue;
        }
        let (user, container) = (stream.user.as_deref(), stream.container.as_deref());
        wanted.push(WantedStream {
            path: stream.id.clone(),
            command: command(&stream.run, user, container, &stream.environment, values)?,
            may_be_empty: stream.may_be_empty,
            limit: stream.timeout,
        });
    }
    Ok(wanted)
}

impl HostCapture {
    /// Asks the host which of the files there are.
    ///
    /// # Errors
    /// It could not be asked.
    pub fn there(&self, sink: &dyn Sink) -> Result<There, Fault> {
        let patterns: Vec<&String> = self.files.iter().flat_map(|files| &files.patterns).collect();
        if patterns.is_empty() {
            return Ok(There::default());
        }
        let mut script = format!("cd {}\n", quoted(&format!("{}/", self.root)));
        for (number, pattern) in patterns.iter().enumerate() {
            let pattern = shell_pattern(pattern.trim_start_matches('/'));
            script += &format!(
                "for path in {pattern}; do if test -e \"$path\" || test -L \"$path\"; then printf '{number} %s\\n' \"$path\"; fi; done\n"
            );
        }
        let said = Said { lines: Mutex::new(Vec::new()), sink };
        execute(&self.place, &Command { script, ..Command::default() }, &BTreeMap::new(), None, Some(LOOK), &said)?;
        let lines = said.lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(self.sort(&lines))
    }

    /// Which entries are there, and which must be and are not.
    fn sort(&self, lines: &[String]) -> There {
        let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (number, path) in lines.iter().filter_map(|line| line.split_once(' ')) {
            if let Ok(number) = number.parse() {
                found.entry(number).or_default().push(path.trim_end_matches('/').to_string());
            }
        }
        let (mut there, mut number) = (There::default(), 0);
        for files in &self.files {
            let mut is_any = false;
            for pattern in &files.patterns {
                match found.remove(&number) {
                    Some(paths) => {
                        is_any = true;
                        there.paths.extend(paths);
                    }
                    None if files.need == Need::All => there.missing.push(pattern.clone()),
                    None => {}
                }
                number += 1;
            }
            if files.need == Need::One && !is_any {
                there.missing.push(files.patterns.join(" or "));
            }
        }
        there.paths.sort();
        there.paths.dedup();
        there
    }

    /// The command by which the host sends `paths` as a tar archive on its standard output.
    #[must_use]
    pub fn send(&self, paths: &[String]) -> Command {
        let words: Vec<String> = paths.iter().map(|path| quoted(&format!("./{path}"))).collect();
        let excludes = self.files.iter().flat_map(|files| &files.exclude);
        let excludes: String = excludes.map(|pattern| format!(" --exclude={}", quoted(pattern))).collect();
        let attributes = "--acls --xattrs --xattrs-include='user.*' --xattrs-include=security.capability";
        let top = quoted(&format!("{}/", self.root));
        let script = format!("tar -C {top} --format=posix {attributes}{excludes} -cf - -- {}", words.join(" "));
        Command { script, ..Command::default() }
    }
}

struct Said<'a> {
    lines: Mutex<Vec<String>>,
    sink: &'a dyn Sink,
}

impl Sink for Said<'_> {
    fn line(&self, line: &str) -> Option<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_string());
        None
    }

    fn cancelled(&self) -> bool {
        self.sink.cancelled()
    }
}

/// A pattern for the shell: `*`, `?` and `[...]` mean what they mean there, everything else itself.
fn shell_pattern(pattern: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,*?[]!".contains(letter);
    pattern.chars().map(|letter| if is_plain(letter) { letter.to_string() } else { format!("\\{letter}") }).collect()
}
