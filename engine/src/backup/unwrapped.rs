// SPDX-License-Identifier: MIT OR Apache-2.0
//! Taking a big archive or a stream apart as it is read: what comes out goes the way of any big file, the recipes beside it.

use keepfast_chunker::{Cutter, View};
use keepfast_repo_format::tree::entry::{Content, Layer};

use super::big::{BigReader, Feed, Fill, PIECE_BYTES, ReadError};
use crate::error::Error;
use crate::unwrap::{Part, Unwrapper};

/// What a lane gets: the content, then the recipe of each layer.
type Strands<'env> = Vec<Feed<'env>>;

impl<'env> BigReader<'_, 'env> {
    /// Takes what `fill` appends apart until it appends less than is wanted.
    pub(super) fn run_unwrapped(&mut self, fill: &mut Fill) -> Result<(), ReadError> {
        let plan = self.plan;
        let strands = |lane: &usize| (0..).take(1 + Layer::MAX).map(|place| Feed::new(plan, *lane, place)).collect();
        let mut lanes: Vec<Strands> = self.lanes.iter().map(strands).collect();
        let mut unwrapper = Unwrapper::new();
        let mut view = View::Open;
        while view == View::Open {
            if plan.events.cancelled() {
                return Err(ReadError::Operation(Error::Cancelled));
            }
            self.outlets.check(&plan.lanes).map_err(ReadError::Operation)?;
            lanes.retain(|strands| self.outlets.is_open(strands[0].lane));
            // Lanes that keep the file go on without.
            if lanes.is_empty() {
                return Ok(());
            }
            let mut bytes = Vec::new();
            let filled = fill(&mut bytes, PIECE_BYTES);
            let read = *filled.as_ref().unwrap_or(&0);
            bytes.truncate(read);
            self.read += read as u64;
            plan.events.bytes_done(read as u64);
            if self.read > plan.options.archives.most_bytes() {
                unwrapper.stop();
            }
            let mut parts = unwrapper.push(bytes);
            if read < PIECE_BYTES {
                view = View::Last;
                parts.extend(unwrapper.finish());
            }
            self.pass_on(&mut lanes, &parts, &unwrapper.take_recipes(), view);
            let layer = |length| Layer { length, recipe: Content::default() };
            self.layers = unwrapper.lengths().into_iter().map(layer).collect();
            // What came before it has its place.
            filled?;
        }
        Ok(())
    }

    fn pass_on(&mut self, lanes: &mut [Strands<'env>], parts: &[Part], recipes: &[Vec<u8>], view: View) {
        let plan = self.plan;
        for strands in lanes {
            let [content, layers @ ..] = strands.as_mut_slice() else { continue };
            for part in parts {
                match part {
                    Part::Bytes(bytes) => self.feed(content, bytes, View::Open),
                    Part::Cut => {
                        self.hash(content, View::Last);
                        content.cuts = Cutter::new(&plan.lanes[content.lane].chunker);
                    }
                }
            }
            self.feed(content, &[], view);
            for (strand, recipe) in layers.iter_mut().zip(recipes) {
                self.feed(strand, recipe, view);
            }
        }
    }

    /// Passes bytes on as soon as there are enough of them.
    fn feed(&mut self, strand: &mut Feed<'env>, bytes: &[u8], view: View) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(strand.room()));
            strand.buffer.extend_from_slice(piece);
            rest = after;
            if strand.room() == 0 {
                self.hash(strand, View::Open);
            }
        }
        if view == View::Last {
            self.hash(strand, view);
        }
    }
}
