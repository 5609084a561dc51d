// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looking at an archive before anything is written: what it has, what describes it, how it begins. It is read to its end, so one that
//! is damaged or cut off is known by then.

use std::io::{self, Read};

use keepfast_repo_format::tree::entry::FileType;

use crate::archive::{ArchiveError, ArchiveReader, EndMark, Fault, MemberKind, decoded, member_path};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::tree::is_inside;

/// A file that describes an archive is small; of a larger one the beginning is taken.
const MAX_METADATA_BYTES: usize = 64 << 10;
/// So much of the beginning is compared with anything.
const BEGINNING_BYTES: u64 = 64 << 10;

/// What was seen in an archive.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// What was asked for and is not there.
    pub lacks: Vec<String>,
    /// The file that describes it.
    pub metadata: Option<Vec<u8>>,
}

/// Whether a tar archive has these paths, or something below them, and what its file `metadata` says.
///
/// # Errors
/// [`Error::Archive`] if it is damaged, cut off, or none; the user's wish.
pub fn look(input: impl Read, has: &[String], metadata: Option<&str>, events: &dyn Events) -> Result<Looked> {
    let seen = members(Watched { input, events }, has, metadata);
    if events.cancelled() { Err(Error::Cancelled) } else { Ok(seen?) }
}

fn members(input: impl Read, has: &[String], metadata: Option<&str>) -> std::result::Result<Looked, ArchiveError> {
    let mut archive = ArchiveReader::new(input, EndMark::Required)?;
    let mut looked = Looked { lacks: has.to_vec(), metadata: None };
    while let Some(member) = archive.next_member()? {
        let Ok(path) = member_path(&member.name) else { continue };
        looked.lacks.retain(|wanted| !is_inside(&path, wanted.trim_matches('/').as_bytes()));
        let is_metadata = metadata.is_some_and(|name| name.trim_matches('/').as_bytes() == path);
        if is_metadata && member.kind == MemberKind::Entry(FileType::File) {
            let size = usize::try_from(member.size).unwrap_or(usize::MAX).min(MAX_METADATA_BYTES);
            let mut bytes = vec![0; size];
            let read = archive.read(&mut bytes)?;
            bytes.truncate(read);
            looked.metadata = Some(bytes);
        }
    }
    Ok(looked)
}

/// How a file begins, once decompressed, whatever it is.
///
/// # Errors
/// [`Error::Archive`] if it can not be read or decompressed to its end; the user's wish.
pub fn beginning(input: impl Read, events: &dyn Events) -> Result<Vec<u8>> {
    let read = || -> std::result::Result<Vec<u8>, Fault> {
        let mut input = decoded(Watched { input, events })?;
        let mut bytes = Vec::new();
        input.by_ref().take(BEGINNING_BYTES).read_to_end(&mut bytes)?;
        io::copy(&mut input, &mut io::sink())?;
        Ok(bytes)
    };
    let read = read();
    if events.cancelled() {
        return Err(Error::Cancelled);
    }
    Ok(read.map_err(|fault| ArchiveError { offset: 0, member: None, fault })?)
}

/// Ends when the user wants it.
struct Watched<'a, R> {
    input: R,
    events: &'a dyn Events,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.events.cancelled() { Err(io::Error::other("cancelled")) } else { self.input.read(buffer) }
    }
}

#[cfg(test)]
mod tests {
    use super::{beginning, look};
    use crate::error::Error;
    use crate::events::Silent;

    /// An archive with these files.
    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn what_an_archive_lacks_is_named_and_what_describes_it_read() {
        let archive = archive(&[("./etc/app/key", "k"), ("about.json", "{}")]);
        let has = ["etc/app", "/etc/app/key", "etc/ap", "about.json/x"].map(str::to_string);
        let looked = look(&archive[..], &has, Some("about.json"), &Silent).unwrap();
        assert_eq!(looked.lacks, ["etc/ap", "about.json/x"]);
        assert_eq!(looked.metadata.as_deref(), Some(&b"{}"[..]));
        assert_eq!(look(&archive[..], &[], Some("other"), &Silent).unwrap().metadata, None);
    }

    #[test]
    fn half_an_archive_is_none() {
        let archive = archive(&[("a", "text")]);
        for length in [0, 10, 700, 1024] {
            assert!(matches!(look(&archive[..length], &[], None, &Silent), Err(Error::Archive(_))), "{length}");
        }
    }

    #[test]
    fn a_compressed_file_begins_with_what_it_holds_and_is_read_to_its_end() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"-- dump\n").unwrap();
        encoder.write_all(&vec![b'x'; 200_000]).unwrap();
        let gzip = encoder.finish().unwrap();
        let begins = beginning(&gzip[..], &Silent).unwrap();
        assert!(begins.starts_with(b"-- dump\n") && begins.len() == 64 << 10);
        assert!(matches!(beginning(&gzip[..gzip.len() - 9], &Silent), Err(Error::Archive(_))));
        assert_eq!(beginning(&b"{}"[..], &Silent).unwrap(), b"{}");
    }
}
