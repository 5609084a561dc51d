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
use crate::profile::{Condition, Files, Need, On, Profile, Stream, Values};

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

/// Plans a backup. What the choice says of a runbook is not looked at. Hosts from which nothing is taken are not in it.
///
/// # Errors
/// What the profile lacks; something that is to be stopped meanwhile is on no host.
pub fn capture(choice: &Choice) -> Result<CapturePlan, RunbookError> {
    let (profile, capture) = (choice.profile, &choice.profile.capture);
    let (before, after) = (steps(choice, &capture.before)?, steps(choice, &capture.after)?);
    let hosts = places(profile, &choice.values.clone().of_run(choice.run), choice.here)?;
    let mut all = Vec::with_capacity(hosts.len());
    for host in &hosts {
        let (place, roles, values) = host;
        if !is_captured(profile, roles) {
            continue;
        }
        let (files, streams) = (files(profile, roles, values)?, streams(choice, &hosts, host)?);
        if files.is_empty() && streams.is_empty() {
            continue;
        }
        all.push(HostCapture { place: place.clone(), root: values.get("root")?.to_string(), files, streams });
    }
    let quiesce = quiesce(choice, &hosts)?;
    Ok(CapturePlan { hosts: all, before, quiesce, after })
}

/// What is stopped, and where. An entry that applies and has no host would let a backup pass for a consistent one.
fn quiesce(choice: &Choice, hosts: &[Target]) -> Result<Vec<Quieted>, RunbookError> {
    let profile = choice.profile;
    let mut all = Vec::new();
    for entry in &profile.capture.quiesce {
        let title = if entry.title.is_empty() { entry.id.clone() } else { entry.title.clone() };
        let before = all.len();
        for host in hosts {
            let (place, _, values) = host;
            if is_meant(choice, hosts, &entry.on, entry.when.as_ref(), host)? {
                let script = |text: &str| command(text, None, None, &BTreeMap::new(), values);
                let (run, resume) = (script(&entry.run)?, script(&entry.resume)?);
                all.push(Quieted { title: title.clone(), place: place.clone(), run, resume });
            }
        }
        let lacks = all.len() == before && applies(entry.when.as_ref(), choice.values)?;
        if let (true, Some(role)) = (lacks, entry.on.role()) {
            let (profile, role) = (profile.name.clone(), role.to_string());
            return Err(RunbookError::NothingToStop { profile, title, role });
        }
    }
    Ok(all)
}

/// From which hosts of a profile something is taken: from one of each group, by its own values of variables. A set of snapshots
/// that has none of a group is not whole. What depends on a variable without a value is not asked for.
///
/// # Errors
/// A host's variable that is not one, or has no value.
pub fn taken_from(profile: &Profile) -> Result<Vec<Vec<String>>, RunbookError> {
    let values = Values::new(profile, &BTreeMap::new())?;
    let hosts = if profile.hosts.is_empty() { Vec::new() } else { places(profile, &values, "")? };
    let hosts: Vec<_> = hosts.iter().filter(|(_, roles, _)| is_captured(profile, roles)).collect();
    let holds = |when: Option<&Condition>, values: &Values| applies(when, values).unwrap_or(false);
    let mut groups = Vec::new();
    for (place, roles, values) in &hosts {
        let of_files = |files: &Files| {
            files.role.as_ref().is_none_or(|role| roles.contains(role)) && holds(files.when.as_ref(), values)
        };
        let of_stream = |stream: &Stream| match &stream.on {
            On::One(_) => false,
            On::Operator => holds(stream.when.as_ref(), values),
            On::All(role) | On::Each(role) => roles.contains(role) && holds(stream.when.as_ref(), values),
        };
        if profile.capture.files.iter().any(of_files) || profile.capture.streams.iter().any(of_stream) {
            groups.push(vec![place.name.clone()]);
        }
    }
    for stream in &profile.capture.streams {
        let On::One(role) = &stream.on else { continue };
        let meant =
            hosts.iter().filter(|(_, roles, values)| roles.contains(role) && holds(stream.when.as_ref(), values));
        let group: Vec<String> = meant.map(|(place, ..)| place.name.clone()).collect();
        groups.extend((!group.is_empty()).then_some(group));
    }
    Ok(groups)
}

/// Whether a host of these roles is one from which something may be taken.
fn is_captured(profile: &Profile, roles: &[String]) -> bool {
    let takes = |role: &String| profile.roles.get(role).is_none_or(|role| !role.only_runbooks);
    profile.roles.is_empty() || roles.iter().any(takes)
}

/// A host with its roles and its values of variables.
type Target = (Place, Vec<String>, Values);

/// Whether something runs on a host. What runs on one host of a role runs on the one that was chosen, or on the first for which
/// its condition holds.
fn is_meant(
    choice: &Choice,
    hosts: &[Target],
    on: &On,
    when: Option<&Condition>,
    host: &Target,
) -> Result<bool, RunbookError> {
    let (place, roles, values) = host;
    if !applies(when, values)? || on.role().is_some_and(|role| !roles.iter().any(|has| has == role)) {
        return Ok(false);
    }
    let On::One(role) = on else { return Ok(true) };
    if let Some(wanted) = choice.one.get(role) {
        return Ok(*wanted == place.name);
    }
    for (other, roles, values) in hosts {
        if roles.contains(role) && applies(when, values)? {
            return Ok(other.name == place.name);
        }
    }
    Ok(false)
}

fn applies(when: Option<&Condition>, values: &Values) -> Result<bool, RunbookError> {
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

fn streams(choice: &Choice, hosts: &[Target], host: &Target) -> Result<Vec<WantedStream>, RunbookError> {
    let mut wanted = Vec::new();
    for stream in &choice.profile.capture.streams {
        if !is_meant(choice, hosts, &stream.on, stream.when.as_ref(), host)? {
            continue;
        }
        let (user, container) = (stream.user.as_deref(), stream.container.as_deref());
        wanted.push(WantedStream {
            path: stream.id.clone(),
            command: command(&stream.run, user, container, &stream.environment, &host.2)?,
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
