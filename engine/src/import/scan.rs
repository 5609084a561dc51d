// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first stage, one thread: reads members in the order of the archive, makes entries of them, and cuts their contents as if
//! each were a file of its own. What was cut is handed to the workers batch by batch.

use std::ops::Range;

use crossbeam_channel::Sender;
use keepfast_chunker::{Cutter, View};
use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::{Entry, FileType};

use super::Plan;
use super::hash::{Step, hash};
use crate::archive::{ArchiveReader, Entries, Member, MemberKind, Run, member_path, refusal};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::writer::Writer;

/// Content bytes of a batch.
const BATCH_BYTES: usize = 1 << 20;
/// Parts of a batch, for many small members.
const BATCH_PARTS: usize = 1024;
/// Bytes taken from the archive at once.
const READ_BYTES: usize = 64 << 10;

/// What was found, in the order of the archive.
pub(super) enum Part {
    /// The next bytes of the content, one chunk.
    Chunk(Range<usize>),
    /// So many bytes of the content that are none.
    Hole(u64),
    /// A member whose content were the parts before it.
    Member(Box<Scanned>),
    /// Something that could not be taken as it is.
    Problem(Problem),
    /// The archive has been read to its end.
    End,
}

/// A member as an entry.
pub(super) struct Scanned {
    pub(super) entry: Entry,
    /// Path of the member that this is another name of.
    pub(super) link: Option<Box<[u8]>>,
}

/// Parts with the bytes that they name.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) parts: Vec<Part>,
    pub(super) buffer: Vec<u8>,
}

struct Scanner<'a, 'env> {
    plan: &'env Plan<'env>,
    writer: &'env Writer,
    pool: Pool<'env>,
    steps: &'a Sender<Step>,
    batch: Batch,
    /// Where in the buffer the bytes begin that are not cut yet.
    uncut: usize,
    entries: Entries,
}

/// Runs the stage to the end of the archive.
pub(super) fn scan<'env>(
    plan: &'env Plan<'env>,
    writer: &'env Writer,
    archive: &mut ArchiveReader,
    pool: Pool<'env>,
    steps: &Sender<Step>,
) -> Result<()> {
    let (batch, entries) = (Batch::default(), Entries::default());
    let mut scanner = Scanner { plan, writer, pool, steps, batch, uncut: 0, entries };
    while let Some(member) = archive.next_member()? {
        scanner.check()?;
        scanner.member(member, archive)?;
    }
    if archive.goes_on_behind_its_end() {
        scanner.problem(Vec::new(), "behind the end of the archive there is more, which was not read".to_string());
    }
    scanner.push(Part::End)?;
    scanner.flush()
}

impl Scanner<'_, '_> {
    fn check(&self) -> Result<()> {
        if self.plan.events.cancelled() { Err(Error::Cancelled) } else { self.writer.check() }
    }

    fn member(&mut self, member: Member, archive: &mut ArchiveReader) -> Result<()> {
        let path = match member_path(&member.name) {
            Ok(path) => path,
            Err(why) => {
                self.problem(member.name, why.to_string());
                return Ok(());
            }
        };
        if let Err(why) = refusal(&member, &path) {
            self.problem(path, why);
            return Ok(());
        }
        for doubt in &member.doubts {
            self.doubt(&path, doubt);
        }
        if let MemberKind::Unknown(number) = member.kind {
            self.doubt(&path, &format!("a member of type {}, taken as a file", number.escape_ascii()));
        }
        let link = match (member.kind, member_path(&member.link)) {
            (MemberKind::HardLink, Ok(link)) => Some(link.into_boxed_slice()),
            (MemberKind::HardLink, Err(why)) => {
                self.problem(path, format!("it links to {}: {why}", member.link.escape_ascii()));
                return Ok(());
            }
            _ => None,
        };
        let entry = self.entries.entry(&path, &member);
        if entry.metadata.file_type == FileType::File && link.is_none() {
            self.content(&member, archive)?;
        }
        self.plan.events.path_done(&path, 0);
        self.push(Part::Member(Box::new(Scanned { entry, link })))
    }

    fn content(&mut self, member: &Member, archive: &mut ArchiveReader) -> Result<()> {
        let whole = [Run { start: 0, length: member.size }];
        let mut at = 0;
        for run in member.runs.as_deref().unwrap_or(&whole) {
            self.hole(run.start - at)?;
            self.run(run.length, archive)?;
            at = run.start + run.length;
        }
        self.hole(member.size - at)
    }

    fn hole(&mut self, length: u64) -> Result<()> {
        if length == 0 { Ok(()) } else { self.push(Part::Hole(length)) }
    }

    /// Reads and cuts so many bytes.
    fn run(&mut self, length: u64, archive: &mut ArchiveReader) -> Result<()> {
        let chunker = &self.plan.chunker;
        let mut cutter = Cutter::new(chunker);
        let mut to_come = length;
        while to_come > 0 || self.uncut < self.batch.buffer.len() {
            let missing = (chunker.max().max(READ_BYTES) + self.uncut).saturating_sub(self.batch.buffer.len()) as u64;
            let wanted = missing.min(to_come) as usize;
            let start = self.batch.buffer.len();
            self.batch.buffer.resize(start + wanted, 0);
            let read = archive.read(&mut self.batch.buffer[start..])?;
            debug_assert_eq!(read, wanted, "a map is compared with what is stored");
            to_come -= wanted as u64;
            let view = if to_come == 0 { View::Last } else { View::Open };
            while let Some(length) = cutter.next(&self.batch.buffer[self.uncut..], view) {
                let chunk = self.uncut..self.uncut + length;
                self.uncut = chunk.end;
                self.plan.events.bytes_done(length as u64);
                self.push(Part::Chunk(chunk))?;
            }
            self.check()?;
        }
        Ok(())
    }

    fn doubt(&mut self, path: &[u8], what: &str) {
        self.note(Problem { path: path.to_vec(), code: ProblemCode::Metadata, text: what.to_string() });
    }

    fn problem(&mut self, path: Vec<u8>, text: String) {
        self.note(Problem { path, code: ProblemCode::Unreadable, text });
    }

    fn note(&mut self, problem: Problem) {
        self.plan.events.problem(&problem);
        self.batch.parts.push(Part::Problem(problem));
    }

    fn push(&mut self, part: Part) -> Result<()> {
        self.batch.parts.push(part);
        if self.uncut >= BATCH_BYTES || self.batch.parts.len() >= BATCH_PARTS { self.flush() } else { Ok(()) }
    }

    /// Hands the batch over; what is not cut yet begins the next one.
    fn flush(&mut self) -> Result<()> {
        let next = Batch { parts: Vec::new(), buffer: self.batch.buffer.split_off(self.uncut) };
        let batch = std::mem::replace(&mut self.batch, next);
        self.uncut = 0;
        let (result, step) = crossbeam_channel::bounded(1);
        let (plan, writer) = (self.plan, self.writer);
        self.pool.normal(move |_| {
            let _ = result.send(hash(plan, writer, batch));
        });
        // The assembler has gone: it has the cause.
        self.steps.send(step).map_err(|_| Error::Cancelled)
    }
}
