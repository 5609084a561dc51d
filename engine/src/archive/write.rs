// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries of a tree as members of a tar archive: GNU headers, and pax records for what those can not say. Sparse members have ustar
//! headers: GNU tar looks for the pax records of those behind no other ones.
//!
//! The same entries give the same bytes: no clock and no environment is asked.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Entry, FileType, Metadata};
use tar::{Builder, EntryType, Header};

use super::acl;
use super::content::ContentReader;
use super::folders::FoldersFirst;
use super::header::BLOCK_BYTES;
use super::pax::{self, Records};
use super::sparse::{self, Run};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::reader::Reader;
use crate::tree::ContentItems;

/// Bytes for a name or a link in a header.
const NAME_BYTES: usize = 100;
/// Bytes for the name of an owner in a header; one of them ends it.
const OWNER_BYTES: usize = 32;

/// How much of an entry goes into the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What `tar x` takes: times, owners, extended attributes.
    Usual,
    /// Everything that an archive can carry.
    Full,
}

/// What becomes of holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// They are zeros, which every program reads.
    Zeros,
    /// They stay holes, in the way of GNU tar.
    Kept,
}

/// What an archive looks like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The folder from which names count.
    pub top: Vec<u8>,
    /// Stands before each name; empty for nothing.
    pub prefix: Vec<u8>,
    /// So many folders are taken off the beginning of each name; what has no more is left out.
    pub strip: usize,
    /// How much of an entry.
    pub detail: Detail,
    /// Holes.
    pub holes: Holes,
}

impl Shape {
    /// The folder at `top` as its own top.
    pub fn of_folder(top: &[u8]) -> Self {
        let (prefix, strip) = (Vec::new(), 0);
        Self { top: top.to_vec(), prefix, strip, detail: Detail::Usual, holes: Holes::Zeros }
    }

    /// The name of what stands at `path`; `None` if it is left out.
    fn name(&self, path: &[u8]) -> Option<Vec<u8>> {
        let inner = path.strip_prefix(self.top.as_slice()).unwrap_or(path);
        let mut inner = inner.strip_prefix(b"/").unwrap_or(inner);
        for _ in 0..self.strip {
            let slash = inner.iter().position(|byte| *byte == b'/')?;
            inner = &inner[slash + 1..];
        }
        Some(match (self.prefix.is_empty(), inner.is_empty()) {
            (true, true) => b".".to_vec(),
            (true, false) => inner.to_vec(),
            (false, true) => self.prefix.clone(),
            (false, false) => [&self.prefix[..], b"/", inner].concat(),
        })
    }
}

/// What becomes of an entry.
pub enum Given {
    /// Its own content.
    AsStored,
    /// Another content of this length.
    Instead(Box<dyn Read>, u64),
    /// Nothing: it was not wanted.
    LeftOut,
    /// Nothing, and why.
    Refused(String),
}

/// Decides what goes into an archive.
pub trait Contents {
    /// What becomes of the entry at `path`.
    ///
    /// # Errors
    /// Its content can not be read, or the archive shall not be made.
    fn of(&self, entry: &Entry, path: &[u8]) -> Result<Given>;
}

/// Everything as it is stored.
pub struct AsStored;

impl Contents for AsStored {
    fn of(&self, _entry: &Entry, _path: &[u8]) -> Result<Given> {
        Ok(Given::AsStored)
    }
}

/// Writes the entries as an archive, with its end mark. What can not be in an archive is told and returned.
///
/// # Errors
/// [`Error::Content`] for a chunk that is missing or damaged; [`Error::Output`]. The output is no whole archive then.
pub fn write_archive(
    reader: &Reader,
    entries: impl Iterator<Item = Result<Entry>>,
    shape: &Shape,
    contents: &dyn Contents,
    output: &mut dyn Write,
    events: &dyn Events,
) -> Result<Vec<Problem>> {
    let mut archive = Archive { reader, shape, builder: Builder::new(output), firsts: HashMap::new() };
    let mut problems = Vec::new();
    for entry in FoldersFirst::new(entries) {
        if events.cancelled() {
            return Err(Error::Cancelled);
        }
        let entry = entry?;
        let path = entry.path();
        let Some(name) = shape.name(&path) else { continue };
        if entry.metadata.file_type == FileType::Socket {
            let text = "a tar archive has no sockets".to_string();
            problems.push(Problem { path, code: ProblemCode::Metadata, text });
            continue;
        }
        let instead = match contents.of(&entry, &path)? {
            Given::AsStored => None,
            Given::Instead(content, length) => Some((content, length)),
            Given::LeftOut => continue,
            Given::Refused(text) => {
                problems.push(Problem { path, code: ProblemCode::Unreadable, text });
                continue;
            }
        };
        archive.append(&entry, &name, instead).map_err(|error| match error.is_damage() {
            true => Error::Content { path: path.clone(), source: Box::new(error) },
            false => error,
        })?;
        events.path_done(&path, entry.metadata.size);
    }
    archive.builder.into_inner().and_then(|output| output.flush()).map_err(Error::Output)?;
    Ok(problems)
}

struct Archive<'a> {
    reader: &'a Reader,
    shape: &'a Shape,
    builder: Builder<&'a mut dyn Write>,
    /// Name of the first member of each link group.
    firsts: HashMap<u64, Vec<u8>>,
}

impl Archive<'_> {
    fn append(&mut self, entry: &Entry, name: &[u8], instead: Option<(Box<dyn Read>, u64)>) -> Result<()> {
        let metadata = &entry.metadata;
        let mut header = header(metadata, Header::new_gnu())?;
        let mut records = records(metadata, self.shape.detail);
        if let Some(first) = metadata.link_group.and_then(|group| self.firsts.get(&group)).cloned() {
            header.set_entry_type(EntryType::Link);
            header.set_size(0);
            return self.member(&records, header, name, &first, &mut io::empty()).map_err(Error::Output);
        }
        if let Some(group) = metadata.link_group {
            self.firsts.insert(group, name.to_vec());
        }
        if metadata.file_type != FileType::File {
            return self.member(&records, header, name, &metadata.target, &mut io::empty()).map_err(Error::Output);
        }
        if let Some((mut content, length)) = instead {
            header.set_size(length);
            return self.member(&records, header, name, b"", &mut content).map_err(Error::Output);
        }
        let (mut content, map, outer) = match self.runs(entry)? {
            None => (ContentReader::new(self.reader, entry), Vec::new(), name.to_vec()),
            Some(runs) => {
                let map = sparse::as_text(&runs);
                let data: u64 = runs.iter().map(|run| run.length).sum();
                let mut outer = sparse_name(name);
                if outer.len() > NAME_BYTES {
                    records.push((b"path".to_vec(), outer.clone()));
                    outer.truncate(NAME_BYTES);
                }
                records.extend(sparse_records(name, metadata.size));
                header = self::header(metadata, Header::new_ustar())?;
                header.set_size(map.len() as u64 + data);
                (ContentReader::without_holes(self.reader, entry), map, outer)
            }
        };
        let written = self.member(&records, header, &outer, b"", &mut map.as_slice().chain(&mut content));
        content.failure.map_or_else(|| written.map_err(Error::Output), Err)
    }

    /// Where the file has data, if it has holes that are to be kept.
    fn runs(&self, entry: &Entry) -> Result<Option<Vec<Run>>> {
        // A wrapped file has none.
        if self.shape.holes == Holes::Zeros || !entry.layers.is_empty() {
            return Ok(None);
        }
        let (mut runs, mut at) = (Vec::<Run>::new(), 0_u64);
        let mut has_holes = false;
        for item in ContentItems::new(self.reader, &entry.content) {
            let item = item?;
            match (item.id, runs.last_mut().filter(|run| run.start + run.length == at)) {
                (None, _) => has_holes = true,
                (Some(_), Some(run)) => run.length += item.length,
                (Some(_), None) => runs.push(Run { start: at, length: item.length }),
            }
            at = at.saturating_add(item.length);
            if runs.len() > sparse::MAX_RUNS {
                return Ok(None);
            }
        }
        // An empty run says where a file ends that ends in a hole.
        if runs.last().is_none_or(|run| run.start + run.length < at) {
            runs.push(Run { start: at, length: 0 });
        }
        // GNU tar takes whole blocks for each run: a file whose holes begin elsewhere is written with zeros.
        let inner = &runs[..runs.len() - 1];
        let fits = inner.iter().all(|run| run.length.is_multiple_of(BLOCK_BYTES as u64));
        Ok((has_holes && fits).then_some(runs))
    }

    fn member(
        &mut self,
        records: &Records,
        mut header: Header,
        name: &[u8],
        link: &[u8],
        content: &mut dyn Read,
    ) -> io::Result<()> {
        if !records.is_empty() {
            let bytes = pax::encode(records);
            let mut header = unowned(Header::new_ustar(), b"././@PaxHeader", EntryType::XHeader);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            self.builder.append(&header, bytes.as_slice())?;
        }
        self.long(name, EntryType::GNULongName)?;
        self.long(link, EntryType::GNULongLink)?;
        // As they are: the crate would tidy them up.
        put(&mut header.as_old_mut().name, name);
        put(&mut header.as_old_mut().linkname, link);
        header.set_cksum();
        self.builder.append(&header, content)
    }

    /// A header of its own for a name that does not fit into one.
    fn long(&mut self, name: &[u8], kind: EntryType) -> io::Result<()> {
        if name.len() <= NAME_BYTES {
            return Ok(());
        }
        let mut header = unowned(Header::new_gnu(), b"././@LongLink", kind);
        header.set_size(name.len() as u64 + 1);
        header.set_cksum();
        self.builder.append(&header, name.chain(&b"\0"[..]))
    }
}

/// A header in front of that of a member; the names are those that other programs give it.
fn unowned(mut header: Header, name: &[u8], kind: EntryType) -> Header {
    put(&mut header.as_old_mut().name, name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn put(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

/// Fills in everything but name and link.
fn header(metadata: &Metadata, mut header: Header) -> Result<Header> {
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
    // What does not fit is told by a record.
    let (user, group) = (fitting(&metadata.owner.user), fitting(&metadata.owner.group));
    if let Some(header) = header.as_gnu_mut() {
        put(&mut header.uname, user);
        put(&mut header.gname, group);
    } else if let Some(header) = header.as_ustar_mut() {
        put(&mut header.uname, user);
        put(&mut header.gname, group);
    }
    if let Some((major, minor)) = metadata.device {
        header.set_device_major(major).map_err(Error::Output)?;
        header.set_device_minor(minor).map_err(Error::Output)?;
    }
    Ok(header)
}

fn fitting(name: &[u8]) -> &[u8] {
    if name.len() < OWNER_BYTES { name } else { b"" }
}

/// What the old header can not say: nanoseconds, times before 1970, extended attributes, long names of owners.
fn records(metadata: &Metadata, detail: Detail) -> Records {
    let mut records = Records::new();
    let mut add = |key: &str, value: &[u8]| records.push((key.as_bytes().to_vec(), value.to_vec()));
    let modified = metadata.modified;
    if modified.nanos != 0 || modified.seconds < 0 {
        add("mtime", pax::decimal(modified).as_bytes());
    }
    for (key, name) in [("uname", &metadata.owner.user), ("gname", &metadata.owner.group)] {
        if name.len() >= OWNER_BYTES {
            add(key, name);
        }
    }
    if detail == Detail::Full {
        if metadata.changed != modified {
            add("ctime", pax::decimal(metadata.changed).as_bytes());
        }
        // No births (`LIBARCHIVE.creationtime`): GNU tar warns of that record, once for each file.
        for (key, name) in acl::KEYS {
            let value = metadata.xattrs.iter().find(|(found, _)| found == name.as_bytes());
            if let Some(text) = value.and_then(|(_, value)| acl::to_text(value)) {
                add(key, text.as_bytes());
            }
        }
    }
    for (name, value) in metadata.xattrs.iter() {
        records.push(([b"SCHILY.xattr.", &name[..]].concat(), value.clone()));
    }
    records
}

/// What GNU tar writes of a sparse file, version 1.0.
fn sparse_records(name: &[u8], size: u64) -> Records {
    let size = size.to_string();
    let fields: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", name),
        ("GNU.sparse.realsize", size.as_bytes()),
    ];
    fields.map(|(key, value)| (key.as_bytes().to_vec(), value.to_vec())).to_vec()
}

/// The name under which a program that knows no sparse files finds the pieces.
fn sparse_name(name: &[u8]) -> Vec<u8> {
    let start = name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    [&name[..start], b"GNUSparseFile.0/", &name[start..]].concat()
}
