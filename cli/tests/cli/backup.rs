// SPDX-License-Identifier: MIT OR Apache-2.0
//! `backup`: sources, excludes, streams, dry runs, parents, and what its exit code says.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::sandbox::{Run, Sandbox};

#[test]
fn a_second_backup_reads_nothing_anew() {
    let sandbox = Sandbox::with_snapshot();
    let summary = &sandbox.json(0, &["backup", "."])[0]["summary"];
    assert_eq!((&summary["files_unmodified"], &summary["bytes_new"]), (&3.into(), &0.into()));
    assert!(summary["parent"].is_string());
    let forced = &sandbox.json(0, &["backup", ".", "--force"])[0]["summary"];
    assert_eq!((&forced["files_new"], &forced["parent"]), (&3.into(), &serde_json::Value::Null));
}

#[test]
fn the_same_relative_path_in_another_folder_has_another_parent() {
    let sandbox = Sandbox::with_snapshot();
    let run = sandbox.command(&["backup", ".", "--json"]).current_dir(sandbox.path("src/sub")).output().unwrap();
    assert!(String::from_utf8(run.stdout).unwrap().contains(r#""parent":null"#));
}

#[test]
fn a_dry_run_writes_nothing() {
    let sandbox = Sandbox::new();
    let before = sandbox.objects();
    let run = sandbox.ok(&["backup", ".", "--dry-run"]);
    assert!(run.out.contains("3 new") && run.out.contains("nothing was written"), "{run:?}");
    assert_eq!(sandbox.objects(), before);
    assert!(sandbox.ok(&["snapshots"]).out.contains("0 snapshots"));
}

#[test]
fn an_unchanged_tree_can_be_skipped() {
    let sandbox = Sandbox::with_snapshot();
    assert!(sandbox.ok(&["backup", ".", "--skip-if-unchanged"]).out.contains("no snapshot was made"));
    fs::write(sandbox.path("src/new"), "x").unwrap();
    assert!(sandbox.ok(&["backup", ".", "--skip-if-unchanged"]).out.contains("saved"));
    assert!(sandbox.ok(&["snapshots"]).out.contains("2 snapshots"));
}

#[test]
fn excludes_leave_out_what_they_name() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("src/cache")).unwrap();
    fs::write(sandbox.path("src/cache/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55").unwrap();
    fs::write(sandbox.path("src/cache/big"), "x").unwrap();
    fs::create_dir(sandbox.path("src/skip")).unwrap();
    fs::write(sandbox.path("src/skip/.nobackup"), "yes").unwrap();
    fs::write(sandbox.path("src/skip/file"), "x").unwrap();
    fs::write(sandbox.path("patterns"), "# comment\nsub/b.*\n").unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["-e", "*.o"], "/sub/c.o"),
        (&["--iexclude", "A.TXT"], "/a.txt"),
        (&["--exclude-file", &sandbox.text("patterns")], "/sub/b.txt"),
        (&["--exclude-caches"], "/cache/big"),
        (&["--exclude-if-present", ".nobackup"], "/skip/file"),
        (&["--exclude-if-present", ".nobackup:yes"], "/skip/file"),
        (&["--exclude-larger-than", "100K"], "/sub/c.o"),
    ];
    let all = 11;
    for (options, missing) in cases {
        sandbox.ok(&[&["backup", "."], options].concat());
        let listed = sandbox.ls("latest");
        assert!(!listed.iter().any(|path| path == missing), "{options:?}: {listed:?}");
        assert_eq!(listed.len(), all - 1, "{options:?}: {listed:?}");
    }
    sandbox.ok(&["backup", ".", "--exclude-if-present", ".nobackup:no"]);
    assert_eq!(sandbox.ls("latest").len(), all);
    assert_eq!(sandbox.run(&["backup", ".", "-e", "[a"]).code, 2);
}

#[test]
fn the_repository_does_not_back_itself_up() {
    let sandbox = Sandbox::new();
    let run = sandbox.ok(&["backup", &sandbox.text("")]);
    assert!(run.out.contains("leaving out"), "{run:?}");
    let listed = sandbox.ls("latest");
    assert!(listed.iter().any(|path| path.ends_with("/src/a.txt")));
    assert!(!listed.iter().any(|path| path.ends_with("/repo") || path.contains("/repo/")), "{listed:?}");
}

#[test]
fn lists_of_files_name_what_is_saved() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("list"), "a.txt\r\n\nsub/b.txt\n").unwrap();
    fs::write(sandbox.path("raw"), "a.txt\0sub/c.o\0").unwrap();
    sandbox.ok(&["backup", "--files-from", &sandbox.text("list")]);
    let files = |listed: Vec<String>| listed.into_iter().filter(|path| path.contains('.')).collect::<Vec<_>>();
    assert_eq!(files(sandbox.ls("latest")), ["/a.txt", "/sub/b.txt"]);
    sandbox.ok(&["backup", "--files-from-raw", &sandbox.text("raw")]);
    assert_eq!(files(sandbox.ls("latest")), ["/a.txt", "/sub/c.o"]);
    fs::write(sandbox.path("list"), "\n").unwrap();
    assert_eq!(sandbox.run(&["backup", "--files-from", &sandbox.text("list")]).code, 2);
}

#[test]
fn standard_input_becomes_a_file() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["backup", "--stdin", "--stdin-filename", "db/dump.sql"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"select 1;\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(sandbox.ok(&["dump", "latest:db/dump.sql"]).out, "select 1;\n");
}

#[test]
fn outputs_of_commands_and_files_share_a_snapshot() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["backup", ".", "--command", "one=echo 1", "--command", "two=printf 2"]);
    assert_eq!(
        (sandbox.ok(&["dump", "latest", "one"]).out, sandbox.ok(&["dump", "latest", "two"]).out),
        ("1\n".into(), "2".into())
    );
    assert!(sandbox.ls("latest").contains(&"/a.txt".to_string()));
}

#[test]
fn a_command_that_fails_makes_the_snapshot_incomplete() {
    let sandbox = Sandbox::new();
    let Run { code, out, err } = sandbox.run(&["backup", ".", "--command", "db=echo part; exit 4"]);
    assert_eq!(code, 3, "{err}");
    assert!(out.contains("saved, incomplete") && err.contains("problem: db: ") && err.contains('4'), "{out}{err}");
    assert!(sandbox.ok(&["snapshots"]).out.contains("incomplete"));
    assert_eq!(sandbox.run(&["backup", "--command", "nonsense"]).code, 2);
}

#[test]
fn what_is_missing_is_told_and_gives_3() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["backup", ".", "/no/such/path"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.err.contains("no/such/path"), "{run:?}");
    assert_eq!(sandbox.run(&["backup", "/no/such/path"]).code, 1);
}

#[test]
fn tags_host_and_description_are_recorded() {
    let sandbox = Sandbox::new();
    sandbox.ok(&[
        "backup",
        ".",
        "--tag",
        "b,a",
        "--tag",
        "c",
        "--host",
        "other",
        "--description",
        "before the upgrade",
    ]);
    let snapshot = &sandbox.json(0, &["snapshots", "--host", "other", "--tag", "a,c"])[0];
    assert_eq!(snapshot["tags"], serde_json::json!(["a", "b", "c"]));
    assert_eq!((&snapshot["host"], &snapshot["description"]), (&"other".into(), &"before the upgrade".into()));
    assert_eq!(sandbox.json(0, &["snapshots", "--tag", "d"]).len(), 1);
}

/// A gzip file whose deflate stream stores its bytes as they are.
fn stored_gzip(plain: &[u8]) -> Vec<u8> {
    let length = u16::try_from(plain.len()).unwrap();
    let head = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&head[..], plain, b"crc0", &u32::from(length).to_le_bytes()].concat()
}

#[test]
fn archives_are_looked_into_unless_that_is_switched_off() {
    let sandbox = Sandbox::new();
    let packed = stored_gzip(&b"a line of a dump, and another\n".repeat(1000));
    fs::write(sandbox.path("src/dump.gz"), &packed).unwrap();
    let layers = |options: &[&str]| {
        sandbox.json(0, &[&["backup", ".", "--force"], options].concat());
        let tree = sandbox.json(0, &["cat", "tree", "latest"]);
        let dump = tree.iter().find(|entry| entry["path"] == "/dump.gz").unwrap_or_else(|| panic!("{tree:?}"));
        dump["layers"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(layers(&[]), 1);
    assert_eq!(layers(&["--no-unwrap"]), 0);
    assert_eq!(layers(&["--unwrap-max-size", "10K"]), 0);
    assert_eq!(layers(&["--unwrap-max-size", "1M"]), 1);
    assert_eq!(layers(&["--no-unwrap-path", "*.gz"]), 0);
    assert_eq!(layers(&["--no-unwrap-path", "*.zip", "--no-unwrap-path", "other/*"]), 1);
    sandbox.ok(&["restore", "latest", "--target", &sandbox.text("back")]);
    assert_eq!(fs::read(sandbox.path("back/dump.gz")).unwrap(), packed);
    for wrong in
        [&["--no-unwrap-path", "[a"][..], &["--unwrap-max-size", "x"], &["--no-unwrap", "--unwrap-max-size", "1M"]]
    {
        assert_eq!(sandbox.run(&[&["backup", "."], wrong].concat()).code, 2, "{wrong:?}");
    }
}

/// Bytes that nothing can be made of.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

#[test]
fn what_can_not_be_compressed_takes_little_more_than_it_has() {
    let sandbox = Sandbox::new();
    let bytes = noise(160 << 20);
    fs::write(sandbox.path("src/noise"), &bytes).unwrap();
    sandbox.ok(&["backup", "."]);
    let folders = fs::read_dir(sandbox.path("repo/packs")).unwrap().map(|folder| folder.unwrap().path());
    let packs = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let stored: u64 = packs.map(|pack| pack.unwrap().metadata().unwrap().len()).sum();
    // Full packs take 1.3 % more; the last two may be padded by some percent of their own.
    assert!(stored * 100 < bytes.len() as u64 * 103, "{stored} of {}", bytes.len());
}
