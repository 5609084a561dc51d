// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast watch-diff`: what changed on every host since the last time, what matters most first. Quiet when nothing did.

mod expiring;
mod findings;
mod jobs;
mod report;

use std::sync::Arc;

use keepfast_engine::compare::Mask;
use keepfast_engine::events::Events;
use keepfast_engine::importance::Importance;
use keepfast_engine::reader::Reader;
use serde_json::{Value, json};

use self::findings::{Counts, Finding, collect};
use self::jobs::Job;
use self::report::Section;
use crate::args::WatchDiffArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, reveal, scope, time};
use crate::progress::Progress;
use crate::render::{content, json as js, text};

/// Reports.
pub fn run(context: &Context, args: &WatchDiffArgs) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let history = repository.history()?;
    let (snapshots, damaged) = history.snapshots(&repository)?;
    scope::warn_of_hidden(context, &repository, &history, &damaged)?;
    let chosen = scope::scope(&args.scope)?.filter(&snapshots);
    let now = time::now();
    let jobs = jobs::jobs(&chosen, args.since.as_deref(), &args.missing_after, now.seconds * 1_000_000_000)?;
    let (reader, progress) = (repository.reader(), Progress::start(context));
    // There is no way to see secrets here: a mail goes through many hands.
    let mask = reveal::mask(&reader, false);
    let mut sections = Vec::new();
    for job in &jobs {
        let section = section(args, &reader, job, &mask, now.seconds, &progress)?;
        if !section.is_quiet() {
            sections.push(section);
        }
    }
    drop(progress);
    if context.output.is_json() {
        sections.iter().for_each(|section| print_json(context, section));
    } else {
        report::print(context, &sections);
    }
    let problems: Vec<&String> = sections.iter().flat_map(|section| &section.counts.problems).collect();
    problems.iter().for_each(|problem| context.output.warn(problem));
    context.output.check().map_err(Failure::Output)?;
    let is_missing = |job: &&Job| matches!(job, Job::Missing(_));
    context.output.summary(json!({
        "jobs": jobs.len(),
        "changed": sections.iter().filter(|section| section.remark.is_none()).count(),
        "missing": jobs.iter().filter(is_missing).count(),
        "problems": problems.len() + damaged.len(),
    }));
    Ok(match problems.len() + damaged.len() {
        0 if args.exit_code && !sections.is_empty() => Done::Differs,
        count => Done::from_problems(count),
    })
}

fn section<'a>(
    args: &WatchDiffArgs,
    reader: &Arc<Reader>,
    job: &Job<'a>,
    mask: &Mask,
    now: i64,
    events: &dyn Events,
) -> Result<Section<'a>, Failure> {
    let newest = job.newest();
    let (before, after) = match job {
        Job::Pair { before, after } => (*before, *after),
        Job::First(_) | Job::Missing(_) => {
            let started = newest.manifest.started;
            let days = now.saturating_sub(started.div_euclid(1_000_000_000)).max(0).unsigned_abs() / 86_400;
            let remark = match job {
                Job::Missing(_) => {
                    format!("NO SNAPSHOT since {} ({})", text::time(started), text::counted(days, "day"))
                }
                _ => format!("first snapshot {}, {}", text::short(newest.id), text::time(started)),
            };
            let paths: Vec<String> = newest.manifest.paths.iter().map(|path| text::path(path)).collect();
            let remark = Some(format!("{remark} of {}", paths.join(" ")));
            let (findings, counts) = (Vec::new(), Counts::default());
            return Ok(Section { before: None, after: newest, remark, findings, counts });
        }
    };
    let mut found = collect(reader, (before, after), mask, args.lines.into(), events)?;
    let mut findings = Vec::new();
    if args.expiring > 0 {
        findings = expiring::expiring(reader, (before, after), args.expiring, events, &mut found.counts.problems)?;
    }
    findings.append(&mut found.findings);
    Ok(Section { before: Some(before), after, remark: None, findings, counts: found.counts })
}

fn print_json(context: &Context, section: &Section) {
    let manifest = &section.after.manifest;
    let paths: Vec<Value> = manifest.paths.iter().map(|path| js::path(path)).collect();
    let job = json!({ "host": manifest.host, "paths": paths });
    let with_job = |mut object: Value| {
        for key in ["host", "paths"] {
            object[key] = job[key].clone();
        }
        object
    };
    let [added, removed, changed] = section.counts.data;
    context.output.object(with_job(json!({
        "before": section.before.map(|before| before.id.to_string()),
        "after": section.after.id.to_string(),
        "started": text::rfc3339(manifest.started),
        "remark": section.remark,
        "data_added": added,
        "data_removed": removed,
        "data_changed": changed,
        "not_shown": section.counts.more,
    })));
    for finding in &section.findings {
        context.output.object(with_job(finding_to_json(finding)));
    }
}

fn finding_to_json(finding: &Finding) -> Value {
    let importance = match finding.importance {
        Importance::Security => "security",
        Importance::Configuration => "configuration",
        Importance::Data => "data",
    };
    let changes: Vec<Value> =
        finding.changes.iter().map(|change| content::change_to_json(finding.format, change)).collect();
    let lines = if changes.is_empty() { finding.lines.clone() } else { Vec::new() };
    let mut object = json!({
        "importance": importance,
        "change": finding.sign,
        "notes": finding.notes,
        "format": (!finding.format.is_empty()).then_some(finding.format),
        "changes": changes,
        "lines": lines,
        "more": finding.more,
    });
    js::put_path(&mut object, "path", &[b"/", &finding.path[..]].concat());
    object
}
