// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last columns of a leaf: layers of wrapped files. A leaf without such files has none of them.

use super::WHAT;
use super::decode::{Columns, Filled, fill_items, heading};
use crate::tree::column::{chunk_id, fits, malformed, number, put_content_item};
use crate::tree::entry::{Entry, Layer};
use crate::tree::list::MAX_FILE_BYTES;
use crate::wire::put_varint;

/// A layer takes at least its length, a height, a count and an item's length.
const MIN_LAYER_BYTES: u64 = 4;

/// Appends the columns.
pub(super) fn put(out: &mut Vec<u8>, entries: &[Entry]) {
    let wrapped = || entries.iter().filter(|entry| !entry.layers.is_empty());
    let layers = || wrapped().flat_map(|entry| &entry.layers);
    for entry in wrapped() {
        put_varint(out, entry.layers.len() as u64);
    }
    for layer in layers() {
        put_varint(out, layer.length);
    }
    for layer in layers() {
        put_varint(out, layer.recipe.height.into());
        put_varint(out, layer.recipe.items.len() as u64);
    }
    for item in layers().flat_map(|layer| &layer.recipe.items) {
        put_content_item(out, item);
    }
    for id in layers().flat_map(|layer| &layer.recipe.items).filter_map(|item| item.id.as_ref()) {
        out.extend_from_slice(id.as_bytes());
    }
}

/// Reads the layers of the entries that have some; one stands in their place so far.
pub(super) fn fill(columns: Columns<'_, '_>, entries: &mut [Entry]) -> Filled {
    let mut all = 0;
    for entry in entries.iter_mut().filter(|entry| !entry.layers.is_empty()) {
        let n = number(columns, "layers of a file", 1..=Layer::MAX as u64)?;
        all += n;
        fits(columns, WHAT, all, MIN_LAYER_BYTES)?;
        entry.layers = vec![Layer::default(); n as usize];
    }
    let mut layers: Vec<&mut Layer> = entries.iter_mut().flat_map(|entry| &mut entry.layers).collect();
    for layer in &mut layers {
        layer.length = number(columns, "stream of a layer", 0..=MAX_FILE_BYTES)?;
    }
    let mut items = 0;
    for layer in &mut layers {
        layer.recipe = heading(columns, &mut items, 1)?;
    }
    for layer in &mut layers {
        fill_items(columns, &mut layer.recipe)?;
    }
    for item in layers.iter_mut().flat_map(|layer| &mut layer.recipe.items) {
        if item.id.is_none() {
            return Err(malformed("recipe", "it has a hole"));
        }
        item.id = Some(chunk_id(columns)?);
    }
    Ok(())
}
