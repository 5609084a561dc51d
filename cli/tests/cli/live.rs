// SPDX-License-Identifier: MIT OR Apache-2.0
//! `diff --live`: a snapshot against the files as they are now.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::sandbox::Sandbox;

/// Files younger than a tick of the file system's clock are read again, whatever they are; nothing else here depends on it.
fn settle() {
    std::thread::sleep(Duration::from_millis(50));
}

fn rows(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let out = sandbox.ok(&[&["-q", "diff", "--live", "--name-status"], arguments].concat()).out;
    out.lines().map(str::to_string).collect()
}

#[test]
fn however_the_paths_were_named_their_live_files_are_found() {
    let sandbox = Sandbox::new();
    // Not the home: the program keeps its index there, and writes it meanwhile.
    fs::create_dir(sandbox.path("other")).unwrap();
    settle();
    let source = sandbox.text("src");
    sandbox.ok(&["backup", ".", "--tag", "dot"]);
    sandbox.ok(&["backup", "sub", "a.txt", "--tag", "relative"]);
    sandbox.ok(&["backup", &source, "--tag", "absolute", "--command", "db/dump=echo hi"]);
    sandbox.ok(&["backup", "../src/sub", &sandbox.text("other"), "--tag", "mixed"]);
    for tag in ["dot", "relative", "absolute", "mixed"] {
        let selector = format!("tag:{tag}");
        assert_eq!(rows(&sandbox, &[&selector]), [""; 0], "{tag}");
    }
    // An absolute path leads through the folder of all temporary files, of which anybody changes the time.
    for tag in ["tag:dot", "tag:relative"] {
        assert_eq!(rows(&sandbox, &[tag, "--metadata"]), [""; 0], "{tag}");
    }
    fs::write(sandbox.path("src/sub/b.txt"), "changed\n").unwrap();
    fs::write(sandbox.path("src/sub/new"), "new\n").unwrap();
    let absolute = |name: &str| format!("{source}/{name}");
    let shown = |top: &str| vec![format!("M    {top}/sub/b.txt"), format!("+    {top}/sub/new")];
    assert_eq!(rows(&sandbox, &["tag:dot"]), shown(""));
    assert_eq!(rows(&sandbox, &["tag:relative"]), shown(""));
    assert_eq!(rows(&sandbox, &["tag:absolute"]), shown(&source));
    assert_eq!(rows(&sandbox, &["tag:mixed"]), shown("/src"));
    // Paths as they stand in the snapshot, and as they are on this machine.
    for path in ["sub", "sub/b.txt", &absolute("sub")] {
        assert_eq!(rows(&sandbox, &["tag:dot", path])[0], "M    /sub/b.txt", "{path}");
    }
    let stored = source.trim_start_matches('/');
    for path in ["sub/b.txt", stored, &absolute("sub/b.txt")] {
        assert_eq!(rows(&sandbox, &["tag:absolute", path])[0], shown(&source)[0], "{path}");
    }
    assert_eq!(rows(&sandbox, &["tag:dot:sub/new"]), ["+    /sub/new"]);
    assert_eq!(rows(&sandbox, &["tag:dot", "a.txt"]), [""; 0]);
    let run = sandbox.run(&["diff", "tag:dot", "--live", "no/such"]);
    assert!(run.code == 1 && run.err.contains("no/such is not in snapshot"), "{run:?}");
    let run = sandbox.run(&["diff", "tag:dot", "latest", "--live"]);
    assert!(run.code == 1 && run.err.contains("only the first word is a snapshot"), "{run:?}");
}

#[test]
fn what_a_command_gave_has_no_live_side_and_is_not_told_as_removed() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["backup", "sub", "--command", "db/dump=echo hi"]);
    let run = sandbox.ok(&["diff", "latest", "--live", "--exit-code"]);
    assert!(run.out.contains("outputs of commands are not compared: /db/dump"), "{run:?}");
    let objects = sandbox.json(0, &["diff", "latest", "--live"]);
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!((summary["streams"][0].as_str(), summary["after"].is_null()), (Some("/db/dump"), true), "{summary}");
    sandbox.ok(&["backup", "--command", "only=echo hi"]);
    assert!(sandbox.ok(&["diff", "latest", "--live"]).out.contains("not compared: /only"));
}

#[test]
fn every_kind_of_difference_is_told_with_what_changed_inside_and_no_secret() {
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path(&format!("src/{name}"));
    fs::write(path("app.json"), r#"{"port": 1, "password": "hunter2"}"#).unwrap();
    fs::write(path("same"), "the same bytes").unwrap();
    fs::write(path("type"), "a file").unwrap();
    symlink("a.txt", path("link")).unwrap();
    settle();
    sandbox.ok(&["backup", "."]);
    fs::write(path("app.json"), r#"{"port": 2, "password": "hunter3"}"#).unwrap();
    fs::write(path("same"), "the same bytes").unwrap();
    fs::remove_file(path("type")).unwrap();
    fs::create_dir(path("type")).unwrap();
    fs::remove_file(path("link")).unwrap();
    symlink("sub", path("link")).unwrap();
    fs::rename(path("sub/c.o"), path("moved.o")).unwrap();
    fs::copy(path("sub/b.txt"), path("type/copy")).unwrap();
    fs::remove_file(path("a.txt")).unwrap();
    fs::set_permissions(path("sub/b.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    let expected = ["-    /a.txt", "M    /app.json", "M    /link", "R    /sub/c.o -> /moved.o", "T    /type/"];
    let told = rows(&sandbox, &["latest"]);
    assert_eq!(told, [&expected[..], &["+    /type/copy"]].concat());
    let told = rows(&sandbox, &["latest", "--copies", "--metadata"]);
    for row in ["C    /sub/b.txt -> /type/copy", "U    /sub/b.txt", "U    /same"] {
        assert!(told.contains(&row.to_string()), "{row}: {told:?}");
    }
    assert_eq!(sandbox.run(&["diff", "latest", "--live", "--exit-code"]).code, 1);
    let patch = sandbox.ok(&["diff", "latest", "--live", "--patch"]).out;
    assert!(patch.contains("  ~ port: 1 -> 2") && patch.contains("-alpha") && !patch.contains("hunter"), "{patch}");
    let objects = sandbox.json(0, &["diff", "latest", "--live", "--patch"]);
    let port = objects.iter().find(|object| object["place"] == "port").unwrap();
    assert_eq!(port["after"], "2");
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!((&summary["added"], &summary["type_changed"], &summary["problems"]), (&2.into(), &1.into(), &0.into()));
}

#[test]
fn what_is_excluded_is_left_out_of_the_live_side_and_so_is_the_repository() {
    let sandbox = Sandbox::empty();
    let inside = sandbox.text("src/repo");
    sandbox.ok(&["-r", &inside, "init"]);
    settle();
    sandbox.ok(&["-r", &inside, "backup", ".", "--exclude", "*.o"]);
    let run = sandbox.ok(&["-q", "-r", &inside, "diff", "latest", "--live", "--exclude", "*.o"]);
    assert_eq!(run.out, "", "{run:?}");
    let run = sandbox.ok(&["-q", "-r", &inside, "diff", "latest", "--live", "--name-status"]);
    assert_eq!(run.out, "+    /sub/c.o\n");
    assert_eq!(sandbox.run(&["-r", &inside, "diff", "latest", "latest", "--exclude", "*.o"]).code, 2);
}

#[test]
fn a_snapshot_of_another_host_needs_to_be_told_where_its_files_are() {
    let sandbox = Sandbox::new();
    settle();
    sandbox.ok(&["backup", ".", "-H", "far"]);
    let run = sandbox.run(&["diff", "latest", "--live"]);
    assert!(run.code == 1 && run.err.contains("was made on far") && run.err.contains("--root DIR"), "{run:?}");
    sandbox.ok(&["restore", "latest", "--target", &sandbox.text("back")]);
    let back = sandbox.text("back");
    let root = [&["diff", "latest", "--live", "--exit-code", "--metadata", "--root"], &[back.as_str()][..]].concat();
    let run = sandbox.ok(&root);
    assert!(run.out.starts_with("0 added, 0 removed, 0 modified"), "{run:?}");
    fs::write(sandbox.path("back/sub/b.txt"), "gamm\n").unwrap();
    assert_eq!(rows(&sandbox, &["latest", "--root", &back]), ["M    /sub/b.txt"], "of the same size");
    // The name that backups of this machine are given is one of its own.
    let mut command = sandbox.command(&["-q", "diff", "latest", "--live"]);
    let run = crate::sandbox::Run::from(command.env("KEEPFAST_HOST", "far").output().unwrap());
    assert_eq!((run.code, run.out.as_str()), (0, ""), "{run:?}");
    let run = sandbox.run(&["diff", "latest", "--live", "--root", &sandbox.text("nothing")]);
    assert!(run.code == 1 && run.err.contains("is no folder"), "{run:?}");
}

#[test]
fn a_source_that_is_gone_is_told_as_removed() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["backup", &sandbox.text("src/sub"), &sandbox.text("src/a.txt")]);
    fs::remove_dir_all(sandbox.path("src/sub")).unwrap();
    let told = rows(&sandbox, &["latest"]);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|row| row.starts_with("-    ") && row.contains("/src/sub/")), "{told:?}");
}

#[test]
fn what_can_not_be_read_is_named_and_not_told_as_removed() {
    let sandbox = Sandbox::new();
    settle();
    sandbox.ok(&["backup", "."]);
    let closed = |name: &str| fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(0o000)).unwrap();
    closed("src/a.txt");
    closed("src/sub");
    if fs::read(sandbox.path("src/a.txt")).is_ok() {
        return println!("skipped: root reads everything");
    }
    let run = sandbox.run(&["diff", "latest", "--live", "--name-status"]);
    fs::set_permissions(sandbox.path("src/sub"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.err.contains("a.txt") && run.err.contains("sub: list folder"), "{run:?}");
    assert!(!run.out.contains("/a.txt") && !run.out.contains("/sub/b.txt"), "{run:?}");
}

#[test]
fn an_imported_archive_is_compared_with_a_folder_that_is_named() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["backup", "."]);
    sandbox.ok(&["export", "latest", &sandbox.text("all.tar")]);
    sandbox.ok(&["import", &sandbox.text("all.tar"), "--as-tree"]);
    let run = sandbox.run(&["diff", "latest", "--live"]);
    assert!(run.code == 1 && run.err.contains("--root DIR"), "{run:?}");
    fs::write(sandbox.path("src/a.txt"), "other\n").unwrap();
    assert_eq!(rows(&sandbox, &["latest", "--root", "."]), ["M    /a.txt"]);
}

/// Runs `body` while a byte of the file is written over and over again, now this one and now that one.
fn while_it_is_written<T>(path: &Path, bytes: [u8; 2], body: impl FnOnce() -> T) -> T {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for byte in bytes.iter().cycle() {
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
                file.write_all_at(&[*byte], 0).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        is_done.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Long enough that no reading of it ends within a tick of the file system's clock.
const LONG_BYTES: usize = 96 << 20;

#[test]
fn of_a_file_that_never_holds_still_nothing_is_said_but_that() {
    let sandbox = Sandbox::new();
    let busy = sandbox.path("src/busy");
    fs::write(&busy, vec![7; LONG_BYTES]).unwrap();
    settle();
    sandbox.ok(&["backup", "."]);
    // The same bytes all the time, but who knows that while they are written.
    let objects = while_it_is_written(&busy, [7, 7], || sandbox.json(3, &["diff", "latest", "--live", "--metadata"]));
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!((&summary["problems"], &summary["modified"]), (&1.into(), &0.into()), "{summary}");
    let unread = summary["unread"][0].to_string();
    assert!(unread.contains("busy") && unread.contains("it changes while it is read"), "{unread}");
    assert!(objects.iter().all(|object| object["path"] != "/busy"), "{objects:?}");
    assert_eq!(rows(&sandbox, &["latest", "--metadata"]), ["U    /busy"], "as soon as it holds still");
}

#[test]
fn a_content_that_never_holds_still_is_not_shown_half_old_and_half_new() {
    let sandbox = Sandbox::new();
    let busy = sandbox.path("src/busy");
    fs::write(&busy, vec![3; LONG_BYTES]).unwrap();
    settle();
    sandbox.ok(&["backup", "."]);
    fs::write(&busy, vec![7; LONG_BYTES]).unwrap();
    for format in [&["--patch"][..], &["--html", "page.html"]] {
        let diff = [&["diff", "latest", "--live"], format, &["--exclude", "page.html"]].concat();
        let run = while_it_is_written(&busy, [1, 2], || sandbox.run(&diff));
        assert_eq!(run.code, 3, "{format:?}: {run:?}");
        assert!(run.err.contains("warning: /busy: ") && run.err.contains("it changes while it is read"), "{run:?}");
        assert!(run.out.contains("1 modified"), "{run:?}");
    }
    let page = fs::read_to_string(sandbox.path("src/page.html")).unwrap();
    assert!(page.contains("Not everything could be read") && page.contains("it changes while it is read"));
}
