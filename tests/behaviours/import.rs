// SPDX-License-Identifier: MIT OR Apache-2.0
//! An archive imported as a tree is what `tar x` makes of it, in every format and compression, and deduplicates with the files.

use std::fs;

use keepfast_engine::events::Silent;
use keepfast_engine::import::{EndMark, ImportOptions, Mode, import};
use keepfast_repo_format::tree::entry::{FileType, Timestamp};

use crate::support::capture::{assert_same, capture, without_holes};
use crate::support::forest::grow;
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client};
use crate::support::tar_files::{
    Made, archive, entries, file, import_options, import_whole, member, piped, record, restore_all, special, tar_of,
    tree, try_import, untar,
};

/// A sandbox whose source has grown from this seed.
fn grown(seed: u64, paths: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    grow(&sandbox.source(), &mut Random::new(seed), paths);
    sandbox
}

#[test]
fn an_archive_of_any_format_is_what_tar_makes_of_it() {
    let formats: [&[&str]; 7] = [
        &["--format=gnu"],
        &["--format=gnu", "-S"],
        &["--format=oldgnu"],
        &["--format=posix", "--xattrs", "--xattrs-include=*"],
        &["--format=posix", "--xattrs", "--xattrs-include=*", "-S"],
        &["--format=ustar"],
        &["--format=v7"],
    ];
    for (seed, format) in (100..).zip(formats) {
        let sandbox = grown(seed, 90);
        let Some(archive) = tar_of(&sandbox.source(), format) else { return };
        let Some(unpacked) = untar(&sandbox, &archive, "unpacked") else { return };
        let snapshot = import_whole(&sandbox, &archive);
        let restored = restore_all(&sandbox, snapshot, "restored");
        let (expected, found) = (without_holes(capture(&unpacked)), without_holes(capture(&restored)));
        assert!(expected.len() > 40, "{format:?}: tar left out nearly everything");
        assert_same(&expected, &found, &format!("{format:?}"));
        assert_eq!(sandbox.check().findings, []);
    }
}

#[test]
fn holes_of_sparse_members_are_holes() {
    for options in [
        &["--format=gnu", "-S"][..],
        &["--format=posix", "-S", "--sparse-version=0.0"],
        &["--format=posix", "-S", "--sparse-version=0.1"],
        &["--format=posix", "-S", "--sparse-version=1.0"],
    ] {
        let sandbox = Sandbox::new();
        let at = |name: &str| fs::File::create(sandbox.source().join(name)).unwrap();
        let write = |file: &fs::File, offset: u64| {
            std::os::unix::fs::FileExt::write_all_at(file, &[7; 4096], offset).unwrap();
        };
        at("all hole").set_len(3 << 20).unwrap();
        let ends = at("ends in a hole");
        write(&ends, 0);
        ends.set_len(1 << 20).unwrap();
        let many = at("many");
        // More runs than a header, and a block behind it, have place for.
        for run in 0..60 {
            write(&many, run * 65_536);
        }
        let Some(archive) = tar_of(&sandbox.source(), options) else { return };
        assert!(archive.len() < 600_000, "tar keeps the holes: {}", archive.len());
        let snapshot = import_whole(&sandbox, &archive);
        let restored = restore_all(&sandbox, snapshot, "restored");
        let (expected, found) = (capture(&sandbox.source()), capture(&restored));
        let content = |capture: &crate::support::capture::Capture| -> Vec<_> {
            capture.iter().map(|(path, facts)| (path.clone(), facts.content.clone())).collect()
        };
        assert_eq!(content(&expected), content(&found), "{options:?}");
    }
}

#[test]
fn archives_of_python_are_what_tar_makes_of_them() {
    const SCRIPT: &str = "import sys, tarfile\n\
        t = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=int(sys.argv[2]), encoding='utf-8', errors='surrogateescape')\n\
        t.add(sys.argv[1], '.')\nt.close()";
    for format in ["0", "1", "2"] {
        let sandbox = Sandbox::new();
        let source = sandbox.source();
        fs::create_dir_all(source.join("a folder/b")).unwrap();
        fs::write(source.join("a folder/b").join("x".repeat(60)), vec![1; 5000]).unwrap();
        fs::write(source.join("a folder/naïve"), "text").unwrap();
        fs::hard_link(source.join("a folder/naïve"), source.join("other name")).unwrap();
        std::os::unix::fs::symlink("a folder//./b", source.join("link")).unwrap();
        let source = source.to_str().unwrap();
        let Some(archive) = piped("python3", &["-c", SCRIPT, source, format], b"") else { return };
        let Some(unpacked) = untar(&sandbox, &archive, "unpacked") else { return };
        let snapshot = import_whole(&sandbox, &archive);
        let restored = restore_all(&sandbox, snapshot, "restored");
        assert_same(&capture(&unpacked), &capture(&restored), &format!("format {format}"));
    }
}

#[test]
fn compression_does_not_matter() {
    let sandbox = grown(120, 60);
    let Some(plain) = tar_of(&sandbox.source(), &["--format=posix"]) else { return };
    let expected = tree(&sandbox, import_whole(&sandbox, &plain));
    for program in ["gzip", "zstd", "xz", "bzip2"] {
        let Some(packed) = piped(program, &["-c"], &plain) else { continue };
        assert!(packed.len() < plain.len());
        assert_eq!(tree(&sandbox, import_whole(&sandbox, &packed)), expected, "{program}");
        // In pieces, each compressed for itself, as parallel compressors write.
        let pieces = plain.chunks(plain.len() / 3 + 1).flat_map(|piece| piped(program, &["-c"], piece).unwrap());
        let pieces: Vec<u8> = pieces.collect();
        assert_eq!(tree(&sandbox, import_whole(&sandbox, &pieces)), expected, "{program} in pieces");
    }
    let mut padded = piped("gzip", &["-c"], &plain).unwrap();
    padded.resize(padded.len() + 10_000, 0);
    assert_eq!(tree(&sandbox, import_whole(&sandbox, &padded)), expected, "zeros behind a gzip file are padding");
}

#[test]
fn acls_in_text_become_attributes() {
    let records = record("SCHILY.acl.access", "user::rw-,user:1234:r--,group::r--,mask::r--,other::---")
        + &record("SCHILY.xattr.user.a", "\n5 x=\n")
        + &record("mtime", "-1.25");
    let blocks = [
        member(&Made { name: b"", kind: b'x', link: b"", content: records.as_bytes() }),
        archive(&[file(b"f", b"content")]),
    ]
    .concat();
    let sandbox = Sandbox::new();
    let snapshot = import_whole(&sandbox, &blocks);
    let entry = entries(&sandbox, snapshot).pop().unwrap();
    assert_eq!(entry.metadata.modified, Timestamp { seconds: -2, nanos: 750_000_000 });
    let names: Vec<&[u8]> = entry.metadata.xattrs.iter().map(|(name, _)| name.as_slice()).collect();
    assert_eq!(names, [&b"system.posix_acl_access"[..], b"user.a"]);
    assert_eq!(entry.metadata.xattrs[1].1, b"\n5 x=\n", "a value may have line ends");
}

#[test]
fn what_is_backed_up_already_is_not_stored_again() {
    let sandbox = Sandbox::new();
    let content = Random::new(130).bytes(300_000);
    fs::write(sandbox.source().join("big"), &content).unwrap();
    sandbox.backup();
    // Small members before it move its place in the archive.
    let archive = archive(&[file(b"little", b"x"), file(b"elsewhere/big", &content)]);
    let summary = try_import(&sandbox, &archive).unwrap();
    assert!(summary.totals.bytes > 300_000);
    assert!(summary.totals.new_plain_bytes < 3_000, "{:?}", summary.totals);
}

#[test]
fn a_second_import_finds_its_parent_and_counts_what_changed() {
    let sandbox = Sandbox::new();
    let first = try_import(&sandbox, &archive(&[file(b"a", b"1"), file(b"b", b"2")])).unwrap();
    assert_eq!((first.parent, first.totals.new_files), (None, 2));
    let second = try_import(&sandbox, &archive(&[file(b"c", b"3"), file(b"b", b"4"), file(b"a", b"1")])).unwrap();
    assert_eq!(second.parent, first.snapshot);
    let totals = second.totals;
    assert_eq!((totals.new_files, totals.changed_files, totals.unmodified_files), (1, 1, 1));
    let other = ImportOptions { paths: vec![b"/other.tar".to_vec()], ..import_options() };
    let third = import(&sandbox.open(), &client(), &archive(&[file(b"a", b"1")])[..], &other, &Silent).unwrap();
    assert_eq!(third.parent, None);
}

#[test]
fn a_dry_run_writes_nothing() {
    let sandbox = Sandbox::new();
    let options = ImportOptions { mode: Mode::DryRun, ..import_options() };
    let before = keepfast_storage::Backend::list(sandbox.objects.as_ref(), "").unwrap().len();
    let blocks = archive(&[file(b"a", &[1; 10_000])]);
    let summary = import(&sandbox.open(), &client(), &blocks[..], &options, &Silent).unwrap();
    assert_eq!((summary.snapshot, summary.totals.files), (None, 1));
    assert!(summary.totals.new_plain_bytes > 0);
    assert_eq!(keepfast_storage::Backend::list(sandbox.objects.as_ref(), "").unwrap().len(), before);
}

#[test]
fn archives_put_together_are_read_to_the_last_if_asked() {
    let sandbox = Sandbox::new();
    let blocks = [archive(&[file(b"a", b"1")]), archive(&[file(b"b", b"2")])].concat();
    let summary = try_import(&sandbox, &blocks).unwrap();
    assert_eq!((summary.totals.files, summary.problems.len()), (1, 1), "what is left out is said");
    let options = ImportOptions { end_mark: EndMark::Ignored, ..import_options() };
    let summary = import(&sandbox.open(), &client(), &blocks[..], &options, &Silent).unwrap();
    assert_eq!((summary.totals.files, summary.problems.len()), (2, 0));
}

#[test]
fn folders_that_are_only_implied_are_made_up() {
    let sandbox = Sandbox::new();
    let snapshot = import_whole(&sandbox, &archive(&[file(b"a/b/c/file", b"1"), special(b"a/b", b'5', b"")]));
    let found: Vec<(Vec<u8>, FileType, u32)> =
        entries(&sandbox, snapshot).iter().map(|it| (it.path(), it.metadata.file_type, it.metadata.mode)).collect();
    let folder = |path: &[u8], mode| (path.to_vec(), FileType::Directory, mode);
    let file = (b"a/b/c/file".to_vec(), FileType::File, 0o640);
    assert_eq!(found, [folder(b"a", 0o755), folder(b"a/b", 0o640), folder(b"a/b/c", 0o755), file]);
}

#[test]
fn a_hundred_thousand_members_are_imported() {
    let sandbox = Sandbox::new();
    let mut blocks = Vec::new();
    for number in 0..100_000_u32 {
        // Neither in the order of a tree nor folder by folder.
        let number = number.wrapping_mul(7919) % 100_000;
        let (name, content) = (format!("d{}/e{}/f{number}", number % 50, number % 7), (number % 100).to_string());
        blocks.extend(member(&file(name.as_bytes(), content.as_bytes())));
    }
    blocks.resize(blocks.len() + 1024, 0);
    let summary = try_import(&sandbox, &blocks).unwrap();
    assert_eq!((summary.totals.files, summary.totals.directories), (100_000, 50 + 350));
    assert_eq!((summary.problems, summary.replaced), (vec![], vec![]));
}
