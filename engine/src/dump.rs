// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a file, or a folder as a tar archive, to a stream. A chunk that can not be read ends the output with an error: a
//! reader of a pipe must never take a hole for content.

use std::io::Write;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};

use crate::archive::{ContentReader, Shape, write_archive};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;
use crate::tree::{Root, below};

/// Writes the content of the file at `path`, or the folder at `path` (empty: everything) as a tar archive.
///
/// # Errors
/// [`Error::NoPath`]; [`Error::WrongType`] for what is neither file nor folder; damage; [`Error::Output`].
pub fn dump(reader: &Arc<Reader>, root: Root, path: &[u8], output: &mut dyn Write, events: &dyn Events) -> Result<()> {
    let mut entries = below(reader, root, path)?.peekable();
    let first_type = match entries.peek() {
        Some(Ok(entry)) if !path.is_empty() => entry.metadata.file_type,
        _ => FileType::Directory,
    };
    match first_type {
        FileType::File => match entries.next() {
            Some(entry) => file(reader, &entry?, output, events),
            None => Ok(()),
        },
        FileType::Directory => write_archive(reader, entries, &Shape::of_folder(path), output, events).map(drop),
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
