// SPDX-License-Identifier: MIT OR Apache-2.0
//! An archive whose members can be had in any order: their contents lie in a temporary file without a name.
//!
//! For a host that sends its files as an archive, in its own order, while a tree is written in another one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType};

use super::{ArchiveError, ArchiveReader, EndMark, Entries, Fault, MemberKind, Run, member_path, refusal};

/// Bytes taken from the archive at once.
const READ_BYTES: usize = 256 << 10;

/// A member that was taken in.
pub struct Spooled {
    /// What it is, without content.
    pub entry: Entry,
    /// The file's number: names of one file share it.
    pub file_number: u64,
    start: u64,
    file: Arc<File>,
}

/// All members of an archive, and what could not be taken as it is: path and why.
#[derive(Default)]
pub struct Spool {
    /// By path, the last one of each.
    pub members: BTreeMap<Vec<u8>, Spooled>,
    /// Path and reason.
    pub problems: Vec<(Vec<u8>, String)>,
}

impl Spool {
    /// Reads the archive that `input` gives to its end; contents go to a file in `folder`.
    ///
    /// # Errors
    /// The archive is damaged, or the file could not be written.
    pub fn take(input: impl Read, folder: &Path) -> Result<Self, ArchiveError> {
        let file = Arc::new(tempfile::tempfile_in(folder).map_err(|error| unwritten(None, &error))?);
        let mut archive = ArchiveReader::new(input, EndMark::Required)?;
        let (mut spool, mut entries, mut end, mut count) = (Self::default(), Entries::default(), 0, 0);
        while let Some(member) = archive.next_member()? {
            let path = match member_path(&member.name) {
                Ok(path) => path,
                Err(why) => {
                    spool.problems.push((member.name, why.to_string()));
                    continue;
                }
            };
            if let Err(why) = refusal(&member, &path) {
                spool.problems.push((path, why));
                continue;
            }
            spool.problems.extend(member.doubts.iter().map(|doubt| (path.clone(), doubt.clone())));
            let mut entry = entries.entry(&path, &member);
            let (mut start, mut file_number) = (end, count);
            count += 1;
            if member.kind == MemberKind::HardLink {
                let origin = member_path(&member.link).ok().and_then(|link| spool.members.get(&link));
                let Some(origin) = origin else {
                    let why = format!("it links to {}, which is not there", member.link.escape_ascii());
                    spool.problems.push((path, why));
                    continue;
                };
                (start, file_number) = (origin.start, origin.file_number);
                entry.metadata = origin.entry.metadata.clone();
            } else if entry.metadata.file_type == FileType::File {
                let whole = [Run { start: 0, length: member.size }];
                for run in member.runs.as_deref().unwrap_or(&whole) {
                    copy(&mut archive, run.length, &file, end + run.start, &path)?;
                }
                end += member.size;
            }
            spool.members.insert(path, Spooled { entry, file_number, start, file: file.clone() });
        }
        Ok(spool)
    }
}

/// Writes so many bytes of the member that is being read to the place `at`.
fn copy(archive: &mut ArchiveReader, length: u64, file: &File, mut at: u64, path: &[u8]) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; READ_BYTES];
    let mut to_come = length;
    while to_come > 0 {
        let wanted = usize::try_from(to_come).map_or(READ_BYTES, |to_come| to_come.min(READ_BYTES));
        let count = archive.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(unwritten(Some(path), &io::ErrorKind::UnexpectedEof.into()));
        }
        file.write_all_at(&buffer[..count], at).map_err(|error| unwritten(Some(path), &error))?;
        at += count as u64;
        to_come -= count as u64;
    }
    Ok(())
}

fn unwritten(member: Option<&[u8]>, error: &io::Error) -> ArchiveError {
    let error = io::Error::new(error.kind(), format!("its contents can not be put aside: {error}"));
    ArchiveError { offset: 0, member: member.map(<[u8]>::to_vec), fault: Fault::Read(error) }
}

impl Spooled {
    /// Its content.
    #[must_use]
    pub fn content(&self) -> Box<dyn Read + Send> {
        let end = self.start + self.entry.metadata.size;
        Box::new(Content { file: self.file.clone(), at: self.start, end })
    }
}

struct Content {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end - self.at;
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        // Holes at the end of the last member are not in the file.
        if count == 0 {
            buffer[..wanted].fill(0);
            self.at += wanted as u64;
            return Ok(wanted);
        }
        self.at += count as u64;
        Ok(count)
    }
}
