// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile snapshots, made by somebody who holds the keys: names, paths and links that lead elsewhere. Nothing outside the target is
//! touched, what is refused is named, and the rest of the snapshot comes back. Hostile trees and contents have files of their own.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use keepfast_repo_format::tree::entry::{Entry, FileType, Owner};
use keepfast_repo_format::tree::leaf;

use crate::support::child;
use crate::support::forge::{entry, symlink};
use crate::support::scene::{Outcome, Scene};

/// A snapshot of two leaves, a hostile one and one with `zz/innocent`. The hostile one is lost as a whole and named, the other
/// one comes back.
#[track_caller]
fn refused(what: &str, hostile: impl FnOnce(&mut Vec<Entry>)) {
    let scene = Scene::new();
    let outcome = beside_an_innocent_leaf(&scene, hostile);
    assert_eq!(outcome.problems(), 1, "{what}: {:?}", outcome.restored);
    assert!(outcome.has_file("zz/innocent", b"innocent"), "{what}: {:?}", outcome.found.keys());
    assert_eq!(outcome.listed, [b"zz/innocent"], "{what}");
    assert_eq!(outcome.list_errors, 1, "{what}");
    assert!(outcome.tar.is_err(), "{what}: a pipe must not take a part for the whole");
    assert_eq!(outcome.findings.len(), 1, "{what}: {:?}", outcome.findings);
}

fn beside_an_innocent_leaf(scene: &Scene, hostile: impl FnOnce(&mut Vec<Entry>)) -> Outcome {
    let mut forge = scene.forge();
    let mut entries = vec![forge.file(b"d", b"one", b"1"), forge.file(b"d", b"two", b"2")];
    let innocent = forge.file(b"zz", b"innocent", b"innocent");
    hostile(&mut entries);
    let (first, second) = (forge.leaf(&entries), forge.leaf(&[innocent]));
    // The parent says what is harmless, or it would be refused itself.
    let root = forge.inner(1, &[first.child_up_to(b"d", b"two"), second.child()]);
    scene.attack(forge, &root)
}

#[test]
fn a_name_that_is_no_name_is_refused() {
    let long = [b'x'; 256];
    for name in [&b".."[..], b".", b"", b"a/b", b"/", b"/etc", b"../x", b"a\0b", b"\0", &long] {
        refused(&format!("{}", name.escape_ascii()), |entries| entries[1].name = name.to_vec());
        refused(&format!("{} alone", name.escape_ascii()), |entries| {
            entries.truncate(1);
            entries[0].name = name.to_vec();
        });
    }
}

#[test]
fn a_directory_that_leads_elsewhere_is_refused() {
    let outside = Scene::new().outside();
    let long = b"x/".repeat((1 << 19) + 1);
    let bad: [&[u8]; 12] = [
        b"..",
        b"../outside",
        b"a/../../outside",
        b"/",
        outside.as_os_str().as_bytes(),
        b"a//b",
        b"a/",
        b".",
        b"a/./b",
        b"a\0b",
        &[b'x'; 256],
        &long[..long.len() - 1],
    ];
    for directory in bad {
        let what = directory[..directory.len().min(40)].escape_ascii().to_string();
        refused(&what, |entries| entries.iter_mut().for_each(|entry| entry.directory = Arc::from(directory)));
    }
}

#[test]
fn a_name_that_stands_twice_is_refused_whatever_its_types_are() {
    let outside = Scene::new().outside();
    let link = symlink(b"d", b"one", outside.as_os_str().as_bytes());
    let folder = entry(b"d", b"one", FileType::Directory);
    refused("file twice", |entries| entries[1] = entries[0].clone());
    refused("link and folder", |entries| *entries = vec![link.clone(), folder.clone()]);
    refused("folder and link", |entries| *entries = vec![folder.clone(), link.clone()]);
    refused("files out of order", |entries| entries.swap(0, 1));
    refused("top folder that is a file", |entries| {
        entries[0].directory = Arc::from(&b""[..]);
        entries[0].name.clear();
    });
    refused("directories out of order", |entries| entries[0].directory = Arc::from(&b"e"[..]));
}

/// The bytes of a leaf are changed where an encoder would not let us.
#[test]
fn a_type_a_mark_or_a_count_that_nothing_has_is_refused() {
    let scene = Scene::new();
    let entries = [entry(b"", b"name", FileType::Fifo)];
    let good = leaf::encode(&entries);
    let mut refused = 0;
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, good[at] ^ 1, good[at].wrapping_add(1)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            refused += usize::from(leaf::decode(&bytes).is_err());
            let mut forge = Scene::forge(&scene);
            let node = forge.leaf_of_bytes(&entries, &bytes);
            if at % 8 == 0 {
                scene.attack(forge, &node);
                let _ = fs::remove_dir_all(scene.target());
            }
        }
    }
    assert!(refused > good.len(), "{refused} of {}", 7 * good.len());
}

#[test]
fn what_lies_below_a_file_or_a_link_is_named_and_never_written_elsewhere() {
    let scene = Scene::new();
    let outside = scene.outside();
    let others = [
        symlink(b"", b"d", outside.as_os_str().as_bytes()),
        symlink(b"", b"d", b"../outside"),
        symlink(b"", b"d", b"."),
        symlink(b"", b"d", b"d"),
        entry(b"", b"d", FileType::Fifo),
        entry(b"", b"d", FileType::Socket),
        entry(b"", b"d", FileType::File),
    ];
    for above in others {
        let mut forge = scene.forge();
        let entries = [
            above.clone(),
            forge.file(b"d", b"new", b"written"),
            forge.file(b"d", b"secret", b"overwritten"),
            forge.file(b"d/folder", b"inner", b"overwritten"),
            forge.file(b"zz", b"innocent", b"innocent"),
        ];
        let leaf = forge.leaf(&entries);
        let outcome = scene.attack(forge, &leaf);
        assert!(outcome.problems() > 0, "{above:?}: {:?}", outcome.restored);
        assert!(outcome.has_file("zz/innocent", b"innocent"), "{above:?}");
        let _ = fs::remove_dir_all(scene.target());
    }
}

#[test]
fn links_that_stand_in_the_target_already_are_not_followed() {
    for links in [["d", "d/folder", "d/secret"], ["d/folder", "d/secret", "e"], ["d/secret", "e", "d/new"]] {
        let scene = Scene::new();
        let target = scene.target();
        fs::create_dir_all(target.join("d")).unwrap();
        for link in links {
            if link == "d" {
                fs::remove_dir(target.join("d")).unwrap();
                std::os::unix::fs::symlink(scene.outside(), target.join("d")).unwrap();
                break;
            }
            let aim = if link == "d/secret" { scene.outside().join("secret") } else { scene.outside() };
            std::os::unix::fs::symlink(aim, target.join(link)).unwrap();
        }
        let mut forge = scene.forge();
        let mut entries = vec![
            entry(b"", b"d", FileType::Directory),
            entry(b"d", b"folder", FileType::Directory),
            forge.file(b"d", b"new", b"written"),
            forge.file(b"d", b"secret", b"restored"),
            forge.file(b"d/folder", b"inner", b"restored"),
        ];
        entries[0].metadata.mode = 0o777;
        let leaf = forge.leaf(&entries);
        let outcome = scene.attack(forge, &leaf);
        assert_eq!(outcome.problems(), 0, "{links:?}: {:?}", outcome.restored);
        assert!(outcome.has_file("d/secret", b"restored") && outcome.has_file("d/folder/inner", b"restored"));
    }
}

#[test]
fn a_hard_link_leads_nowhere_but_into_the_target() {
    let scene = Scene::new();
    let outside = scene.outside().join("secret");
    let of_group = |mut entry: Entry| {
        entry.metadata.link_group = Some(7);
        entry
    };
    let mut forge = scene.forge();
    // A link's "other name" is a file with another content, a folder, a device: one group, every type.
    let entries = [
        of_group(symlink(b"", b"a", outside.as_os_str().as_bytes())),
        of_group(forge.file(b"", b"b", b"overwritten")),
        of_group(entry(b"", b"c", FileType::Directory)),
        of_group(entry(b"", b"d", FileType::Fifo)),
        of_group(forge.file(b"c", b"x", b"overwritten")),
        forge.file(b"zz", b"innocent", b"innocent"),
    ];
    let leaf = forge.leaf(&entries);
    let outcome = scene.attack(forge, &leaf);
    assert!(outcome.has_file("zz/innocent", b"innocent"));
    // And with a folder as the first one.
    let mut forge = scene.forge();
    let entries = [
        of_group(entry(b"", b"a", FileType::Directory)),
        of_group(forge.file(b"", b"b", b"x")),
        forge.file(b"a", b"c", b"x"),
    ];
    let leaf = forge.leaf(&entries);
    let outcome = scene.attack(forge, &leaf);
    assert!(outcome.has_file("a/c", b"x"));
    assert!(outcome.problems() > 0, "a folder has no second name: {:?}", outcome.restored);
}

#[test]
fn an_ordinary_user_gets_no_devices_and_no_foreign_set_id_bits() {
    if rustix::process::geteuid().is_root() {
        let name = "an_ordinary_user_gets_no_devices_and_no_foreign_set_id_bits";
        return child::again_as_ordinary_user(&format!("{}::{name}", module_path!()));
    }
    let scene = Scene::new();
    let mut forge = scene.forge();
    let mut shell = forge.file(b"", b"shell", b"#!/bin/sh\n");
    shell.metadata.mode = 0o6755;
    shell.metadata.owner = Arc::new(Owner { uid: 0, gid: 0, user: b"root".to_vec(), group: b"root".to_vec() });
    let mut folder = entry(b"", b"folder", FileType::Directory);
    folder.metadata.mode = 0o7777;
    folder.metadata.owner = shell.metadata.owner.clone();
    let devices = [entry(b"", b"block", FileType::BlockDevice), entry(b"", b"char", FileType::CharDevice)];
    let mine = forge.file(b"", b"zz", b"mine");
    let leaf = forge.leaf(&[devices[0].clone(), devices[1].clone(), folder, shell, mine]);
    let outcome = scene.attack(forge, &leaf);
    let problems = &outcome.restored.as_ref().unwrap().problems;
    for device in ["block", "char"] {
        assert!(problems.iter().any(|problem| problem.path == device.as_bytes()), "{device}: {problems:?}");
        assert!(!outcome.found.contains_key(device.as_bytes()));
    }
    for path in ["shell", "folder"] {
        let metadata = fs::symlink_metadata(scene.target().join(path)).unwrap();
        assert_ne!(metadata.uid(), 0);
        assert_eq!(metadata.mode() & 0o6000, 0, "{path} has mode {:o}", metadata.mode());
    }
    assert!(outcome.has_file("zz", b"mine") && outcome.has_file("shell", b"#!/bin/sh\n"));
}
