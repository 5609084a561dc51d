// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a folder is, attribute by attribute, read with plain system calls: the oracle that restored folders are compared
//! with. It shares no line with the engine, on purpose.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{SeekFrom, lgetxattr, llistxattr, seek};

/// Everything that is promised to come back about one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub kind: &'static str,
    pub mode: u32,
    pub owner: (u32, u32),
    pub modified: (i64, i64),
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// Size and hash of a file's bytes; a symlink's target.
    pub content: Content,
    /// First path of a file with several names, if it has several in this folder.
    pub linked_to: Option<Vec<u8>>,
    pub device: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    None,
    /// Size, hash, and the ranges that hold data (the rest are holes).
    File {
        size: u64,
        hash: String,
        data: Vec<(u64, u64)>,
    },
    Target(Vec<u8>),
}

/// Facts by path below the folder; the folder itself is the empty path.
pub type Capture = BTreeMap<Vec<u8>, Facts>;

/// Reads the folder.
pub fn capture(folder: &Path) -> Capture {
    let mut found = Capture::new();
    let mut inodes: HashMap<(u64, u64), Vec<Vec<u8>>> = HashMap::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let full = join(folder, &path);
        let metadata = fs::symlink_metadata(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display()));
        if metadata.is_dir() {
            for entry in fs::read_dir(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display())) {
                let name = entry.unwrap().file_name().into_vec();
                open.push(if path.is_empty() { name } else { [&path[..], b"/", &name].concat() });
            }
        } else if metadata.nlink() > 1 {
            inodes.entry((metadata.dev(), metadata.ino())).or_default().push(path.clone());
        }
        found.insert(path, facts(&full, &metadata));
    }
    for mut names in inodes.into_values().filter(|names| names.len() > 1) {
        names.sort();
        for name in &names {
            found.get_mut(name).unwrap().linked_to = Some(names[0].clone());
        }
    }
    found
}

/// Where a path of a capture is.
pub fn join(folder: &Path, path: &[u8]) -> std::path::PathBuf {
    if path.is_empty() { folder.to_path_buf() } else { folder.join(std::ffi::OsStr::from_bytes(path)) }
}

fn facts(path: &Path, metadata: &fs::Metadata) -> Facts {
    let file_type = metadata.file_type();
    let (kind, content) = if file_type.is_file() {
        ("file", file(path, metadata.len()))
    } else if file_type.is_dir() {
        ("folder", Content::None)
    } else if file_type.is_symlink() {
        ("symlink", Content::Target(fs::read_link(path).unwrap().into_os_string().into_vec()))
    } else if file_type.is_fifo() {
        ("fifo", Content::None)
    } else if file_type.is_socket() {
        ("socket", Content::None)
    } else if file_type.is_char_device() {
        ("character device", Content::None)
    } else {
        ("block device", Content::None)
    };
    Facts {
        kind,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        xattrs: xattrs(path),
        content,
        linked_to: None,
        device: if kind.ends_with("device") { metadata.rdev() } else { 0 },
    }
}

fn file(path: &Path, size: u64) -> Content {
    let Ok(mut file) = File::open(path) else {
        return Content::File { size, hash: "unreadable".into(), data: Vec::new() };
    };
    let mut data = Vec::new();
    let mut at = 0;
    while let Ok(start) = seek(&file, SeekFrom::Data(at)) {
        at = seek(&file, SeekFrom::Hole(start)).unwrap();
        data.push((start, at));
    }
    seek(&file, SeekFrom::Start(0)).unwrap();
    // A huge file is mostly hole: its data ranges are compared, and hashed alone.
    let mut hasher = blake3::Hasher::new();
    if size < 1 << 28 {
        std::io::copy(&mut file, &mut hasher).unwrap();
    } else {
        use std::os::unix::fs::FileExt;
        for (start, end) in &data {
            let mut bytes = vec![0; (end - start) as usize];
            file.read_exact_at(&mut bytes, *start).unwrap();
            hasher.update(&bytes);
        }
    }
    Content::File { size, hash: hasher.finalize().to_hex()[..16].to_string(), data }
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = Vec::with_capacity(1 << 16);
    if llistxattr(path, rustix::buffer::spare_capacity(&mut names)).is_err() {
        return Vec::new();
    }
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = Vec::with_capacity(1 << 16);
        lgetxattr(path, name, rustix::buffer::spare_capacity(&mut value)).unwrap();
        (String::from_utf8_lossy(name).into_owned(), value)
    };
    let mut found: Vec<_> = names.map(value).collect();
    found.sort();
    found
}

/// Every path that differs, in words.
pub fn differences(expected: &Capture, found: &Capture) -> Vec<String> {
    let shown = |path: &[u8]| path.escape_ascii().to_string();
    let mut differences = Vec::new();
    for (path, wanted) in expected {
        match found.get(path) {
            None => differences.push(format!("{}: missing", shown(path))),
            Some(there) if there != wanted => {
                differences.push(format!("{}:\n    expected {wanted:?}\n    found    {there:?}", shown(path)));
            }
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|path| !expected.contains_key(*path));
    differences.extend(extra.map(|path| format!("{}: not expected", shown(path))));
    differences
}

/// The same without where holes are: bytes that were equal already stay as they lie.
pub fn without_holes(mut found: Capture) -> Capture {
    for facts in found.values_mut() {
        if let Content::File { data, .. } = &mut facts.content {
            data.clear();
        }
    }
    found
}

/// Fails with every difference at once.
#[track_caller]
pub fn assert_same(expected: &Capture, found: &Capture, what: &str) {
    let differences = differences(expected, found);
    assert!(differences.is_empty(), "{what}:\n  {}", differences.join("\n  "));
}
