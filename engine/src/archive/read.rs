// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading an archive from its start to its end: member after member, and the content of each as it comes.
//!
//! For the import. Nothing is sought and nothing is held but one header with its extensions, so any pipe will do.

use std::io::Read;

use super::coding;
use super::error::{ArchiveError, Fault};
use super::header::{self, BLOCK_BYTES, Block, Fields};
use super::member::{self, Member, MemberKind};
use super::pax::{self, Records};
use super::sparse::{self, Run};

/// Longest extended header: twice the largest attribute that a tree takes.
const MAX_EXTENSION_BYTES: u64 = 32 << 20;
/// Longest name in a GNU header of its own, as long as a path in a tree may be.
const MAX_NAME_BYTES: u64 = 2 << 20;

/// What the two blocks of zeros at the end of an archive mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndMark {
    /// The archive ends there, and not before.
    Required,
    /// Nothing: archives that were put together to one are read to the last.
    Ignored,
}

/// What is left of the member that is being read.
#[derive(Clone, Copy, Default)]
struct Rest {
    content: u64,
    padding: u64,
}

/// An archive, from front to back.
pub struct ArchiveReader<'a> {
    input: Box<dyn Read + 'a>,
    end_mark: EndMark,
    /// Bytes read so far.
    offset: u64,
    rest: Rest,
    /// Records that hold for all members from here on.
    globals: Records,
    /// Name of the member that is being read.
    current: Option<Vec<u8>>,
    /// Whether a header was found.
    has_begun: bool,
    ended: bool,
    /// Whether something other than zeros follows the end mark.
    goes_on: bool,
}

/// Headers that stand before that of a member.
#[derive(Default)]
struct Extensions {
    records: Records,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    is_any: bool,
}

impl<'a> ArchiveReader<'a> {
    /// At the start of `input`, which may be compressed.
    ///
    /// # Errors
    /// It can not be read, or is known to be no tar archive.
    pub fn new(input: impl Read + 'a, end_mark: EndMark) -> Result<Self, ArchiveError> {
        let input = coding::decoded(input).map_err(|fault| ArchiveError { offset: 0, member: None, fault })?;
        let (rest, globals) = (Rest::default(), Records::new());
        let (current, has_begun, ended, goes_on) = (None, false, false, false);
        Ok(Self { input, end_mark, offset: 0, rest, globals, current, has_begun, ended, goes_on })
    }

    /// The next member; its content is to be read with [`ArchiveReader::read`], or is passed over. After the last one everything
    /// that follows has been read.
    ///
    /// # Errors
    /// Damage. There is no way on from there.
    pub fn next_member(&mut self) -> Result<Option<Member>, ArchiveError> {
        let member = if self.ended { Ok(None) } else { self.try_next() };
        member.map_err(|fault| self.error(fault))
    }

    /// Fills `buffer` with stored content of the member, as far as that goes; for a sparse one these are its runs.
    ///
    /// # Errors
    /// Damage.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let wanted = buffer.len().min(usize::try_from(self.rest.content).unwrap_or(usize::MAX));
        self.fill(&mut buffer[..wanted]).map_err(|fault| self.error(fault))?;
        self.rest.content -= wanted as u64;
        Ok(wanted)
    }

    /// Whether something other than zeros stands behind the end mark: another archive, which was not read.
    pub fn goes_on_behind_its_end(&self) -> bool {
        self.goes_on
    }

    fn error(&self, fault: Fault) -> ArchiveError {
        ArchiveError { offset: self.offset, member: self.current.clone(), fault }
    }

    fn try_next(&mut self) -> Result<Option<Member>, Fault> {
        self.skip(self.rest.content + self.rest.padding)?;
        (self.rest, self.current) = (Rest::default(), None);
        let mut extensions = Extensions::default();
        loop {
            let Some(block) = self.header(extensions.is_any)? else { return Ok(None) };
            let fields = match header::decode(&block) {
                Err(Fault::NoHeader) if !self.has_begun => {
                    return Err(Fault::OtherFormat { found: "something else" });
                }
                fields => fields?,
            };
            self.has_begun = true;
            match fields.kind {
                b'x' | b'X' => {
                    extensions.records.extend(self.records(&fields)?);
                    extensions.records = Self::bounded(extensions.records)?;
                }
                b'g' => {
                    let records = self.records(&fields)?;
                    self.globals.retain(|(earlier, _)| records.iter().all(|(key, _)| key != earlier));
                    self.globals.extend(records);
                    self.globals = Self::bounded(std::mem::take(&mut self.globals))?;
                    continue;
                }
                b'L' => extensions.name = Some(self.long_name(&fields)?),
                b'K' => extensions.link = Some(self.long_name(&fields)?),
                _ => return self.member(&block, fields, extensions).map(Some),
            }
            extensions.is_any = true;
        }
    }

    /// The next block that is not zeros; `None` at the end.
    fn header(&mut self, is_within: bool) -> Result<Option<Block>, Fault> {
        loop {
            let start = self.offset;
            let mut block = [0; BLOCK_BYTES];
            match self.try_fill(&mut block)? {
                BLOCK_BYTES => {}
                0 if is_within => return Err(Fault::CutOff),
                0 if self.end_mark == EndMark::Ignored && self.has_begun => {
                    self.ended = true;
                    return Ok(None);
                }
                0 => return Err(Fault::NoEndMark),
                _ if !self.has_begun => return Err(Fault::OtherFormat { found: "something else" }),
                _ => return Err(Fault::CutOff),
            }
            if block.iter().any(|byte| *byte != 0) {
                // What is wrong with it, is wrong at its beginning.
                self.offset = start;
                header::decode(&block).map(drop).or_else(|fault| if self.has_begun { Err(fault) } else { Ok(()) })?;
                self.offset = start + BLOCK_BYTES as u64;
                return Ok(Some(block));
            }
            if is_within {
                return Err(Fault::malformed("an extended header without a member"));
            }
            if self.end_mark == EndMark::Required {
                self.drain()?;
                self.ended = true;
                return Ok(None);
            }
        }
    }

    fn member(&mut self, block: &Block, fields: Fields, extensions: Extensions) -> Result<Member, Fault> {
        let mut records = self.globals.clone();
        records.extend(extensions.records);
        let sparse_name = pax::find(&records, "GNU.sparse.name");
        let name = sparse_name.or_else(|| pax::find(&records, "path")).map(<[u8]>::to_vec);
        let name = name.or(extensions.name).unwrap_or_else(|| fields.name.clone());
        let link = pax::find(&records, "linkpath").map(<[u8]>::to_vec);
        let link = link.or(extensions.link).unwrap_or_else(|| fields.link.clone());
        self.current = Some(name.clone());
        let stored = match pax::find(&records, "size") {
            Some(value) => pax::number(value).and_then(|size| i64::try_from(size).ok()),
            None => Some(fields.size),
        };
        let stored = stored.and_then(|size| u64::try_from(size).ok());
        let stored = stored.ok_or_else(|| Fault::malformed("the size is below zero or no number"))?;
        let is_old_sparse = fields.kind == b'S';
        let is_dump = fields.kind == b'D';
        let mut member = member::member(fields, name, link, &records)?;
        let has_content = match member.kind {
            MemberKind::Entry(file_type) => file_type == keepfast_repo_format::tree::entry::FileType::File || is_dump,
            // Old programs note the size of the other name.
            MemberKind::HardLink => false,
            MemberKind::Note | MemberKind::Unknown(_) => true,
        };
        let stored = if has_content { stored } else { 0 };
        let padding = stored.next_multiple_of(BLOCK_BYTES as u64) - stored;
        if !is_old_sparse {
            self.rest = Rest { content: stored, padding };
        }
        member.size = stored;
        if is_old_sparse {
            self.old_map(block, &mut member, stored)?;
            self.rest = Rest { content: stored, padding };
        } else if has_content && !is_dump {
            self.pax_map(&records, &mut member, stored)?;
        }
        Ok(member)
    }

    /// The map of a sparse member of type `S`, in its header and the blocks behind it.
    fn old_map(&mut self, block: &Block, member: &mut Member, stored: u64) -> Result<(), Fault> {
        let (mut runs, mut goes_on, size) = sparse::in_header(block)?;
        while goes_on {
            let mut block = [0; BLOCK_BYTES];
            self.fill(&mut block)?;
            let (more, goes_on_behind) = sparse::in_block(&block)?;
            runs.extend(more);
            goes_on = goes_on_behind;
            if runs.len() > sparse::MAX_RUNS {
                return Err(Fault::malformed("a sparse file has too many runs"));
            }
        }
        member.runs = Some(sparse::checked(runs, size, stored)?);
        member.size = size;
        Ok(())
    }

    /// The map of a sparse member that pax records tell of; that of version 1.0 stands in front of its data.
    fn pax_map(&mut self, records: &Records, member: &mut Member, mut stored: u64) -> Result<(), Fault> {
        let version = pax::find(records, "GNU.sparse.major").unwrap_or(b"0");
        let runs = match version {
            b"0" => sparse::in_records(records)?,
            b"1" => {
                let runs = self.map_before_data()?;
                stored = self.rest.content;
                Some(runs)
            }
            _ => return Err(Fault::malformed("a sparse file of a version that is not known")),
        };
        let Some(runs) = runs else { return Ok(()) };
        let size = pax::find(records, "GNU.sparse.realsize").or_else(|| pax::find(records, "GNU.sparse.size"));
        let size = size.and_then(pax::number).filter(|size| i64::try_from(*size).is_ok());
        let size = size.ok_or_else(|| Fault::malformed("the size of a sparse file is no number"))?;
        member.runs = Some(sparse::checked(runs, size, stored)?);
        member.size = size;
        Ok(())
    }

    fn map_before_data(&mut self) -> Result<Vec<Run>, Fault> {
        let malformed = || Fault::malformed("the map of a sparse file is no list of numbers");
        let (mut numbers, mut line, mut wanted) = (Vec::<u64>::new(), Vec::<u8>::new(), 1_u64);
        while (numbers.len() as u64) < wanted {
            let mut block = [0; BLOCK_BYTES];
            self.rest.content = self.rest.content.checked_sub(BLOCK_BYTES as u64).ok_or_else(malformed)?;
            self.fill(&mut block)?;
            for byte in block {
                if numbers.len() as u64 == wanted {
                    break;
                }
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                let number = pax::number(&std::mem::take(&mut line)).ok_or_else(malformed)?;
                if numbers.is_empty() {
                    let count = usize::try_from(number).ok().filter(|count| *count <= sparse::MAX_RUNS);
                    wanted = 1 + 2 * count.ok_or_else(malformed)? as u64;
                }
                numbers.push(number);
            }
            if line.len() > BLOCK_BYTES {
                return Err(malformed());
            }
        }
        Ok(numbers[1..].chunks_exact(2).map(|pair| Run { start: pair[0], length: pair[1] }).collect())
    }

    fn records(&mut self, fields: &Fields) -> Result<Records, Fault> {
        let bytes = self.extension(fields, MAX_EXTENSION_BYTES)?;
        pax::decode(&bytes).ok_or_else(|| Fault::malformed("an extended header has no records"))
    }

    fn long_name(&mut self, fields: &Fields) -> Result<Vec<u8>, Fault> {
        let mut name = self.extension(fields, MAX_NAME_BYTES)?;
        // The zero at its end does not belong to it.
        name.pop_if(|last| *last == 0);
        Ok(name)
    }

    /// Keeps what is held of records small: any number of headers may stand before a member.
    fn bounded(records: Records) -> Result<Records, Fault> {
        let bytes: usize = records.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes as u64 > MAX_EXTENSION_BYTES {
            return Err(Fault::malformed("extended headers are too long together"));
        }
        Ok(records)
    }

    fn extension(&mut self, fields: &Fields, limit: u64) -> Result<Vec<u8>, Fault> {
        let size = u64::try_from(fields.size).ok().filter(|size| *size <= limit);
        let size = size.ok_or_else(|| Fault::malformed("the length of an extended header can not be"))?;
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(size).read_to_end(&mut bytes)?;
        self.offset += read as u64;
        if read as u64 != size {
            return Err(Fault::CutOff);
        }
        self.skip(size.next_multiple_of(BLOCK_BYTES as u64) - size)?;
        Ok(bytes)
    }

    /// Reads all that follows the end mark, so that a check sum at the end of the file is compared.
    fn drain(&mut self) -> Result<(), Fault> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = self.try_fill(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            self.goes_on |= buffer[..read].iter().any(|byte| *byte != 0);
        }
    }

    fn skip(&mut self, count: u64) -> Result<(), Fault> {
        let skipped = std::io::copy(&mut self.input.by_ref().take(count), &mut std::io::sink())?;
        self.offset += skipped;
        if skipped == count { Ok(()) } else { Err(Fault::CutOff) }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Fault> {
        if self.try_fill(buffer)? == buffer.len() { Ok(()) } else { Err(Fault::CutOff) }
    }

    /// Fills the buffer as far as the input goes.
    fn try_fill(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    self.offset += read as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }
}
