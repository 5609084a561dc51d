// SPDX-License-Identifier: MIT OR Apache-2.0
//! Content of files, holes, long paths, and looking at what is there.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use keepfast_repo_format::tree::entry::FileType;
use proptest::prelude::*;

use super::{Fixture, gid, kind, uid};
use crate::target::{TargetErrorKind, resolve};

const MIB: u64 = 1 << 20;

#[test]
fn parts_of_a_file_are_written_and_read_in_any_order() {
    let fixture = Fixture::new();
    let file = fixture.top().create_file(b"file").unwrap();
    assert_eq!(file.path(), b"file");
    file.write_at(5, b"world").unwrap();
    file.write_at(0, b"hello").unwrap();
    assert_eq!(file.len().unwrap(), 10);
    let mut buffer = [0; 20];
    assert_eq!(file.read_at(3, &mut buffer).unwrap(), 7);
    assert_eq!(&buffer[..7], b"loworld");
    file.set_len(4).unwrap();
    file.sync().unwrap();
    drop(file);
    let again = fixture.top().open_file(b"file").unwrap();
    assert_eq!(again.read_at(0, &mut buffer).unwrap(), 4);
    assert_eq!(kind(fixture.top().create_file(b"file")), TargetErrorKind::Exists);
    assert_eq!(fs::metadata(fixture.path("file")).unwrap().mode() & 0o7777 & !0o600, 0);
}

#[test]
fn a_hole_takes_no_space() {
    let fixture = Fixture::new();
    let file = fixture.top().create_file(b"file").unwrap();
    file.write_at(0, &vec![1; 4 * MIB as usize]).unwrap();
    file.sync().unwrap();
    let full = fs::metadata(fixture.path("file")).unwrap().blocks();
    file.hole(MIB, 2 * MIB).unwrap();
    file.hole(8 * MIB, 8 * MIB).unwrap();
    file.sync().unwrap();
    let after = fs::metadata(fixture.path("file")).unwrap();
    assert_eq!(after.len(), 16 * MIB);
    if full < 4 * MIB / 512 {
        println!("skipped: the file system of the temporary folder compresses or does not count blocks");
        return;
    }
    assert!(after.blocks() * 512 <= 2 * MIB + 128 * 1024, "{} blocks", after.blocks());
}

#[test]
fn reserved_space_does_not_change_the_size_and_is_given_back_with_the_length() {
    let fixture = Fixture::new();
    let file = fixture.top().create_file(b"file").unwrap();
    file.allocate(&(0..0));
    file.allocate(&(0..u64::MAX));
    file.allocate(&(4096..4 * MIB));
    file.write_at(0, b"content").unwrap();
    assert_eq!(file.len().unwrap(), 7);
    let blocks = || fs::metadata(fixture.path("file")).unwrap().blocks() * 512;
    if blocks() < 3 * MIB {
        println!("skipped: nothing is reserved on the file system of the temporary folder");
        return;
    }
    file.set_len(7).unwrap();
    assert!(blocks() < MIB, "{} bytes are still taken", blocks());
}

#[test]
fn a_hole_beyond_the_largest_offset_is_an_error() {
    let fixture = Fixture::new();
    let file = fixture.top().create_file(b"file").unwrap();
    assert!(file.hole(u64::MAX, 2).is_err());
    assert!(file.hole(1 << 63, 1).is_err());
}

#[test]
fn paths_longer_than_the_system_takes_at_once_are_resolved() {
    let fixture = Fixture::new();
    let component = [b'n'; 250];
    let mut path = Vec::new();
    let mut folder = fixture.top();
    for _ in 0..40 {
        folder.make_directory(&component).unwrap();
        folder = folder.open_directory(&component).unwrap();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&component);
        assert_eq!(fixture.target.directory(&path).unwrap().path(), path);
    }
    let deep = fixture.target.directory(&path).unwrap();
    deep.create_file(b"file").unwrap();
    assert_eq!(folder.names().unwrap(), [b"file"]);
    fixture.top().remove(&component).unwrap();
}

#[test]
fn both_ways_to_resolve_reach_the_same_folder() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path("a/b/c")).unwrap();
    let top = fixture.top();
    for path in [b"a".as_slice(), b"a/b", b"a/b/c"] {
        let inode = |fd| rustix::fs::fstat(fd).unwrap().st_ino;
        let by_kernel = resolve::folder(top.as_fd(), path, resolve::Mounts::Refuse).unwrap();
        let by_walking = resolve::walk(top.as_fd(), path, resolve::Mounts::Refuse).unwrap();
        assert_eq!(inode(by_kernel), inode(by_walking));
    }
}

#[test]
fn what_is_there_is_described_without_following_symlinks() {
    let fixture = Fixture::new();
    let top = fixture.top();
    top.create_file(b"file").unwrap().write_at(0, b"12345").unwrap();
    top.make_symlink(b"link", b"\xff/../nowhere").unwrap();
    top.hard_link(b"second", &top, b"file").unwrap();
    let file = top.existing(b"file").unwrap().unwrap();
    assert_eq!((file.file_type, file.size, file.links, file.mode & !0o600), (FileType::File, 5, 2, 0));
    assert_eq!((file.uid, file.gid, file.device_numbers), (uid(), gid(), None));
    assert_eq!(file.inode, top.existing(b"second").unwrap().unwrap().inode);
    assert_eq!(top.existing(b"link").unwrap().unwrap().file_type, FileType::Symlink);
    assert_eq!(top.read_link(b"link").unwrap(), b"\xff/../nowhere");
    assert_eq!(top.existing(b"nothing").unwrap(), None);
    assert_eq!(top.names().unwrap(), [b"file".as_slice(), b"link", b"second"]);
    assert_eq!(kind(top.read_link(b"file")), TargetErrorKind::Other);
}

#[test]
fn an_error_names_the_path_without_control_characters() {
    let fixture = Fixture::new();
    let error = fixture.top().open_file(b"evil\x1b[2J\nname\xff").err().unwrap();
    let text = error.to_string();
    assert!(text.starts_with("can not open file \"evil"), "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, Vec<u8>),
    Hole(u64, u64),
    SetLen(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20_000u64, proptest::collection::vec(1..=255u8, 1..9_000)).prop_map(|(at, bytes)| Step::Write(at, bytes)),
        (0..20_000u64, 1..9_000u64).prop_map(|(at, len)| Step::Hole(at, len)),
        (0..20_000u64).prop_map(Step::SetLen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_is_what_a_vector_of_bytes_would_be(steps in proptest::collection::vec(step(), 1..12)) {
        let fixture = Fixture::new();
        let file = fixture.top().create_file(b"file").unwrap();
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Step::Write(at, bytes) => {
                    file.write_at(at, &bytes).unwrap();
                    let end = at as usize + bytes.len();
                    model.resize(model.len().max(end), 0);
                    model[at as usize..end].copy_from_slice(&bytes);
                }
                Step::Hole(at, len) => {
                    file.hole(at, len).unwrap();
                    let end = (at + len) as usize;
                    model.resize(model.len().max(end), 0);
                    model[at as usize..end].fill(0);
                }
                Step::SetLen(len) => {
                    file.set_len(len).unwrap();
                    model.resize(len as usize, 0);
                }
            }
        }
        prop_assert_eq!(fs::read(fixture.path("file")).unwrap(), model);
    }
}
