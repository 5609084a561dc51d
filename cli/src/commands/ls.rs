// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast ls`: what is in a snapshot.

use keepfast_engine::format::tree::entry::{Entry, FileType};
use keepfast_engine::tree::{Root, below};
use serde_json::json;

use crate::args::LsArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{repository, scope};
use crate::render::{entry, text};

/// Lists.
pub fn run(context: &Context, args: &LsArgs) -> Result<Done, Failure> {
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, &[&args.snapshot])?;
    let (snapshot, path) = scope::one(&snapshots, &args.snapshot, &args.scope)?;
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let all = path.is_empty() || args.recursive;
    let (mut entries, mut bytes) = (0_u64, 0_u64);
    for found in below(&repository.reader(), root, path).map_err(scope::name_snapshot(snapshot))? {
        if context.signals.cancelled() {
            return Err(keepfast_engine::Error::Cancelled.into());
        }
        let found = found?;
        let is_top = !path.is_empty() && found.path() == path;
        // What lies directly in a folder stands before everything deeper.
        if !all && !is_top && &found.directory[..] != path {
            break;
        }
        if is_top && !all && found.metadata.file_type == FileType::Directory {
            continue;
        }
        entries += 1;
        let size = if found.metadata.file_type == FileType::File { found.metadata.size } else { 0 };
        // Sparse files can claim more than 2^64 bytes together.
        bytes = bytes.saturating_add(size);
        print(context, args, &found);
        context.output.check().map_err(Failure::Output)?;
    }
    context.output.summary(json!({ "snapshot": snapshot.id.to_string(), "entries": entries, "bytes": bytes }));
    Ok(Done::Complete)
}

fn print(context: &Context, args: &LsArgs, found: &Entry) {
    if context.output.is_json() {
        context.output.object(entry::to_json(found));
    } else if args.long {
        context.output.line(&entry::to_long_line(found));
    } else {
        context.output.line(&text::stored_path(&found.path()));
    }
}
