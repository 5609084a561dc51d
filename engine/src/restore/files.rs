// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files, links and devices: the workers' part of a restore. Small files go in batches, a big file alone (`big`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender};
use keepfast_repo_format::manifest::ProblemCode;
use keepfast_repo_format::tree::entry::{Entry, FileType, Marks};

use super::big::{self, Big};
use super::content::{self, Wrote};
use super::links::{self, Shares};
use super::{Change, Compare, Mode, Shared, Verify};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::target::{Device, Directory, Existing, MetadataFailure, TargetError, TargetErrorKind, TargetFile};

/// A batch is handed to a worker when its files have this many bytes ...
const BATCH_BYTES: u64 = 2 << 20;
/// ... or it has this many files.
const BATCH_FILES: usize = 128;
/// Files above this are written by all workers together; below, one alone is quick enough, and so are others beside it.
const BIG_BYTES: u64 = 8 << 20;

/// Something to be made in a folder.
pub(super) struct FileJob {
    pub(super) directory: Directory,
    pub(super) entry: Entry,
    pub(super) path: Vec<u8>,
    pub(super) name: Vec<u8>,
    /// The folder was made by this restore: nothing can be there.
    pub(super) is_fresh: bool,
    /// What may stay if a file with several names is there.
    pub(super) shares: Shares,
}

/// What was where a file is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// Something that had to go.
    Removed,
    /// The same file, of this size.
    File(u64),
}

/// A file that is being written.
pub(super) struct Opened {
    pub(super) file: TargetFile,
    before: Before,
}

impl Opened {
    pub(super) fn is_new(&self) -> bool {
        !matches!(self.before, Before::File(_))
    }

    /// Gives back what was reserved beyond the end of a file that is not finished.
    fn release(&self) {
        if self.is_new() {
            let _ = self.file.len().and_then(|len| self.file.set_len(len));
        }
    }
}

/// Hands jobs to the workers; bounded, so that the walk does not run ahead of them.
pub(super) struct Jobs<'env> {
    shared: &'env Shared<'env>,
    pool: Pool<'env>,
    batch: Vec<FileJob>,
    batch_bytes: u64,
    /// One token per batch or range that is under way.
    tokens: (Sender<()>, Receiver<()>),
}

impl<'env> Jobs<'env> {
    pub(super) fn new(shared: &'env Shared<'env>, pool: Pool<'env>) -> Self {
        let tokens = crossbeam_channel::bounded(2 * shared.options.threads + 2);
        Self { shared, pool, batch: Vec::new(), batch_bytes: 0, tokens }
    }

    pub(super) fn add(&mut self, job: FileJob) -> Result<()> {
        if job.entry.metadata.file_type == FileType::File
            && job.entry.metadata.size > BIG_BYTES
            && job.entry.layers.is_empty()
            && self.shared.options.mode == Mode::Write
        {
            return self.big(job);
        }
        self.batch_bytes += job.entry.metadata.size;
        self.batch.push(job);
        if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_FILES {
            self.flush();
        }
        Ok(())
    }

    /// Hands over what is left and waits for everything.
    pub(super) fn finish(&mut self) {
        self.flush();
        for _ in 0..self.tokens.0.capacity().unwrap_or(0) {
            let _ = self.tokens.0.send(());
        }
    }

    fn flush(&mut self) {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        let shared = self.shared;
        self.run(move || {
            for job in batch {
                if shared.fatal.lock().expect("no holder panics").is_some() || shared.events.cancelled() {
                    return;
                }
                if let Err(error) = make(shared, &job) {
                    shared.failed(&job.path, error);
                }
                shared.events.path_done(&job.path, job.entry.metadata.size);
            }
        });
    }

    fn run(&self, task: impl FnOnce() + Send + 'env) {
        let done = self.tokens.1.clone();
        let _ = self.tokens.0.send(());
        self.pool.normal(move |_| {
            task();
            let _ = done.recv();
        });
    }

    fn big(&mut self, job: FileJob) -> Result<()> {
        let shared = self.shared;
        let Some(opened) = open(shared, &job)? else { return Ok(()) };
        let big = Arc::new(Big { job, opened });
        let finished =
            big::write(shared, &self.pool, &big).and_then(|wrote| finish(shared, &big.job, &big.opened, &wrote));
        if let Err(error) = finished {
            big.opened.release();
            shared.failed(&big.job.path, error);
        }
        shared.events.path_done(&big.job.path, 0);
        Ok(())
    }
}

/// Makes one file, link or device.
fn make(shared: &Shared, job: &FileJob) -> Result<()> {
    if job.entry.metadata.file_type != FileType::File {
        return make_special(shared, job);
    }
    if shared.options.mode == Mode::DryRun {
        return would_make(shared, job);
    }
    let Some(opened) = open(shared, job)? else { return Ok(()) };
    let wrote = content::write_in_order(shared, job, &opened.file, opened.is_new())?;
    finish(shared, job, &opened, &wrote)
}

/// Opens the file to be written; `None` if there is nothing to write.
fn open(shared: &Shared, job: &FileJob) -> Result<Option<Opened>> {
    let metadata = &job.entry.metadata;
    if job.entry.marks.has(Marks::UNREADABLE) && job.entry.content.items.is_empty() {
        let text = "its content could not be read when it was backed up".to_string();
        shared.problem(job.path.clone(), ProblemCode::Unreadable, text);
        return Ok(None);
    }
    shared.bytes.fetch_add(metadata.size, Ordering::Relaxed);
    let existing = if job.is_fresh { None } else { job.directory.existing(&job.name)? };
    match existing {
        Some(existing) if is_equal_by_time(shared, job, &existing) || is_kept(shared, job, &existing)? => {
            shared.metadata_failures(&job.path, &equal(shared, job)?);
            shared.changed(&job.path, Change::Unchanged);
            Ok(None)
        }
        // Writing into a file that has names elsewhere would change it there, too.
        Some(existing) if existing.file_type == FileType::File && existing.links == 1 => {
            let file = match job.directory.open_file(&job.name) {
                Ok(file) => file,
                Err(error) => return closed(shared, job, &existing, error),
            };
            // At once: threads that let one file grow, each as far as its own part, would cut each other's parts off.
            if existing.size != metadata.size {
                file.set_len(metadata.size)?;
            }
            Ok(Some(Opened { file, before: Before::File(existing.size) }))
        }
        Some(existing) => {
            shared.clear(&job.directory, &job.name, &existing)?;
            create(job, Before::Removed)
        }
        None => create(job, Before::Nothing),
    }
}

/// Gives a file that stays its metadata, without opening it to be written if that can not be.
fn equal(shared: &Shared, job: &FileJob) -> Result<Vec<MetadataFailure>> {
    let metadata = &job.entry.metadata;
    match job.directory.open_file(&job.name) {
        Ok(file) => Ok(file.apply_metadata(metadata, &shared.ownership)),
        Err(error) if matches!(error.kind, TargetErrorKind::Denied | TargetErrorKind::Running) => {
            Ok(job.directory.apply_metadata(&job.name, metadata, &shared.ownership))
        }
        Err(error) => Err(error.into()),
    }
}

/// A file that can not be opened to be written. An immutable or a running one that is equal has nothing to be written; a running
/// program goes on with its old file, whose name the new one gets.
fn closed(shared: &Shared, job: &FileJob, existing: &Existing, error: TargetError) -> Result<Option<Opened>> {
    let is_closed = matches!(error.kind, TargetErrorKind::Denied | TargetErrorKind::Running);
    if is_closed && existing.size == job.entry.metadata.size && links::has_content(shared, job)? {
        let failures = job.directory.apply_metadata(&job.name, &job.entry.metadata, &shared.ownership);
        shared.metadata_failures(&job.path, &failures);
        shared.changed(&job.path, Change::Unchanged);
        return Ok(None);
    }
    if error.kind != TargetErrorKind::Running {
        return Err(error.into());
    }
    shared.clear(&job.directory, &job.name, existing)?;
    create(job, Before::Removed)
}

fn create(job: &FileJob, before: Before) -> Result<Option<Opened>> {
    let file = job.directory.create_file(&job.name)?;
    file.prepare(&job.entry.metadata);
    Ok(Some(Opened { file, before }))
}

/// Whether an existing file with several names can stay.
fn is_kept(shared: &Shared, job: &FileJob, existing: &Existing) -> Result<bool> {
    Ok(existing.links > 1 && links::stays(shared, job, existing)?)
}

fn is_equal_by_time(shared: &Shared, job: &FileJob, existing: &Existing) -> bool {
    shared.options.compare == Compare::SizeAndTime
        && existing.file_type == FileType::File
        && existing.links == 1
        && existing.size == job.entry.metadata.size
        && existing.modified == job.entry.metadata.modified
}

fn finish(shared: &Shared, job: &FileJob, opened: &Opened, wrote: &Wrote) -> Result<()> {
    let (file, size) = (&opened.file, job.entry.metadata.size);
    // Holes, and bytes that were lost, may leave a new file shorter.
    if wrote.bytes != size && file.len()? != size {
        file.set_len(size)?;
    }
    if shared.options.verify == Verify::Yes {
        content::verify(shared, job, file)?;
    }
    shared.metadata_failures(&job.path, &file.apply_metadata(&job.entry.metadata, &shared.ownership));
    shared.changed(
        &job.path,
        match opened.before {
            Before::Nothing => Change::Created,
            Before::File(before) if before == size && wrote.is_nothing() => Change::Unchanged,
            Before::Removed | Before::File(_) => Change::Updated,
        },
    );
    if job.entry.marks.has(Marks::UNREADABLE) {
        let text = "it could not be read completely when it was backed up".to_string();
        shared.problem(job.path.clone(), ProblemCode::Unreadable, text);
    }
    if job.entry.marks.has(Marks::TORN) {
        let text = "it changed while it was backed up: its content is a mixture of moments".to_string();
        shared.problem(job.path.clone(), ProblemCode::Torn, text);
    }
    Ok(())
}

/// What a dry run says of a file.
fn would_make(shared: &Shared, job: &FileJob) -> Result<()> {
    shared.bytes.fetch_add(job.entry.metadata.size, Ordering::Relaxed);
    let existing = if job.is_fresh { None } else { job.directory.existing(&job.name)? };
    let change = match existing {
        None => Change::Created,
        Some(existing) if is_equal_by_time(shared, job, &existing) || is_kept(shared, job, &existing)? => {
            Change::Unchanged
        }
        Some(existing)
            if existing.file_type == FileType::File
                && existing.links == 1
                && existing.size == job.entry.metadata.size =>
        {
            if links::has_content(shared, job)? {
                Change::Unchanged
            } else {
                Change::Updated
            }
        }
        Some(_) => Change::Updated,
    };
    shared.changed(&job.path, change);
    Ok(())
}

fn make_special(shared: &Shared, job: &FileJob) -> Result<()> {
    let (metadata, directory, name) = (&job.entry.metadata, &job.directory, &job.name);
    let existing = if job.is_fresh { None } else { directory.existing(name)? };
    let is_alone = |existing: &Existing| existing.links == 1 || job.shares != Shares::Break;
    let is_equal = match existing {
        Some(existing) if existing.file_type == metadata.file_type && is_alone(&existing) => match metadata.file_type {
            FileType::Symlink => directory.read_link(name)? == metadata.target,
            FileType::CharDevice | FileType::BlockDevice => existing.device_numbers == metadata.device,
            _ => true,
        },
        _ => false,
    };
    if let (true, Shares::Keep(group)) = (is_equal, job.shares) {
        shared.kept_groups.lock().expect("no holder panics").insert(group);
    }
    let change = match (is_equal, existing) {
        (true, _) => Change::Unchanged,
        (false, Some(_)) => Change::Updated,
        (false, None) => Change::Created,
    };
    if shared.options.mode == Mode::Write {
        if !is_equal {
            if let Some(existing) = existing {
                shared.clear(directory, name, &existing)?;
            }
            make_node(job)?;
        }
        shared.metadata_failures(&job.path, &directory.apply_metadata(name, metadata, &shared.ownership));
    }
    shared.changed(&job.path, change);
    Ok(())
}

fn make_node(job: &FileJob) -> Result<()> {
    let (metadata, directory, name) = (&job.entry.metadata, &job.directory, &job.name);
    let device = |kind| match metadata.device {
        Some((major, minor)) => directory.make_device(name, kind, major, minor).map_err(Error::from),
        None => Err(Error::WrongType { path: job.path.clone(), expected: "a device with numbers" }),
    };
    match metadata.file_type {
        FileType::Symlink => Ok(directory.make_symlink(name, &metadata.target)?),
        FileType::Fifo => Ok(directory.make_fifo(name)?),
        FileType::Socket => Ok(directory.make_socket(name)?),
        FileType::CharDevice => device(Device::Character),
        FileType::BlockDevice => device(Device::Block),
        FileType::File | FileType::Directory => Ok(()),
    }
}
