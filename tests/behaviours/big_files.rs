// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that all workers write together, segment by segment: repetitions, rewriting in place, damage, archives.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use keepfast_repo_format::manifest::ProblemCode;
use keepfast_storage::Backend;

use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, backup_options, restore_options};

/// More than any file that one worker writes alone, made of blocks that come back again and again in another order.
fn repetitive(random: &mut Random, blocks: usize) -> Vec<u8> {
    let pieces: Vec<Vec<u8>> = (0..20).map(|_| random.bytes(30_000)).collect();
    (0..blocks).flat_map(|_| random.pick(&pieces).clone()).collect()
}

fn file_of(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.source().join("big")
}

#[test]
fn a_file_of_repetitions_is_stored_once_and_comes_back_whole() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(1));
    let bytes = repetitive(&mut random, 400);
    assert!(bytes.len() > 10 << 20);
    fs::write(file_of(&sandbox), &bytes).unwrap();
    let target = sandbox.restore(sandbox.backup());
    assert!(fs::read(target.join("big")).unwrap() == bytes);
    let stored: u64 = sandbox.objects.list("packs").unwrap().iter().map(|object| object.length).sum();
    assert!(stored < 3 << 20, "{stored} bytes for 600 kB that repeat");
}

#[test]
fn a_big_file_is_rewritten_only_where_it_differs() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(2));
    let bytes = random.bytes(12 << 20);
    fs::write(file_of(&sandbox), &bytes).unwrap();
    let snapshot = sandbox.backup();
    let target = sandbox.restore(snapshot);
    let file = fs::OpenOptions::new().write(true).open(target.join("big")).unwrap();
    for at in [0, 5_000_000, (12 << 20) - 3] {
        file.write_all_at(b"xxx", at).unwrap();
    }
    let (summary, _) = sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
    assert!(fs::read(target.join("big")).unwrap() == bytes);
    // Three chunks of at most 8192 bytes.
    assert!((3..=3 * 8192).contains(&summary.written_bytes), "{}", summary.written_bytes);
    let (again, _) = sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
    assert_eq!(again.written_bytes, 0);
}

#[test]
fn a_lost_pack_costs_a_big_file_exactly_the_ranges_that_are_named() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(3));
    let bytes = random.bytes(12 << 20);
    fs::write(file_of(&sandbox), &bytes).unwrap();
    let snapshot = sandbox.backup();
    let packs = sandbox.objects.list("packs").unwrap();
    let full = packs.iter().find(|object| object.length == 1 << 20).expect("12 MiB fill packs of 1 MiB");
    sandbox.objects.delete(&full.name).unwrap();
    let target = sandbox.path("target");
    let (summary, _) = sandbox.restore_with(snapshot, &sandbox.options_to(&target)).unwrap();
    let found = fs::read(target.join("big")).unwrap();
    assert_eq!(found.len(), bytes.len());
    let mut lost = vec![false; bytes.len()];
    for problem in &summary.problems {
        assert_eq!(problem.code, ProblemCode::Unreadable);
        let range = problem.text.strip_prefix("bytes ").and_then(|text| text.split_once(' ')).unwrap().0;
        let (start, end) = range.split_once("..").unwrap();
        lost[start.parse().unwrap()..end.parse().unwrap()].fill(true);
    }
    let count = lost.iter().filter(|lost| **lost).count();
    assert!((500_000..(1 << 20)).contains(&count), "{count} bytes of one pack");
    for (at, is_lost) in lost.iter().enumerate() {
        let expected = if *is_lost { 0 } else { bytes[at] };
        assert_eq!(found[at], expected, "byte {at}");
    }
}

/// An archive of the folder, every member with this time.
fn archive(folder: &Path, time: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let bytes = fs::read(folder.join(&name)).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mtime(time);
        builder.append_data(&mut header, &name, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn an_archive_adds_little_to_the_files_in_it_and_nothing_to_one_with_other_times() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(4));
    for number in 0..60 {
        let length = 5_000 + random.below(300_000);
        fs::write(sandbox.source().join(format!("file {number:02}")), random.bytes(length)).unwrap();
    }
    let plain = sandbox.backup_with(&sandbox.options()).totals.stored_bytes;
    let [first, second] = [1_000_000_000, 1_111_111_111].map(|time| {
        let bytes = archive(&sandbox.source(), time);
        assert!(bytes.len() > 8 << 20, "an archive that is read as a big file");
        let folder = sandbox.path("archives");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("archive.tar"), &bytes).unwrap();
        let summary = sandbox.backup_with(&backup_options(&[folder]));
        let target = sandbox.path("target");
        let (restored, _) = sandbox.restore_with(summary.snapshot.unwrap(), &restore_options(&target)).unwrap();
        assert_eq!(restored.problems, []);
        let path = target.join(sandbox.path("archives").strip_prefix("/").unwrap()).join("archive.tar");
        assert!(fs::read(path).unwrap() == bytes);
        summary.totals.stored_bytes
    });
    assert!(first < plain / 20 && second < plain / 20, "{first} and {second} bytes beside {plain}");
}
