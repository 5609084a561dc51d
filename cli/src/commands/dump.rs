// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast dump`: a file, or a folder as a tar archive, to standard output or into a file.

use std::io::{self, BufWriter, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::dump::dump;
use keepfast_engine::format::tree::entry::FileType;
use keepfast_engine::reader::Reader;
use keepfast_engine::select::trim;
use keepfast_engine::tree::{Root, find};
use serde_json::json;

use crate::args::DumpArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::new_file::{self, BUFFER_BYTES, IfThere};
use crate::options::{redact, repository, scope};
use crate::progress::Progress;
use crate::render::text;

/// Dumps.
pub fn run(context: &Context, args: &DumpArgs) -> Result<Done, Failure> {
    if context.output.is_json() && args.output.is_none() {
        return Err(Failure::Usage(
            "--json and the content can not both go to standard output; use --output".to_string(),
        ));
    }
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, &[&args.snapshot])?;
    let (snapshot, inner) = scope::one(&snapshots, &args.snapshot, &args.scope)?;
    let path = match &args.inside {
        Some(_) if !inner.is_empty() => return Err(Failure::Usage("the path was given twice".to_string())),
        Some(path) => trim(path.as_os_str().as_bytes()),
        None => inner,
    };
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let reader = repository.reader();
    let selection = redact::selection(&reader, &args.redact);
    let is_archive = is_folder(&reader, root, path).map_err(scope::name_snapshot(snapshot))?;
    let report = match &args.output {
        Some(file) => {
            let report = new_file::write(file, IfThere::Replace, |output| {
                Ok(dump(&reader, root, path, &selection, output, &Progress::start(context))?)
            })?;
            let done = if selection.is_needed() { format!(": {}", redact::in_words(&report)) } else { String::new() };
            context.output.note(&format!("{} written{done}", file.display()));
            report
        }
        None if is_archive && io::stdout().is_terminal() => {
            return Err(Failure::Other {
                message: format!("{} is a folder: its tar archive is not for a terminal", text::stored_path(path)),
                hint: "use --output FILE, or a pipe".to_string(),
            });
        }
        None => {
            let progress = Progress::start(context);
            let mut output = BufWriter::with_capacity(BUFFER_BYTES, io::stdout());
            dump(&reader, root, path, &selection, &mut output, &progress)?
        }
    };
    let done = redact::tell(context, &report);
    context.output.summary(json!({
        "snapshot": snapshot.id.to_string(),
        "path": text::stored_path(path),
        "tar": is_archive,
        "output": args.output.as_ref().map(|file| file.to_string_lossy()),
        "redaction": redact::to_json(&report),
    }));
    Ok(done)
}

fn is_folder(reader: &Arc<Reader>, root: Root, path: &[u8]) -> Result<bool, Error> {
    if path.is_empty() {
        return Ok(true);
    }
    let missing = || Error::NoPath { path: path.to_vec(), snapshot: text::short(root.id) };
    let entry = find(reader, root, path)?.ok_or_else(missing)?;
    Ok(entry.metadata.file_type == FileType::Directory)
}
