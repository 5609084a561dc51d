// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first stage, one thread: walks the source's tree and, beside it, a snapshot that both repositories have. A file whose
//! content is the same there is taken from the target; of all others the chunks are handed to the workers, batch by batch.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::tree::boundary::link_group;
use keepfast_repo_format::tree::entry::{ContentItem, Entry};
use keepfast_repo_format::tree::order;

use super::translate::{Translated, translate};
use super::{Failure, Plan};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::reader::Reader;
use crate::tree::{ContentItems, Cursor, Direction};
use crate::writer::Writer;

/// Content bytes of a batch.
const BATCH_BYTES: u64 = 1 << 20;
/// Parts of a batch, for many small files.
const BATCH_PARTS: usize = 1024;

/// A piece of work, in tree order.
pub(super) enum Part {
    /// The next piece of the next entry's content, as the source has it.
    Item(ContentItem),
    /// The content, or a recipe, of the next entry ends.
    End,
    /// An entry whose content and recipes were the items before it.
    Entry(Entry),
    /// An entry whose content is the target's already.
    Kept(Entry),
}

/// Results of a batch, when a worker is done with it.
pub(super) type Step = Receiver<Result<Translated, Failure>>;

struct Sequencer<'a, 'env> {
    plan: &'env Plan<'env>,
    writer: &'env Writer,
    pool: Pool<'env>,
    steps: &'a Sender<Step>,
    batch: Vec<Part>,
    batch_bytes: u64,
    base: Option<Base>,
    /// Link groups of the source and what they are in the target, whose boundary key is another.
    links: HashMap<u64, u64>,
}

/// The tree of one snapshot in both repositories.
struct Base {
    here: Cursor,
    there: Cursor,
    /// Of the target.
    reader: Arc<Reader>,
}

/// Runs the stage to the end of the tree.
pub(super) fn sequence<'env>(
    plan: &'env Plan<'env>,
    writer: &'env Writer,
    pool: Pool<'env>,
    steps: &Sender<Step>,
) -> Result<(), Failure> {
    let base = plan.base.map(|(here, there)| {
        let reader = plan.target.reader();
        Base {
            here: Cursor::new(plan.reader.clone(), here, Direction::Forward),
            there: Cursor::new(reader.clone(), there, Direction::Forward),
            reader,
        }
    });
    let mut sequencer =
        Sequencer { plan, writer, pool, steps, batch: Vec::new(), batch_bytes: 0, base, links: HashMap::new() };
    for entry in Cursor::new(plan.reader.clone(), plan.root, Direction::Forward) {
        if plan.events.cancelled() {
            return Err(Failure::Target(Error::Cancelled));
        }
        writer.check()?;
        sequencer.entry(entry.map_err(Failure::Source)?)?;
    }
    sequencer.flush()
}

impl Sequencer<'_, '_> {
    fn entry(&mut self, mut entry: Entry) -> Result<(), Failure> {
        if let Some(group) = entry.metadata.link_group {
            let key = self.plan.target.keys.boundary();
            let other = *self.links.entry(group).or_insert_with(|| link_group(key, &entry.path()));
            entry.metadata.link_group = Some(other);
        }
        let (path, size) = (entry.path(), entry.metadata.size);
        if entry.contents().all(|content| content.items.is_empty()) {
            self.add(Part::Kept(entry), 0)?;
        } else if let Some(there) = self.reuse(&entry)? {
            (entry.content, entry.layers) = (there.content, there.layers);
            self.add(Part::Kept(entry), 0)?;
        } else {
            for content in entry.contents() {
                for item in ContentItems::new(self.plan.reader, content) {
                    let item = item.map_err(Failure::Source)?;
                    let bytes = if item.id.is_some() { item.length } else { 0 };
                    self.add(Part::Item(item), bytes)?;
                }
                self.add(Part::End, 0)?;
            }
            self.add(Part::Entry(entry), 0)?;
        }
        self.plan.events.path_done(&path, size);
        Ok(())
    }

    /// The entry of the target that has the same content at the same path. A base that can not be read is no base from there on.
    fn reuse(&mut self, entry: &Entry) -> Result<Option<Entry>> {
        let Some(base) = &mut self.base else { return Ok(None) };
        let found = match (same_path(&mut base.here, entry), same_path(&mut base.there, entry)) {
            (Ok(here), Ok(there)) => here.zip(there),
            (Err(error), _) | (_, Err(error)) if error.is_damage() => {
                self.base = None;
                return Ok(None);
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        let Some((here, there)) = found else { return Ok(None) };
        let is_same =
            here.content == entry.content && here.layers == entry.layers && there.metadata.size == entry.metadata.size;
        Ok(if is_same && is_stored(&there, &base.reader, self.writer)? { Some(there) } else { None })
    }

    fn add(&mut self, part: Part, bytes: u64) -> Result<(), Failure> {
        self.batch.push(part);
        self.batch_bytes += bytes;
        let is_full = self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_PARTS;
        if is_full { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let (result, step) = crossbeam_channel::bounded(1);
        let (plan, writer) = (self.plan, self.writer);
        self.pool.normal(move |_| {
            // Nobody waits for the result of a pipeline that has failed.
            let _ = result.send(translate(plan, writer, batch));
        });
        // The assembler is gone only after a failure, which it returns itself.
        self.steps.send(step).map_err(|_| Failure::Target(Error::Cancelled))
    }
}

/// The entry with the path of `entry`, passing by all before it.
fn same_path(cursor: &mut Cursor, entry: &Entry) -> Result<Option<Entry>> {
    loop {
        let step = match cursor.peek()? {
            Some(other) => order::compare(&other.directory, &other.name, &entry.directory, &entry.name),
            None => return Ok(None),
        };
        match step {
            Ordering::Less => drop(cursor.next()),
            Ordering::Equal => return cursor.next().transpose(),
            Ordering::Greater => return Ok(None),
        }
    }
}

/// Whether all of a file is where this session may rely on it.
fn is_stored(entry: &Entry, reader: &Reader, writer: &Writer) -> Result<bool> {
    for item in entry.contents().flat_map(|content| ContentItems::new(reader, content)) {
        match item {
            Ok(ContentItem { id: Some(id), .. }) if !writer.is_known(Kind::DataPack, &id)? => return Ok(false),
            Ok(_) => {}
            Err(error) if error.is_damage() => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
