// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removing files and whole folders.

use std::fs;
use std::os::unix::fs::symlink;

use super::Fixture;
use crate::target::resolve;
use std::os::fd::AsFd;

/// Deeper than any limit on descriptors, paths or stack frames would let pass by luck.
const DEPTH: usize = 5000;

#[test]
fn a_very_deep_tree_is_removed() {
    let fixture = Fixture::new();
    let top = fixture.top();
    let mut folder = top.clone();
    for level in 0..DEPTH {
        folder.make_directory(b"deep").unwrap();
        folder = folder.open_directory(b"deep").unwrap();
        if level % 10 == 0 {
            folder.create_file(b"file").unwrap();
        }
    }
    drop(folder);
    top.remove(b"deep").unwrap();
    assert!(top.names().unwrap().is_empty());
}

#[test]
fn a_wide_tree_with_every_type_is_removed_and_its_symlinks_are_not_followed() {
    let fixture = Fixture::new();
    let top = fixture.top();
    fs::write(fixture.outside().join("precious"), b"x").unwrap();
    for a in 0..5 {
        for b in 0..5 {
            let path = fixture.path(&format!("all/{a}/{b}"));
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("file"), b"x").unwrap();
            symlink(fixture.outside(), path.join("link")).unwrap();
            let folder = fixture.target.directory(format!("all/{a}/{b}").as_bytes()).unwrap();
            folder.make_fifo(b"fifo").unwrap();
            folder.make_socket(b"socket").unwrap();
            folder.make_directory(b"empty").unwrap();
        }
    }
    top.remove(b"all").unwrap();
    assert!(top.names().unwrap().is_empty());
    assert!(fixture.outside().join("precious").exists());
}

#[test]
fn removing_what_is_not_there_is_success() {
    let fixture = Fixture::new();
    fixture.top().remove(b"nothing").unwrap();
}

#[test]
fn the_open_top_folder_survives_the_removal_of_its_contents() {
    let fixture = Fixture::new();
    let top = fixture.top();
    fs::create_dir_all(fixture.path("a/b/c")).unwrap();
    fs::write(fixture.path("f"), b"x").unwrap();
    for name in top.names().unwrap() {
        top.remove(&name).unwrap();
    }
    assert!(top.names().unwrap().is_empty());
    assert!(fixture.path("").exists());
}

#[test]
fn another_file_system_is_not_entered_when_removing() {
    // /proc is mounted on every machine that runs the tests; nothing is removed, only the step into it is tried.
    let root = fs::File::open("/").unwrap();
    for walk in [resolve::folder, resolve::walk] {
        if walk(root.as_fd(), b"proc", resolve::Mounts::Cross).is_err() {
            println!("skipped: no /proc");
            return;
        }
        assert_eq!(walk(root.as_fd(), b"proc", resolve::Mounts::Refuse).err(), Some(rustix::io::Errno::XDEV));
    }
}
