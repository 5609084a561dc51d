// SPDX-License-Identifier: MIT OR Apache-2.0
//! A plan as a script: the exact commands, in a form that a person can paste step by step, or as a whole. What is not a command
//! (cautions, what is done by hand, ports that keepfast tries) stands in it as comments.

use keepfast_engine::profile::template::quoted;
use keepfast_engine::runbook::{Action, Command, From, Place, Plan, Planned, Task, Test, TestKind};

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
    lines.extend(of_steps(plan, origin)?);
    Ok(lines)
}

/// The same for the steps alone.
///
/// # Errors
/// What `origin` says.
pub fn of_steps(plan: &Plan, origin: Origin) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
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
    let mut open = 0;
    if let Some(other) = &step.only_where_done {
        lines.push(format!("if test \"${}\" = yes; then", done(plan, other, &task.host)));
        open += 1;
    }
    if let Some(present) = &task.present {
        add(lines, &format!("if {}; then", fed(place, present)));
        open += 1;
    }
    if let Some(unless) = &task.unless {
        add(lines, &format!("if ! {}; then", fed(place, unless)));
    }
    let begin = lines.len();
    task.require.iter().for_each(|test| check(lines, "before", place, test));
    match &task.action {
        Action::Check => {}
        Action::Manual(text) => comment(lines, "by hand", text),
        Action::Run { command, reads } => of_command(lines, place, command, reads.as_ref(), origin)?,
    }
    if plan.steps.iter().any(|other| other.only_where_done.as_ref() == Some(&step.id)) {
        lines.push(format!("{}=yes", done(plan, &step.id, &task.host)));
    }
    if task.unless.is_some() {
        something(lines, begin);
        lines.push("fi".to_string());
    }
    // What is so already has to be so as well.
    task.ensure.iter().for_each(|test| check(lines, "afterwards", place, test));
    if open > 0 {
        something(lines, begin);
    }
    lines.extend((0..open).map(|_| "fi".to_string()));
    for (line, because) in &step.ignore {
        comment(lines, "means no failure", &format!("{line} ({because})"));
    }
    Ok(())
}

/// A variable of the shell that says that a step was done on a host, and not passed over.
fn done(plan: &Plan, id: &str, host: &str) -> String {
    let step = plan.steps.iter().find(|step| step.id == id);
    let number = step.and_then(|step| step.tasks.iter().position(|task| task.host == host)).unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    format!("done_{}_{}", id.chars().map(plain).collect::<String>(), number + 1)
}

/// A check as a command that ends with a failure, and says why. What keepfast itself tries is a comment.
fn check(lines: &mut Vec<String>, when: &str, place: &Place, test: &Test) {
    let TestKind::Run(command) = &test.kind else {
        let within = if test.within > 0 { format!(", within {} s", test.within) } else { String::new() };
        return comment(
            lines,
            &format!("must be so {when}{within}"),
            &format!("{} (else: {})", test.shown(), test.says),
        );
    };
    lines.push(format!("# must be so {when}:"));
    let (look, says) = (fed(place, command), format!("echo {} >&2", quoted(&test.says)));
    if test.within == 0 {
        return add(lines, &format!("{look} || {{ {says}; false; }}"));
    }
    add(
        lines,
        &format!(
            "waited=0\nuntil {look}; do\nif test $waited -ge {}; then {says}; waited=; break; fi\n\
             sleep 1; waited=$((waited + 1))\ndone\ntest \"$waited\"",
            test.within
        ),
    );
}

/// A shell wants a command between `then` and `fi`.
fn something(lines: &mut Vec<String>, begin: usize) {
    if lines[begin..].iter().all(|line| line.starts_with('#')) {
        lines.push(":".to_string());
    }
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
            add(lines, &fed(place, command));
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
        add(lines, &format!("put() {{\n{program}\n}}"));
    }
    for source in sources {
        let source = match secrets(command) {
            preamble if preamble.is_empty() => source,
            preamble => format!("{{ {preamble}{source}; }}"),
        };
        let target = if single { program.as_str() } else { "put" };
        add(lines, &format!("{source} | {target}"));
    }
    Ok(())
}

fn add(lines: &mut Vec<String>, text: &str) {
    lines.extend(text.lines().map(str::to_string));
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

/// The same, with the secrets that it reads in front; one that reads nothing must not take what is pasted behind it.
pub fn fed(place: &Place, command: &Command) -> String {
    match secrets(command) {
        preamble if preamble.is_empty() => format!("{} </dev/null", words(place, command)),
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
