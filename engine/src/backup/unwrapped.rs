// SPDX-License-Identifier: MIT OR Apache-2.0
//! Taking a big archive or a stream apart as it is read: what comes out goes the way of any big file, the recipes beside it.

use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Content, Layer};

use super::big::{BigReader, Inputs};
use crate::unwrap::Unwrapper;

impl<'env> BigReader<'_, 'env> {
    /// Passes on what the next bytes consist of.
    pub(super) fn take_apart(
        &mut self,
        lanes: &mut [Inputs<'env>],
        bytes: Vec<u8>,
        unwrapper: &mut Unwrapper,
        is_open: bool,
    ) {
        if self.read > self.plan.options.archives.most_bytes() {
            unwrapper.stop();
        }
        let mut parts = unwrapper.push(bytes);
        if !is_open {
            parts.extend(unwrapper.finish());
        }
        self.pass_on(lanes, parts);
        for (place, recipe) in (1..).zip(unwrapper.take_recipes().into_iter().map(Arc::new)) {
            for inputs in &mut *lanes {
                let cuts = inputs.feeds[usize::from(place)].push(&recipe);
                self.hash(inputs.lane, place, cuts);
            }
        }
        let layer = |length| Layer { length, recipe: Content::default() };
        self.layers = unwrapper.lengths().into_iter().map(layer).collect();
    }
}
