// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a file, or a folder as a tar archive, to a stream. A chunk that can not be read ends the output with an error: a
//! reader of a pipe must never take a hole for content.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use keepfast_repo_format::FormatError;
use keepfast_repo_format::tree::entry::{Content, Entry, FileType, Timestamp};
use tar::{Builder, EntryType, Header};

use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::{Chunk, Reader};
use crate::tree::{ContentItems, Root, below};

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
        FileType::Directory => archive(reader, path, entries, output, events),
        _ => Err(Error::WrongType { path: path.to_vec(), expected: "a file or folder" }),
    }
}

fn file(reader: &Reader, entry: &Entry, output: &mut dyn Write, events: &dyn Events) -> Result<()> {
    let mut content = ContentReader::new(reader, &entry.content);
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

fn archive(
    reader: &Reader,
    top: &[u8],
    entries: impl Iterator<Item = Result<Entry>>,
    output: &mut dyn Write,
    events: &dyn Events,
) -> Result<()> {
    let mut archive = Builder::new(output);
    let mut first_names: HashMap<u64, Vec<u8>> = HashMap::new();
    for entry in entries {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let entry = entry?;
        let path = entry.path();
        let inner = if path == top { Vec::new() } else { path[(top.len() + usize::from(!top.is_empty()))..].to_vec() };
        let name = if inner.is_empty() { b".".to_vec() } else { inner };
        append(reader, &mut archive, &entry, &name, &mut first_names)?;
        events.path_done(&path, entry.metadata.size);
    }
    archive.into_inner().and_then(|output| output.flush()).map_err(Error::Output)
}

fn append(
    reader: &Reader,
    archive: &mut Builder<&mut dyn Write>,
    entry: &Entry,
    name: &[u8],
    first_names: &mut HashMap<u64, Vec<u8>>,
) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let as_path = |bytes: &[u8]| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
    let metadata = &entry.metadata;
    let mut header = header(entry)?;
    extensions(archive, entry)?;
    let first = metadata.link_group.and_then(|group| first_names.get(&group));
    if let Some(first) = first {
        header.set_entry_type(EntryType::Link);
        header.set_size(0);
        return archive.append_link(&mut header, as_path(name), as_path(first)).map_err(Error::Output);
    }
    if let Some(group) = metadata.link_group {
        first_names.insert(group, name.to_vec());
    }
    match metadata.file_type {
        FileType::Symlink => archive.append_link(&mut header, as_path(name), as_path(&metadata.target)),
        FileType::File => {
            let mut content = ContentReader::new(reader, &entry.content);
            let appended = archive.append_data(&mut header, as_path(name), &mut content);
            if let Some(error) = content.failure {
                return Err(error);
            }
            appended
        }
        // A tar archive has no sockets; they carry no data.
        FileType::Socket => Ok(()),
        _ => archive.append_data(&mut header, as_path(name), io::empty()),
    }
    .map_err(Error::Output)
}

fn header(entry: &Entry) -> Result<Header> {
    let metadata = &entry.metadata;
    let mut header = Header::new_gnu();
    header.set_entry_type(match metadata.file_type {
        FileType::Directory => EntryType::Directory,
        FileType::Symlink => EntryType::Symlink,
        FileType::Fifo => EntryType::Fifo,
        FileType::CharDevice => EntryType::Char,
        FileType::BlockDevice => EntryType::Block,
        FileType::File | FileType::Socket => EntryType::Regular,
    });
    header.set_size(if metadata.file_type == FileType::File { metadata.size } else { 0 });
    header.set_mode(metadata.mode);
    header.set_uid(metadata.owner.uid.into());
    header.set_gid(metadata.owner.gid.into());
    header.set_mtime(metadata.modified.seconds.max(0) as u64);
    // Names that do not fit the old field are told by number only.
    let _ = header.set_username(&String::from_utf8_lossy(&metadata.owner.user));
    let _ = header.set_groupname(&String::from_utf8_lossy(&metadata.owner.group));
    if let Some((major, minor)) = metadata.device {
        header.set_device_major(major).map_err(Error::Output)?;
        header.set_device_minor(minor).map_err(Error::Output)?;
    }
    Ok(header)
}

/// What the old header can not say, as pax records: nanoseconds, times before 1970, extended attributes.
fn extensions(archive: &mut Builder<&mut dyn Write>, entry: &Entry) -> Result<()> {
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    let Timestamp { seconds, nanos } = entry.metadata.modified;
    if nanos != 0 || seconds < 0 {
        records.push(("mtime".to_string(), decimal(seconds, nanos).into_bytes()));
    }
    for (name, value) in entry.metadata.xattrs.iter() {
        records.push((format!("SCHILY.xattr.{}", String::from_utf8_lossy(name)), value.clone()));
    }
    if records.is_empty() {
        return Ok(());
    }
    let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
    archive.append_pax_extensions(records).map_err(Error::Output)
}

fn decimal(seconds: i64, nanos: u32) -> String {
    if seconds >= 0 || nanos == 0 {
        return format!("{seconds}.{nanos:09}");
    }
    // The nanoseconds count upwards from the second, the decimal away from zero.
    let whole = seconds + 1;
    format!("{}{}.{:09}", if whole == 0 { "-" } else { "" }, whole, 1_000_000_000 - nanos)
}

/// A file's content as a stream; holes are zeros.
pub struct ContentReader<'a> {
    reader: &'a Reader,
    items: ContentItems<'a>,
    chunk: Option<Chunk>,
    at: usize,
    hole: u64,
    /// What ended the stream early; an [`io::Error`] can not carry it whole.
    pub failure: Option<Error>,
}

impl<'a> ContentReader<'a> {
    /// Starts at the beginning.
    pub fn new(reader: &'a Reader, content: &Content) -> Self {
        Self { reader, items: ContentItems::new(reader, content), chunk: None, at: 0, hole: 0, failure: None }
    }

    /// Fills the buffer as far as the content goes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let rest = &mut buffer[filled..];
            if self.hole > 0 {
                let length = rest.len().min(usize::try_from(self.hole).unwrap_or(usize::MAX));
                rest[..length].fill(0);
                self.hole -= length as u64;
                filled += length;
            } else if let Some(chunk) = self.chunk.as_ref().filter(|chunk| self.at < chunk.len()) {
                let length = rest.len().min(chunk.len() - self.at);
                rest[..length].copy_from_slice(&chunk[self.at..self.at + length]);
                self.at += length;
                filled += length;
            } else {
                let Some(item) = self.items.next().transpose()? else { break };
                self.at = 0;
                match item.id {
                    None => self.hole = item.length,
                    Some(id) => {
                        let chunk = self.reader.data_chunk(&id)?;
                        // The member of an archive has the length that its header says, or all members behind it are lost.
                        if chunk.len() as u64 != item.length {
                            let why = format!("chunk {id} has {} bytes, the file says {}", chunk.len(), item.length);
                            return Err(Error::Node { id, source: FormatError::Malformed { what: "content", why } });
                        }
                        self.chunk = Some(chunk);
                    }
                }
            }
        }
        Ok(filled)
    }
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill(buffer).map_err(|error| {
            let text = error.to_string();
            self.failure = Some(error);
            io::Error::other(text)
        })
    }
}
