// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks through a profile for what would only show when it is needed.

use std::collections::BTreeSet;

use super::values::OWN;
use super::{Condition, Form, On, Profile, Step, template};

/// Something that is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which part of it.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// Everything that is wrong with `profile`.
#[must_use]
pub fn review(profile: &Profile) -> Vec<Finding> {
    let mut review = Review { profile, findings: Vec::new() };
    review.hosts();
    review.variables();
    review.capture();
    for (name, runbook) in &profile.runbooks {
        let place = format!("runbook {name}");
        if runbook.steps.is_empty() {
            review.add(&place, "it has no steps");
        }
        if let Some(of) = &runbook.remedy_of
            && !profile.runbooks.contains_key(of)
        {
            review.add(&place, &format!("it is the remedy of {of:?}, which is no runbook"));
        }
        review.steps(&place, &runbook.steps, runbook.needs_snapshot);
    }
    review.vendors();
    review.findings
}

struct Review<'a> {
    profile: &'a Profile,
    findings: Vec<Finding>,
}

impl Review<'_> {
    fn add(&mut self, place: &str, what: &str) {
        self.findings.push(Finding { place: place.to_string(), what: what.to_string() });
    }

    fn hosts(&mut self) {
        let profile = self.profile;
        for (name, host) in &profile.hosts {
            let place = format!("host {name}");
            if host.roles.is_empty() {
                self.add(&place, "it has no roles");
            }
            for role in host.roles.iter().filter(|role| !profile.roles.contains_key(*role)) {
                self.add(&place, &format!("{role:?} is no role"));
            }
            for name in host.variables.keys() {
                self.name(&place, name);
            }
            if host.ssh.as_deref().is_some_and(|target| target.starts_with('-') || target.is_empty()) {
                self.add(&place, "ssh is no user@address");
            }
        }
        if profile.hosts.is_empty() {
            return;
        }
        for (role, needs) in &profile.roles {
            let count = profile.hosts.values().filter(|host| host.roles.contains(role)).count();
            if count < needs.at_least {
                self.add(&format!("role {role}"), &format!("{count} hosts have it, {} must", needs.at_least));
            }
            if let Some(most) = needs.at_most.filter(|most| count > *most) {
                self.add(&format!("role {role}"), &format!("{count} hosts have it, {most} may"));
            }
        }
    }

    fn variables(&mut self) {
        let profile = self.profile;
        for (name, variable) in &profile.variables {
            let place = format!("variable {name}");
            if OWN.contains(&name.as_str()) {
                self.add(&place, "every profile has it already");
            }
            variable.value.iter().for_each(|value| self.names(&place, value));
            if let Some(value) = &variable.value
                && !variable.choices.is_empty()
                && !variable.choices.contains(value)
            {
                self.add(&place, &format!("{value:?} is none of its choices"));
            }
            if let Some(secret) = &variable.secret {
                let sources = [&secret.file, &secret.command, &secret.environment];
                if sources.into_iter().flatten().count() != 1 || variable.value.is_some() {
                    self.add(&place, "a secret comes from one of file, command or environment, and has no value");
                }
            }
        }
    }

    fn vendors(&mut self) {
        let profile = self.profile;
        let mut ids = BTreeSet::new();
        for vendor in &profile.vendor {
            let place = format!("vendor {}", vendor.id);
            if !ids.insert(vendor.id.as_str()) {
                self.add(&place, "its id is there twice");
            }
            let has_group = |name: &regex::Regex| name.capture_names().flatten().any(|group| group == "time");
            match regex::Regex::new(&vendor.name) {
                Err(error) => self.add(&place, &format!("name is no regular expression: {error}")),
                Ok(name) if !vendor.time.is_empty() && !has_group(&name) => {
                    self.add(&place, "it says how the time is written, and its name has no group `time`");
                }
                Ok(_) => {}
            }
            if let Err(error) = vendor.begins(&profile.name, b"") {
                self.add(&place, &error.to_string());
            }
            match (vendor.form, &vendor.path) {
                (Form::File, None) => self.add(&place, "it is one file, and says no path for it in the snapshot"),
                (Form::Tree, Some(_)) => self.add(&place, "its members are files: it has no path of its own"),
                _ => {}
            }
            for path in vendor.path.iter().chain(&vendor.has).chain(&vendor.metadata) {
                if path.split('/').any(|part| ["", ".", ".."].contains(&part)) {
                    self.add(&place, &format!("{path:?} is no path without / at its beginning"));
                }
            }
            if let Some(export) = &vendor.export {
                for name in
                    template::names(&export.name).into_iter().filter(|name| !["host", "time"].contains(&name.as_str()))
                {
                    self.add(
                        &place,
                        &format!("the name of an export has {{{{host}}}} and {{{{time}}}}, and no {name}"),
                    );
                }
            }
        }
    }

    fn capture(&mut self) {
        let capture = &self.profile.capture;
        let mut ids = BTreeSet::new();
        for files in &capture.files {
            let place = format!("capture files {}", files.id);
            if !ids.insert(files.id.as_str()) {
                self.add(&place, "its id is there twice");
            }
            if let Some(role) = &files.role {
                self.role(&place, role);
            }
            self.condition(&place, files.when.as_ref());
            for path in &files.paths {
                self.path(&place, path);
            }
        }
        let mut paths = BTreeSet::new();
        for stream in &capture.streams {
            let place = format!("capture stream {}", stream.id);
            let is_relative =
                !stream.id.starts_with('/') && stream.id.split('/').all(|part| !["", ".", ".."].contains(&part));
            if !is_relative {
                self.add(&place, "its id is the path in the snapshot, without / at its beginning");
            }
            if !paths.insert(stream.id.as_str()) {
                self.add(&place, "its id is there twice");
            }
            if matches!(stream.on, On::All(_)) {
                self.add(&place, "a stream runs on each host of a role, or on one");
            }
            self.place(&place, &stream.on);
            self.condition(&place, stream.when.as_ref());
            self.script(&place, &stream.run);
        }
        for quiesce in &capture.quiesce {
            let place = format!("capture quiesce {}", quiesce.id);
            self.place(&place, &quiesce.on);
            self.condition(&place, quiesce.when.as_ref());
            self.script(&place, &quiesce.run);
            self.script(&place, &quiesce.resume);
        }
        self.steps("capture before", &capture.before, false);
        self.steps("capture after", &capture.after, false);
    }

    fn steps(&mut self, place: &str, steps: &[Step], has_snapshot: bool) {
        let mut seen = BTreeSet::new();
        for step in steps {
            let place = format!("{place}, step {}", step.id);
            if let Some(wipe) = &step.wipe {
                let saved =
                    steps.iter().find(|other| other.id == wipe.saved_by).and_then(|other| other.save_aside.as_ref());
                match saved {
                    Some(saved) if seen.contains(wipe.saved_by.as_str()) => {
                        if !covers(&saved.path, &wipe.inside) {
                            self.add(&place, &format!("{} does not save {} aside", wipe.saved_by, wipe.inside));
                        }
                    }
                    _ => self.add(&place, &format!("no step before it, named {:?}, saves aside", wipe.saved_by)),
                }
            }
            if !seen.insert(step.id.as_str()) {
                self.add(&place, "its id is there twice");
            }
            if (step.restore.is_some() || step.stdin.is_some()) && !has_snapshot {
                self.add(&place, "it takes something from the snapshot, and the runbook does not say needs_snapshot");
            }
            self.step(&place, step);
        }
    }

    fn step(&mut self, place: &str, step: &Step) {
        let acts = [
            step.run.is_some(),
            step.manual.is_some(),
            step.restore.is_some(),
            step.save_aside.is_some(),
            step.wipe.is_some(),
        ];
        let acts = acts.into_iter().filter(|acts| *acts).count();
        if acts > 1 {
            self.add(place, "it has more than one of run, manual, restore, save_aside and wipe");
        }
        if acts == 0 && step.require.is_empty() && step.ensure.is_empty() && step.caution.is_none() {
            self.add(place, "it does nothing, checks nothing and asks nothing");
        }
        let undone = [&step.undo, &step.undo_by, &step.final_because].into_iter().flatten().count();
        let needs_undo = step.run.is_some() || step.manual.is_some();
        if undone > 1 || (needs_undo && undone == 0 && !step.always) {
            self.add(place, "it says exactly one of undo, undo_by and final_because");
        }
        if step.stdin.is_some() && step.run.is_none() {
            self.add(place, "it has stdin, and no script that reads it");
        }
        self.place(place, &step.on);
        self.condition(place, step.when.as_ref());
        let scripts = [&step.run, &step.present, &step.unless, &step.undo];
        for script in scripts.into_iter().flatten() {
            self.script(place, script);
        }
        for text in [&step.caution, &step.manual, &step.user, &step.container].into_iter().flatten() {
            self.names(place, text);
        }
        for id in step.restore.iter().flatten() {
            if !self.profile.capture.files.iter().any(|files| files.id == *id) {
                self.add(place, &format!("it restores the files {id:?}, which are not captured"));
            }
        }
        if !step.ignore.is_empty() && step.fail_on.is_none() {
            self.add(place, "it has lines to ignore, and no fail_on that they are excepted from");
        }
        let folders = [step.save_aside.as_ref().map(|save| &save.path), step.save_aside.as_ref().map(|save| &save.to)];
        for path in folders.into_iter().flatten().chain(step.wipe.as_ref().map(|wipe| &wipe.inside)) {
            self.path(place, path);
            let below = path.strip_prefix("{{root}}").unwrap_or(path);
            if below.split('/').filter(|part| !part.is_empty()).count() < 2 {
                self.add(place, &format!("{path} is too near the root to be wiped or copied"));
            }
        }
        for check in step.require.iter().chain(&step.ensure) {
            let kinds = [check.run.is_some(), check.port.is_some(), check.offline.is_some()];
            if kinds.into_iter().filter(|is| *is).count() != 1 {
                self.add(place, "a check has exactly one of run, port and offline");
            }
            check.run.iter().for_each(|script| self.script(place, script));
            check.offline.iter().for_each(|text| self.names(place, text));
            self.names(place, &check.says);
        }
        let patterns = step.ignore.iter().map(|ignore| &ignore.line).chain(&step.fail_on);
        for pattern in patterns {
            if let Err(error) = regex::Regex::new(pattern) {
                self.add(place, &format!("{pattern:?} is no regular expression: {error}"));
            }
        }
    }

    fn path(&mut self, place: &str, path: &str) {
        self.names(place, path);
        if !path.starts_with("{{root}}/") {
            self.add(place, &format!("{path:?} does not begin with {{{{root}}}}/"));
        }
        if path.split('/').any(|part| part == "..") {
            self.add(place, &format!("{path:?} goes up by .."));
        }
    }

    fn place(&mut self, place: &str, on: &On) {
        if let Some(role) = on.role() {
            self.role(place, role);
        }
    }

    fn role(&mut self, place: &str, role: &str) {
        if !self.profile.roles.contains_key(role) {
            self.add(place, &format!("{role:?} is no role"));
        }
    }

    fn condition(&mut self, place: &str, condition: Option<&Condition>) {
        for (name, value) in condition.into_iter().flat_map(Condition::comparisons) {
            self.name(place, name);
            if let Some(variable) = self.profile.variables.get(name)
                && !variable.choices.is_empty()
                && !variable.choices.iter().any(|choice| choice == value)
            {
                self.add(place, &format!("{name} is never {value:?}"));
            }
        }
    }

    fn script(&mut self, place: &str, script: &str) {
        self.names(place, script);
    }

    fn names(&mut self, place: &str, text: &str) {
        for name in template::names(text) {
            self.name(place, &name);
        }
    }

    fn name(&mut self, place: &str, name: &str) {
        match self.profile.variables.get(name) {
            Some(variable) if variable.secret.is_some() => {
                self.add(place, &format!("{name} is a secret: scripts get it as ${name}, it is put into no text"));
            }
            None if !OWN.contains(&name) => self.add(place, &format!("{name:?} is no variable")),
            _ => {}
        }
    }
}

/// Whether a copy of `saved` has everything that is inside `wiped`.
fn covers(saved: &str, wiped: &str) -> bool {
    let (saved, wiped) = (saved.trim_end_matches('/'), wiped.trim_end_matches('/'));
    wiped.strip_prefix(saved).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
