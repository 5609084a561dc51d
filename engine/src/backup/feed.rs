// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cutting an input that arrives in parts, mostly where they lie: only the chunk that goes on in the next part is copied, and small
//! parts are gathered.

use std::sync::Arc;

use keepfast_chunker::{Chunker, Cutter, View};

use super::big::PIECE_BYTES;

/// Smaller parts are gathered until there are [`PIECE_BYTES`].
const SMALL_PART_BYTES: usize = 64 << 10;
/// Bytes of the next part that are copied at a time to see where a chunk ends that begins in the one before.
const STEP_BYTES: usize = 32 << 10;

/// Chunks that lie one behind the other.
pub(super) struct Cut {
    pub(super) buffer: Arc<Vec<u8>>,
    pub(super) start: usize,
    pub(super) lengths: Vec<usize>,
}

/// One input of a lane: a content, or the recipe of a layer.
pub(super) struct Feed<'env> {
    chunker: &'env Chunker,
    cuts: Cutter<'env>,
    /// Bytes behind the last cut.
    rest: Vec<u8>,
}

impl<'env> Feed<'env> {
    pub(super) fn new(chunker: &'env Chunker) -> Self {
        Self { chunker, cuts: Cutter::new(chunker), rest: Vec::new() }
    }

    /// The next bytes; returns what can be cut.
    pub(super) fn push(&mut self, part: &Arc<Vec<u8>>) -> Vec<Cut> {
        if part.is_empty() {
            return Vec::new();
        }
        if part.len() < SMALL_PART_BYTES {
            return self.gather(part).into_iter().collect();
        }
        let (bridge, start) = if self.rest.is_empty() { (None, 0) } else { self.bridge(part) };
        let mut lengths = Vec::new();
        let end = start + lengths_of(&mut self.cuts, &part[start..], View::Open, &mut lengths);
        self.rest.extend_from_slice(&part[end..]);
        let inside = (end > start).then(|| Cut { buffer: part.clone(), start, lengths });
        bridge.into_iter().chain(inside).collect()
    }

    /// The input ends; returns what is left of it. What comes next is another.
    pub(super) fn end(&mut self) -> Option<Cut> {
        let mut lengths = Vec::new();
        let end = lengths_of(&mut self.cuts, &self.rest, View::Last, &mut lengths);
        self.cuts = Cutter::new(self.chunker);
        self.split(end, lengths)
    }

    fn gather(&mut self, part: &[u8]) -> Option<Cut> {
        // Not moved while it grows.
        self.rest.reserve_exact((PIECE_BYTES + SMALL_PART_BYTES).saturating_sub(self.rest.len()));
        self.rest.extend_from_slice(part);
        if self.rest.len() < PIECE_BYTES {
            return None;
        }
        let mut lengths = Vec::new();
        let end = lengths_of(&mut self.cuts, &self.rest, View::Open, &mut lengths);
        self.split(end, lengths)
    }

    /// Cuts what was left over as far as the first cut in `part`, and tells where that is: at its end, if there is none for sure.
    fn bridge(&mut self, part: &[u8]) -> (Option<Cut>, usize) {
        let before = self.rest.len();
        let (mut cut, mut taken, mut lengths) = (0, 0, Vec::new());
        loop {
            while let Some(length) = self.cuts.next(&self.rest[cut..], View::Open) {
                cut += length;
                lengths.push(length);
                if cut >= before {
                    self.rest.truncate(cut);
                    return (self.split(cut, lengths), cut - before);
                }
            }
            if taken == part.len() {
                return (self.split(cut, lengths), taken);
            }
            // A chunk is looked at from its beginning each time, so the steps grow with it.
            let step = STEP_BYTES.max(self.rest.len() - cut).min(part.len() - taken);
            self.rest.extend_from_slice(&part[taken..taken + step]);
            taken += step;
        }
    }

    fn split(&mut self, end: usize, lengths: Vec<usize>) -> Option<Cut> {
        if end == 0 {
            return None;
        }
        let rest = self.rest[end..].to_vec();
        self.rest.truncate(end);
        Some(Cut { buffer: Arc::new(std::mem::replace(&mut self.rest, rest)), start: 0, lengths })
    }
}

/// Adds the lengths of the chunks that can be cut, and returns their sum.
fn lengths_of(cuts: &mut Cutter, bytes: &[u8], view: View, lengths: &mut Vec<usize>) -> usize {
    let mut at = 0;
    while let Some(length) = cuts.next(&bytes[at..], view) {
        lengths.push(length);
        at += length;
    }
    at
}

#[cfg(test)]
mod tests {
    use keepfast_chunker::Params;
    use proptest::prelude::*;

    use super::*;

    /// With chunks that are mostly much shorter than a part, and with some that are longer.
    fn chunkers() -> [Chunker; 2] {
        let gear =
            std::array::from_fn(|at| u64::from_le_bytes(blake3::hash(&[at as u8]).as_bytes()[..8].try_into().unwrap()));
        let chunker = |min, average, max| Chunker::new(&Params::new(min, average, max, 2).unwrap(), &gear);
        [chunker(8 << 10, 32 << 10, 256 << 10), chunker(64 << 10, 256 << 10, 1 << 20)]
    }

    /// Bytes that can be cut at some places, and others of which no chunk ends but at its longest.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let stretch = (any::<u64>(), 1_usize..400_000, any::<bool>()).prop_map(|(seed, length, is_flat)| {
            let mut bytes = vec![7; length];
            if !is_flat {
                blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
            }
            bytes
        });
        prop::collection::vec(stretch, 0..8).prop_map(|stretches| stretches.concat())
    }

    fn taken(cuts: impl IntoIterator<Item = Cut>, chunks: &mut Vec<Vec<u8>>) {
        for Cut { buffer, start: mut at, lengths } in cuts {
            for length in lengths {
                chunks.push(buffer[at..at + length].to_vec());
                at += length;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_chunks_of_each_input_are_those_of_the_whole_whatever_parts_it_comes_in(
            inputs in prop::collection::vec(input(), 1..3),
            parts in prop::collection::vec(prop_oneof![0_usize..5_000, 60_000_usize..70_000, 0_usize..600_000], 1..12),
        ) {
            for chunker in chunkers() {
                let mut feed = Feed::new(&chunker);
                let mut parts = parts.iter().cycle();
                for input in &inputs {
                    let (mut found, mut expected) = (Vec::new(), Vec::new());
                    let mut rest = input.as_slice();
                    while !rest.is_empty() {
                        let (part, after) = rest.split_at(rest.len().min(parts.next().unwrap().max(&1).to_owned()));
                        rest = after;
                        taken(feed.push(&Arc::new(part.to_vec())), &mut found);
                    }
                    taken(feed.end(), &mut found);
                    let mut lengths = Vec::new();
                    lengths_of(&mut Cutter::new(&chunker), input, View::Last, &mut lengths);
                    taken([Cut { buffer: Arc::new(input.clone()), start: 0, lengths }], &mut expected);
                    prop_assert_eq!(found.concat().len(), input.len());
                    prop_assert!(found == expected);
                }
            }
        }
    }

    #[test]
    fn of_a_large_part_little_more_than_one_chunk_is_copied() {
        let [chunker, _] = chunkers();
        let mut feed = Feed::new(&chunker);
        let mut bytes = vec![0; PIECE_BYTES];
        for number in 0_u64..8 {
            blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
            let part = Arc::new(bytes.clone());
            let copied: usize = feed
                .push(&part)
                .iter()
                .filter(|cut| !Arc::ptr_eq(&cut.buffer, &part))
                .map(|cut| cut.buffer.len())
                .sum();
            assert!(copied <= chunker.max() && feed.rest.len() <= chunker.max(), "{copied} and {}", feed.rest.len());
        }
    }
}
