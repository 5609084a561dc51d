// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast status`: of each profile, how old its data is, how the last drill went, and which runs are not at their end.
//!
//! Drills and runs are in the state folder, so they are shown even if the repository is out of reach; that is then the error.

use std::collections::BTreeSet;

use keepfast_engine::history::Snapshot;
use keepfast_engine::profile::{Library, ProfileError};
use keepfast_engine::runbook::RunState;
use serde_json::{Value, json};

use crate::args::StatusArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{profiles, repository, scope, time};
use crate::render::text;
use crate::runs::about::Data;
use crate::runs::data;
use crate::runs::drills::{self, Drill};
use crate::runs::folder::{self, Seen};
use crate::runs::standing::Standing;

/// What is known of all profiles.
struct Known {
    snapshots: Vec<Snapshot>,
    drills: Vec<Drill>,
    runs: Vec<Seen>,
    library: Library,
    now: i64,
    /// Longest age of the data, and of a drill that went well, in seconds.
    limits: (Option<f64>, Option<f64>),
    /// Whether the repository could be looked into.
    has_repository: bool,
}

/// Shows.
pub fn run(context: &Context, args: &StatusArgs) -> Result<Done, Failure> {
    let limit = |text: &Option<String>| {
        text.as_ref().map(|text| time::parse_duration(text).map(|span| span.as_secs_f64())).transpose()
    };
    let limits = (limit(&args.older_than)?, limit(&args.drill_older_than)?);
    let looked = snapshots(context);
    let (snapshots, failure) = match looked {
        Ok(snapshots) => (snapshots, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    let known = Known {
        snapshots,
        drills: drills::all(&folder::drills(&context.global)?)?,
        runs: folder::all(context, &folder::runs(&context.global)?, None)?,
        library: profiles::library(&args.profiles)?,
        now: folder::now(),
        limits,
        has_repository: failure.is_none(),
    };
    let mut names = known.names();
    if let Some(name) = &args.profile {
        known.refuse_unknown(name, &names)?;
        names = BTreeSet::from([name.clone()]);
    }
    let mut overdue = 0;
    for name in &names {
        overdue += usize::from(known.show(context, name));
    }
    if names.is_empty() {
        context.output.note("no profile has a snapshot, a drill or a run");
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    // Whoever wants to be warned wants it of nothing at all, too.
    let is_overdue = overdue > 0 || (names.is_empty() && (limits.0.is_some() || limits.1.is_some()));
    context.output.summary(json!({ "profiles": names.len(), "overdue": overdue }));
    Ok(if is_overdue { Done::Differs } else { Done::Complete })
}

fn snapshots(context: &Context) -> Result<Vec<Snapshot>, Failure> {
    let repository = repository::open(&context.global)?;
    scope::visible::<&str>(context, &repository, &[])
}

impl Known {
    fn names(&self) -> BTreeSet<String> {
        let tags = self.snapshots.iter().flat_map(|snapshot| &snapshot.tags);
        let tagged = tags.filter_map(|tag| tag.strip_prefix(data::PROFILE_TAG)).map(str::to_string);
        let drilled = self.drills.iter().map(|drill| drill.profile.clone());
        tagged.chain(drilled).chain(self.runs.iter().map(|seen| seen.plan.profile.clone())).collect()
    }

    /// A name that is mistyped would look like one that has nothing to warn of. A profile that is gone, but has left something, is known.
    fn refuse_unknown(&self, name: &str, names: &BTreeSet<String>) -> Result<(), Failure> {
        match self.library.find(name) {
            Err(error @ ProfileError::Unknown { .. }) if self.has_repository && !names.contains(name) => {
                Err(Failure::Profile(error))
            }
            _ => Ok(()),
        }
    }

    /// Shows one; whether something of it is overdue.
    fn show(&self, context: &Context, name: &str) -> bool {
        let out = &context.output;
        let profile = self.library.find(name).ok();
        let groups = data::groups(&self.snapshots, name);
        let newest = groups.last().map(|group| (group.data(), group.lacks(profile.as_ref())));
        let complete = groups.iter().rev().find(|group| group.lacks(profile.as_ref()).is_none());
        let complete = complete.map(data::Group::data);
        let of_name: Vec<&Drill> = self.drills.iter().filter(|drill| drill.profile == name).collect();
        let (drill, good) = (of_name.last(), of_name.iter().rev().find(|drill| drill.ok == Some(true)));
        let open = |seen: &&Seen| matches!(seen.state, RunState::Unfinished | RunState::Undoing);
        let runs: Vec<&Seen> = self.runs.iter().filter(|seen| seen.plan.profile == name).filter(open).collect();
        let overdue = self.overdue(complete.as_ref(), good.copied());
        out.prose(&text::plain(name));
        if self.has_repository {
            self.data_lines(newest.as_ref(), complete.as_ref()).iter().for_each(|line| out.prose(line));
        } else {
            out.prose("  data     not known: the repository can not be opened");
        }
        out.prose(&format!(
            "  drill    {}",
            drill.map_or_else(|| "none so far".to_string(), |drill| drill_line(drill))
        ));
        for seen in &runs {
            let standing = Standing::new(&seen.plan, &seen.records).line();
            out.prose(&format!("  run      {} ({}): {}", seen.run, seen.plan.runbook, text::plain(&standing)));
        }
        overdue.iter().for_each(|what| out.prose(&format!("  overdue  {what}")));
        out.object(json!({
            "profile": name,
            "data": newest.as_ref().map(|(data, lacks)| self.data_json(data, lacks.as_deref())),
            "complete": complete.as_ref().map(|data| self.data_json(data, None)),
            "drill": drill.map(|drill| drill_json(drill)),
            "drill_ok": good.map(|drill| drill_json(drill)),
            "runs": runs.iter().map(|seen| Standing::new(&seen.plan, &seen.records).to_json()).collect::<Value>(),
            "overdue": overdue,
        }));
        !overdue.is_empty()
    }

    fn overdue(&self, complete: Option<&Data>, good: Option<&Drill>) -> Vec<String> {
        let mut overdue = Vec::new();
        if let Some(limit) = self.limits.0.filter(|_| self.has_repository) {
            match complete.map(|data| data.age_seconds(self.now)) {
                None => overdue.push("there is no complete snapshot".to_string()),
                Some(age) if age > limit => {
                    overdue.push(format!("the newest complete snapshot is {} old", text::duration(age)));
                }
                Some(_) => {}
            }
        }
        if let Some(limit) = self.limits.1 {
            match good.map(|drill| (self.now - drill.begun) as f64 / 1e3) {
                None => overdue.push("no drill has gone well".to_string()),
                Some(age) if age > limit => {
                    overdue.push(format!("the last drill that went well was {} ago", text::duration(age)));
                }
                Some(_) => {}
            }
        }
        overdue
    }

    fn data_lines(&self, newest: Option<&(Data, Option<String>)>, complete: Option<&Data>) -> Vec<String> {
        let Some((data, lacks)) = newest else { return vec!["  data     none in this repository".to_string()] };
        let word = lacks.as_ref().map_or_else(|| "complete".to_string(), |lacks| format!("not complete: {lacks}"));
        let mut lines = vec![format!("  data     {}, {word}", data::line(data, self.now))];
        if lacks.is_some() {
            let line = complete.map_or_else(|| "none".to_string(), |data| data::line(data, self.now));
            lines.push(format!("  complete {line}"));
        }
        lines
    }

    fn data_json(&self, data: &Data, lacks: Option<&str>) -> Value {
        json!({
            "set": data.set,
            "snapshots": data.snapshots.iter().map(|taken| &taken.id).collect::<Vec<_>>(),
            "started": text::rfc3339(data.started()),
            "age_seconds": data.age_seconds(self.now),
            "complete": lacks.is_none(),
            "lacks": lacks,
        })
    }
}

fn drill_line(drill: &Drill) -> String {
    let at = text::time(drill.begun * 1_000_000);
    let age = drill.age_seconds().map_or_else(String::new, |age| format!(", with data {} old", text::duration(age)));
    let took = drill.seconds().map_or_else(String::new, |seconds| format!(" in {}", text::duration(seconds)));
    match drill.ok {
        Some(true) => format!("{at}, went well{took}{age}"),
        Some(false) => format!("{at}, FAILED{took}{age}: {}", text::plain(drill.why.as_deref().unwrap_or_default())),
        None => format!("{at}, has not ended: it goes on, or was cut off"),
    }
}

fn drill_json(drill: &Drill) -> Value {
    json!({
        "run": drill.run,
        "begun": text::rfc3339(drill.begun * 1_000_000),
        "seconds": drill.seconds(),
        "age_seconds": drill.age_seconds(),
        "ok": drill.ok,
        "failed_step": drill.failed_step,
        "why": drill.why,
    })
}
