// SPDX-License-Identifier: MIT OR Apache-2.0
//! An export is what a restore would have written, for `tar` and for an import; the same snapshot gives the same bytes, and a
//! snapshot with a gap gives none.

use std::fs;
use std::os::unix::fs::symlink;

use keepfast_engine::Error;
use keepfast_engine::export::{Coding, ExportOptions, Holes};
use keepfast_engine::redact::Selection;
use keepfast_storage::Backend;

use crate::support::capture::{assert_same, capture, without_holes};
use crate::support::forest::{grow, set_times};
use crate::support::random::Random;
use crate::support::sandbox::Sandbox;
use crate::support::tar_files::{
    Made, archive, entries, export_options, file, import_whole, member, piped, reader, record, restore_all, tar_of,
    tree, try_export, untar,
};

fn grown(seed: u64, paths: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    grow(&sandbox.source(), &mut Random::new(seed), paths);
    sandbox
}

fn sparse() -> ExportOptions {
    ExportOptions { holes: Holes::Kept, ..export_options() }
}

#[test]
fn tar_unpacks_what_a_restore_writes() {
    for seed in 200..206 {
        let sandbox = grown(seed, 100);
        let snapshot = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
        let archive = try_export(&sandbox, snapshot, b"", &export_options()).unwrap();
        let Some(unpacked) = untar(&sandbox, &archive, "unpacked") else { return };
        assert_same(&without_holes(capture(&sandbox.source())), &without_holes(capture(&unpacked)), &format!("{seed}"));
        let archive = try_export(&sandbox, snapshot, b"", &sparse()).unwrap();
        let Some(unpacked) = untar(&sandbox, &archive, "unpacked sparse") else { return };
        assert_same(&capture(&restore_all(&sandbox, snapshot, "restored")), &capture(&unpacked), &format!("{seed}"));
    }
}

#[test]
fn an_imported_export_is_the_same_tree() {
    for seed in 210..216 {
        let sandbox = grown(seed, 100);
        let Some(archive) = tar_of(&sandbox.source(), &["--format=posix", "-S", "--xattrs", "--xattrs-include=*"])
        else {
            return;
        };
        let first = import_whole(&sandbox, &archive);
        let again = import_whole(&sandbox, &try_export(&sandbox, first, b"", &sparse()).unwrap());
        assert_eq!(tree(&sandbox, first), tree(&sandbox, again), "seed {seed}");
        // Of a backup an archive can not carry inode numbers, flags and births; everything else comes back.
        let backup = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
        let again = import_whole(&sandbox, &try_export(&sandbox, backup, b"", &sparse()).unwrap());
        let bare = |mut all: Vec<keepfast_repo_format::tree::entry::Entry>| {
            for entry in &mut all {
                (entry.metadata.inode, entry.metadata.inode_flags, entry.metadata.born) = (0, 0, None);
            }
            all
        };
        assert_eq!(bare(entries(&sandbox, backup)), bare(entries(&sandbox, again)), "seed {seed}");
    }
}

#[test]
fn the_same_snapshot_gives_the_same_bytes() {
    let sandbox = grown(220, 80);
    let snapshot = sandbox.backup();
    for coding in [Coding::Plain, Coding::Gzip { level: 6 }, Coding::Zstd { level: 3 }] {
        let options = ExportOptions { coding, ..export_options() };
        let first = try_export(&sandbox, snapshot, b"", &options).unwrap();
        assert_eq!(first, try_export(&sandbox, snapshot, b"", &options).unwrap(), "{coding:?}");
        let program = match coding {
            Coding::Plain => continue,
            Coding::Gzip { .. } => "gzip",
            Coding::Zstd { .. } => "zstd",
        };
        let Some(plain) = piped(program, &["-dc"], &first) else { continue };
        assert_eq!(plain, try_export(&sandbox, snapshot, b"", &export_options()).unwrap(), "{coding:?}");
    }
}

#[test]
fn holes_between_data_are_zeros_and_nothing_is_repeated() {
    let sandbox = Sandbox::new();
    let content = Random::new(225).bytes(300_000);
    let file = fs::File::create(sandbox.source().join("sparse")).unwrap();
    for start in [0, 1 << 20, 3 << 20] {
        std::os::unix::fs::FileExt::write_all_at(&file, &content, start).unwrap();
    }
    file.set_len(5 << 20).unwrap();
    let snapshot = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
    let expected = fs::read(sandbox.source().join("sparse")).unwrap();
    let mut dumped = Vec::new();
    let root = crate::support::sandbox::root(&sandbox.snapshots()[0]);
    let silent = keepfast_engine::events::Silent;
    keepfast_engine::dump::dump(&reader(&sandbox), root, b"sparse", &Selection::everything(), &mut dumped, &silent)
        .unwrap();
    assert!(dumped == expected, "{} bytes were dumped of {}", dumped.len(), expected.len());
    for options in [export_options(), sparse()] {
        let archive = try_export(&sandbox, snapshot, b"sparse", &options).unwrap();
        let imported = restore_all(&sandbox, import_whole(&sandbox, &archive), &format!("{:?}", options.holes));
        assert!(fs::read(imported.join("sparse")).unwrap() == expected, "{:?}", options.holes);
    }
}

#[test]
fn tar_finds_holes_wherever_they_begin() {
    let sandbox = Sandbox::new();
    let name = "long/".repeat(30) + "sparse";
    // Holes of an imported file begin where its archive says, and not at blocks.
    let maps: [&[(usize, usize)]; 3] = [&[(0, 512), (8192, 1024), (20_000, 0)], &[(100, 7), (9000, 900)], &[(3, 512)]];
    for (number, runs) in maps.iter().enumerate() {
        let lines: String = runs.iter().map(|(start, length)| format!("{start}\n{length}\n")).collect();
        let mut content = format!("{}\n{lines}", runs.len()).into_bytes();
        content.resize(512, 0);
        content.extend(Random::new(number as u64).bytes(runs.iter().map(|(_, length)| length).sum()));
        let records: String = [("major", "1"), ("minor", "0"), ("name", &name), ("realsize", "20000")]
            .iter()
            .map(|(key, value)| record(&format!("GNU.sparse.{key}"), value))
            .collect();
        let records = Made { name: b"", kind: b'x', link: b"", content: records.as_bytes() };
        let blocks = [member(&records), archive(&[file(b"GNUSparseFile.0/sparse", &content)])].concat();
        let snapshot = import_whole(&sandbox, &blocks);
        let expected = fs::read(restore_all(&sandbox, snapshot, &format!("restored {number}")).join(&name)).unwrap();
        assert_eq!(expected.len(), 20_000);
        let exported = try_export(&sandbox, snapshot, b"", &sparse()).unwrap();
        let Some(unpacked) = untar(&sandbox, &exported, &format!("unpacked {number}")) else { return };
        assert!(fs::read(unpacked.join(&name)).unwrap() == expected, "{number}");
    }
}

#[test]
fn names_are_as_asked_for() {
    let sandbox = Sandbox::new();
    let source = sandbox.source();
    fs::create_dir_all(source.join("etc/ssl")).unwrap();
    fs::write(source.join("etc/hosts"), "h").unwrap();
    fs::write(source.join("etc/ssl/key"), "k").unwrap();
    fs::hard_link(source.join("etc/ssl/key"), source.join("etc/zz")).unwrap();
    symlink("./ssl//key", source.join("etc/link")).unwrap();
    let snapshot = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
    let names = |path: &[u8], prefix: &[u8], strip_components| {
        let options = ExportOptions { prefix: prefix.to_vec(), strip_components, ..export_options() };
        let archive = try_export(&sandbox, snapshot, path, &options).unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| String::from_utf8(entry.unwrap().header().path_bytes().into_owned()).unwrap())
            .filter(|name| !name.is_empty())
            .collect();
        names
    };
    assert_eq!(names(b"etc", b"", 0), [".", "hosts", "link", "zz", "ssl", "ssl/key"]);
    assert_eq!(names(b"etc/hosts", b"", 0), ["hosts"]);
    assert_eq!(names(b"etc/ssl", b".", 0), [".", "./key"]);
    assert_eq!(names(b"etc/ssl", b"backup/etc", 0), ["backup/etc", "backup/etc/key"]);
    assert_eq!(names(b"", b"", 1), ["hosts", "link", "zz", "ssl", "ssl/key"]);
    assert_eq!(names(b"", b"x", 2), ["x/key"]);
    let archive = try_export(&sandbox, snapshot, b"etc", &export_options()).unwrap();
    let Some(unpacked) = untar(&sandbox, &archive, "unpacked") else { return };
    assert_eq!(fs::read_link(unpacked.join("link")).unwrap().to_str(), Some("./ssl//key"), "targets are not tidied up");
}

#[test]
fn sockets_are_named_and_lend_their_attributes_to_nobody() {
    let sandbox = Sandbox::new();
    let _socket = std::os::unix::net::UnixListener::bind(sandbox.source().join("a")).unwrap();
    set_times(&sandbox.source().join("a"), -5, 123);
    fs::write(sandbox.source().join("b"), "b").unwrap();
    set_times(&sandbox.source().join("b"), 1_600_000_000, 0);
    let snapshot = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
    let snapshots = sandbox.snapshots();
    let root = crate::support::sandbox::root(&snapshots[0]);
    let (reader, mut archive) = (reader(&sandbox), Vec::new());
    let silent = keepfast_engine::events::Silent;
    let exported =
        keepfast_engine::export::export(&reader, root, b"", &export_options(), &mut archive, &silent).unwrap();
    assert_eq!((exported.problems.len(), &exported.problems[0].path[..]), (1, &b"a"[..]));
    let mut dumped = Vec::new();
    keepfast_engine::dump::dump(&reader, root, b"", &Selection::everything(), &mut dumped, &silent).unwrap();
    for (archive, name) in [(archive, "exported"), (dumped, "dumped")] {
        let Some(unpacked) = untar(&sandbox, &archive, name) else { return };
        let facts = capture(&unpacked);
        assert_eq!(facts[&b"b"[..]].modified, (1_600_000_000, 0), "{name}");
        assert!(!facts.contains_key(&b"a"[..]));
    }
    assert!(snapshot == snapshots[0].id);
}

#[test]
fn a_missing_chunk_ends_the_export_and_is_named() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("lost"), Random::new(230).bytes(50_000)).unwrap();
    let snapshot = sandbox.backup_with(&sandbox.options_at_top()).snapshot.unwrap();
    let packs = sandbox.objects.list("packs").unwrap();
    let largest = packs.iter().max_by_key(|pack| pack.length).unwrap();
    sandbox.objects.delete(&largest.name).unwrap();
    let Err(Error::Content { path, source }) = try_export(&sandbox, snapshot, b"", &export_options()) else {
        panic!("it was exported")
    };
    assert_eq!(path, b"lost");
    assert!(source.is_damage(), "{source}");
}
