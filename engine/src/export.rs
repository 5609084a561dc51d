// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exporting a snapshot, or a folder or file of it, as a tar archive with everything that such an archive can carry.
//!
//! The same snapshot gives the same bytes. A chunk that can not be read ends the export: an archive with a gap would look whole.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use keepfast_repo_format::manifest::Problem;
use keepfast_repo_format::tree::entry::{Entry, FileType, Timestamp};
use keepfast_repo_format::tree::order;

use crate::archive::{AsStored, Detail, Encoder, Shape, write_archive};
pub use crate::archive::{Coding, Holes};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;
use crate::redact::{Files, IfUnsafe, Report, Selection};
use crate::tree::{Root, below};

/// What the archive shall be.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// How it is compressed.
    pub coding: Coding,
    /// Stands before each name; empty for nothing.
    pub prefix: Vec<u8>,
    /// So many folders are taken off the beginning of each name; what has no more is left out.
    pub strip_components: usize,
    /// What becomes of holes.
    pub holes: Holes,
    /// Secrets that are hidden, and parts that are left out.
    pub selection: Selection,
}

/// What became of an export.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// What is not in the archive, and why.
    pub problems: Vec<Problem>,
    /// What was done about secrets.
    pub report: Report,
}

/// Writes what stands at `path` (empty: everything) as an archive.
///
/// # Errors
/// [`Error::NoPath`]; damage, after telling which path it concerns; [`Error::Redact`]; [`Error::Output`].
pub fn export(
    reader: &Arc<Reader>,
    root: Root,
    path: &[u8],
    options: &ExportOptions,
    output: &mut dyn Write,
    events: &dyn Events,
) -> Result<Exported> {
    let mut entries = below(reader, root, path)?.peekable();
    let is_folder = match entries.peek() {
        Some(Ok(entry)) => path.is_empty() || entry.metadata.file_type == FileType::Directory,
        _ => true,
    };
    // A file alone keeps its name.
    let top = if is_folder { path } else { order::split(path).0 };
    let shape = Shape {
        top: top.to_vec(),
        prefix: options.prefix.clone(),
        strip: options.strip_components,
        detail: Detail::Full,
        holes: options.holes,
    };
    let mut encoder = Encoder::new(output, options.coding).map_err(Error::Output)?;
    let (problems, report) = if options.selection.is_needed() {
        let files = Files::new(reader, top, is_folder, IfUnsafe::LeaveOut, &options.selection)?;
        let problems = write_archive(reader, entries, &shape, &files, &mut encoder, events)?;
        (problems, files.finish()?)
    } else {
        (write_archive(reader, entries, &shape, &AsStored, &mut encoder, events)?, Report::default())
    };
    encoder.finish().map_err(Error::Output)?;
    Ok(Exported { problems, report })
}

/// The topmost paths that are more than the way to others: an import makes folders up that its archive only implies, and an archive
/// that had them would change those of whoever unpacks it.
///
/// # Errors
/// The tree could not be read.
pub fn own_paths(reader: &Arc<Reader>, root: Root) -> Result<Vec<Vec<u8>>> {
    let (mut own, mut seen) = (Vec::new(), HashSet::<Vec<u8>>::new());
    for entry in below(reader, root, b"")? {
        let entry = entry?;
        let path = entry.path();
        if path.is_empty() || is_implied(&entry) {
            continue;
        }
        let mut above = order::split(&path).0;
        while !above.is_empty() && !seen.contains(above) {
            above = order::split(above).0;
        }
        if above.is_empty() {
            seen.insert(path.clone());
            own.push(path);
        }
    }
    Ok(own)
}

/// Whether it is a folder as an import makes one up.
fn is_implied(entry: &Entry) -> bool {
    let metadata = &entry.metadata;
    metadata.file_type == FileType::Directory
        && metadata.mode == 0o755
        && (metadata.modified, metadata.changed) == (Timestamp::default(), Timestamp::default())
        && metadata.owner == Arc::default()
        && metadata.xattrs.is_empty()
}
