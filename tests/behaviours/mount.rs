// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mounted repository is its snapshots, attribute by attribute and byte by byte, seen through the kernel. Each test says so where this
//! machine or user can not mount.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use keepfast_engine::mount::Access;
use keepfast_engine::select::Scope;

use super::fidelity::{acl, is_root, ordinary, privileged, times};
use crate::support::archives::{gzip, lines, tar, write, zip};
use crate::support::capture::{assert_same, capture};
use crate::support::child::again_as_ordinary_user;
use crate::support::forest::grow;
use crate::support::mounts::{names, options, try_mount};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, let_time_pass};

/// Mounts the newest snapshot and compares all that it shows with the source.
fn shows_the_source(sandbox: &Sandbox) {
    let expected = capture(&sandbox.source());
    sandbox.backup();
    let Some(mount) = try_mount(sandbox, &options(sandbox)) else { return };
    assert_same(&expected, &capture(&mount.latest(sandbox)), "mounted");
    assert_eq!(mount.problems(), []);
}

#[test]
fn everything_that_root_may_have_is_there() {
    if !is_root() {
        return println!("not tested here: this is not root");
    }
    let sandbox = Sandbox::new();
    ordinary(&sandbox.source());
    privileged(&sandbox.source());
    times(&sandbox.source());
    shows_the_source(&sandbox);
}

#[test]
fn everything_that_an_ordinary_user_may_have_is_there() {
    if is_root() {
        return again_as_ordinary_user(concat!(module_path!(), "::everything_that_an_ordinary_user_may_have_is_there"));
    }
    let sandbox = Sandbox::new();
    ordinary(&sandbox.source());
    times(&sandbox.source());
    shows_the_source(&sandbox);
}

#[test]
fn names_that_are_no_text_sparse_files_and_deep_folders_are_there() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(1));
    grow(&sandbox.source(), &mut random, 300);
    fs::write(sandbox.source().join(OsStr::from_bytes(b"\xff\xfe not text")), b"1").unwrap();
    File::create(sandbox.source().join("hole")).unwrap().set_len(5 << 20).unwrap();
    let deep = sandbox.source().join(["deep"; 40].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), b"down here").unwrap();
    let_time_pass();
    shows_the_source(&sandbox);
}

#[test]
fn all_names_of_a_file_are_one_file() {
    let sandbox = Sandbox::new();
    let source = sandbox.source();
    for folder in ["a", "z", "a/b"] {
        fs::create_dir(source.join(folder)).unwrap();
    }
    fs::write(source.join("z/first"), b"content").unwrap();
    for name in ["a/second", "a/b/third", "fourth"] {
        fs::hard_link(source.join("z/first"), source.join(name)).unwrap();
    }
    fs::write(source.join("alone"), b"content").unwrap();
    sandbox.backup();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let of = |name: &str| fs::metadata(mount.latest(&sandbox).join(name)).unwrap();
    let numbers = ["z/first", "a/second", "a/b/third", "fourth"].map(|name| (of(name).ino(), of(name).nlink()));
    assert!(numbers.iter().all(|number| *number == (numbers[0].0, 4)), "{numbers:?}");
    assert_eq!(of("alone").nlink(), 1);
    assert_ne!(of("alone").ino(), numbers[0].0);
}

#[test]
fn snapshots_stand_under_time_id_host_and_tag_and_new_ones_appear() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"one").unwrap();
    let mut backup = sandbox.options();
    backup.tags = vec!["daily".to_string(), "a/b".to_string()];
    let first = sandbox.backup_with(&backup).snapshot.unwrap();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    assert_eq!(names(&mount.point), ["hosts", "ids", "snapshots", "tags"]);
    let host = names(&mount.point.join("hosts")).remove(0);
    assert_eq!(names(&mount.point.join("tags")), ["a_b", "daily"]);
    let short = |id: &dyn ToString| id.to_string()[..8].to_string();
    assert_eq!(names(&mount.point.join("ids")), [short(&first), "latest".to_string()]);
    let read = |folder: &str| {
        let file = mount.point.join(folder).join(sandbox.source().strip_prefix("/").unwrap()).join("file");
        fs::read_to_string(file).unwrap()
    };
    let everywhere = ["snapshots", "ids", &format!("hosts/{host}"), "tags/daily", "tags/a_b"];
    for folder in everywhere {
        assert_eq!(read(&format!("{folder}/latest")), "one", "{folder}");
    }
    fs::write(sandbox.source().join("file"), b"another").unwrap();
    let second = sandbox.backup();
    // What the kernel remembers of the folders above snapshots lasts a second.
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(read("snapshots/latest"), "another");
    assert_eq!(read(&format!("ids/{}", short(&second))), "another");
    assert_eq!(read(&format!("ids/{}", short(&first))), "one");
    assert_eq!(read("tags/daily/latest"), "one");
    assert_eq!(names(&mount.point.join("snapshots")).len(), 3);
    assert_eq!(fs::read_link(mount.point.join("ids/latest")).unwrap().to_str(), Some(&short(&second)[..]));
    let folder = fs::metadata(mount.point.join("snapshots")).unwrap();
    assert_eq!((folder.mode(), folder.uid()), (0o40555, rustix::process::geteuid().as_raw()));
}

#[test]
fn only_snapshots_of_the_scope_are_shown() {
    let sandbox = Sandbox::new();
    sandbox.backup();
    let mut options = options(&sandbox);
    options.scope = Scope { hosts: vec!["no such host".to_string()], ..Scope::default() };
    let Some(mount) = try_mount(&sandbox, &options) else { return };
    assert_eq!(names(&mount.point.join("snapshots")), Vec::<String>::new());
    assert_eq!(names(&mount.point.join("hosts")), Vec::<String>::new());
}

#[test]
fn a_large_folder_is_listed_whole_and_each_name_once() {
    let sandbox = Sandbox::new();
    let expected: BTreeSet<String> = (0..3000).map(|number| format!("name {number}")).collect();
    for name in &expected {
        fs::write(sandbox.source().join(name), name).unwrap();
    }
    sandbox.backup();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    for _ in 0..2 {
        let found = names(&mount.latest(&sandbox));
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected);
        assert!(found.is_sorted(), "the order is that of the tree");
    }
}

#[test]
fn many_read_at_once() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(2));
    grow(&sandbox.source(), &mut random, 100);
    fs::write(sandbox.source().join("big"), random.bytes(6 << 20)).unwrap();
    let expected = capture(&sandbox.source());
    let bytes = fs::read(sandbox.source().join("big")).unwrap();
    sandbox.backup();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let latest = mount.latest(&sandbox);
    thread::scope(|scope| {
        for reader in 0..8_u64 {
            let (latest, expected, bytes) = (&latest, &expected, &bytes);
            scope.spawn(move || {
                let big = File::open(latest.join("big")).unwrap();
                let mut random = Random::new(reader);
                for _ in 0..200 {
                    let at = random.below(bytes.len());
                    let mut buffer = vec![0; random.below(300_000).min(bytes.len() - at)];
                    big.read_exact_at(&mut buffer, at as u64).unwrap();
                    assert!(buffer == bytes[at..at + buffer.len()], "at {at}");
                }
                assert_same(expected, &capture(latest), "mounted");
            });
        }
    });
}

#[test]
fn archives_that_were_taken_apart_are_whole_files() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(3));
    let text = lines(&mut random, 9 << 20);
    let nested = zip(&[("t.tar.gz", &gzip(&tar(&[("a", &text), ("b", b"b")], 1)))]);
    let files = [("a.gz", gzip(&text)), ("b.zip", nested), ("c.tar", tar(&[("x", &text)], 5))];
    write(&sandbox.source(), &files);
    sandbox.backup();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let latest = mount.latest(&sandbox);
    thread::scope(|scope| {
        for (name, bytes) in &files {
            let latest = &latest;
            scope.spawn(move || {
                let file = File::open(latest.join(name)).unwrap();
                let size = bytes.len();
                // The end first, as programs read a zip archive.
                for at in [size - 100, size / 2, 0, size / 3] {
                    let mut buffer = vec![0; 100.min(size - at)];
                    file.read_exact_at(&mut buffer, at as u64).unwrap();
                    assert_eq!(buffer, bytes[at..at + buffer.len()], "{name} at {at}");
                }
                let mut all = Vec::new();
                (&file).read_to_end(&mut all).unwrap();
                assert!(all == *bytes, "{name}");
            });
        }
    });
    assert_eq!(mount.problems(), []);
}

#[test]
fn what_is_damaged_is_an_error_and_all_else_is_read() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(4));
    for number in 0..40 {
        fs::write(sandbox.source().join(format!("file {number:02}")), random.bytes(20_000)).unwrap();
    }
    sandbox.backup();
    // One byte in the midst of the first data pack.
    sandbox.objects.edit(|image| {
        let pack = image.names("packs").into_iter().find(|name| image.get(name).unwrap()[3] == b'D');
        let pack = pack.expect("there is a pack of file contents");
        let mut bytes = image.get(&pack).unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        image.insert(pack, bytes);
    });
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let (mut whole, mut lost) = (0, 0);
    for name in names(&mount.latest(&sandbox)) {
        match fs::read(mount.latest(&sandbox).join(&name)) {
            Ok(bytes) => {
                assert!(bytes == fs::read(sandbox.source().join(&name)).unwrap(), "{name}");
                whole += 1;
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()), "{name}: {error}");
                lost += 1;
            }
        }
    }
    assert!(whole > 0 && lost > 0, "{whole} whole, {lost} lost");
    let told: BTreeSet<_> = mount.problems().into_iter().map(|problem| problem.path).collect();
    assert_eq!(told.len(), lost, "each file that has lost something is told, once");
}

#[test]
fn a_lost_tree_node_costs_its_own_entries() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(5));
    for number in 0..600 {
        fs::write(sandbox.source().join(format!("file {number:03}")), random.bytes(10)).unwrap();
    }
    sandbox.backup();
    sandbox.objects.edit(|image| {
        for pack in image.names("packs") {
            if image.get(&pack).unwrap()[3] != b'T' {
                continue;
            }
            let mut bytes = image.get(&pack).unwrap().to_vec();
            let third = bytes.len() / 3;
            bytes[third] ^= 1;
            image.insert(pack, bytes);
        }
    });
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let latest = mount.latest(&sandbox);
    let Ok(entries) = fs::read_dir(&latest) else { return println!("the damage hides the whole folder") };
    let mut found = 0;
    let mut ended = Ok(());
    for entry in entries {
        match entry {
            Ok(entry) => {
                let bytes = fs::read(entry.path()).unwrap();
                assert!(bytes == fs::read(sandbox.source().join(entry.file_name())).unwrap());
                found += 1;
            }
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
    }
    assert!(found < 600, "something is lost");
    assert!(ended.is_err(), "whoever lists the folder is told, after {found} names");
    assert!(!mount.problems().is_empty());
}

#[test]
fn nothing_can_be_changed() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"one").unwrap();
    sandbox.backup();
    let Some(mount) = try_mount(&sandbox, &options(&sandbox)) else { return };
    let latest = mount.latest(&sandbox);
    let read_only = Some(rustix::io::Errno::ROFS.raw_os_error());
    assert_eq!(fs::write(latest.join("new"), b"x").unwrap_err().raw_os_error(), read_only);
    assert_eq!(fs::write(latest.join("file"), b"x").unwrap_err().raw_os_error(), read_only);
    assert_eq!(fs::remove_file(latest.join("file")).unwrap_err().raw_os_error(), read_only);
}

#[test]
fn others_may_read_what_modes_and_acls_let_them() {
    if !is_root() {
        return println!("not tested here: this is not root");
    }
    const OTHER: u32 = 54_321;
    let sandbox = Sandbox::new();
    // Others come to the sandbox, and to what is mounted in it.
    fs::set_permissions(sandbox.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["for the group", "for its owner", "for one user", "by its mode"] {
        let path = sandbox.source().join(name);
        fs::write(&path, b"content").unwrap();
        chown(&path, Some(0), Some(OTHER)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    fs::set_permissions(sandbox.source().join("for its owner"), fs::Permissions::from_mode(0o600)).unwrap();
    // Its mode tells the mask where that of the group was.
    acl(&sandbox.source().join("for one user"), "system.posix_acl_access", 0);
    acl(&sandbox.source().join("for the group"), "system.posix_acl_access", 4);
    sandbox.backup();
    let mut options = options(&sandbox);
    options.access = Access::All;
    let Some(mount) = try_mount(&sandbox, &options) else { return };
    let reads = |user: u32, name: &str| {
        let mut cat = Command::new("cat");
        cat.uid(user).gid(user).arg(mount.latest(&sandbox).join(name)).output().unwrap().stdout == b"content"
    };
    assert!(reads(OTHER, "by its mode") && reads(OTHER, "for the group"));
    assert!(!reads(OTHER, "for its owner") && !reads(OTHER, "for one user"));
    assert!(reads(1000, "for one user") && !reads(1000, "by its mode"));
    assert_eq!(mount.problems(), []);
}
