// SPDX-License-Identifier: MIT OR Apache-2.0
//! A snapshot as JSON, the same in every command.

use keepfast_engine::format::manifest::Completeness;
use keepfast_engine::history::Snapshot;
use serde_json::{Value, json};

use crate::render::{json as js, text};

/// What is known of a snapshot without its tree.
pub fn to_json(snapshot: &Snapshot) -> Value {
    let manifest = &snapshot.manifest;
    let totals = &manifest.totals;
    json!({
        "id": snapshot.id.to_string(),
        "short_id": text::short(snapshot.id),
        "started": text::rfc3339(manifest.started),
        "finished": text::rfc3339(manifest.finished),
        "host": manifest.host,
        "user": manifest.user,
        "tags": snapshot.tags,
        "paths": manifest.paths.iter().map(|path| js::path(path)).collect::<Value>(),
        "description": manifest.description,
        "parent": manifest.parent.map(|id| id.to_string()),
        "program": manifest.program,
        "complete": manifest.completeness == Completeness::Complete,
        "problems": totals.problems,
        "files": totals.files,
        "folders": totals.directories,
        "others": totals.others,
        "bytes": totals.bytes,
        "bytes_new": totals.new_plain_bytes,
        "bytes_stored": totals.stored_bytes,
    })
}

/// Everything that a snapshot says of itself.
pub fn to_full_json(snapshot: &Snapshot) -> Value {
    let manifest = &snapshot.manifest;
    let mut object = to_json(snapshot);
    object["writer"] = manifest.writer.to_string().into();
    object["sequence"] = manifest.sequence.into();
    object["session"] = manifest.session.to_string().into();
    object["root"] = manifest.root.to_string().into();
    object["root_level"] = manifest.root_level.into();
    object["tags_at_backup"] = json!(manifest.tags);
    object["config_generation"] = manifest.config_generation.into();
    object["problem_list"] = js::problems(&manifest.problems);
    object["pack_count"] = manifest.pack_count.into();
    object["pack_bytes"] = manifest.pack_bytes.into();
    object["packs_digest"] = js::hex(&manifest.packs_digest).into();
    object
}
