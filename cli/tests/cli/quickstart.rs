// SPDX-License-Identifier: MIT OR Apache-2.0
//! `quickstart`: from nothing to a proven backup; it says so only if it is one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::sandbox::{Run, Sandbox};

fn quickstart(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let mut command = sandbox.command(&[&["quickstart"], arguments].concat());
    Run::from(command.env_remove("KEEPFAST_REPOSITORY").env_remove("KEEPFAST_KEY_FILE").output().unwrap())
}

fn leftovers(sandbox: &Sandbox) -> usize {
    let entries = fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| name.to_string_lossy().starts_with("keepfast-quickstart")).count()
}

#[test]
fn it_sets_everything_up_and_proves_it() {
    let sandbox = Sandbox::empty();
    symlink("a.txt", sandbox.path("src/link")).unwrap();
    fs::set_permissions(sandbox.path("src/sub"), Permissions::from_mode(0o555)).unwrap();
    let first = quickstart(&sandbox, &["."]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.out.contains("identical: 6 paths compared"), "{first:?}");
    assert!(
        first.out.contains("keep a copy elsewhere") && first.out.contains("export KEEPFAST_KEY_FILE="),
        "{first:?}"
    );
    let key = sandbox.path("home/.config/keepfast/default.key");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(sandbox.path("home/.local/share/keepfast/default").is_dir());
    let second = quickstart(&sandbox, &["sub/../a.txt"]);
    assert_eq!(second.code, 0, "{second:?}");
    assert!(second.out.contains("(in use)") && second.out.contains("identical: 1 path"), "{second:?}");
    fs::set_permissions(sandbox.path("src/sub"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(leftovers(&sandbox), 0);
}

#[test]
fn it_backs_up_the_home_it_keeps_its_repository_in() {
    let sandbox = Sandbox::empty();
    fs::write(sandbox.path("home/file"), "x").unwrap();
    for _ in 0..2 {
        let run = quickstart(&sandbox, &["../home"]);
        assert_eq!(run.code, 0, "{run:?}");
    }
    // The folder for temporary files, and with it the scratch folder, lies in this one.
    let run = quickstart(&sandbox, &[".."]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn one_half_without_the_other_is_refused() {
    let sandbox = Sandbox::empty();
    assert_eq!(quickstart(&sandbox, &["."]).code, 0);
    let key = sandbox.path("home/.config/keepfast/default.key");
    fs::rename(&key, sandbox.path("elsewhere")).unwrap();
    let run = quickstart(&sandbox, &["."]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("no key file"), "{run:?}");
    fs::rename(sandbox.path("elsewhere"), &key).unwrap();
    fs::remove_dir_all(sandbox.path("home/.local/share")).unwrap();
    assert!(quickstart(&sandbox, &["."]).err.contains("but no repository"));
}

#[test]
fn named_repository_and_key_are_used() {
    let sandbox = Sandbox::empty();
    let objects = sandbox.json(0, &["quickstart", "."]);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!((&summary["identical"], &summary["repository"]), (&true.into(), &sandbox.text("repo").into()));
    assert!(sandbox.path("key").exists());
    assert!(sandbox.ok(&["snapshots"]).out.contains("quickstart"));
    assert_eq!(sandbox.run(&["quickstart", "nothing"]).code, 1);
}
