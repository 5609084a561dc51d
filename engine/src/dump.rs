// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a file, or a folder as a tar archive, to a stream. A chunk that can not be read ends the output with an error: a
//! reader of a pipe must never take a hole for content.

use std::io::Write;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};

use crate::archive::{AsStored, ContentReader, Shape, write_archive};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;
use crate::redact::{Files, IfUnsafe, Report, Selection, write_file};
use crate::tree::{Root, below};

/// Writes the content of the file at `path`, or the folder at `path` (empty: everything) as a tar archive; of all that what the selection takes.
///
/// # Errors
/// [`Error::NoPath`]; [`Error::WrongType`] for what is neither file nor folder; damage; [`Error::Redact`]; [`Error::Output`].
pub fn dump(
    reader: &Arc<Reader>,
    root: Root,
    path: &[u8],
    selection: &Selection,
    output: &mut dyn Write,
    events: &dyn Events,
) -> Result<Report> {
    let mut entries = below(reader, root, path)?.peekable();
    let first_type = match entries.peek() {
        Some(Ok(entry)) if !path.is_empty() => entry.metadata.file_type,
        _ => FileType::Directory,
    };
    let shape = Shape::of_folder(path);
    match first_type {
        FileType::File => match entries.next() {
            Some(entry) if selection.is_needed() => {
                let report = write_file(reader, &entry?, selection, output)?;
                output.flush().map_err(Error::Output).map(|()| report)
            }
            Some(entry) => file(reader, &entry?, output, events).map(|()| Report::default()),
            None => Ok(Report::default()),
        },
        FileType::Directory if selection.is_needed() => {
            let files = Files::new(reader, path, true, IfUnsafe::Refuse, selection)?;
            write_archive(reader, entries, &shape, &files, output, events)?;
            files.finish()
        }
        FileType::Directory => {
            write_archive(reader, entries, &shape, &AsStored, output, events).map(|_| Report::default())
        }
        _ => Err(Error::WrongType { path: path.to_vec(), expected: "a file or folder" }),
    }
}

fn file(reader: &Reader, entry: &Entry, output: &mut dyn Write, events: &dyn Events) -> Result<()> {
    let mut content = ContentReader::new(reader, entry);
    let mut buffer = vec![0; 256 << 10];
    loop {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let read = content.fill(&mut buffer)?;
        if read == 0 {
            return output.flush().map_err(Error::Output);
        }
        output.write_all(&buffer[..read]).map_err(Error::Output)?;
        events.bytes_done(read as u64);
    }
}
