// SPDX-License-Identifier: MIT OR Apache-2.0
//! An entry of a snapshot's tree: as a line like that of `ls -l`, and as JSON, the same in every command.

use keepfast_engine::format::tree::entry::{Content, ContentItem, Entry, FileType, Layer, Marks, Metadata, Timestamp};
use serde_json::{Value, json};

use crate::render::{json as js, text};

/// Most names of users and groups are no longer.
const OWNER_COLUMNS: usize = 8;

/// Mode, owner, size, time, path; for a symbolic link where it points.
pub fn to_long_line(entry: &Entry) -> String {
    let metadata = &entry.metadata;
    let size = match metadata.device {
        Some((major, minor)) => format!("{major}, {minor}"),
        None => metadata.size.to_string(),
    };
    let mut line = format!(
        "{} {} {} {size:>12} {} {}",
        mode(metadata),
        text::padded(&owner(&metadata.owner.user, metadata.owner.uid), OWNER_COLUMNS),
        text::padded(&owner(&metadata.owner.group, metadata.owner.gid), OWNER_COLUMNS),
        text::time_of_seconds(metadata.modified.seconds),
        text::stored_path(&entry.path()),
    );
    if metadata.file_type == FileType::Symlink {
        line.push_str(&format!(" -> {}", text::path(&metadata.target)));
    }
    line
}

fn owner(name: &[u8], number: u32) -> String {
    if name.is_empty() { number.to_string() } else { text::path(name) }
}

/// Type and permissions in ten characters.
pub fn mode(metadata: &Metadata) -> String {
    let kind = match metadata.file_type {
        FileType::File => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharDevice => 'c',
        FileType::BlockDevice => 'b',
    };
    let bit = |mask: u32, sign: char| if metadata.mode & mask != 0 { sign } else { '-' };
    let last =
        |execute: u32, special: u32, both: char, only: char| match (metadata.mode & execute, metadata.mode & special) {
            (0, 0) => '-',
            (_, 0) => 'x',
            (0, _) => only,
            _ => both,
        };
    let signs = [
        kind,
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        last(0o100, 0o4000, 's', 'S'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        last(0o010, 0o2000, 's', 'S'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        last(0o001, 0o1000, 't', 'T'),
    ];
    signs.iter().collect()
}

/// Word for a type, in JSON.
pub fn type_word(file_type: FileType) -> &'static str {
    match file_type {
        FileType::File => "file",
        FileType::Directory => "folder",
        FileType::Symlink => "symlink",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharDevice => "char_device",
        FileType::BlockDevice => "block_device",
    }
}

/// What people and programs ask of an entry.
pub fn to_json(entry: &Entry) -> Value {
    let metadata = &entry.metadata;
    let mut object = json!({
        "type": type_word(metadata.file_type),
        "mode": metadata.mode,
        "uid": metadata.owner.uid,
        "gid": metadata.owner.gid,
        "modified": time(metadata.modified),
        "size": metadata.size,
    });
    js::put_path(&mut object, "path", &[b"/", &entry.path()[..]].concat());
    js::put_path(&mut object, "user", &metadata.owner.user);
    js::put_path(&mut object, "group", &metadata.owner.group);
    if metadata.file_type == FileType::Symlink {
        js::put_path(&mut object, "target", &metadata.target);
    }
    if let Some((major, minor)) = metadata.device {
        object["device"] = json!([major, minor]);
    }
    object
}

/// Everything that is stored of an entry.
pub fn to_full_json(entry: &Entry) -> Value {
    let metadata = &entry.metadata;
    let mut object = to_json(entry);
    let attributes = metadata.xattrs.iter().map(|(name, value)| {
        let mut attribute = json!({ "value": js::hex(value) });
        js::put_path(&mut attribute, "name", name);
        attribute
    });
    let layer = |layer: &Layer| {
        json!({
            "length": layer.length,
            "recipe_height": layer.recipe.height,
            "recipe": items(&layer.recipe),
        })
    };
    let marks = [(Marks::TORN, "torn"), (Marks::UNREADABLE, "unreadable"), (Marks::STREAM, "stream")];
    object["changed"] = time(metadata.changed);
    object["born"] = metadata.born.map_or(Value::Null, time);
    object["inode"] = metadata.inode.into();
    object["inode_flags"] = metadata.inode_flags.into();
    object["link_group"] = metadata.link_group.into();
    object["xattrs"] = attributes.collect();
    object["marks"] = marks.iter().filter(|(mark, _)| entry.marks.has(*mark)).map(|(_, word)| *word).collect();
    object["content_height"] = entry.content.height.into();
    object["content"] = items(&entry.content);
    if !entry.layers.is_empty() {
        object["layers"] = entry.layers.iter().map(layer).collect();
    }
    object
}

fn items(content: &Content) -> Value {
    let item = |item: &ContentItem| json!({ "length": item.length, "chunk": item.id.map(|id| id.to_string()) });
    content.items.iter().map(item).collect()
}

/// Seconds may be out of what a date can say; then they are a number.
pub fn time(time: Timestamp) -> Value {
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    match i64::try_from(nanoseconds) {
        Ok(nanoseconds) => text::rfc3339(nanoseconds).into(),
        Err(_) => json!({ "seconds": time.seconds, "nanoseconds": time.nanos }),
    }
}
