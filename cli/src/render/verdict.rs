// SPDX-License-Identifier: MIT OR Apache-2.0
//! Groups of snapshots with what a policy says of each: as tables and as JSON.

use keepfast_engine::forget::{GroupVerdict, Verdict};
use keepfast_engine::retention::{By, Dating, GroupKey, Grouping};
use serde_json::{Value, json};

use crate::render::snapshot::to_json;
use crate::render::table::{Side, Table};
use crate::render::{json as js, text};

/// A line is no longer than this, though the terminal be wider: reasons read better below each other.
const LINE_COLUMNS: usize = 80;
/// Reasons are not made narrower than this.
const MIN_REASON_COLUMNS: usize = 20;
/// What id, time and result take, with the blanks between columns.
const FIXED_COLUMNS: usize = 8 + 2 + 16 + 2 + 6 + 2;

/// The lines of a group: what it has in common, how many stay, and a table.
pub fn lines(group: &GroupVerdict, grouping: &Grouping, columns: usize) -> Vec<String> {
    let mut lines = vec![heading(group)];
    let mut heads = vec![("id", Side::Left), ("time", Side::Left)];
    let extra: Vec<(By, &'static str)> = [(By::Host, "host"), (By::Paths, "paths"), (By::Tags, "tags")]
        .into_iter()
        .filter(|(by, _)| !grouping.has(*by) && group.verdicts.iter().any(|verdict| !cell(verdict, *by).is_empty()))
        .collect();
    heads.extend(extra.iter().map(|(_, head)| (*head, Side::Left)));
    heads.extend([("what", Side::Left), ("because", Side::Left)]);
    let taken = extra.iter().map(|(by, head)| width(group, *by).max(head.len()) + 2).sum::<usize>() + FIXED_COLUMNS;
    let room = columns.min(LINE_COLUMNS).saturating_sub(taken).max(MIN_REASON_COLUMNS);
    let mut table = Table::new(&heads);
    for verdict in &group.verdicts {
        let snapshot = &verdict.snapshot;
        let mut row = vec![text::short(snapshot.id), text::time(snapshot.manifest.started)];
        row.extend(extra.iter().map(|(by, _)| cell(verdict, *by)));
        row.extend([word(verdict).to_string(), reasons(verdict, room)]);
        table.row(row);
    }
    lines.extend(table.lines(columns));
    lines
}

/// A group on one line.
pub fn heading(group: &GroupVerdict) -> String {
    let kept = group.verdicts.iter().filter(|verdict| verdict.is_kept()).count();
    format!("{}: keep {kept}, remove {}", name(&group.key), group.verdicts.len() - kept)
}

/// What the snapshots of a group share, in words.
pub fn name(key: &GroupKey) -> String {
    let mut parts = Vec::new();
    parts.extend(key.host.as_deref().map(text::plain));
    parts.extend(
        key.paths.as_ref().map(|paths| paths.iter().map(|path| text::path(path)).collect::<Vec<_>>().join(" ")),
    );
    parts.extend(key.tags.as_ref().map(|tags| match &tags[..] {
        [] => "no tags".to_string(),
        tags => format!("tags {}", text::plain(&tags.join(","))),
    }));
    if parts.is_empty() {
        parts.push("all snapshots".to_string());
    }
    if key.dating == Dating::Undated {
        parts.push("(time not borne out by the log)".to_string());
    }
    parts.join(" ")
}

fn word(verdict: &Verdict) -> &'static str {
    if verdict.is_kept() { "keep" } else { "remove" }
}

fn cell(verdict: &Verdict, by: By) -> String {
    let manifest = &verdict.snapshot.manifest;
    match by {
        By::Host => text::plain(&manifest.host),
        By::Paths => manifest.paths.iter().map(|path| text::path(path)).collect::<Vec<_>>().join("\n"),
        By::Tags => verdict.snapshot.tags.iter().map(|tag| text::plain(tag)).collect::<Vec<_>>().join("\n"),
    }
}

/// The widest line of a column.
fn width(group: &GroupVerdict, by: By) -> usize {
    let cells = group.verdicts.iter().map(|verdict| cell(verdict, by));
    cells.map(|cell| cell.lines().map(|line| line.chars().count()).max().unwrap_or(0)).max().unwrap_or(0)
}

/// The reasons with commas, on lines of bounded width.
fn reasons(verdict: &Verdict, room: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for reason in &verdict.reasons {
        let reason = text::plain(&reason.to_string());
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + reason.chars().count() < room => {
                line.push_str(", ");
                line.push_str(&reason);
            }
            Some(line) => {
                line.push(',');
                lines.push(reason);
            }
            None => lines.push(reason),
        }
    }
    lines.join("\n")
}

/// One snapshot with its verdict.
pub fn verdict_json(verdict: &Verdict, key: &GroupKey) -> Value {
    let mut object = to_json(&verdict.snapshot);
    object["action"] = word(verdict).into();
    object["reasons"] = verdict.reasons.iter().map(ToString::to_string).collect::<Value>();
    object["group"] = json!({
        "host": key.host,
        "paths": key.paths.as_ref().map(|paths| paths.iter().map(|path| js::path(path)).collect::<Value>()),
        "tags": key.tags,
        "dated": key.dating == Dating::Dated,
    });
    object
}

#[cfg(test)]
mod tests;
