// SPDX-License-Identifier: MIT OR Apache-2.0
//! A version of a path, and what changed from one to the next: in words, and as JSON, the same in every command.

use keepfast_engine::catalog::Version;
use keepfast_engine::format::tree::entry::{FileType, Owner};
use keepfast_engine::versions::{Below, Change};
use serde_json::{Value, json};

use crate::render::{entry, json as js, text};

/// What happened to the path, in words.
pub fn what(change: &Change) -> String {
    let mut parts = match (&change.before, &change.after) {
        (None, None) if change.below.is_empty() => vec!["not there".to_string()],
        // A folder above everything that was backed up has no entry of its own.
        (None, None) => Vec::new(),
        (None, Some(_)) => vec!["created".to_string()],
        (Some(_), None) => vec!["removed".to_string()],
        (Some(old), Some(new)) => differences(old, new, !change.below.is_empty()),
    };
    parts.extend(below(&change.below));
    if parts.is_empty() { "unchanged".to_string() } else { parts.join(", ") }
}

fn differences(old: &Version, new: &Version, hides_time: bool) -> Vec<String> {
    let mut parts = Vec::new();
    let is_same_type = old.file_type == new.file_type;
    let has_other_content = (old.size, &old.content) != (new.size, &new.content);
    match (&old.target(), &new.target()) {
        _ if !is_same_type => {
            let word = entry::type_word;
            parts.push(format!("type: {} -> {}", word(old.file_type), word(new.file_type)));
        }
        (Some(before), Some(after)) if before != after => {
            parts.push(format!("target: {} -> {}", text::path(before), text::path(after)));
        }
        _ if has_other_content => parts.push(content(old.size, new.size)),
        _ => {}
    }
    if old.mode != new.mode {
        parts.push(format!("mode {:04o} -> {:04o}", old.mode, new.mode));
    }
    if old.owner != new.owner {
        parts.push(format!("owner {} -> {}", owner(&old.owner), owner(&new.owner)));
    }
    if old.attributes != new.attributes {
        parts.push("attributes".to_string());
    }
    // A content that changes has another time as a rule, and so has a folder when something in it comes or goes.
    if old.modified != new.modified && parts.is_empty() && !hides_time {
        let time = |version: &Version| text::time_of_seconds(version.modified.seconds);
        parts.push(format!("time {} -> {}", time(old), time(new)));
    }
    parts
}

fn content(old: u64, new: u64) -> String {
    match new.cmp(&old) {
        std::cmp::Ordering::Equal => "content".to_string(),
        std::cmp::Ordering::Greater => format!("content +{}", text::size(new - old)),
        std::cmp::Ordering::Less => format!("content -{}", text::size(old - new)),
    }
}

fn below(below: &Below) -> Vec<String> {
    let words = [
        (below.added, "added"),
        (below.removed, "removed"),
        (below.modified, "modified"),
        (below.metadata, "with other metadata"),
    ];
    let counted = |(count, word): &(u64, &str)| format!("{} {word}", text::count(*count));
    words.iter().filter(|(count, _)| *count > 0).map(counted).collect()
}

/// Names of user and group, or numbers where they have none.
pub fn owner(owner: &Owner) -> String {
    let name = |name: &[u8], number: u32| if name.is_empty() { number.to_string() } else { text::path(name) };
    format!("{}:{}", name(&owner.user, owner.uid), name(&owner.group, owner.gid))
}

/// Word for a change, in JSON.
pub fn word(change: &Change) -> &'static str {
    match (&change.before, &change.after) {
        (None, None) if change.below.is_empty() => "absent",
        (None, Some(_)) => "created",
        (Some(_), None) => "removed",
        (Some(old), Some(new)) if old.file_type != new.file_type => "type_changed",
        (Some(old), Some(new)) if (old.size, &old.content) != (new.size, &new.content) => "modified",
        (Some(old), Some(new)) if old != new => "metadata",
        _ if !change.below.is_empty() => "below",
        _ => "unchanged",
    }
}

/// What is known of a version.
pub fn to_json(version: &Version) -> Value {
    let mut object = json!({
        "type": entry::type_word(version.file_type),
        "mode": version.mode,
        "uid": version.owner.uid,
        "gid": version.owner.gid,
        "size": version.size,
        "modified": entry::time(version.modified),
        "content_id": version.content_id().map(js::hex),
    });
    js::put_path(&mut object, "user", &version.owner.user);
    js::put_path(&mut object, "group", &version.owner.group);
    if version.file_type == FileType::Symlink {
        js::put_path(&mut object, "target", &version.content);
    }
    object
}

/// Counts below a folder.
pub fn below_to_json(below: &Below) -> Value {
    json!({ "added": below.added, "removed": below.removed, "modified": below.modified, "metadata": below.metadata })
}
