// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks through steps: what they do, how they are undone, and that nothing is wiped without its copy.

use std::collections::BTreeSet;

use super::super::{On, Step};
use super::Review;

impl Review<'_> {
    pub(super) fn steps(&mut self, place: &str, steps: &[Step], has_snapshot: bool) {
        let mut seen = BTreeSet::new();
        for step in steps {
            let place = format!("{place}, step {}", step.id);
            if let Some(wipe) = &step.wipe {
                let by = steps.iter().find(|other| other.id == wipe.saved_by);
                let saved = by.and_then(|other| Some((other, other.save_aside.as_ref()?)));
                match saved {
                    Some((by, saved)) if seen.contains(wipe.saved_by.as_str()) => {
                        if by.on.role() != step.on.role()
                            || (matches!(by.on, On::One(_)) != matches!(step.on, On::One(_)))
                        {
                            self.add(&place, &format!("{} does not save aside on the same hosts", wipe.saved_by));
                        }
                        if (&by.container, &by.user) != (&step.container, &step.user) {
                            self.add(&place, &format!("{} does not save aside in the same container", wipe.saved_by));
                        }
                        if by.when.is_some() && by.when != step.when {
                            self.add(&place, &format!("{} saves aside under another condition", wipe.saved_by));
                        }
                        if covers(&wipe.inside, &saved.to) {
                            self.add(&place, &format!("the copy {} is inside of what is wiped", saved.to));
                        }
                        if !covers(&saved.path, &wipe.inside) {
                            self.add(&place, &format!("{} does not save {} aside", wipe.saved_by, wipe.inside));
                        }
                    }
                    _ => self.add(&place, &format!("no step before it, named {:?}, saves aside", wipe.saved_by)),
                }
            }
            if let Some(other) = &step.only_where_done
                && !seen.contains(other.as_str())
            {
                self.add(&place, &format!("no step before it is named {other:?}"));
            }
            if !seen.insert(step.id.as_str()) {
                self.add(&place, "its id is there twice");
            }
            if (step.restore.is_some() || step.stdin.is_some()) && !has_snapshot {
                self.add(&place, "it takes something from the snapshot, and the runbook does not say needs_snapshot");
            }
            self.id(&place, &step.id);
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
        self.environment(place, &step.environment);
        let texts = [&step.caution, &step.manual, &step.user, &step.container, &step.stdin].into_iter().flatten();
        for text in texts.chain([&step.title]) {
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
        self.folders(place, step);
        self.checks(place, step);
        let patterns = step.ignore.iter().map(|ignore| &ignore.line).chain(&step.fail_on);
        for pattern in patterns {
            if let Err(error) = regex::Regex::new(pattern) {
                self.add(place, &format!("{pattern:?} is no regular expression: {error}"));
            }
        }
    }

    fn checks(&mut self, place: &str, step: &Step) {
        for check in step.require.iter().chain(&step.ensure) {
            let kinds = [check.run.is_some(), check.port.is_some(), check.closed.is_some(), check.offline.is_some()];
            if kinds.into_iter().filter(|is| *is).count() != 1 {
                self.add(place, "a check has exactly one of run, port, closed and offline");
            }
            if check.at.is_some() && check.port.is_none() && check.closed.is_none() {
                self.add(place, "at belongs to port or closed");
            }
            check.at.iter().for_each(|text| self.names(place, text));
            check.run.iter().for_each(|script| self.script(place, script));
            if check.offline.is_none() && !check.ports.is_empty() {
                self.add(place, "ports belong to offline");
            }
            [&check.user, &check.container].into_iter().flatten().for_each(|text| self.names(place, text));
            check.offline.iter().for_each(|text| self.names(place, text));
            self.names(place, &check.says);
        }
    }

    fn folders(&mut self, place: &str, step: &Step) {
        if let Some(save) = &step.save_aside
            && covers(&save.path, &save.to)
        {
            self.add(place, &format!("{} would be copied into itself", save.path));
        }
        let folders = [step.save_aside.as_ref().map(|save| &save.path), step.save_aside.as_ref().map(|save| &save.to)];
        for path in folders.into_iter().flatten().chain(step.wipe.as_ref().map(|wipe| &wipe.inside)) {
            self.path(place, path);
            let below = path.strip_prefix("{{root}}").unwrap_or(path);
            if below.split('/').filter(|part| !part.is_empty()).count() < 2 {
                self.add(place, &format!("{path} is too near the root to be wiped or copied"));
            }
        }
    }
}

/// Whether a copy of `saved` has everything that is inside `wiped`.
fn covers(saved: &str, wiped: &str) -> bool {
    let (saved, wiped) = (saved.trim_end_matches('/'), wiped.trim_end_matches('/'));
    wiped.strip_prefix(saved).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
