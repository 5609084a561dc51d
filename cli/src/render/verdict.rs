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
    let about: Vec<String> = group.verdicts.iter().map(|verdict| about(verdict, grouping)).collect();
    // One column, so that those of fixed width keep it.
    let about_head = if grouping.has(By::Host) && grouping.has(By::Paths) { "tags" } else { "about" };
    let about_width = about.iter().flat_map(|about| about.lines()).map(text::width).max();
    let mut heads = vec![("id", Side::Left), ("time", Side::Left)];
    heads.extend(about_width.map(|_| (about_head, Side::Left)));
    heads.extend([("what", Side::Left), ("because", Side::Left)]);
    let taken = FIXED_COLUMNS + about_width.map_or(0, |width| width.max(about_head.len()) + 2);
    let room = columns.min(LINE_COLUMNS).saturating_sub(taken).max(MIN_REASON_COLUMNS);
    let mut table = Table::new(&heads);
    for (verdict, about) in group.verdicts.iter().zip(about) {
        let snapshot = &verdict.snapshot;
        let mut row = vec![text::short(snapshot.id), text::time(snapshot.manifest.started)];
        row.extend(about_width.map(|_| about));
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

/// What of host, paths and tags the group does not share, one on a line.
fn about(verdict: &Verdict, grouping: &Grouping) -> String {
    let manifest = &verdict.snapshot.manifest;
    let mut about = Vec::new();
    if !grouping.has(By::Host) {
        about.push(text::plain(&manifest.host));
    }
    if !grouping.has(By::Paths) {
        about.extend(manifest.paths.iter().map(|path| text::path(path)));
    }
    if !grouping.has(By::Tags) {
        about.extend(verdict.snapshot.tags.iter().map(|tag| text::plain(tag)));
    }
    about.join("\n")
}

/// The reasons with commas, on lines of bounded width.
fn reasons(verdict: &Verdict, room: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for reason in &verdict.reasons {
        let reason = text::plain(&reason.to_string());
        match lines.last_mut() {
            Some(line) if text::width(line) + 2 + text::width(&reason) < room => {
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
