// SPDX-License-Identifier: MIT OR Apache-2.0
//! A plan as a script: the exact commands, in a form that a person can paste step by step. What is not a command (checks, cautions,
//! what is done by hand) stands in it as comments.

use keepfast_engine::profile::template::quoted;
use keepfast_engine::runbook::{Action, Command, From, Place, Plan, Planned, Task};

use super::about::About;
use crate::render::text;

/// Says where a path of a snapshot is taken from: the snapshot's id, and whether it is a folder.
pub type Origin<'a> = &'a dyn Fn(&str, &str) -> Result<(String, bool), String>;

/// The script.
///
/// # Errors
/// What `origin` says.
pub fn lines(plan: &Plan, about: &About, origin: Origin, secrets: &[(String, String)]) -> Result<Vec<String>, String> {
    let mut lines = vec![format!("# {} {}: {}", plan.profile, plan.runbook, text::plain(&plan.title))];
    if let Some(data) = &about.data {
        lines.push(format!("# {}", super::data::line(data, plan.made)));
    }
    for (name, from) in secrets {
        lines.push(format!("# set {name} to {from} before"));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        lines.push(String::new());
        let section = if step.section.is_empty() { String::new() } else { format!(" [{}]", step.section) };
        lines.push(format!("# step {} of {}: {}{section}", number + 1, plan.steps.len(), text::plain(&step.title)));
        comment(&mut lines, "caution", step.caution.as_deref().unwrap_or_default());
        for task in &step.tasks {
            of_task(&mut lines, plan, step, task, origin)?;
        }
    }
    Ok(lines)
}

fn of_task(lines: &mut Vec<String>, plan: &Plan, step: &Planned, task: &Task, origin: Origin) -> Result<(), String> {
    let here = Place::here(&task.host);
    let place = plan.places.get(&task.host).unwrap_or(&here);
    lines.push(format!("# on {}", text::plain(&task.host)));
    for test in &task.require {
        comment(lines, "must be so before", &format!("{} (else: {})", test.shown(), test.says));
    }
    let looks = [(&task.present, "if"), (&task.unless, "if !")];
    let looks: Vec<(&Command, &str)> =
        looks.into_iter().filter_map(|(command, word)| Some((command.as_ref()?, word))).collect();
    for (command, word) in &looks {
        lines.extend(format!("{word} {}; then", fed(place, command)).lines().map(str::to_string));
    }
    match &task.action {
        Action::Check => lines.extend((!looks.is_empty()).then(|| ":".to_string())),
        Action::Manual(text) => {
            comment(lines, "by hand", text);
            lines.extend((!looks.is_empty()).then(|| ":".to_string()));
        }
        Action::Run { command, reads } => of_command(lines, place, command, reads.as_ref(), origin)?,
    }
    lines.extend(looks.iter().map(|_| "fi".to_string()));
    for test in &task.ensure {
        comment(lines, "must be so afterwards", &format!("{} (else: {})", test.shown(), test.says));
    }
    for (line, because) in &step.ignore {
        comment(lines, "means no failure", &format!("{line} ({because})"));
    }
    Ok(())
}

fn of_command(
    lines: &mut Vec<String>,
    place: &Place,
    command: &Command,
    reads: Option<&From>,
    origin: Origin,
) -> Result<(), String> {
    let program = words(place, command);
    let sources = match reads {
        None => {
            lines.extend(fed(place, command).lines().map(str::to_string));
            return Ok(());
        }
        Some(From::File(path)) => {
            let (snapshot, _) = origin(&place.name, path)?;
            vec![format!("keepfast dump {}", quoted(&format!("{snapshot}:{path}")))]
        }
        Some(From::Archive(paths)) => {
            paths.iter().map(|path| export(&place.name, path, origin)).collect::<Result<Vec<_>, _>>()?
        }
    };
    // Of an archive with several parts each goes the same way.
    let single = sources.len() == 1;
    if !single {
        lines.push("put() {".to_string());
        lines.extend(program.lines().map(str::to_string));
        lines.push("}".to_string());
    }
    for source in sources {
        let source = match secrets(command) {
            preamble if preamble.is_empty() => source,
            preamble => format!("{{ {preamble}{source}; }}"),
        };
        let target = if single { program.as_str() } else { "put" };
        lines.extend(format!("{source} | {target}").lines().map(str::to_string));
    }
    Ok(())
}

/// The command that writes a part of a snapshot under its whole path.
fn export(host: &str, path: &str, origin: Origin) -> Result<String, String> {
    let (snapshot, is_folder) = origin(host, path)?;
    let selector = quoted(&format!("{snapshot}:{path}"));
    // A file alone keeps its name.
    let prefix = match (is_folder, path.rsplit_once('/')) {
        (true, _) => path,
        (false, Some((above, _))) => above,
        (false, None) => "",
    };
    let prefix = if prefix.is_empty() { String::new() } else { format!(" --prefix {}", quoted(prefix)) };
    Ok(format!("keepfast export {selector} -{prefix}"))
}

/// What runs, as a shell takes it.
fn words(place: &Place, command: &Command) -> String {
    let words: Vec<String> = place.words(command).iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// The same, with the secrets that it reads in front.
fn fed(place: &Place, command: &Command) -> String {
    match secrets(command) {
        preamble if preamble.is_empty() => words(place, command),
        preamble => format!("{{ {preamble}}} | {}", words(place, command)),
    }
}

fn secrets(command: &Command) -> String {
    command.secrets.iter().map(|name| format!("printf '%s\\n' \"${name}\"; ")).collect()
}

fn comment(lines: &mut Vec<String>, kind: &str, text: &str) {
    for (number, line) in text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).enumerate() {
        let kind = if number == 0 { format!("{kind}: ") } else { "  ".to_string() };
        lines.push(format!("# {kind}{line}"));
    }
}
