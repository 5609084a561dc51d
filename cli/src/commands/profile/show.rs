// SPDX-License-Identifier: MIT OR Apache-2.0
//! A profile with all that it inherits, as people and programs read it.

use keepfast_engine::profile::{Condition, Library, Need, On, Origin, Profile, Runbook};
use serde_json::{Value, json};

use super::origin;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::secrets;
use crate::render::text;

/// Prints its document.
pub fn source(context: &Context, library: &Library, name: &str) -> Result<Done, Failure> {
    let (document, from) = library.document(name).map_err(Failure::Profile)?;
    context.output.bytes(document.as_bytes());
    let file = match &from {
        Origin::BuiltIn => None,
        Origin::File(path) => Some(path.to_string_lossy().into_owned()),
    };
    context.output.summary(json!({ "name": name, "file": file, "document": document }));
    Ok(Done::Complete)
}

/// Prints what it captures, on which hosts, and its runbooks.
pub fn run(context: &Context, library: &Library, name: &str) -> Result<Done, Failure> {
    let profile = library.find(name).map_err(Failure::Profile)?;
    let (_, from) = library.document(name).map_err(Failure::Profile)?;
    let out = &context.output;
    let mut lines = head(&profile, &from);
    lines.extend(variables(&profile));
    lines.extend(hosts(&profile));
    lines.extend(capture(&profile));
    lines.extend(runbooks(&profile));
    lines.iter().for_each(|line| out.prose(line));
    out.summary(to_json(&profile, &from));
    Ok(Done::Complete)
}

fn head(profile: &Profile, from: &Origin) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", text::plain(&profile.name), text::plain(&profile.title))];
    if !profile.document.is_empty() {
        lines.push(format!("follows    {}", text::plain(&profile.document)));
    }
    lines.push(format!("from       {}", origin(from)));
    if let Some(parent) = &profile.inherits {
        lines.push(format!("inherits   {}", text::plain(parent)));
    }
    lines
}

fn variables(profile: &Profile) -> Vec<String> {
    let mut lines = titled("variables", profile.variables.is_empty());
    for (name, variable) in &profile.variables {
        let value = match (&variable.secret, &variable.value) {
            (Some(from), _) => format!("a secret: {}", secrets::origin(from)),
            (None, Some(value)) => format!("= {value}"),
            (None, None) => "has to be given".to_string(),
        };
        let choices = match variable.choices.is_empty() {
            true => String::new(),
            false => format!(" (one of {})", variable.choices.join(", ")),
        };
        lines.push(format!("  {name} {}{}", text::plain(&value), text::plain(&choices)));
        lines.extend(indented(&variable.help));
    }
    lines
}

fn hosts(profile: &Profile) -> Vec<String> {
    let mut lines = titled("hosts", false);
    if profile.hosts.is_empty() {
        let roles: Vec<&str> = profile.roles.keys().map(String::as_str).collect();
        lines.push(format!("  this machine, with every role: {}", text::plain(&roles.join(", "))));
    }
    for (name, host) in &profile.hosts {
        let by = host.ssh.as_ref().map_or_else(|| "this machine".to_string(), |target| format!("ssh {target}"));
        lines.push(text::plain(&format!("  {name} ({by}): {}", host.roles.join(", "))));
    }
    lines
}

fn capture(profile: &Profile) -> Vec<String> {
    let capture = &profile.capture;
    let mut lines = titled("captured", capture.files.is_empty() && capture.streams.is_empty());
    for files in &capture.files {
        let need = match files.need {
            Need::All => "",
            Need::One => " (at least one of)",
            Need::None => " (if present)",
        };
        let role = files.role.as_ref().map_or_else(String::new, |role| format!(" on {role}"));
        let when = only(files.when.as_ref());
        lines.push(text::plain(&format!("  files {}{role}{need}{when}: {}", files.id, bare(&files.paths.join(" ")))));
        lines.extend(indented(&files.title));
    }
    for stream in &capture.streams {
        lines.push(text::plain(&format!("  stream {} on {}{}", stream.id, on(&stream.on), only(stream.when.as_ref()))));
        lines.extend(indented(&stream.title));
    }
    for quiesce in &capture.quiesce {
        lines.push(text::plain(&format!(
            "  stopped meanwhile: {} on {}{}",
            quiesce.id,
            on(&quiesce.on),
            only(quiesce.when.as_ref())
        )));
        lines.extend(indented(&quiesce.title));
    }
    lines
}

fn runbooks(profile: &Profile) -> Vec<String> {
    let mut lines = titled("runbooks", profile.runbooks.is_empty());
    for (name, runbook) in &profile.runbooks {
        let steps = text::counted(runbook.steps.len() as u64, "step");
        lines.push(text::plain(&format!("  {name}: {} ({steps})", runbook.title)));
        lines.extend(indented(&runbook.purpose));
        if let Some(symptom) = &runbook.symptom {
            lines.extend(indented(&format!("when you see: {symptom}")));
        }
    }
    lines
}

fn titled(title: &str, is_empty: bool) -> Vec<String> {
    if is_empty { Vec::new() } else { vec![String::new(), title.to_string()] }
}

fn indented(what: &str) -> Vec<String> {
    what.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("      {}", text::plain(line.trim())))
        .collect()
}

/// Without the root, which is that of the system.
fn bare(path: &str) -> String {
    path.replace("{{root}}", "")
}

/// The condition under which it is taken.
fn only(when: Option<&Condition>) -> String {
    when.map_or_else(String::new, |when| format!(" (when {when})"))
}

fn on(on: &On) -> String {
    match on {
        On::Operator => "this machine".to_string(),
        On::All(role) => format!("all {role} at once"),
        On::Each(role) => format!("each {role}"),
        On::One(role) => format!("one {role}"),
    }
}

fn to_json(profile: &Profile, from: &Origin) -> Value {
    let variables = profile.variables.iter().map(|(name, variable)| {
        let mut object = json!({ "name": name, "help": variable.help, "choices": variable.choices });
        object["value"] = json!(variable.value);
        object["secret"] = variable.secret.is_some().into();
        object
    });
    let hosts = profile.hosts.iter().map(|(name, host)| json!({ "name": name, "ssh": host.ssh, "roles": host.roles }));
    let files = profile.capture.files.iter().map(|files| {
        json!({ "id": files.id, "title": files.title, "role": files.role, "paths": files.paths,
            "need": match files.need { Need::All => "all", Need::One => "one", Need::None => "none" } })
    });
    let streams = profile.capture.streams.iter();
    let streams = streams.map(|stream| json!({ "id": stream.id, "title": stream.title, "on": on(&stream.on) }));
    json!({
        "name": profile.name,
        "title": profile.title,
        "document": profile.document,
        "inherits": profile.inherits,
        "built_in": *from == Origin::BuiltIn,
        "file": match from { Origin::BuiltIn => None, Origin::File(path) => Some(path.to_string_lossy()) },
        "variables": variables.collect::<Value>(),
        "roles": profile.roles.keys().collect::<Vec<_>>(),
        "hosts": hosts.collect::<Value>(),
        "files": files.collect::<Value>(),
        "streams": streams.collect::<Value>(),
        "runbooks": profile.runbooks.iter().map(|(name, runbook)| of_runbook(name, runbook)).collect::<Value>(),
    })
}

fn of_runbook(name: &str, runbook: &Runbook) -> Value {
    json!({
        "name": name,
        "title": runbook.title,
        "purpose": runbook.purpose,
        "symptom": runbook.symptom,
        "remedy_of": runbook.remedy_of,
        "needs_snapshot": runbook.needs_snapshot,
        "steps": runbook.steps.iter().map(|step| json!({ "id": step.id, "title": step.title })).collect::<Value>(),
    })
}
