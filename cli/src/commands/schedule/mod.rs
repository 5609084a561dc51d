// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast schedule`: units for systemd, and lines for cron, that back a profile up and hold drills of it.

mod units;
mod when;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::args::{ScheduleArgs, ScheduleCommand};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::credential::Source;
use crate::options::new_file::{self, IfThere};
use crate::options::profiles;
use crate::render::table::{Side, Table};
use crate::render::text;
use units::{ENVIRONMENT, Job, Kind, MARK, Unit};
use when::When;

/// What is done if nothing else is said.
const NIGHTLY: &str = "daily 03:00";
/// The same for drills.
const WEEKLY: &str = "weekly Sun 05:00";

/// Writes, lists, removes.
pub fn run(context: &Context, args: &ScheduleArgs) -> Result<Done, Failure> {
    match &args.action {
        Some(ScheduleCommand::List { directory }) => list(context, directory),
        Some(ScheduleCommand::Remove { profile, directory }) => remove(context, profile, directory),
        None => make(context, args),
    }
}

fn make(context: &Context, args: &ScheduleArgs) -> Result<Done, Failure> {
    let profile = profiles::find(&args.profiles, args.profile.as_deref().unwrap_or_default())?;
    let parse = |text: &Option<String>| text.as_deref().map(When::parse).transpose().map_err(Failure::Usage);
    let (mut backup, mut drill) = (parse(&args.backup)?, parse(&args.drill)?);
    if backup.is_none() && drill.is_none() {
        backup = Some(When::parse(NIGHTLY).map_err(Failure::Usage)?);
        drill = Some(When::parse(WEEKLY).map_err(Failure::Usage)?);
    }
    let jobs = [(Kind::Backup, backup), (Kind::Drill, drill)].into_iter().filter_map(|(kind, when)| {
        Some(Job { kind, when: when?, profile: &profile.name, global: &context.global, profiles: &args.profiles })
    });
    let jobs: Vec<Job> = jobs.collect();
    let mut all = Vec::new();
    for job in &jobs {
        all.extend(job.units()?);
    }
    match &args.directory {
        Some(directory) => write(context, directory, &all, args.force)?,
        None => print(context, &jobs, &all)?,
    }
    if matches!(Source::find(&context.global)?, Source::Password(_) | Source::Terminal | Source::OtherTerminal(_)) {
        context.output.warn(&format!(
            "no key file or password file was named: a timer has them only if {ENVIRONMENT} sets KEEPFAST_KEY_FILE or KEEPFAST_PASSWORD_FILE"
        ));
    }
    let cron = jobs.iter().map(Job::cron).collect::<Result<Vec<_>, _>>()?;
    context.output.summary(json!({
        "profile": profile.name,
        "directory": args.directory.as_ref().map(|directory| directory.to_string_lossy()),
        "units": all.iter().map(|unit| json!({ "name": unit.name, "text": unit.text })).collect::<Value>(),
        "cron": cron,
    }));
    Ok(Done::Complete)
}

fn print(context: &Context, jobs: &[Job], units: &[Unit]) -> Result<(), Failure> {
    let out = &context.output;
    for unit in units {
        out.line(&format!("# {}", unit.name));
        unit.text.lines().for_each(|line| out.line(line));
        out.line("");
    }
    out.line("# or, in /etc/cron.d/keepfast:");
    for job in jobs {
        out.line(&format!("# {}", job.cron()?));
    }
    out.line("");
    out.note("# nothing was written: --directory /etc/systemd/system writes the units");
    Ok(())
}

fn write(context: &Context, directory: &Path, units: &[Unit], force: bool) -> Result<(), Failure> {
    for unit in units {
        let path = directory.join(&unit.name);
        // Nobody else's file is ever replaced; our own only if that is wanted.
        let is_ours = match fs::read_to_string(&path) {
            Ok(text) => text.starts_with(MARK),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(Failure::other(format!("can not read {}: {error}", path.display()))),
        };
        let if_there = if force && is_ours { IfThere::Replace } else { IfThere::Refuse };
        new_file::write(&path, if_there, |output| {
            output
                .write_all(unit.text.as_bytes())
                .map_err(|error| Failure::other(format!("{}: {error}", path.display())))
        })?;
        // It holds no secret, and systemd warns of units that others can not read.
        let readable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
        fs::set_permissions(&path, readable)
            .map_err(|error| Failure::other(format!("can not change {}: {error}", path.display())))?;
        context.output.note(&format!("written   {}", path.display()));
    }
    let timers: Vec<&str> =
        units.iter().map(|unit| unit.name.as_str()).filter(|name| name.ends_with(".timer")).collect();
    context.output.note(&format!("then      systemctl daemon-reload && systemctl enable --now {}", timers.join(" ")));
    Ok(())
}

/// Timers in a folder that are ours: file, kind and profile, when.
fn ours(directory: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let failed = |error: io::Error| Failure::other(format!("can not read {}: {error}", directory.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_unit = path.extension().is_some_and(|end| end == "timer" || end == "service");
        if is_unit
            && let Ok(text) = fs::read_to_string(&path)
            && text.starts_with(MARK)
        {
            found.push((path, text));
        }
    }
    found.sort();
    Ok(found)
}

fn list(context: &Context, directory: &Path) -> Result<Done, Failure> {
    let out = &context.output;
    let headings = [("profile", Side::Left), ("what", Side::Left), ("when", Side::Left), ("unit", Side::Left)];
    let mut table = Table::new(&headings);
    let mut count = 0;
    for (path, text) in ours(directory)?.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "timer")) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (what, profile) = units::what(text).unwrap_or_default();
        let when = text.lines().find_map(|line| line.strip_prefix("OnCalendar=")).unwrap_or_default();
        out.object(json!({ "profile": profile, "what": what, "when": when, "unit": name }));
        table.row([profile, what, when, &name].map(text::plain).to_vec());
        count += 1;
    }
    if count > 0 && !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
    }
    out.note(&format!("{} in {}", text::counted(count, "schedule"), directory.display()));
    out.summary(json!({ "directory": directory.to_string_lossy(), "schedules": count }));
    Ok(Done::Complete)
}

fn remove(context: &Context, profile: &str, directory: &Path) -> Result<Done, Failure> {
    let mut removed = Vec::new();
    for (path, text) in ours(directory)? {
        if units::what(&text).is_some_and(|(_, of)| of == profile) {
            fs::remove_file(&path)
                .map_err(|error| Failure::other(format!("can not remove {}: {error}", path.display())))?;
            context.output.note(&format!("removed   {}", path.display()));
            removed.push(path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
        }
    }
    if removed.is_empty() {
        return Err(Failure::Other {
            message: format!("there is no schedule of {} in {}", text::plain(profile), directory.display()),
            hint: "`keepfast schedule list` shows those that there are; --directory names another folder".to_string(),
        });
    }
    context.output.note("then      systemctl daemon-reload");
    context.output.summary(json!({ "profile": profile, "removed": removed }));
    Ok(Done::Complete)
}
