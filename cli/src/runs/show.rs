// SPDX-License-Identifier: MIT OR Apache-2.0
//! A plan as people read it before they agree to it: from what, on which hosts, which steps, and what they are warned of.

use std::collections::BTreeSet;

use keepfast_engine::runbook::{Action, Plan, Planned};
use serde_json::{Value, json};

use super::about::About;
use super::data;
use crate::render::text;

/// The plan.
pub fn lines(plan: &Plan, about: &About) -> Vec<String> {
    let mut lines = vec![format!("{} {}: {}", text::plain(&plan.profile), plan.runbook, text::plain(&plan.title))];
    if !plan.document.is_empty() {
        lines.push(format!("follows   {}", text::plain(&plan.document)));
    }
    if let Some(data) = &about.data {
        lines.push(format!("data      {}", data::line(data, plan.made)));
    }
    // Whoever only starts all this is none of the system's hosts.
    let tasks = plan.steps.iter().flat_map(|step| &step.tasks);
    let hosts: BTreeSet<&str> = tasks.map(|task| task.host.as_str()).collect();
    let places = plan.places.values().filter(|place| hosts.contains(place.name.as_str()));
    for (number, place) in places.enumerate() {
        let by = match &place.ssh {
            Some(ssh) => format!("by ssh {}", ssh.target),
            None => "this machine".to_string(),
        };
        let name = if number == 0 { "hosts" } else { "" };
        lines.push(format!("{name:9} {}, {}", text::plain(&place.name), text::plain(&by)));
    }
    lines.push(String::new());
    for (number, step) in plan.steps.iter().enumerate() {
        lines.extend(of_step(number + 1, step));
    }
    lines
}

fn of_step(number: usize, step: &Planned) -> Vec<String> {
    let hosts: Vec<String> = step.tasks.iter().map(|task| text::plain(&task.host)).collect();
    let at_once = if step.is_parallel && hosts.len() > 1 { " at once" } else { "" };
    let mut lines = vec![format!("{number:>3}  {} ({}{at_once})", text::plain(&step.title), hosts.join(", "))];
    let mut add = |kind: &str, text: &str| {
        for (at, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            let kind = if at == 0 { format!("{kind}: ") } else { "  ".to_string() };
            lines.push(format!("       {kind}{}", text::plain(line)));
        }
    };
    if let Some(caution) = &step.caution {
        add("caution", caution);
    }
    for task in &step.tasks {
        if let Action::Manual(text) = &task.action {
            add("by hand", text);
            break;
        }
    }
    lines
}

/// The same for programs.
pub fn to_json(plan: &Plan, about: &About) -> Value {
    let mut object = serde_json::to_value(plan).unwrap_or_default();
    object["data"] = about.data.as_ref().map_or(Value::Null, |data| {
        json!({
            "set": data.set,
            "snapshots": data.snapshots.iter().map(|taken| &taken.id).collect::<Vec<_>>(),
            "started": text::rfc3339(data.started()),
            "age_seconds": data.age_seconds(plan.made),
        })
    });
    object
}
