// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cuts one input from its start to its end, and a tar archive at its members.
//!
//! A member's header changes whenever a time or an owner does, and it moves everything behind it. So the content of
//! a member is cut as if it were a file of its own: it deduplicates with the same file in another archive, or outside of any.

use crate::Chunker;
use crate::tar::{self, BLOCK_BYTES};

/// Members below this many bytes are not cut out: two more ids (64 bytes that do not compress, in tree and index) would
/// outweigh what they save.
const MEMBER_BYTES: u64 = 4096;

/// Whether the input goes on behind the bytes in view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// It may.
    Open,
    /// They reach to its end.
    Last,
}

/// Where the next cuts of one input are. Made anew for each input.
#[derive(Clone, Debug)]
pub struct Cutter<'a> {
    chunker: &'a Chunker,
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Nothing was seen yet.
    Unknown,
    Plain,
    /// Headers, small members, padding and whatever is no tar.
    Between(Between),
    /// In the content of a member, with so many bytes to come.
    Member {
        rest: u64,
        padding: u64,
    },
}

/// Offsets count from the next cut.
#[derive(Clone, Copy, Debug, Default)]
struct Between {
    /// The next block that could be a header.
    next: u64,
    /// Behind the header of a member that is cut out: where its content begins, and its length.
    member: Option<(u64, u64)>,
}

impl<'a> Cutter<'a> {
    /// At the start of an input. With chunks of less than two tar blocks there is no sense in members.
    pub fn new(chunker: &'a Chunker) -> Self {
        let shape = if chunker.max() >= 2 * BLOCK_BYTES { Shape::Unknown } else { Shape::Plain };
        Self { chunker, shape }
    }

    /// Length of the next chunk. `data` begins where the chunk before it ended. `None` if more of the input has to be in
    /// view, or if there is none left; [`Chunker::max`] bytes in view are always enough, often fewer are.
    ///
    /// Cuts depend on the bytes of the input alone, not on how it was read.
    pub fn next(&mut self, data: &[u8], view: View) -> Option<usize> {
        if data.is_empty() {
            return None;
        }
        let is_enough = view == View::Last || data.len() >= self.chunker.max();
        loop {
            match self.shape {
                _ if !(is_enough || self.is_decided_by(data)) => return None,
                Shape::Unknown => {
                    let is_tar = data.first_chunk().is_some_and(|block| tar::content_len(block).is_some());
                    self.shape = if is_tar { Shape::Between(Between::default()) } else { Shape::Plain };
                }
                Shape::Plain => {
                    let length = self.chunker.cut(data);
                    // Found by its content, if it is not the end; the chunker looks at two bytes at a time.
                    return (is_enough || length + 2 <= data.len()).then_some(length);
                }
                Shape::Between(between) => return Some(self.between(between, data)),
                Shape::Member { rest: 0, padding } => {
                    self.shape = Shape::Between(Between { next: padding, member: None });
                }
                Shape::Member { rest, padding } => {
                    let length = self.chunker.cut(&data[..at_most(rest, data.len())]);
                    self.shape = Shape::Member { rest: rest - length as u64, padding };
                    return Some(length);
                }
            }
        }
    }

    /// Whether more bytes would not change the next cut, though fewer than [`Chunker::max`] are in view. So little is left over where
    /// a long input is looked at piece by piece.
    fn is_decided_by(&self, data: &[u8]) -> bool {
        match self.shape {
            Shape::Unknown => false,
            // That is seen by cutting.
            Shape::Plain => true,
            Shape::Between(mut between) => {
                between.look_for_member(data);
                between.member.is_some_and(|(start, _)| start <= data.len() as u64)
            }
            Shape::Member { rest, .. } => rest <= data.len() as u64,
        }
    }

    fn between(&mut self, mut between: Between, data: &[u8]) -> usize {
        // No further, though more may be in view: cuts must not depend on how much is.
        let data = &data[..data.len().min(self.chunker.max())];
        between.look_for_member(data);
        let end = match between.member {
            Some((start, _)) => at_most(start, data.len()),
            // A header that is only in part in view is not cut through: it would not be found any more.
            None if data.len() == self.chunker.max() => at_most(between.next, data.len()),
            None => data.len(),
        };
        let length = self.chunker.cut(&data[..end]);
        self.shape = match between.member {
            Some((start, content)) if start == length as u64 => {
                Shape::Member { rest: content, padding: tar::padded(content) - content }
            }
            member => Shape::Between(Between {
                next: between.next.saturating_sub(length as u64),
                member: member.map(|(start, content)| (start - length as u64, content)),
            }),
        };
        length
    }
}

impl Between {
    /// A block that is no header (the zeros at the end, damage, an extension this does not know) is passed over.
    fn look_for_member(&mut self, data: &[u8]) {
        while self.member.is_none() {
            let at = at_most(self.next, data.len());
            let Some(block) = data[at..].first_chunk() else { return };
            self.next += BLOCK_BYTES as u64;
            match tar::content_len(block) {
                Some(content) if content >= MEMBER_BYTES => self.member = Some((self.next, content)),
                Some(content) => self.next += tar::padded(content),
                None => {}
            }
        }
    }
}

/// The smaller of both.
fn at_most(offset: u64, len: usize) -> usize {
    usize::try_from(offset).map_or(len, |offset| offset.min(len))
}

#[cfg(test)]
mod tests;
