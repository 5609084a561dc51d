// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks through a profile for what would only show when it is needed.

mod steps;
mod vendors;

use std::collections::{BTreeMap, BTreeSet};

use super::values::OWN;
use super::{Condition, On, Profile, template};

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
            for (name, value) in &host.variables {
                self.name(&place, name);
                if let Some(variable) = profile.variables.get(name)
                    && !variable.choices.is_empty()
                    && !variable.choices.contains(value)
                {
                    self.add(&place, &format!("{name} can not be {value:?}"));
                }
            }
            for name in host.environment.keys().filter(|name| !is_shell_name(name)) {
                self.add(&place, &format!("{name:?} is no name for the environment"));
            }
            if host.ssh.as_deref().is_some_and(|target| target.starts_with('-') || target.is_empty()) {
                self.add(&place, "ssh is no user@address");
            }
        }
        for (role, needs) in profile.roles.iter() {
            if needs.at_most.is_some_and(|most| most < needs.at_least) {
                self.add(&format!("role {role}"), "at_most is less than at_least");
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
            if !is_shell_name(name) {
                self.add(&place, "a name has letters, digits and _, and no digit first");
            }
            if OWN.contains(&name.as_str()) {
                self.add(&place, "every profile has it already");
            }
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
            self.id(&place, &files.id);
            if files.paths.is_empty() {
                self.add(&place, "it has no paths");
            }
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
            self.environment(&place, &stream.environment);
            [&stream.user, &stream.container].into_iter().flatten().for_each(|text| self.names(&place, text));
        }
        let mut ids = BTreeSet::new();
        for quiesce in &capture.quiesce {
            let place = format!("capture quiesce {}", quiesce.id);
            if !ids.insert(quiesce.id.as_str()) {
                self.add(&place, "its id is there twice");
            }
            self.place(&place, &quiesce.on);
            self.condition(&place, quiesce.when.as_ref());
            self.script(&place, &quiesce.run);
            self.script(&place, &quiesce.resume);
        }
        self.steps("capture before", &capture.before, false);
        self.steps("capture after", &capture.after, false);
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
        if script.trim().is_empty() {
            self.add(place, "a script is empty");
        }
        self.names(place, script);
        for name in self.profile.variables.keys().filter(|name| script.contains(&format!("{{{{ {name} }}}}"))) {
            self.add(
                place,
                &format!("{{{{ {name} }}}} is left as it is: a variable stands without spaces, as {{{{{name}}}}}"),
            );
        }
    }

    /// An id names a folder of a run, and stands in lists of words.
    fn id(&mut self, place: &str, id: &str) {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if id.is_empty() || id.starts_with(['.', '-']) || !id.chars().all(is_letter) {
            self.add(place, "an id has letters, digits, -, _ and ., and does not begin with . or -");
        }
    }

    fn environment(&mut self, place: &str, environment: &BTreeMap<String, String>) {
        for (name, value) in environment {
            if !is_shell_name(name) {
                self.add(place, &format!("{name:?} is no name for the environment"));
            }
            self.names(place, value);
        }
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

/// Whether a shell takes a name for one of a variable.
fn is_shell_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !name.is_empty() && name.chars().all(is_letter) && !name.starts_with(|letter: char| letter.is_ascii_digit())
}
