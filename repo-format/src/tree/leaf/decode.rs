// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes to entries, column by column, with every check a hostile leaf calls for.
//!
//! The entries are made once and then filled, a pass per column: no column is kept on the side but the keys.

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    HAS_BIRTH, HAS_LAYERS, HAS_LINK_GROUP, MAX_ENTRIES, MAX_MODE, MAX_NANOS, MAX_OWNER_NAME_BYTES, MAX_TARGET_BYTES,
    WHAT, layers,
};
use crate::error::FormatError;
use crate::tree::column::{chunk_id, content_item, count, fits, malformed, number, string, within};
use crate::tree::entry::{
    Content, ContentItem, Entry, FileType, Layer, MAX_XATTR_NAME_BYTES, MAX_XATTR_VALUE_BYTES, Marks, Metadata, Owner,
    Timestamp, Xattrs,
};
use crate::tree::list::{MAX_FILE_BYTES, MAX_LEVEL};
use crate::tree::order;
use crate::wire::Reader;

pub(super) type Columns<'a, 'b> = &'b mut Reader<'a>;
pub(super) type Filled = Result<(), FormatError>;

/// Length of a name, type, marks, owner, mode, two times of two numbers, inode, flags, xattr row.
const MIN_ENTRY_BYTES: u64 = 12;
/// All bits that stored marks can have.
const KNOWN_MARKS: u8 = Marks::TORN | Marks::UNREADABLE | Marks::STREAM | HAS_BIRTH | HAS_LINK_GROUP | HAS_LAYERS;

/// The entries of a leaf.
///
/// # Errors
/// Anything that `encode` does not write: entries out of order, names that are not valid, unknown types or marks, values
/// out of range, content that does not add up to its file's size, tables with rows unused, twice, or not in order of
/// first use, counts beyond the bytes, bytes left over.
pub fn decode(node: &[u8]) -> Result<Vec<Entry>, FormatError> {
    let mut reader = Reader::new(node, WHAT);
    let columns = &mut reader;
    within("level of a leaf", columns.u8()?.into(), 0..=0)?;
    let n = count(columns, "entries of a leaf", 1..=MAX_ENTRIES, MIN_ENTRY_BYTES)?;
    let keys = Keys::read(columns, n)?;
    let types = columns.bytes(n)?;
    let marks = columns.bytes(n)?;
    let owners = read_owners(columns, n)?;
    let mut entries = assemble(columns, &keys, types, marks, &owners)?;
    fill_modes(columns, &mut entries)?;
    fill_times(columns, &mut entries, |metadata| &mut metadata.modified)?;
    fill_times(columns, &mut entries, |metadata| &mut metadata.changed)?;
    fill_births(columns, &mut entries, marks)?;
    fill_inodes(columns, &mut entries, marks)?;
    fill_devices(columns, &mut entries)?;
    fill_targets(columns, &mut entries)?;
    fill_xattrs(columns, &mut entries)?;
    fill_content(columns, &mut entries)?;
    layers::fill(columns, &mut entries)?;
    check_sizes(&entries)?;
    reader.finish(WHAT)?;
    Ok(entries)
}

/// Directories with their number of entries, and the names of all entries.
struct Keys<'a> {
    runs: Vec<(usize, Arc<[u8]>)>,
    names: Vec<&'a [u8]>,
}

impl<'a> Keys<'a> {
    fn read(columns: Columns<'a, '_>, n: usize) -> Result<Self, FormatError> {
        let d = count(columns, "directories of a leaf", 1..=n as u64, 2)?;
        let mut left = n as u64;
        let mut counts = Vec::with_capacity(d);
        for _ in 0..d {
            let entries = number(columns, "entries of a directory in a leaf", 1..=left.max(1))?;
            left = left.checked_sub(entries).ok_or_else(|| malformed(WHAT, "its directories have too many entries"))?;
            counts.push(entries as usize);
        }
        if left > 0 {
            return Err(malformed(WHAT, "its directories have too few entries"));
        }
        let directories = strings(columns, d, "length of a directory", order::MAX_DIRECTORY_BYTES as u64)?;
        let names = strings(columns, n, "length of a name", order::MAX_NAME_BYTES as u64)?;
        check_order(&counts, &directories, &names)?;
        let runs = counts.into_iter().zip(directories.into_iter().map(Arc::from)).collect();
        Ok(Self { runs, names })
    }
}

/// A column of lengths, then a column of the bytes.
fn strings<'a>(
    columns: Columns<'a, '_>,
    n: usize,
    what: &'static str,
    longest: u64,
) -> Result<Vec<&'a [u8]>, FormatError> {
    let mut lengths = Vec::with_capacity(n);
    for _ in 0..n {
        lengths.push(number(columns, what, 0..=longest)? as usize);
    }
    lengths.into_iter().map(|length| columns.bytes(length)).collect()
}

fn check_order(counts: &[usize], directories: &[&[u8]], names: &[&[u8]]) -> Filled {
    if !directories.iter().all(|directory| order::valid_directory(directory)) {
        return Err(malformed(WHAT, "a directory is not a valid path"));
    }
    if !directories.windows(2).all(|pair| order::compare_directories(pair[0], pair[1]).is_lt()) {
        return Err(malformed(WHAT, "its directories are not in order"));
    }
    let mut rest = names;
    for (&entries, directory) in counts.iter().zip(directories) {
        let (run, others) = rest.split_at(entries);
        rest = others;
        // Only the top folder has no name, and nothing stands before it.
        let named = if directory.is_empty() && run[0].is_empty() { &run[1..] } else { run };
        if !named.iter().all(|name| order::valid_name(name)) {
            return Err(malformed(WHAT, "a name is not valid"));
        }
        if !run.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(malformed(WHAT, "its names are not in order"));
        }
    }
    Ok(())
}

/// Checks that rows are numbered in order of their first use and that none is unused: one table for the same entries.
struct FirstUse {
    next: u64,
    rows: u64,
}

impl FirstUse {
    fn of(rows: usize) -> Self {
        Self { next: 0, rows: rows as u64 }
    }

    #[inline]
    fn see(&mut self, row: u64) -> Result<usize, FormatError> {
        if row >= self.next {
            if row > self.next || row >= self.rows {
                return Err(malformed(WHAT, "a table's rows are not in order of their first use"));
            }
            self.next += 1;
        }
        Ok(row as usize)
    }

    fn finish(self) -> Filled {
        if self.next == self.rows { Ok(()) } else { Err(malformed(WHAT, "a row of a table is not used")) }
    }
}

/// Reads `n` rows, none of them twice. Numbers have one form, so equal rows have equal bytes.
fn rows<'a, T>(
    columns: Columns<'a, '_>,
    n: usize,
    mut row: impl FnMut(&mut Reader<'a>) -> Result<T, FormatError>,
) -> Result<Vec<Arc<T>>, FormatError> {
    let mut known = HashSet::new();
    let mut all = Vec::with_capacity(n);
    for _ in 0..n {
        let mut start = columns.clone();
        all.push(Arc::new(row(columns)?));
        if n > 1 && !known.insert(start.bytes(start.remaining() - columns.remaining())?) {
            return Err(malformed(WHAT, "a row of a table stands there twice"));
        }
    }
    Ok(all)
}

fn read_owners(columns: Columns<'_, '_>, n: usize) -> Result<Vec<Arc<Owner>>, FormatError> {
    let o = count(columns, "owners of a leaf", 1..=n as u64, 4)?;
    rows(columns, o, |columns| {
        Ok(Owner {
            uid: number(columns, "user id", 0..=u32::MAX.into())? as u32,
            gid: number(columns, "group id", 0..=u32::MAX.into())? as u32,
            user: string(columns, "length of a user name", 0..=MAX_OWNER_NAME_BYTES)?.to_vec(),
            group: string(columns, "length of a group name", 0..=MAX_OWNER_NAME_BYTES)?.to_vec(),
        })
    })
}

fn assemble(
    columns: Columns<'_, '_>,
    keys: &Keys<'_>,
    types: &[u8],
    marks: &[u8],
    owners: &[Arc<Owner>],
) -> Result<Vec<Entry>, FormatError> {
    let directories = keys.runs.iter().flat_map(|(entries, directory)| std::iter::repeat_n(directory, *entries));
    let no_xattrs = Arc::new(Xattrs::new());
    let mut used = FirstUse::of(owners.len());
    let mut entries = Vec::with_capacity(keys.names.len());
    for (((directory, name), &file_type), &marks) in directories.zip(&keys.names).zip(types).zip(marks) {
        let owner = &owners[used.see(columns.varint()?)?];
        let file_type = FileType::from_stored(file_type).ok_or_else(|| malformed(WHAT, "a type is not known"))?;
        if marks & !KNOWN_MARKS != 0 {
            return Err(malformed(WHAT, "a mark is not known"));
        }
        if marks & HAS_LAYERS != 0 && file_type != FileType::File {
            return Err(malformed(WHAT, "what is no file is wrapped"));
        }
        if name.is_empty() && file_type != FileType::Directory {
            return Err(malformed(WHAT, "the top folder is not a directory"));
        }
        entries.push(Entry {
            directory: Arc::clone(directory),
            name: name.to_vec(),
            metadata: blank(file_type, owner, &no_xattrs),
            marks: Marks(marks & !(HAS_BIRTH | HAS_LINK_GROUP | HAS_LAYERS)),
            content: Content::default(),
            // Filled at the end, where they stand.
            layers: if marks & HAS_LAYERS == 0 { Vec::new() } else { vec![Layer::default()] },
        });
    }
    used.finish()?;
    Ok(entries)
}

fn blank(file_type: FileType, owner: &Arc<Owner>, no_xattrs: &Arc<Xattrs>) -> Metadata {
    Metadata {
        file_type,
        mode: 0,
        owner: Arc::clone(owner),
        modified: Timestamp::default(),
        changed: Timestamp::default(),
        born: None,
        inode: 0,
        link_group: None,
        inode_flags: 0,
        device: None,
        target: Vec::new(),
        xattrs: Arc::clone(no_xattrs),
        size: 0,
    }
}

fn fill_modes(columns: Columns<'_, '_>, entries: &mut [Entry]) -> Filled {
    for entry in entries {
        entry.metadata.mode = number(columns, "mode", 0..=MAX_MODE)? as u32;
    }
    Ok(())
}

fn fill_times(
    columns: Columns<'_, '_>,
    entries: &mut [Entry],
    time: impl Fn(&mut Metadata) -> &mut Timestamp,
) -> Filled {
    let mut seconds = 0_i64;
    for entry in &mut *entries {
        seconds = seconds.wrapping_add(columns.zigzag()?);
        time(&mut entry.metadata).seconds = seconds;
    }
    for entry in entries {
        time(&mut entry.metadata).nanos = number(columns, "nanoseconds", 0..=MAX_NANOS)? as u32;
    }
    Ok(())
}

fn fill_births(columns: Columns<'_, '_>, entries: &mut [Entry], marks: &[u8]) -> Filled {
    for (entry, _) in entries.iter_mut().zip(marks).filter(|(_, marks)| **marks & HAS_BIRTH != 0) {
        let changed = entry.metadata.changed;
        let seconds = changed.seconds.wrapping_add(columns.zigzag()?);
        // Wrapped, a sum is far above the limit.
        let nanos = i64::from(changed.nanos).wrapping_add(columns.zigzag()?) as u64;
        let nanos = within("nanoseconds", nanos, 0..=MAX_NANOS)? as u32;
        entry.metadata.born = Some(Timestamp { seconds, nanos });
    }
    Ok(())
}

fn fill_inodes(columns: Columns<'_, '_>, entries: &mut [Entry], marks: &[u8]) -> Filled {
    let mut inode = 0_u64;
    for entry in &mut *entries {
        inode = inode.wrapping_add_signed(columns.zigzag()?);
        entry.metadata.inode = inode;
    }
    for (entry, _) in entries.iter_mut().zip(marks).filter(|(_, marks)| **marks & HAS_LINK_GROUP != 0) {
        entry.metadata.link_group = Some(columns.u64()?);
    }
    for entry in entries {
        entry.metadata.inode_flags = number(columns, "inode flags", 0..=u32::MAX.into())? as u32;
    }
    Ok(())
}

fn fill_devices(columns: Columns<'_, '_>, entries: &mut [Entry]) -> Filled {
    for entry in entries.iter_mut().filter(|entry| entry.metadata.file_type.is_device()) {
        let major = number(columns, "major device number", 0..=u32::MAX.into())? as u32;
        let minor = number(columns, "minor device number", 0..=u32::MAX.into())? as u32;
        entry.metadata.device = Some((major, minor));
    }
    Ok(())
}

fn fill_targets(columns: Columns<'_, '_>, entries: &mut [Entry]) -> Filled {
    let links = entries.iter().filter(|entry| entry.metadata.file_type == FileType::Symlink).count();
    let targets = strings(columns, links, "length of a symlink's target", MAX_TARGET_BYTES)?;
    let symlinks = entries.iter_mut().filter(|entry| entry.metadata.file_type == FileType::Symlink);
    for (entry, target) in symlinks.zip(targets) {
        entry.metadata.target = target.to_vec();
    }
    Ok(())
}

fn fill_xattrs(columns: Columns<'_, '_>, entries: &mut [Entry]) -> Filled {
    // A set takes a count, two lengths and a name of at least one byte.
    let x = count(columns, "xattr sets of a leaf", 0..=entries.len() as u64, 4)?;
    let sets = rows(columns, x, xattr_set)?;
    let mut used = FirstUse::of(x);
    for entry in entries {
        if let Some(row) = columns.varint()?.checked_sub(1) {
            entry.metadata.xattrs = Arc::clone(&sets[used.see(row)?]);
        }
    }
    used.finish()
}

fn xattr_set(columns: Columns<'_, '_>) -> Result<Xattrs, FormatError> {
    let pairs = count(columns, "pairs of an xattr set", 1..=u32::MAX.into(), 3)?;
    let mut set = Xattrs::with_capacity(pairs);
    for _ in 0..pairs {
        let name = string(columns, "length of an xattr name", 1..=MAX_XATTR_NAME_BYTES as u64)?;
        let value = string(columns, "length of an xattr value", 0..=MAX_XATTR_VALUE_BYTES as u64)?;
        if set.last().is_some_and(|(last, _)| last.as_slice() >= name) {
            return Err(malformed(WHAT, "xattrs are not in order"));
        }
        set.push((name.to_vec(), value.to_vec()));
    }
    Ok(set)
}

fn files(entries: &mut [Entry]) -> impl Iterator<Item = &mut Entry> {
    entries.iter_mut().filter(|entry| entry.metadata.file_type == FileType::File)
}

fn fill_content(columns: Columns<'_, '_>, entries: &mut [Entry]) -> Filled {
    for entry in files(entries) {
        entry.metadata.size = number(columns, "size of a file", 0..=MAX_FILE_BYTES)?;
    }
    let mut items = 0;
    for entry in files(entries) {
        entry.content = heading(columns, &mut items, 0)?;
    }
    for entry in files(entries) {
        fill_items(columns, &mut entry.content)?;
    }
    for item in files(entries).flat_map(|entry| &mut entry.content.items).filter(|item| item.id.is_some()) {
        item.id = Some(chunk_id(columns)?);
    }
    Ok(())
}

/// Height and number of items of a content, its items still blank. `items` counts those of the column so far.
pub(super) fn heading(columns: Columns<'_, '_>, items: &mut u64, least: u64) -> Result<Content, FormatError> {
    let height = number(columns, "height of content", 0..=MAX_LEVEL.into())? as u8;
    let n = number(columns, "items of an entry", least..=Content::MAX_INLINE as u64)?;
    if n == 0 && height > 0 {
        return Err(malformed("content", "it has a height and no items"));
    }
    // Each item takes at least the byte of its length.
    *items += n;
    fits(columns, WHAT, *items, 1)?;
    Ok(Content { height, items: vec![ContentItem { length: 0, id: None }; n as usize] })
}

/// Lengths of a content's items; their sum is within what a file can have.
pub(super) fn fill_items(columns: Columns<'_, '_>, content: &mut Content) -> Filled {
    let mut total = 0_u64;
    for item in &mut content.items {
        *item = content_item(columns, content.height)?;
        total = within("bytes of content", total + item.length, 1..=MAX_FILE_BYTES)?;
    }
    Ok(())
}

fn check_sizes(entries: &[Entry]) -> Filled {
    for entry in entries {
        let total: u64 = entry.content.items.iter().map(|item| item.length).sum();
        if total != entry.content_length() {
            return Err(malformed("content", "it does not add up to the size of its file"));
        }
    }
    Ok(())
}
