// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last stage before the writer, one thread: takes results in tree order, gives new chunks to the segmenter and builds the
//! tree with the target's own cutting rule.

use crossbeam_channel::Receiver;

use super::sequence::Step;
use super::translate::Ready;
use super::{Failure, Plan};
use crate::error::{Error, Result};
use crate::tree::{ContentBuilder, Root, TreeWriter};
use crate::writer::{Segmenter, Writer};

/// Runs the stage until the steps end.
pub(super) fn assemble<'env>(
    plan: &'env Plan<'env>,
    writer: &Writer,
    mut segmenter: Segmenter<'env>,
    steps: &Receiver<Step>,
) -> Result<Root, Failure> {
    let mut tree = TreeWriter::new(plan.target.keys.boundary(), plan.target.config.leaf_target);
    let mut content = ContentBuilder::default();
    let mut finished = Vec::new();
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
                Ready::End => finished.push(std::mem::take(&mut content).finish(&mut segmenter)?),
                Ready::Entry(mut entry) => {
                    let mut contents = finished.drain(..);
                    entry.content = contents.next().unwrap_or_default();
                    for (layer, recipe) in entry.layers.iter_mut().zip(contents) {
                        layer.recipe = recipe;
                    }
                    tree.push(entry, &mut segmenter)?;
                }
                Ready::Kept(entry) => tree.push(entry, &mut segmenter)?,
            }
        }
    }
    let root = tree.finish(&mut segmenter)?;
    segmenter.finish();
    root.ok_or_else(|| Failure::Target(Error::Invalid("the tree of the snapshot is empty".to_string())))
}
