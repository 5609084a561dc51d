// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a runbook takes out of a snapshot, or out of the snapshots of a set: paths by pattern, files and tar archives as streams.
//!
//! A host's own snapshot comes first, then the others in their order; so one snapshot alone serves every host. Nothing ever
//! looks whole that is not: damage, and what could not be read at its backup, is an error of the stream and never its end.

mod channel;
mod matching;

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType, Marks};

use crate::archive::{AsStored, ContentReader, Detail, Holes, Shape, write_archive};
use crate::error::{Error, Result};
use crate::events::Silent;
use crate::reader::Reader;
use crate::runbook;
use crate::tree::{Root, below, find, is_inside};

/// A snapshot of a host.
#[derive(Clone, Debug)]
pub struct Source {
    /// The host whose snapshot it is.
    pub host: String,
    /// Its tree.
    pub root: Root,
}

/// The contents of one snapshot, or of a set.
pub struct Contents {
    reader: Arc<Reader>,
    sources: Vec<Source>,
}

/// Where a path was found.
struct Place {
    /// The number of the snapshot.
    source: usize,
    root: Root,
    path: Vec<u8>,
}

impl Contents {
    /// Of these snapshots; where a host has none, they are looked through in this order.
    #[must_use]
    pub fn new(reader: Arc<Reader>, sources: Vec<Source>) -> Self {
        Self { reader, sources }
    }

    /// The snapshots, the host's own first.
    fn for_host<'a>(&'a self, host: &'a str) -> impl Iterator<Item = (usize, &'a Source)> {
        let own = self.sources.iter().enumerate().filter(move |(_, source)| source.host == host);
        own.chain(self.sources.iter().enumerate().filter(move |(_, source)| source.host != host))
    }

    fn find(&self, host: &str, path: &str) -> Result<(Place, Entry)> {
        let wanted = path.trim_matches('/').as_bytes();
        for (number, source) in self.for_host(host) {
            if let Some(entry) = find(&self.reader, source.root, wanted)? {
                return Ok((Place { source: number, root: source.root, path: wanted.to_vec() }, entry));
            }
        }
        let id = self.sources.first().map(|source| source.root.id.to_string()).unwrap_or_default();
        Err(Error::NoPath { path: wanted.to_vec(), snapshot: id.chars().take(8).collect() })
    }

    /// Where a path is taken from for a host: the number of the snapshot, and whether it is a folder there.
    ///
    /// # Errors
    /// [`Error::NoPath`]; the tree could not be read.
    pub fn origin(&self, host: &str, path: &str) -> Result<(usize, bool)> {
        let (place, entry) = self.find(host, path)?;
        Ok((place.source, entry.metadata.file_type == FileType::Directory))
    }

    /// Where these paths are; none that lies inside of another one, which brings it along.
    fn places(&self, host: &str, paths: &[String]) -> Result<Vec<Place>> {
        let mut places: Vec<Place> = Vec::with_capacity(paths.len());
        let mut sorted: Vec<&String> = paths.iter().collect();
        sorted.sort();
        for path in sorted {
            let (place, _) = self.find(host, path)?;
            let has = |other: &Place| other.source == place.source && is_inside(&place.path, &other.path);
            if !places.iter().any(has) {
                places.push(place);
            }
        }
        Ok(places)
    }
}

impl runbook::Contents for Contents {
    fn matching(&self, host: &str, pattern: &str) -> std::result::Result<Vec<String>, String> {
        for (_, source) in self.for_host(host) {
            let found = matching::matching(&self.reader, source.root, pattern).map_err(sentence)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn file(&self, host: &str, path: &str) -> std::result::Result<runbook::Input<'_>, String> {
        let (_, entry) = self.find(host, path).map_err(sentence)?;
        let entry = whole(entry).map_err(sentence)?;
        if entry.metadata.file_type != FileType::File {
            return Err(sentence(Error::WrongType { path: entry.path(), expected: "a file" }));
        }
        let reader = self.reader.clone();
        Ok(channel::stream(move |output| write_file(&reader, &entry, output)))
    }

    fn archive(&self, host: &str, paths: &[String]) -> std::result::Result<runbook::Input<'_>, String> {
        let places = self.places(host, paths).map_err(sentence)?;
        let reader = self.reader.clone();
        Ok(channel::stream(move |output| write_places(&reader, &places, output)))
    }
}

fn sentence(error: Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// An entry that has all that the source had.
fn whole(entry: Entry) -> Result<Entry> {
    if !entry.marks.has(Marks::UNREADABLE) {
        return Ok(entry);
    }
    let path = String::from_utf8_lossy(&entry.path()).into_owned();
    Err(Error::Invalid(format!("{path} could not be read when it was backed up: the snapshot does not have all of it")))
}

fn broken(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}

fn write_file(reader: &Reader, entry: &Entry, output: &mut dyn Write) -> io::Result<()> {
    let mut content = ContentReader::new(reader, entry);
    let mut buffer = vec![0; channel::PIECE_BYTES];
    let mut written = 0;
    loop {
        match content.fill(&mut buffer).map_err(|error| broken(sentence(error)))? {
            0 if written == entry.metadata.size => return Ok(()),
            0 => {
                let size = entry.metadata.size;
                return Err(broken(format!("the content ends after {written} bytes of {size}")));
            }
            count => {
                output.write_all(&buffer[..count])?;
                written += count as u64;
            }
        }
    }
}

/// Members have their paths from the root, so that they are extracted below it.
fn write_places(reader: &Arc<Reader>, places: &[Place], output: &mut dyn Write) -> io::Result<()> {
    let shape = Shape { top: Vec::new(), prefix: Vec::new(), strip: 0, detail: Detail::Full, holes: Holes::Zeros };
    let mut groups = HashMap::new();
    let entries = places.iter().flat_map(|place| entries(reader, place)).map(|(source, entry)| {
        let mut entry = whole(entry?)?;
        // The same number in two snapshots is two files.
        let count = groups.len() as u64;
        entry.metadata.link_group =
            entry.metadata.link_group.map(|group| *groups.entry((source, group)).or_insert(count));
        Ok(entry)
    });
    let problems =
        write_archive(reader, entries, &shape, &AsStored, output, &Silent).map_err(|error| broken(sentence(error)))?;
    // A socket has no content, and whoever listens makes it anew.
    drop(problems);
    Ok(())
}

fn entries<'a>(reader: &'a Arc<Reader>, place: &'a Place) -> Box<dyn Iterator<Item = (usize, Result<Entry>)> + 'a> {
    match below(reader, place.root, &place.path) {
        Ok(below) => Box::new(below.map(|entry| (place.source, entry))),
        Err(error) => Box::new(std::iter::once((place.source, Err(error)))),
    }
}
