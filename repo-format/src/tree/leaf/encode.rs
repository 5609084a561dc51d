// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries to bytes, column by column. Equal entries give equal bytes: a leaf that did not change is a known chunk.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::{HAS_BIRTH, HAS_LAYERS, HAS_LINK_GROUP, layers};
use crate::tree::column::{put_content_item, put_string};
use crate::tree::entry::{Entry, FileType, Marks, Metadata, Timestamp, Xattrs};
use crate::wire::{put_varint, put_zigzag};

/// The bytes of a leaf with these 1 to 65,535 entries.
///
/// The entries are in strict order and within the limits of the format; what an entry's type does not have (a target,
/// a device, content) is not stored. Other entries give bytes that can not be decoded.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + 96 * entries.len());
    out.push(0);
    put_varint(&mut out, entries.len() as u64);
    put_keys(&mut out, entries);
    out.extend(entries.iter().map(|entry| entry.metadata.file_type as u8));
    out.extend(entries.iter().map(stored_marks));
    put_owners(&mut out, entries);
    put_column(&mut out, entries, |metadata| metadata.mode.into());
    put_times(&mut out, entries);
    put_inodes(&mut out, entries);
    put_special(&mut out, entries);
    put_xattrs(&mut out, entries);
    put_content(&mut out, entries);
    layers::put(&mut out, entries);
    out
}

fn put_keys(out: &mut Vec<u8>, entries: &[Entry]) {
    let runs: Vec<&[Entry]> = entries.chunk_by(|a, b| a.directory == b.directory).collect();
    put_varint(out, runs.len() as u64);
    for run in &runs {
        put_varint(out, run.len() as u64);
    }
    for run in &runs {
        put_varint(out, run[0].directory.len() as u64);
    }
    for run in &runs {
        out.extend_from_slice(&run[0].directory);
    }
    for entry in entries {
        put_varint(out, entry.name.len() as u64);
    }
    for entry in entries {
        out.extend_from_slice(&entry.name);
    }
}

fn stored_marks(entry: &Entry) -> u8 {
    let known = Marks::TORN | Marks::UNREADABLE | Marks::STREAM;
    let born = if entry.metadata.born.is_some() { HAS_BIRTH } else { 0 };
    let link = if entry.metadata.link_group.is_some() { HAS_LINK_GROUP } else { 0 };
    let wrapped = if entry.layers.is_empty() { 0 } else { HAS_LAYERS };
    entry.marks.0 & known | born | link | wrapped
}

fn put_column(out: &mut Vec<u8>, entries: &[Entry], value: impl Fn(&Metadata) -> u64) {
    for entry in entries {
        put_varint(out, value(&entry.metadata));
    }
}

/// Rows in order of their first use, each once: the table is the same whatever the map's order.
struct Table<'a, T> {
    rows: Vec<&'a T>,
    known: HashMap<&'a T, u64>,
    latest: Option<(&'a T, u64)>,
}

impl<'a, T: Eq + Hash> Table<'a, T> {
    fn new() -> Self {
        Self { rows: Vec::new(), known: HashMap::new(), latest: None }
    }

    fn row(&mut self, value: &'a Arc<T>) -> u64 {
        let value: &T = value;
        if let Some((latest, row)) = self.latest
            && (std::ptr::eq(latest, value) || latest == value)
        {
            return row;
        }
        let next = self.rows.len() as u64;
        let row = *self.known.entry(value).or_insert(next);
        if row == next {
            self.rows.push(value);
        }
        self.latest = Some((value, row));
        row
    }
}

fn put_owners(out: &mut Vec<u8>, entries: &[Entry]) {
    let mut table = Table::new();
    let rows: Vec<u64> = entries.iter().map(|entry| table.row(&entry.metadata.owner)).collect();
    put_varint(out, table.rows.len() as u64);
    for owner in table.rows {
        put_varint(out, owner.uid.into());
        put_varint(out, owner.gid.into());
        put_string(out, &owner.user);
        put_string(out, &owner.group);
    }
    for row in rows {
        put_varint(out, row);
    }
}

fn put_times(out: &mut Vec<u8>, entries: &[Entry]) {
    put_time_column(out, entries, |metadata| metadata.modified);
    put_time_column(out, entries, |metadata| metadata.changed);
    for metadata in entries.iter().map(|entry| &entry.metadata) {
        if let Some(born) = metadata.born {
            put_zigzag(out, born.seconds.wrapping_sub(metadata.changed.seconds));
            put_zigzag(out, i64::from(born.nanos) - i64::from(metadata.changed.nanos));
        }
    }
}

fn put_time_column(out: &mut Vec<u8>, entries: &[Entry], time: impl Fn(&Metadata) -> Timestamp) {
    let mut previous = 0_i64;
    for entry in entries {
        let seconds = time(&entry.metadata).seconds;
        put_zigzag(out, seconds.wrapping_sub(previous));
        previous = seconds;
    }
    put_column(out, entries, |metadata| time(metadata).nanos.into());
}

fn put_inodes(out: &mut Vec<u8>, entries: &[Entry]) {
    let mut previous = 0_u64;
    for entry in entries {
        put_zigzag(out, entry.metadata.inode.wrapping_sub(previous) as i64);
        previous = entry.metadata.inode;
    }
    for group in entries.iter().filter_map(|entry| entry.metadata.link_group) {
        out.extend_from_slice(&group.to_le_bytes());
    }
    put_column(out, entries, |metadata| metadata.inode_flags.into());
}

fn of_type(entries: &[Entry], wanted: fn(FileType) -> bool) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(move |entry| wanted(entry.metadata.file_type))
}

fn put_special(out: &mut Vec<u8>, entries: &[Entry]) {
    for entry in of_type(entries, FileType::is_device) {
        let (major, minor) = entry.metadata.device.unwrap_or_default();
        put_varint(out, major.into());
        put_varint(out, minor.into());
    }
    let symlinks = || of_type(entries, |file_type| file_type == FileType::Symlink);
    for entry in symlinks() {
        put_varint(out, entry.metadata.target.len() as u64);
    }
    for entry in symlinks() {
        out.extend_from_slice(&entry.metadata.target);
    }
}

fn put_xattrs<'a>(out: &mut Vec<u8>, entries: &'a [Entry]) {
    let mut table = Table::new();
    let mut row = |xattrs: &'a Arc<Xattrs>| if xattrs.is_empty() { 0 } else { 1 + table.row(xattrs) };
    let rows: Vec<u64> = entries.iter().map(|entry| row(&entry.metadata.xattrs)).collect();
    put_varint(out, table.rows.len() as u64);
    for set in table.rows {
        put_varint(out, set.len() as u64);
        for (name, value) in set {
            put_string(out, name);
            put_string(out, value);
        }
    }
    for row in rows {
        put_varint(out, row);
    }
}

fn put_content(out: &mut Vec<u8>, entries: &[Entry]) {
    let files = || of_type(entries, |file_type| file_type == FileType::File);
    for entry in files() {
        put_varint(out, entry.metadata.size);
    }
    for entry in files() {
        put_varint(out, entry.content.height.into());
        put_varint(out, entry.content.items.len() as u64);
    }
    for item in files().flat_map(|entry| &entry.content.items) {
        put_content_item(out, item);
    }
    for id in files().flat_map(|entry| &entry.content.items).filter_map(|item| item.id.as_ref()) {
        out.extend_from_slice(id.as_bytes());
    }
}
