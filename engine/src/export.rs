// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exporting a snapshot, or a folder or file of it, as a tar archive with everything that such an archive can carry.
//!
//! The same snapshot gives the same bytes. A chunk that can not be read ends the export: an archive with a gap would look whole.

use std::io::Write;
use std::sync::Arc;

use keepfast_repo_format::manifest::Problem;
use keepfast_repo_format::tree::entry::FileType;
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
