// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects of a repository as JSON, for `cat`. Public keys and ids only; a secret is never printed.

use keepfast_engine::format::condemned::CondemnList;
use keepfast_engine::format::config::Config;
use keepfast_engine::format::directory::Directory;
use keepfast_engine::format::id::{PackId, RepositoryId};
use keepfast_engine::format::log::{Head, LogBody, LogSlot};
use keepfast_engine::format::pack::{PackRecord, PackTail};
use serde_json::{Value, json};

use crate::render::json::hex;
use crate::render::text;

/// Parameters of a repository.
pub fn config(id: RepositoryId, generation: u64, config: &Config) -> Value {
    json!({
        "repository": id.to_string(),
        "generation": generation,
        "created": seconds(config.created),
        "chunker": {
            "min": config.chunker.min,
            "average": config.chunker.avg,
            "max": config.chunker.max,
            "normalization": config.chunker.normalization,
        },
        "data_segment": config.data_segment,
        "tree_segment": config.tree_segment,
        "pack_size": config.pack_size,
        "leaf_target": config.leaf_target,
        "root_public": hex(&config.root_public),
        "meta_public": hex(&config.meta_public),
        "data_public": hex(&config.data_public),
        "min_reader": config.min_reader,
    })
}

/// The end of a writer's log.
pub fn head(head: &Head) -> Value {
    json!({ "writer": head.writer.to_string(), "sequence": head.sequence, "hash": head.hash.to_string() })
}

/// A slot of the log.
pub fn log_slot(slot: &LogSlot) -> Value {
    let strings = |ids: &mut dyn Iterator<Item = String>| ids.collect::<Vec<_>>();
    let body = match &slot.body {
        LogBody::Commit { session, snapshot, indexes } => json!({ "commit": {
            "session": session.to_string(),
            "snapshot": snapshot.to_string(),
            "indexes": strings(&mut indexes.iter().map(ToString::to_string)),
        }}),
        LogBody::Void { session } => json!({ "void": { "session": session.to_string() } }),
        LogBody::Forget { snapshots } => json!({ "forget": strings(&mut snapshots.iter().map(ToString::to_string)) }),
        LogBody::Collect { session, indexes } => json!({ "collect": {
            "session": session.to_string(),
            "indexes": strings(&mut indexes.iter().map(ToString::to_string)),
        }}),
        LogBody::Undelete { snapshots } => {
            json!({ "undelete": strings(&mut snapshots.iter().map(ToString::to_string)) })
        }
        LogBody::Tag { taggings } => {
            let tags = taggings
                .iter()
                .map(|tagging| json!({ "snapshot": tagging.snapshot.to_string(), "tags": tagging.tags }));
            json!({ "tag": tags.collect::<Value>() })
        }
    };
    json!({
        "writer": slot.writer.to_string(),
        "sequence": slot.sequence,
        "previous": slot.previous.map(|hash| hash.to_string()),
        "clock": slot.clock,
        "heads": slot.heads.iter().map(head).collect::<Value>(),
        "time": seconds(slot.time),
        "config_generation": slot.config_generation,
        "body": body,
    })
}

/// What a collector is about to delete.
pub fn condemn_list(list: &CondemnList) -> Value {
    json!({
        "writer": list.writer.to_string(),
        "sequence": list.sequence,
        "session": list.session.to_string(),
        "packs": list.packs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "snapshots": list.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A pack as the index knows it.
pub fn pack(pack: &PackRecord) -> Value {
    json!({
        "id": pack.id.to_string(),
        "length": pack.length,
        "kind": format!("{:?}", pack.kind),
        "session": pack.session.to_string(),
        "segments": pack.directory.segments.len(),
        "chunks": pack.directory.chunks.len(),
    })
}

/// The directory that a pack carries.
pub fn pack_tail(id: &PackId, tail: &PackTail) -> Value {
    json!({
        "id": id.to_string(),
        "length": tail.length,
        "kind": format!("{:?}", tail.kind),
        "session": tail.session.to_string(),
        "segments": segments(&tail.directory),
    })
}

fn segments(directory: &Directory) -> Value {
    let mut chunks = directory.chunks.iter();
    let segment = directory.segments.iter().map(|segment| {
        let own = chunks.by_ref().take(segment.chunks as usize);
        json!({
            "offset": segment.offset,
            "stored_length": segment.stored_len,
            "length": segment.plain_len,
            "codec": format!("{:?}", segment.codec),
            "chunks": own.map(|chunk| json!({ "id": chunk.id.to_string(), "length": chunk.length })).collect::<Value>(),
        })
    });
    segment.collect()
}

fn seconds(seconds: u64) -> String {
    text::rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000))
}
