// SPDX-License-Identifier: MIT OR Apache-2.0
//! Zip archives: members in which nothing was found are copied as they are packed.

use std::io::{self, Seek};

use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{Archive, unsafe_for};
use crate::compare::Bytes;
use crate::compare::bytes::Sequential;
use crate::redact::spool::Spool;
use crate::redact::{Fault, Report};

/// Writes it.
pub(super) fn write(archive: &mut Archive, report: &mut Report, made: &mut Spool) -> Result<(), Fault> {
    let bytes = archive.bytes;
    let mut reader = ZipArchive::new(Sequential::new(bytes)).map_err(|error| archive.broken(&error))?;
    let mut writer = ZipWriter::new(tempfile::tempfile()?);
    writer.set_raw_comment(reader.comment().into()).map_err(|error| archive.broken(&error))?;
    for number in 0..reader.len() {
        let (name, is_file, is_sealed, method, options) = {
            let file = reader.by_index_raw(number).map_err(|error| archive.broken(&error))?;
            let name = file.name().map_err(|error| archive.broken(&error))?.into_owned();
            (name, file.is_file(), file.encrypted(), file.compression(), file.options())
        };
        if archive.is_omitted(&name) {
            report.omitted += 1;
            continue;
        }
        if is_sealed {
            return Err(unsafe_for(archive.path, &format!("an archive with an encrypted member, {name}")));
        }
        let mut inner = Report::default();
        let changed = if is_file {
            let file = reader.by_index(number).map_err(|error| archive.broken(&error))?;
            let unpacked = archive.unpacked(file)?;
            Some(archive.member(&name, &unpacked, &mut inner)?)
        } else {
            None
        };
        report.doubts.append(&mut inner.doubts);
        report.hidden += inner.hidden;
        match changed.filter(|_| inner.hidden > 0) {
            Some(changed) => {
                let is_stored = method == CompressionMethod::Stored;
                let method = if is_stored { method } else { CompressionMethod::Deflated };
                let options = options.compression_method(method).large_file(changed.len() >= 1 << 32);
                writer.start_file(name, options).map_err(|error| archive.broken(&error))?;
                io::copy(&mut Sequential::new(&changed), &mut writer)?;
            }
            None => {
                let file = reader.by_index_raw(number).map_err(|error| archive.broken(&error))?;
                writer.raw_copy_file(file).map_err(|error| archive.broken(&error))?;
            }
        }
    }
    let mut file = writer.finish().map_err(|error| archive.broken(&error))?;
    file.rewind()?;
    io::copy(&mut file, made)?;
    Ok(())
}
