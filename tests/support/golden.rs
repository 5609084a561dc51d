// SPDX-License-Identifier: MIT OR Apache-2.0
//! The golden repositories of `tests/golden`, what they hold as `expected.txt` says it, and the same description of a restored
//! folder. For the tests that read them; it asserts nothing about keepfast.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::repository::{Credential, Found, LocalFolders, Repository};
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_storage::local::LocalBackend;
use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};
use sha2::{Digest, Sha256};

use crate::support::history_script::copy_folder;
use crate::support::workspace;

/// The folder with one golden repository for each version of the format.
pub fn golden_folder() -> PathBuf {
    workspace().join("tests/golden")
}

/// A golden repository, or a copy of one.
pub struct Golden {
    /// Holds `repo`, `key-file`, `password` and `expected.txt`.
    pub folder: PathBuf,
}

/// A snapshot of a golden repository.
pub struct ExpectedSnapshot {
    /// Its id in hex.
    pub id: String,
    /// Its entries, as in `expected.txt`.
    pub lines: BTreeSet<String>,
    /// Compressed files by path, each with length and SHA-256 of what is compressed in it.
    pub unwrapped: BTreeMap<String, String>,
}

impl Golden {
    /// The committed one of this version.
    pub fn of_version(name: &str) -> Self {
        Self { folder: golden_folder().join(name) }
    }

    /// A copy that may be changed.
    pub fn copy(&self, to: &Path) -> Self {
        copy_folder(&self.folder, to);
        Self { folder: to.to_path_buf() }
    }

    /// The folder with the objects.
    pub fn repo(&self) -> PathBuf {
        self.folder.join("repo")
    }

    /// The key file.
    pub fn key_file(&self) -> Credential {
        let text = fs::read_to_string(self.folder.join("key-file")).unwrap();
        Credential::KeyFile(KeyFile::parse(&text).unwrap())
    }

    /// The password.
    pub fn password(&self) -> Credential {
        Credential::Password(fs::read_to_string(self.folder.join("password")).unwrap().trim_end().to_string())
    }

    /// Opens it; `state` is a folder of this machine.
    pub fn open(&self, credential: &Credential, state: &Path) -> keepfast_engine::Result<Repository> {
        let backend = LocalBackend::open(&self.repo())?;
        let folders = LocalFolders { cache: None, state: state.to_path_buf() };
        Found::locate(Arc::new(backend))?.open(credential, &folders)
    }

    /// The snapshots, oldest first.
    pub fn expected(&self) -> Vec<ExpectedSnapshot> {
        let mut snapshots = Vec::new();
        for line in fs::read_to_string(self.folder.join("expected.txt")).unwrap().lines() {
            if let Some(id) = line.strip_prefix("== ").and_then(|line| line.strip_suffix(" ==")) {
                let (lines, unwrapped) = (BTreeSet::new(), BTreeMap::new());
                snapshots.push(ExpectedSnapshot { id: id.to_string(), lines, unwrapped });
                continue;
            }
            let snapshot = snapshots.last_mut().expect("the first line names a snapshot");
            if let Some(unwrapped) = line.strip_prefix("unwrapped ") {
                let (content, path) = unwrapped.rsplit_once(' ').unwrap();
                snapshot.unwrapped.insert(path.to_string(), content.to_string());
            } else {
                snapshot.lines.insert(line.to_string());
            }
        }
        snapshots
    }
}

/// What this process can restore in a folder; the rest is left out of comparisons.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    owners: bool,
    xattrs: bool,
}

impl Abilities {
    /// Tries them out, and says what is missing.
    pub fn of(folder: &Path) -> Self {
        let probe = folder.join("probe");
        fs::write(&probe, "x").unwrap();
        let xattrs = lsetxattr(&probe, "user.probe", b"x", XattrFlags::empty()).is_ok();
        let owners = chown(&probe, Some(4321), Some(8765)).is_ok();
        fs::remove_file(probe).unwrap();
        for (able, what) in [(owners, "owners and set-id bits"), (xattrs, "user xattrs")] {
            if !able {
                println!("not compared, because this process can not set them in {}: {what}", folder.display());
            }
        }
        Self { owners, xattrs }
    }

    /// The lines that can be compared, with what can be compared of them.
    pub fn comparable(self, lines: &BTreeSet<String>) -> BTreeSet<String> {
        let keep = |line: &&String| self.xattrs || !line.starts_with("xattr ");
        lines.iter().filter(keep).map(|line| self.comparable_line(line)).collect()
    }

    fn comparable_line(self, line: &str) -> String {
        let mut fields: Vec<&str> = line.split(' ').collect();
        if self.owners || fields.len() != 9 {
            return line.to_string();
        }
        let mode = format!("{:o}", u32::from_str_radix(fields[1], 8).unwrap() & 0o777);
        fields.splice(1..4, [mode.as_str(), "-", "-"]);
        fields.join(" ")
    }
}

/// Every entry below a restored folder in the words of `tests/golden/make`.
pub fn describe(top: &Path) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let mut pending = vec![top.to_path_buf()];
    while let Some(path) = pending.pop() {
        let shown = match path.strip_prefix(top).unwrap().as_os_str().as_bytes() {
            b"" => ".".to_string(),
            below => escaped(below),
        };
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        if shown == "stream" {
            continue;
        }
        lines.insert(if shown.starts_with("stream/") {
            format!("stream {} {} {shown}", metadata.len(), sha256(&path))
        } else {
            entry_line(&path, &metadata, &shown)
        });
        lines.extend(xattr_lines(&path, &shown));
    }
    lines
}

fn entry_line(path: &Path, metadata: &fs::Metadata, shown: &str) -> String {
    let file_type = metadata.file_type();
    let (letter, content) = if file_type.is_file() {
        ('f', sha256(path))
    } else if file_type.is_symlink() {
        ('l', escaped(fs::read_link(path).unwrap().as_os_str().as_bytes()))
    } else if file_type.is_dir() {
        ('d', "-".to_string())
    } else {
        (if file_type.is_fifo() { 'p' } else { '?' }, "-".to_string())
    };
    let mode = metadata.mode() & 0o7777;
    let (uid, gid) = (metadata.uid(), metadata.gid());
    let (seconds, nanos) = (metadata.mtime(), metadata.mtime_nsec());
    let size = if file_type.is_file() { metadata.len() } else { 0 };
    let links = if file_type.is_dir() { 1 } else { metadata.nlink() };
    format!("{letter} {mode:o} {uid} {gid} {seconds}.{nanos:09} {size} {links} {content} {shown}")
}

fn xattr_lines(path: &Path, shown: &str) -> Vec<String> {
    let mut names = vec![0; 1 << 16];
    let length = llistxattr(path, &mut names[..]).unwrap_or(0);
    let user = names[..length].split(|byte| *byte == 0).filter(|name| name.starts_with(b"user."));
    user.map(|name| {
        let mut value = vec![0; 1 << 16];
        let length = lgetxattr(path, name, &mut value[..]).unwrap();
        let value = if length == 0 { "-".to_string() } else { hex(&value[..length]) };
        format!("xattr {} {value} {shown}", str::from_utf8(name).unwrap())
    })
    .collect()
}

/// Of a file that not even its owner may read as it is, too.
fn sha256(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|_| {
        let permissions = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        let bytes = fs::read(path).unwrap();
        fs::set_permissions(path, permissions).unwrap();
        bytes
    });
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            0x21..=0x7e if *byte != b'\\' => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
        text
    })
}
