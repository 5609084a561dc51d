// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives made and unpacked by other programs, and imports and exports of them: what the tests of both compare.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use keepfast_engine::Result;
use keepfast_engine::events::Silent;
use keepfast_engine::export::{Coding, ExportOptions, Holes, export};
use keepfast_engine::import::{self, Compression, EndMark, ImportOptions, Mode, import};
use keepfast_engine::reader::Reader;
use keepfast_engine::redact::Selection;
use keepfast_engine::tree::{Cursor, Direction};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::Entry;

use super::sandbox::{Sandbox, client, clock, restore_options, root};

/// Options of an import of `archive.tar`.
pub fn import_options() -> ImportOptions {
    ImportOptions {
        paths: vec![b"/archive.tar".to_vec()],
        tags: Vec::new(),
        description: String::new(),
        end_mark: EndMark::Required,
        compression: Compression::Level(1),
        threads: 2,
        mode: Mode::Commit,
        clock,
    }
}

/// Imports these bytes, whatever comes.
pub fn try_import(sandbox: &Sandbox, archive: &[u8]) -> Result<import::Summary> {
    import(&sandbox.open(), &client(), archive, &import_options(), &Silent)
}

/// Imports an archive that must leave no problem behind.
pub fn import_whole(sandbox: &Sandbox, archive: &[u8]) -> SnapshotId {
    let summary = try_import(sandbox, archive).unwrap();
    assert_eq!(summary.problems, []);
    summary.snapshot.unwrap()
}

/// A reader that knows what is visible.
pub fn reader(sandbox: &Sandbox) -> Arc<Reader> {
    let repository = sandbox.open();
    repository.history().unwrap();
    repository.reader()
}

/// Entries of a snapshot, in order.
pub fn entries(sandbox: &Sandbox, id: SnapshotId) -> Vec<Entry> {
    let snapshots = sandbox.snapshots();
    let snapshot = snapshots.iter().find(|snapshot| snapshot.id == id).unwrap();
    let cursor = Cursor::new(reader(sandbox), root(snapshot), Direction::Forward);
    cursor.map(|entry| entry.unwrap()).collect()
}

/// Id of the tree of a snapshot, in hex.
pub fn tree(sandbox: &Sandbox, id: SnapshotId) -> String {
    let snapshots = sandbox.snapshots();
    snapshots.iter().find(|snapshot| snapshot.id == id).unwrap().manifest.root.to_string()
}

/// Restores all of a snapshot into a new folder of this name.
pub fn restore_all(sandbox: &Sandbox, id: SnapshotId, name: &str) -> std::path::PathBuf {
    let target = sandbox.path(name);
    let (summary, _) = sandbox.restore_with(id, &restore_options(&target)).unwrap();
    assert_eq!(summary.problems, []);
    target
}

pub fn export_options() -> ExportOptions {
    ExportOptions {
        coding: Coding::Plain,
        prefix: Vec::new(),
        strip_components: 0,
        holes: Holes::Zeros,
        selection: Selection::everything(),
    }
}

/// Exports what stands at `path` of a snapshot, whatever comes.
pub fn try_export(sandbox: &Sandbox, id: SnapshotId, path: &[u8], options: &ExportOptions) -> Result<Vec<u8>> {
    let snapshots = sandbox.snapshots();
    let snapshot = snapshots.iter().find(|snapshot| snapshot.id == id).unwrap();
    let mut archive = Vec::new();
    export(&reader(sandbox), root(snapshot), path, options, &mut archive, &Silent)?;
    Ok(archive)
}

/// Runs a program with these bytes as its input; its output. `None`, and a word about it, if it is not installed.
pub fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: {program} can not be run: {error}");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may not read all of it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// An archive of the folder, as `tar` makes it.
pub fn tar_of(folder: &Path, options: &[&str]) -> Option<Vec<u8>> {
    let folder = folder.to_str().unwrap();
    piped("tar", &[&["-C", folder, "-c"], options, &["."]].concat(), b"")
}

/// Unpacks an archive with `tar` into a new folder of this name.
pub fn untar(sandbox: &Sandbox, archive: &[u8], name: &str) -> Option<std::path::PathBuf> {
    let target = sandbox.path(name);
    std::fs::create_dir(&target).unwrap();
    let here = target.to_str().unwrap();
    piped("tar", &["-C", here, "-xpf", "-", "--xattrs", "--xattrs-include=*", "--numeric-owner"], archive)?;
    Some(target)
}

/// A member to be put into an archive.
pub struct Made<'a> {
    pub name: &'a [u8],
    pub kind: u8,
    pub link: &'a [u8],
    pub content: &'a [u8],
}

/// A file.
pub fn file<'a>(name: &'a [u8], content: &'a [u8]) -> Made<'a> {
    Made { name, kind: b'0', link: b"", content }
}

/// Something without content.
pub fn special<'a>(name: &'a [u8], kind: u8, link: &'a [u8]) -> Made<'a> {
    Made { name, kind, link, content: b"" }
}

/// One header block; names are cut off at 100 bytes.
pub fn header(name: &[u8], kind: u8, link: &[u8], size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o640);
    header.set_uid(12);
    header.set_gid(34);
    header.set_mtime(1_600_000_000);
    header.set_size(size);
    let old = header.as_old_mut();
    old.linkflag = [kind];
    let (name, link) = (&name[..name.len().min(100)], &link[..link.len().min(100)]);
    old.name[..name.len()].copy_from_slice(name);
    old.linkname[..link.len()].copy_from_slice(link);
    header.set_cksum();
    *header.as_bytes()
}

/// Blocks of one member, byte for byte as asked for.
pub fn member(made: &Made) -> Vec<u8> {
    let mut blocks = header(made.name, made.kind, made.link, made.content.len() as u64).to_vec();
    blocks.extend_from_slice(made.content);
    blocks.resize(blocks.len().next_multiple_of(512), 0);
    blocks
}

/// A whole archive.
pub fn archive(members: &[Made]) -> Vec<u8> {
    let mut blocks: Vec<u8> = members.iter().flat_map(member).collect();
    blocks.resize(blocks.len() + 1024, 0);
    blocks
}

/// One record of an extended header.
pub fn record(key: &str, value: &str) -> String {
    let length = key.len() + value.len() + 3;
    let length = length + (length + 2).to_string().len();
    format!("{length} {key}={value}\n")
}
