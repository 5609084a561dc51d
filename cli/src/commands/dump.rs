// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast dump`: a file, or a folder as a tar archive, to standard output or into a file.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
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
use crate::options::{repository, scope};
use crate::progress::Progress;
use crate::render::text;

/// Larger pieces than a pipe takes at once gain nothing.
const BUFFER_BYTES: usize = 1 << 20;

/// Dumps.
pub fn run(context: &Context, args: &DumpArgs) -> Result<Done, Failure> {
    if context.output.is_json() && args.output.is_none() {
        return Err(Failure::Usage(
            "--json and the content can not both go to standard output; use --output".to_string(),
        ));
    }
    let repository = repository::open(&context.global)?;
    let (snapshots, _) = repository.history()?.snapshots(&repository)?;
    let (snapshot, inner) = scope::one(&snapshots, &args.snapshot, &args.scope)?;
    let path = match &args.inside {
        Some(_) if !inner.is_empty() => return Err(Failure::Usage("the path was given twice".to_string())),
        Some(path) => trim(path.as_os_str().as_bytes()),
        None => inner,
    };
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let reader = repository.reader();
    let is_archive = is_folder(&reader, root, path).map_err(scope::name_snapshot(snapshot))?;
    match &args.output {
        Some(file) => {
            to_file(context, &reader, root, path, file)?;
            context.output.note(&format!("{} written", file.display()));
        }
        None if is_archive && io::stdout().is_terminal() => {
            return Err(Failure::Other {
                message: format!("{} is a folder: its tar archive is not for a terminal", text::stored_path(path)),
                hint: "use --output FILE, or a pipe".to_string(),
            });
        }
        None => {
            let progress = Progress::start(context);
            dump(&reader, root, path, &mut BufWriter::with_capacity(BUFFER_BYTES, io::stdout()), &progress)?;
        }
    }
    context.output.summary(json!({
        "snapshot": snapshot.id.to_string(),
        "path": text::stored_path(path),
        "tar": is_archive,
        "output": args.output.as_ref().map(|file| file.to_string_lossy()),
    }));
    Ok(Done::Complete)
}

fn is_folder(reader: &Arc<Reader>, root: Root, path: &[u8]) -> Result<bool, Error> {
    if path.is_empty() {
        return Ok(true);
    }
    let missing = || Error::NoPath { path: path.to_vec(), snapshot: text::short(root.id) };
    let entry = find(reader, root, path)?.ok_or_else(missing)?;
    Ok(entry.metadata.file_type == FileType::Directory)
}

/// Into a file that exists only when it is whole. It may hold secrets, so it is its owner's alone.
fn to_file(context: &Context, reader: &Arc<Reader>, root: Root, path: &[u8], file: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::other(format!("can not write {}: {error}", file.display()));
    if fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        // A device or a pipe can only be written where it is.
        let mut output = OpenOptions::new().write(true).open(file).map_err(failed)?;
        return Ok(dump(reader, root, path, &mut output, &Progress::start(context))?);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut made = tempfile::Builder::new();
    let options = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut temporary = made.prefix(".keepfast-").make_in(folder, options).map_err(failed)?;
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, temporary.as_file_mut());
    dump(reader, root, path, &mut output, &Progress::start(context))?;
    output.flush().map_err(failed)?;
    drop(output);
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}
