// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tar archives, header by header: only the size of a member changes.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::{Archive, unsafe_for};
use crate::compare::Bytes;
use crate::compare::bytes::Sequential;
use crate::redact::spool::Spool;
use crate::redact::{Fault, Report};

const BLOCK_BYTES: u64 = 512;
/// Blocks of a record, which the archive fills up.
const RECORD_BYTES: u64 = 20 * BLOCK_BYTES;
/// Bytes of a header before that of a member.
const MAX_EXTENSION_BYTES: u64 = 16 << 20;

/// Writes it.
pub(super) fn write(archive: &mut Archive, report: &mut Report, made: &mut Spool) -> Result<(), Fault> {
    let bytes = archive.bytes;
    let mut reader = ::tar::Archive::new(Sequential::new(bytes));
    let mut before: Vec<(Header, Vec<u8>)> = Vec::new();
    let entries = reader.entries().map_err(|error| archive.broken(&error))?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(|error| archive.broken(&error))?;
        let header = entry.header().clone();
        let kind = header.entry_type();
        let is_extension = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions();
        if is_extension || kind.is_pax_global_extensions() {
            let mut content = Vec::new();
            let read = entry.by_ref().take(MAX_EXTENSION_BYTES + 1).read_to_end(&mut content);
            read.map_err(|error| archive.broken(&error))?;
            if content.len() as u64 > MAX_EXTENSION_BYTES {
                return Err(unsafe_for(archive.path, "an archive with a header of more than 16 MiB"));
            }
            before.push((header, content));
            continue;
        }
        let name = name(&header, &before);
        if archive.is_omitted(&name) {
            report.omitted += 1;
            before.clear();
            continue;
        }
        let has_records =
            |key: &str| before.iter().any(|(_, content)| memchr::memmem::find(content, key.as_bytes()).is_some());
        if kind == EntryType::GNUSparse || has_records(" GNU.sparse.") || has_records(" size=") {
            return Err(unsafe_for(archive.path, &format!("an archive with a sparse or very large member, {name}")));
        }
        let unpacked = archive.unpacked(&mut entry)?;
        let written = if kind.is_file() { archive.member(&name, &unpacked, report)? } else { unpacked };
        for (header, content) in before.drain(..) {
            put(made, header, &content)?;
        }
        put(made, header, &written)?;
    }
    made.write_all(&[0; 2 * BLOCK_BYTES as usize])?;
    let record = if bytes.len().is_multiple_of(RECORD_BYTES) { RECORD_BYTES } else { BLOCK_BYTES };
    pad(made, record)?;
    Ok(())
}

fn put(made: &mut Spool, mut header: Header, content: &dyn Bytes) -> io::Result<()> {
    if header.entry_size().ok() != Some(content.len()) {
        header.set_size(content.len());
        header.set_cksum();
    }
    made.write_all(header.as_bytes())?;
    io::copy(&mut Sequential::new(content), made)?;
    pad(made, BLOCK_BYTES)
}

fn pad(made: &mut Spool, to: u64) -> io::Result<()> {
    let missing = made.len().next_multiple_of(to) - made.len();
    io::copy(&mut io::repeat(0).take(missing), made).map(drop)
}

fn name(header: &Header, before: &[(Header, Vec<u8>)]) -> String {
    let long = before.iter().rev().find_map(|(header, content)| {
        if header.entry_type().is_gnu_longname() {
            return Some(content.strip_suffix(b"\0").unwrap_or(content).to_vec());
        }
        let at = memchr::memmem::find(content, b" path=").filter(|_| header.entry_type().is_pax_local_extensions())?;
        content[at + 6..].split(|byte| *byte == b'\n').next().map(<[u8]>::to_vec)
    });
    String::from_utf8_lossy(&long.unwrap_or_else(|| header.path_bytes().into_owned())).into_owned()
}
