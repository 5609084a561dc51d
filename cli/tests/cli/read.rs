// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands that read: help, selectors, listings, differences, restores, dumps, checks.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use crate::sandbox::{Run, Sandbox};

const VERBS: [&str; 24] = [
    "init",
    "backup",
    "snapshots",
    "ls",
    "restore",
    "dump",
    "import",
    "export",
    "diff",
    "history",
    "blame",
    "find",
    "show",
    "check",
    "stats",
    "tag",
    "forget",
    "undelete",
    "sessions",
    "copy",
    "key",
    "cat",
    "version",
    "quickstart",
];

#[test]
fn every_verb_has_help_that_fits_80_columns() {
    let sandbox = Sandbox::empty();
    let help = sandbox.ok(&["--help"]).out;
    for verb in VERBS {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in the help");
        let text = sandbox.ok(&[verb, "--help"]).out;
        assert!(text.contains("Usage: keepfast"), "{verb}: {text}");
        let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(wide.is_empty(), "{verb}: {wide:#?}");
    }
    assert_eq!(sandbox.run(&["frobnicate"]).code, 2);
    assert_eq!(sandbox.run(&[]).code, 2);
}

#[test]
fn selectors_name_snapshots() {
    let sandbox = Sandbox::new();
    let backup = |tag: &str| {
        let summary = sandbox.json(0, &["backup", ".", "--tag", tag])[0]["summary"].clone();
        summary["snapshot"].as_str().unwrap().to_string()
    };
    let ids = [backup("one"), backup("two"), backup("three")];
    let chosen = |arguments: &[&str]| {
        let objects = sandbox.json(0, &[&["snapshots"], arguments].concat());
        objects.iter().filter_map(|object| Some(object["id"].as_str()?.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(chosen(&["latest"]), [ids[2].clone()]);
    assert_eq!(chosen(&["latest~2"]), [ids[0].clone()]);
    assert_eq!(chosen(&["tag:two"]), [ids[1].clone()]);
    assert_eq!(chosen(&[&ids[1][..8], "latest"]), [ids[1].clone(), ids[2].clone()]);
    assert_eq!(chosen(&["--latest", "1"]), [ids[2].clone()]);
    assert_eq!(chosen(&["--at", "2020-01-01"]), [""; 0]);
    assert_eq!(chosen(&["--at", "2200-01-01T00:00"]).len(), 3);
    assert_eq!(chosen(&["--path", "."]).len(), 3);
    for missing in ["latest~3", "tag:four", "00", "zzzz"] {
        assert_eq!(sandbox.run(&["snapshots", missing]).code, 1, "{missing}");
    }
    assert_eq!(sandbox.run(&["snapshots", "--at", "soon"]).code, 2);
}

#[test]
fn ls_lists_everything_or_one_folder() {
    let sandbox = Sandbox::with_snapshot();
    assert_eq!(sandbox.ls("latest"), ["/", "/a.txt", "/sub", "/sub/b.txt", "/sub/c.o"]);
    assert_eq!(sandbox.ls("latest:sub"), ["/sub/b.txt", "/sub/c.o"]);
    assert_eq!(sandbox.ls("latest:/sub/b.txt"), ["/sub/b.txt"]);
    let long = sandbox.ok(&["ls", "-l", "latest:a.txt"]).out;
    assert!(long.starts_with("-rw") && long.trim_end().ends_with(" /a.txt") && long.contains(" 6 "), "{long}");
    let missing = sandbox.run(&["ls", "latest:nothing"]);
    assert_eq!(missing.code, 1);
    let id = &sandbox.json(0, &["snapshots"])[0]["short_id"];
    assert!(missing.err.contains(id.as_str().unwrap()), "{missing:?}");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("src/many")).unwrap();
    for number in 0..3000 {
        fs::write(sandbox.path(&format!("src/many/a-name-that-takes-some-room-{number}")), "").unwrap();
    }
    sandbox.ok(&["backup", "."]);
    let mut command = sandbox.command(&["ls", "-l", "latest"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(141), ""));
}

#[test]
fn diff_shows_what_changed() {
    let sandbox = Sandbox::with_snapshot();
    fs::write(sandbox.path("src/a.txt"), "alpha and more\n").unwrap();
    fs::remove_file(sandbox.path("src/sub/b.txt")).unwrap();
    fs::write(sandbox.path("src/sub/new"), "x").unwrap();
    fs::remove_file(sandbox.path("src/sub/c.o")).unwrap();
    fs::create_dir(sandbox.path("src/sub/c.o")).unwrap();
    sandbox.ok(&["backup", "."]);
    let lines = |arguments: &[&str]| {
        let out = sandbox.ok(&[&["-q", "diff", "latest~1", "latest", "--name-status"], arguments].concat()).out;
        out.lines().map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(lines(&[]), ["M    /a.txt", "-    /sub/b.txt", "T    /sub/c.o/", "+    /sub/new"]);
    assert_eq!(lines(&["a.txt"]), ["M    /a.txt"]);
    assert_eq!(lines(&["sub"]).len(), 3);
    assert!(lines(&["--metadata"]).contains(&"U    /sub/".to_string()));
    let same = sandbox.ok(&["diff", "latest", "latest"]).out;
    assert!(same.starts_with("0 added, 0 removed"), "{same}");
}

#[test]
fn restore_brings_back_and_deletes_only_when_asked() {
    let sandbox = Sandbox::with_snapshot();
    let target = sandbox.text("out");
    let dry = sandbox.ok(&["restore", "latest", "--target", &target, "-n", "-v"]);
    assert!(dry.out.contains("created   sub/b.txt") && !sandbox.path("out").exists(), "{dry:?}");
    sandbox.ok(&["restore", "latest", "--target", &target, "--verify"]);
    assert_eq!(fs::read(sandbox.path("out/sub/c.o")).unwrap(), vec![9; 200_000]);
    fs::write(sandbox.path("out/extra"), "x").unwrap();
    fs::write(sandbox.path("out/a.txt"), "broken").unwrap();
    let again = sandbox.ok(&["restore", "latest", "--target", &target]);
    assert!(again.out.contains(" 1 updated"), "{again:?}");
    assert!(sandbox.path("out/extra").exists());
    sandbox.ok(&["restore", "latest", "--target", &target, "--delete", "--overwrite", "if-changed", "--no-ownership"]);
    assert!(!sandbox.path("out/extra").exists());
    assert_eq!(fs::read(sandbox.path("out/a.txt")).unwrap(), b"alpha\n");
}

#[test]
fn restore_takes_a_part() {
    let sandbox = Sandbox::with_snapshot();
    sandbox.ok(&["restore", "latest:sub", "--target", &sandbox.text("one"), "--exclude", "*.o"]);
    assert!(sandbox.path("one/b.txt").exists() && !sandbox.path("one/c.o").exists());
    sandbox.ok(&["restore", "latest", "--target", &sandbox.text("two"), "--include", "*.txt"]);
    assert!(sandbox.path("two/a.txt").exists() && !sandbox.path("two/sub/c.o").exists());
    assert_eq!(sandbox.run(&["restore", "latest:none", "--target", &sandbox.text("three")]).code, 1);
}

#[test]
fn dump_writes_files_and_archives() {
    let sandbox = Sandbox::with_snapshot();
    assert_eq!(sandbox.ok(&["dump", "latest", "/a.txt"]).out, "alpha\n");
    let file = sandbox.text("sub.tar");
    sandbox.ok(&["dump", "latest:sub", "-o", &file]);
    let archive = fs::read(&file).unwrap();
    assert!(archive.len() > 200_000 && archive[257..262] == *b"ustar");
    assert_eq!(sandbox.run(&["dump", "latest:none"]).code, 1);
    assert_eq!(sandbox.run(&["dump", "latest:a", "b"]).code, 2);
}

#[test]
fn check_finds_damage_and_gives_1() {
    let sandbox = Sandbox::with_snapshot();
    for part in ["1/2", "2/2", "100%", "1G"] {
        assert!(sandbox.ok(&["check", "--read-data-subset", part]).out.contains("no errors found"));
    }
    let mut folders = vec![sandbox.path("repo/packs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).unwrap();
            bytes[100] ^= 1;
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
    let damaged = sandbox.run(&["check", "--read-data"]);
    assert_eq!(damaged.code, 1, "{damaged:?}");
    assert!(damaged.out.contains("error: ") && damaged.err.contains("found in the repository"), "{damaged:?}");
    assert_eq!(sandbox.run(&["check", "--read-data-subset", "3/2"]).code, 2);
}

#[test]
fn tags_are_changed_and_a_dry_run_changes_none() {
    let sandbox = Sandbox::with_snapshot();
    sandbox.ok(&["tag", "--add", "x,y", "latest", "-n"]);
    assert_eq!(sandbox.json(0, &["snapshots", "--tag", "x"]).len(), 1);
    sandbox.ok(&["tag", "--add", "x,y", "latest"]);
    sandbox.ok(&["tag", "--remove", "x"]);
    assert_eq!(sandbox.json(0, &["snapshots", "tag:y"])[0]["tags"], serde_json::json!(["y"]));
    sandbox.ok(&["tag", "--set", "", "latest"]);
    assert_eq!(sandbox.json(0, &["snapshots"])[0]["tags"], serde_json::json!([]));
    assert_eq!(sandbox.run(&["tag", "latest"]).code, 2);
}

#[test]
fn quiet_prints_results_only() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ok(&["-q", "backup", "."]).out, "");
    assert_eq!(sandbox.ok(&["-q", "ls", "latest:a.txt"]).out, "/a.txt\n");
}

#[test]
fn without_a_cache_nothing_is_written_to_the_home() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["backup", ".", "--no-cache", "--state-dir", &sandbox.text("state")]);
    assert_eq!(fs::read_dir(sandbox.path("home")).unwrap().count(), 0);
    sandbox.ok(&["snapshots", "--cache-dir", &sandbox.text("cache")]);
    assert!(sandbox.path("cache").exists());
}

#[test]
fn stats_tell_where_the_bytes_went() {
    let sandbox = Sandbox::with_snapshot();
    fs::write(sandbox.path("src/sub/copy.o"), vec![9; 200_000]).unwrap();
    sandbox.ok(&["backup", "."]);
    let total = sandbox.ok(&["stats", "--savings"]).out;
    assert!(total.contains("in 7 files of 2 snapshots") && total.contains("\nstored"), "{total}");
    let rows = sandbox.ok(&["stats", "--savings", "--by-path"]).out;
    assert!(rows.starts_with("path") && rows.contains("/sub/c.o") && rows.contains("\nall "), "{rows}");
    let few = sandbox.ok(&["stats", "--savings", "--by-path=1", "--top", "1"]).out;
    assert!(few.contains("\n/sub/ ") && few.contains("\n1 more ") && !few.contains("/a.txt"), "{few}");
    let objects = sandbox.json(0, &["stats", "--savings", "--by-path=9", "--top", "2"]);
    let (summary, rows) = (&objects[2]["summary"], &objects[..2]);
    let sum = |field: &str| rows.iter().chain([&summary["rest"]]).map(|row| row[field].as_i64().unwrap()).sum::<i64>();
    for field in
        ["files", "bytes", "bytes_dedup", "bytes_new", "bytes_saved_compression", "bytes_saved_delta", "bytes_stored"]
    {
        assert_eq!(summary[field], sum(field), "{field}: {objects:?}");
    }
    assert_eq!((&summary["paths"], &summary["snapshots"]), (&4.into(), &2.into()));
    assert_eq!(sandbox.run(&["stats", "--by-path"]).code, 2, "only with --savings");
    assert_eq!(sandbox.run(&["stats", "--savings", "--top", "3"]).code, 2, "only with --by-path");
    assert_eq!(sandbox.run(&["stats", "--savings", "--by-path=0"]).code, 2);
}

#[test]
fn a_restore_in_place_takes_neither_the_repository_away_nor_what_opens_it() {
    let sandbox = Sandbox::with_snapshot();
    let all = sandbox.text("");
    sandbox.ok(&["backup", &all, "--exclude", "key"]);
    fs::write(sandbox.path("src/new"), b"extra").unwrap();
    fs::write(sandbox.path("repo.old"), b"extra").unwrap();
    let from = format!("latest:{all}");
    let restore = ["restore", &from, "--target", &all, "--delete", "--no-ownership", "-v"];
    let told = |run: &Run| {
        let lines = run.out.lines().filter(|line| line.starts_with("deleted"));
        lines.map(str::to_string).collect::<Vec<_>>()
    };
    let dry = sandbox.ok(&[&restore[..], &["--dry-run"]].concat());
    assert_eq!(told(&dry), ["deleted   repo.old", "deleted   src/new"]);
    assert_eq!(told(&sandbox.ok(&restore)), told(&dry));
    sandbox.ok(&["check", "--read-data"]);
    let inside = sandbox.run(&["restore", &from, "--target", &sandbox.text("repo/packs")]);
    assert_eq!(inside.code, 1);
    assert!(inside.err.contains("keepfast's own"), "{}", inside.err);
}

#[test]
fn a_path_in_a_snapshot_may_be_any_bytes() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::create_dir(sandbox.path("src").join(name)).unwrap();
    fs::write(sandbox.path("src").join(name).join("menu"), b"soup").unwrap();
    sandbox.ok(&["backup", "."]);
    let mut selector = OsString::from("latest:");
    selector.push(name);
    let run = |arguments: &[&OsStr]| Run::from(sandbox.command(&[]).args(arguments).output().unwrap());
    for verb in ["ls", "show", "dump", "restore", "export"] {
        let output = sandbox.path(&format!("{verb}.tar"));
        let mut arguments = vec![OsStr::new(verb), &selector];
        match verb {
            "restore" => arguments.extend([OsStr::new("--target"), output.as_os_str()]),
            "dump" => arguments.extend([OsStr::new("--output"), output.as_os_str()]),
            "export" => arguments.push(output.as_os_str()),
            _ => {}
        }
        let run = run(&arguments);
        assert_eq!(run.code, 0, "{verb}: {run:?}");
    }
    assert_eq!(fs::read(sandbox.path("restore.tar/menu")).unwrap(), b"soup");
    assert_eq!(run(&["diff".as_ref(), &selector, &selector]).code, 0);
    let unknown = run(&["ls".as_ref(), OsStr::from_bytes(b"la\xfftest:x")]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains(r"la\xfftest"), "{}", unknown.err);
}

#[test]
fn doing_without_a_cache_goes_before_a_folder_that_is_named_for_it() {
    let sandbox = Sandbox::with_snapshot();
    let mut list = sandbox.command(&["ls", "latest", "--no-cache"]);
    let run = Run::from(list.env("KEEPFAST_CACHE_DIR", "/dev/null").output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn files_with_chunks_longer_than_what_is_read_at_a_time_come_back() {
    let sandbox = Sandbox::new();
    let (repo, key) = (sandbox.text("large"), sandbox.text("large key"));
    let in_it = |arguments: &[&str]| sandbox.ok(&[arguments, &["-r", &repo, "--key-file", &key]].concat());
    let shape = ["--chunk-min", "1M", "--chunk-average", "2M", "--chunk-max", "4M", "--pack-size", "64M"];
    in_it(&[&["init"], &shape[..]].concat());
    let mut noise = vec![0; 11_000_001];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    fs::write(sandbox.path("src/noise"), &noise).unwrap();
    let packed = Command::new("tar").args(["cf", "noise.tar", "noise"]).current_dir(sandbox.path("src")).status();
    assert!(packed.unwrap().success());
    in_it(&["backup", "."]);
    in_it(&["restore", "latest", "--target", &sandbox.text("back")]);
    for name in ["noise", "noise.tar"] {
        let [saved, back] = ["src", "back"].map(|folder| fs::read(sandbox.path(folder).join(name)).unwrap());
        assert!(saved == back, "{name}");
    }
}
