// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository that has lost something: no command shows less than there was and calls it everything.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{Run, Sandbox};

/// Objects in a folder of the repository, in the order of their names.
fn objects(sandbox: &Sandbox, folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&sandbox.path("repo").join(folder), &mut found);
    found.sort();
    found
}

/// Saves the source with one more file; the snapshot's id.
fn saved(sandbox: &Sandbox, file: &str) -> String {
    fs::write(sandbox.path("src").join(file), file.repeat(20_000)).unwrap();
    sandbox.json(0, &["backup", "."])[0]["summary"]["snapshot"].as_str().unwrap().to_string()
}

/// Runs it as a machine that has never seen the repository.
fn as_stranger(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let _ = fs::remove_dir_all(sandbox.path("home"));
    fs::create_dir(sandbox.path("home")).unwrap();
    sandbox.run(arguments)
}

/// Every command that looks at the newest snapshot says that it may be another one.
fn assert_told(sandbox: &Sandbox, whole: &str, named: &str) {
    let target = sandbox.text("back");
    let archive = sandbox.text("a.tar");
    let reads: [&[&str]; 11] = [
        &["snapshots"],
        &["ls", "latest"],
        &["restore", "latest", "--target", &target],
        &["dump", "latest:/a.txt"],
        &["export", "latest", &archive, "--force"],
        &["diff", "latest", "latest"],
        &["cat", "snapshot", "latest"],
        &["show", "latest:/a.txt"],
        &["history", "a.txt"],
        &["stats"],
        &["tag", "--add", "x", "latest"],
    ];
    for arguments in reads {
        let run = as_stranger(sandbox, arguments);
        assert!(run.code == 3 && run.err.contains(named), "{arguments:?}: {run:?}");
    }
    // Who names a snapshot by its id has got what was asked for.
    for arguments in [&["ls", whole][..], &["restore", whole, "--target", &target], &["dump", whole, "a.txt"]] {
        let run = as_stranger(sandbox, arguments);
        assert!(run.code == 0 && run.err.is_empty(), "{arguments:?}: {run:?}");
    }
}

#[test]
fn a_manifest_that_can_not_be_read_is_told_where_the_newest_snapshot_is_asked_for() {
    let sandbox = Sandbox::new();
    let (first, second) = (saved(&sandbox, "one"), saved(&sandbox, "two"));
    let manifest = sandbox.path("repo/snapshots").join(&second);
    fs::write(&manifest, "").unwrap();
    assert_told(&sandbox, &first, &second);
    fs::remove_file(&manifest).unwrap();
    assert_told(&sandbox, &first, &second);
}

#[test]
fn a_log_slot_that_can_not_be_read_is_told_where_the_newest_snapshot_is_asked_for() {
    let sandbox = Sandbox::new();
    let (first, _) = (saved(&sandbox, "one"), saved(&sandbox, "two"));
    let slot = objects(&sandbox, "log").pop().unwrap();
    fs::write(&slot, "no slot").unwrap();
    assert_told(&sandbox, &first, slot.file_name().unwrap().to_str().unwrap());
    let forget = as_stranger(&sandbox, &["forget", "--keep-last", "9"]);
    assert!(forget.code == 3 && forget.err.contains("log/"), "{forget:?}");
    let key = sandbox.text("key");
    let (target, other_key) = (sandbox.text("other"), sandbox.text("other-key"));
    sandbox.ok(&["init", "-r", &target, "--key-file", &other_key]);
    let copy = as_stranger(&sandbox, &["copy", "--to", &target, "--to-key-file", &other_key, "--key-file", &key]);
    assert!(copy.code == 3 && copy.err.contains("log/"), "{copy:?}");
}

#[test]
fn without_damage_nothing_is_told() {
    let sandbox = Sandbox::with_snapshot();
    for arguments in [&["snapshots"][..], &["ls", "latest"], &["dump", "latest:/a.txt"], &["check"]] {
        let run = as_stranger(&sandbox, arguments);
        assert!(run.code == 0 && run.err.is_empty(), "{arguments:?}: {run:?}");
    }
}

#[test]
fn a_condemn_list_that_stops_backups_is_named_by_check_with_the_way_out() {
    let sandbox = Sandbox::with_snapshot();
    let list = "gc/0123456789abcdef0123456789abcdef/000000000003";
    let path = sandbox.path("repo").join(list);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "half of a li").unwrap();
    let check = sandbox.run(&["check"]);
    assert!(check.code == 1 && check.out.contains(list), "{check:?}");
    for arguments in [&["backup", "."][..], &["prune"], &["prune", "--ignore-damage"]] {
        let run = sandbox.run(arguments);
        let tells = run.err.contains(list) && run.err.contains("delete that object by hand");
        assert!(run.code == 1 && tells, "{arguments:?}: {run:?}");
    }
    assert_eq!(sandbox.run(&["restore", "latest", "--target", &sandbox.text("back")]).code, 0);
    fs::remove_file(&path).unwrap();
    sandbox.ok(&["backup", "."]);
    sandbox.ok(&["prune"]);
    sandbox.ok(&["check", "--read-data"]);
}

/// Flips a bit in the first segment of every data pack; the repository is in a folder of the sandbox.
fn damage_data(sandbox: &Sandbox, repository: &str) {
    let packs = objects(sandbox, &format!("../{repository}/packs"));
    for pack in packs.iter().filter(|pack| fs::read(pack).unwrap()[3] == b'D') {
        let mut bytes = fs::read(pack).unwrap();
        bytes[200] ^= 8;
        fs::remove_file(pack).unwrap();
        fs::write(pack, bytes).unwrap();
    }
}

/// What no compression makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn an_import_after_a_check_stores_again_what_a_damaged_pack_held() {
    let sandbox = Sandbox::new();
    let archive = sandbox.path("dump");
    fs::write(&archive, noise(300_000)).unwrap();
    let archive = archive.to_str().unwrap();
    sandbox.ok(&["import", archive]);
    damage_data(&sandbox, "repo");
    assert_eq!(sandbox.run(&["check", "--read-data"]).code, 1);
    sandbox.ok(&["import", archive]);
    let target = sandbox.text("back");
    sandbox.ok(&["restore", "latest", "--target", &target]);
    assert_eq!(fs::read(sandbox.path("back/dump")).unwrap(), fs::read(archive).unwrap());
}

#[test]
fn a_copy_after_a_check_of_its_target_stores_again_what_a_damaged_pack_held() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("src/noise"), noise(300_000)).unwrap();
    sandbox.ok(&["backup", "."]);
    let (target, key) = (sandbox.text("other"), sandbox.text("other-key"));
    let there = |verb: &[&str]| sandbox.run(&[verb, &["-r", &target, "--key-file", &key]].concat());
    assert_eq!(there(&["init"]).code, 0);
    let copy = ["copy", "--to", &target, "--to-key-file", &key];
    sandbox.ok(&copy);
    damage_data(&sandbox, "other");
    assert_eq!(there(&["check", "--read-data"]).code, 1);
    saved(&sandbox, "more");
    sandbox.ok(&copy);
    let restored = there(&["restore", "latest", "--target", &sandbox.text("back")]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(fs::read(sandbox.path("back/noise")).unwrap(), noise(300_000));
}

#[test]
fn check_says_that_damage_can_not_be_noted_and_who_then_relies_on_it() {
    let sandbox = Sandbox::with_snapshot();
    damage_data(&sandbox, "repo");
    let states = sandbox.path("home/.local/state/keepfast");
    let state = fs::read_dir(states).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    // Also root can not write a file that is a folder.
    fs::create_dir(state.join("damaged-packs.new")).unwrap();
    let check = sandbox.run(&["check", "--read-data"]);
    assert_eq!(check.code, 1, "{check:?}");
    assert!(check.err.contains("backups from here go on relying on damaged packs"), "{check:?}");
    assert!(check.err.contains("damaged-packs"), "{check:?}");
    assert!(!check.out.contains("noted    "), "{check:?}");
}

#[test]
fn a_lost_segment_is_told_once_with_its_pack() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("src/noise"), noise(300_000)).unwrap();
    sandbox.ok(&["backup", "."]);
    damage_data(&sandbox, "repo");
    let restore = sandbox.run(&["restore", "latest", "--target", &sandbox.text("back")]);
    assert_eq!(restore.code, 3, "{restore:?}");
    let line = restore.err.lines().find(|line| line.contains("noise")).unwrap();
    assert_eq!(line.matches("can not be opened").count(), 1, "{line}");
    assert!(line.contains("packs/"), "{line}");
}

#[test]
fn a_prune_that_makes_a_lost_index_anew_says_so() {
    let sandbox = Sandbox::with_snapshot();
    let index = objects(&sandbox, "index").pop().unwrap();
    let name = index.file_name().unwrap().to_str().unwrap().to_string();
    fs::remove_file(&index).unwrap();
    let prune = as_stranger(&sandbox, &["prune", "--ignore-damage"]);
    assert!(prune.code == 0 && prune.out.contains(&format!("rewrites what index/{name} told")), "{prune:?}");
    let again = sandbox.ok(&["prune", "--ignore-damage"]);
    assert!(!again.out.contains("rewrites"), "{again:?}");
    sandbox.ok(&["check", "--read-data"]);
}
