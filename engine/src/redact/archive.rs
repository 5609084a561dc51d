// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives and compressed files: each member by its own format. A member that can not be read makes the whole archive unsafe.
//!
//! One in which nothing was found keeps its bytes.

mod tar;
mod zip;

use std::io::{self, Read, Write};

use flate2::GzBuilder;
use flate2::read::MultiGzDecoder;
use globset::{Glob, GlobMatcher};

use super::path::Missing;
use super::spool::Spool;
use super::{Fault, Report, Rules};
use crate::compare::bytes::Sequential;
use crate::compare::output::Output;
use crate::compare::{Bytes, Format};

/// Archives in archives.
const MAX_DEPTH: usize = 8;
/// Bytes that may come out of one that is packed: this many times what goes in, and some more.
const MAX_RATIO: u64 = 1100;
const MAX_UNPACKED_FLOOR: u64 = 1 << 30;

/// An archive on its way.
struct Archive<'a, 'r> {
    bytes: &'a dyn Bytes,
    path: &'a str,
    rules: &'a Rules<'r>,
    depth: usize,
    omit: Vec<(GlobMatcher, bool)>,
}

/// Writes it.
pub(super) fn write(
    format: Format,
    bytes: &dyn Bytes,
    path: &str,
    rules: &Rules,
    depth: usize,
    report: &mut Report,
    sink: &mut dyn Write,
) -> Result<(), Fault> {
    if depth >= MAX_DEPTH {
        return Err(unsafe_for(path, "an archive too deep in archives"));
    }
    let mut archive = Archive { bytes, path, rules, depth, omit: Vec::new() };
    if format != Format::Gzip {
        for text in rules.omit {
            let glob = Glob::new(text).map_err(|_| Missing::Nothing { path: text.clone(), names: Vec::new() })?;
            archive.omit.push((glob.compile_matcher(), false));
        }
    }
    let (mut made, mut inner) = (Spool::default(), Report::default());
    match format {
        Format::Gzip => archive.gzip(&mut inner, &mut made)?,
        Format::Zip => zip::write(&mut archive, &mut inner, &mut made)?,
        _ => tar::write(&mut archive, &mut inner, &mut made)?,
    }
    if let Some(missed) = archive.omit.iter().position(|(_, is_found)| !is_found) {
        return Err(Missing::Nothing { path: rules.omit[missed].clone(), names: Vec::new() }.into());
    }
    let is_same = inner.hidden == 0 && inner.omitted == 0;
    report.hidden += inner.hidden;
    report.omitted += inner.omitted;
    report.doubts.extend(inner.doubts);
    Ok(Output::new(if is_same { bytes } else { &made }, sink).finish()?)
}

fn unsafe_for(path: &str, what: &str) -> Fault {
    Fault::Unsafe { path: path.to_string(), what: what.to_string() }
}

impl Archive<'_, '_> {
    fn broken(&self, error: &dyn std::error::Error) -> Fault {
        unsafe_for(self.path, &format!("an archive that can not be read ({error})"))
    }

    /// Whether a member is left out.
    fn is_omitted(&mut self, name: &str) -> bool {
        let name = name.trim_start_matches("./").trim_end_matches('/');
        let parents = std::iter::successors(Some(name), |name| name.rsplit_once('/').map(|(parent, _)| parent));
        let parents: Vec<&str> = parents.collect();
        let mut is_omitted = false;
        for (glob, is_found) in &mut self.omit {
            if parents.iter().any(|name| glob.is_match(name)) {
                (*is_found, is_omitted) = (true, true);
            }
        }
        is_omitted
    }

    /// Unpacks something of this archive, of which no more than a bomb has may come.
    fn unpacked(&self, input: impl Read) -> Result<Spool, Fault> {
        let most = self.bytes.len().saturating_mul(MAX_RATIO).max(MAX_UNPACKED_FLOOR);
        let mut spool = Spool::default();
        io::copy(&mut input.take(most + 1), &mut spool).map_err(|error| self.broken(&error))?;
        if spool.len() > most {
            return Err(unsafe_for(self.path, "an archive that grows without end"));
        }
        Ok(spool)
    }

    /// A member by its own format, and how much was done in it.
    fn member(&self, name: &str, bytes: &dyn Bytes, report: &mut Report) -> Result<Spool, Fault> {
        let path = if name.is_empty() { self.path.to_string() } else { format!("{}/{name}", self.path) };
        let omit: &[String] = if name.is_empty() { self.rules.omit } else { &[] };
        let rules = Rules { mask: self.rules.mask, omit, keep: self.rules.keep, lines: self.rules.lines };
        let mut made = Spool::default();
        super::content(bytes, &path, &rules, self.depth + 1, report, &mut made)?;
        Ok(made)
    }

    fn gzip(&self, report: &mut Report, made: &mut Spool) -> Result<(), Fault> {
        let mut decoder = MultiGzDecoder::new(Sequential::new(self.bytes));
        let unpacked = self.unpacked(&mut decoder)?;
        let mut header = GzBuilder::new();
        if let Some(found) = decoder.header() {
            header = header.mtime(found.mtime());
            if let Some(name) = found.filename() {
                header = header.filename(name);
            }
        }
        let inner = self.member("", &unpacked, report)?;
        let mut encoder = header.write(made, flate2::Compression::default());
        io::copy(&mut Sequential::new(&inner), &mut encoder)?;
        encoder.finish()?;
        Ok(())
    }
}
