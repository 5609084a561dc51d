// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last stage before the writer, one thread: gives new chunks to the segmenter in the order of the archive, collects the
//! members, and builds the tree when all of them are there.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use keepfast_repo_format::manifest::{MAX_PROBLEMS, Problem, Totals};
use keepfast_repo_format::tree::entry::{Entry, FileType};
use keepfast_repo_format::tree::order;

use super::hash::{Ready, Step};
use super::members::Members;
use super::{Outcome, Plan};
use crate::error::{Error, Result};
use crate::reader::Reader;
use crate::tree::{ContentBuilder, Cursor, Direction, Root, TreeWriter};
use crate::writer::{Segmenter, Writer};

/// Runs the stage until the archive ends.
pub(super) fn assemble<'env>(
    plan: &'env Plan<'env>,
    writer: &Writer,
    mut segmenter: Segmenter<'env>,
    steps: &Receiver<Step>,
) -> Result<Outcome> {
    let (mut members, mut problems, mut content) = (Members::default(), Problems::default(), ContentBuilder::default());
    for step in steps {
        writer.check()?;
        // A worker that panicked drops its end without an answer.
        let batch = step.recv().map_err(|_| Error::Cancelled)??;
        for part in batch.parts {
            match part {
                Ready::Item(item, new) => {
                    if let (Some(id), Some(range)) = (item.id, new) {
                        segmenter.put_data(id, &batch.buffer[range], &[])?;
                    }
                    content.push(item, &mut segmenter)?;
                }
                Ready::Member(mut scanned) => {
                    scanned.entry.content = std::mem::take(&mut content).finish(&mut segmenter)?;
                    members.push(scanned);
                }
                Ready::Problem(problem) => problems.push(problem),
                Ready::End => return finish(plan, members, problems, segmenter),
            }
        }
    }
    // The scanner stopped early, and has the cause.
    Err(Error::Cancelled)
}

/// Problems, and how many there were: an archive may have any number, a manifest takes some.
#[derive(Default)]
struct Problems {
    first: Vec<Problem>,
    count: u64,
}

impl Problems {
    fn push(&mut self, problem: Problem) {
        self.count += 1;
        if self.first.len() < MAX_PROBLEMS {
            self.first.push(problem);
        }
    }
}

fn finish(plan: &Plan, members: Members, mut problems: Problems, mut segmenter: Segmenter) -> Result<Outcome> {
    let repository = plan.repository;
    let sorted = members.sort(repository.keys.boundary())?;
    for problem in sorted.problems {
        plan.events.problem(&problem);
        problems.push(problem);
    }
    let mut totals = Totals { problems: problems.count, ..Totals::default() };
    let mut parent = plan.parent.map(|root| Before::new(&repository.reader(), root));
    let mut tree = TreeWriter::new(repository.keys.boundary(), repository.config.leaf_target);
    for entry in sorted.entries {
        let before = parent.as_mut().and_then(|parent| parent.entry(&entry));
        count(&mut totals, &entry, before.as_ref());
        tree.push(entry, &mut segmenter)?;
    }
    let root = tree.finish(&mut segmenter)?;
    segmenter.finish();
    let root = root.ok_or_else(|| Error::Invalid("the archive has no members".to_string()))?;
    Ok(Outcome { root, totals, problems: problems.first, replaced: sorted.replaced })
}

fn count(totals: &mut Totals, entry: &Entry, before: Option<&Entry>) {
    match entry.metadata.file_type {
        FileType::File => {
            totals.files += 1;
            // Sparse files can claim more than 2^64 bytes together.
            totals.bytes = totals.bytes.saturating_add(entry.metadata.size);
            match before.filter(|before| before.metadata.file_type == FileType::File) {
                None => totals.new_files += 1,
                Some(before) if is_same(entry, before) => totals.unmodified_files += 1,
                Some(_) => totals.changed_files += 1,
            }
        }
        FileType::Directory => totals.directories += 1,
        _ => totals.others += 1,
    }
}

/// The same as far as an archive can tell.
fn is_same(entry: &Entry, before: &Entry) -> bool {
    let (new, old) = (&entry.metadata, &before.metadata);
    (&entry.content, &entry.layers) == (&before.content, &before.layers)
        && (new.mode, new.modified, &new.owner, &new.xattrs) == (old.mode, old.modified, &old.owner, &old.xattrs)
}

/// The tree of the parent, beside which the new one is counted. One that can not be read is none from there on.
struct Before(Option<Cursor>);

impl Before {
    fn new(reader: &Arc<Reader>, root: Root) -> Self {
        Self(Some(Cursor::new(reader.clone(), root, Direction::Forward)))
    }

    fn entry(&mut self, like: &Entry) -> Option<Entry> {
        let cursor = self.0.as_mut()?;
        let is_readable = cursor.seek(&like.directory, &like.name).is_ok();
        let found = if is_readable { cursor.peek().ok() } else { None };
        let Some(found) = found else {
            self.0 = None;
            return None;
        };
        let is_here =
            |found: &&Entry| order::compare(&found.directory, &found.name, &like.directory, &like.name).is_eq();
        found.filter(is_here).cloned()
    }
}
