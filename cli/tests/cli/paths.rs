// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths over all snapshots: `history`, `blame`, `find`, `show`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Four nights of `a.txt`: made, grown, made executable, removed; `sub/new` comes in the second.
fn nights() -> Sandbox {
    let sandbox = Sandbox::with_snapshot();
    fs::write(sandbox.path("src/a.txt"), "alpha\nomega\n").unwrap();
    fs::write(sandbox.path("src/sub/new"), "x").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    sandbox.ok(&["backup", "."]);
    fs::set_permissions(sandbox.path("src/a.txt"), fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.ok(&["backup", "."]);
    fs::remove_file(sandbox.path("src/a.txt")).unwrap();
    sandbox.ok(&["backup", "."]);
    sandbox
}

fn ids(sandbox: &Sandbox) -> Vec<String> {
    let objects = sandbox.json(0, &["snapshots"]);
    objects.iter().filter_map(|object| Some(object["short_id"].as_str()?.to_string())).collect()
}

/// Short id and change of each line of a history.
fn told(sandbox: &Sandbox, arguments: &[&str]) -> Vec<(String, String)> {
    let objects = sandbox.json(0, &[&["history"], arguments].concat());
    let text = |object: &Value, field: &str| object[field].as_str().map(str::to_string);
    objects.iter().filter_map(|object| Some((text(object, "short_id")?, text(object, "what")?))).collect()
}

#[test]
fn history_tells_what_each_snapshot_changed() {
    let sandbox = nights();
    let ids = ids(&sandbox);
    let changes = told(&sandbox, &["a.txt"]);
    assert_eq!(changes.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(changes[0].1, "created");
    assert_eq!(changes[1].1, "content +6 B");
    assert!(changes[2].1.starts_with("mode ") && changes[2].1.ends_with(" -> 0755"), "{changes:?}");
    assert_eq!(changes[3].1, "removed");
    let new = told(&sandbox, &["/sub/new", "--all"]);
    assert_eq!(
        new.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>(),
        ["not there", "created", "unchanged", "unchanged"]
    );
    let folder = told(&sandbox, &["sub"]);
    assert_eq!(folder.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>(), ["created, 2 added", "1 added"]);
    let top = told(&sandbox, &["/"]);
    assert_eq!(top.len(), 4, "{top:?}");
    let text = sandbox.ok(&["history", "a.txt"]).out;
    assert!(
        text.starts_with("id ") && text.contains("content +6 B") && text.contains("4 entries of 4 snapshots"),
        "{text}"
    );
    assert_eq!(sandbox.run(&["history", "a.txt", "--at", "2020-01-01"]).code, 1, "nothing is that old");
}

#[test]
fn a_history_has_patches() {
    let sandbox = nights();
    let text = sandbox.ok(&["-q", "history", "a.txt", "--patch"]).out;
    for line in ["    @@ -0,0 +1 @@", "    +alpha", "    @@ -1 +1,2 @@", "     alpha", "    +omega", "    -omega"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    fs::write(sandbox.path("src/a.txt"), "a\0b").unwrap();
    sandbox.ok(&["backup", "."]);
    assert!(sandbox.ok(&["history", "a.txt", "-P"]).out.contains("    (binary)"));
    let objects = sandbox.json(0, &["history", "a.txt", "-P"]);
    assert_eq!(objects[1]["patch"], "@@ -1 +1,2 @@\n alpha\n+omega\n");
    assert_eq!(objects[2]["patch"], Value::Null, "only its mode changed");
}

#[test]
fn a_path_that_no_snapshot_has_is_an_error_that_names_it() {
    let sandbox = Sandbox::with_snapshot();
    for verb in ["history", "blame"] {
        let run = sandbox.run(&[verb, "sub/nothing"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(
            run.err.contains("/sub/nothing is in none of 1 snapshot") && run.err.contains("find -i 'nothing'"),
            "{run:?}"
        );
    }
    let id = &ids(&sandbox)[0];
    for arguments in [&["show", "latest:nothing"][..], &["blame", "nothing", "--snapshot", "latest"]] {
        let run = sandbox.run(arguments);
        assert!(run.code == 1 && run.err.contains(&format!("nothing is not in snapshot {id}")), "{run:?}");
    }
    for folder in ["sub", "/"] {
        assert_eq!(sandbox.run(&["blame", folder]).code, 1);
    }
    let binary = sandbox.json(0, &["find", "c.o"])[0].clone();
    assert_eq!(binary["size"], 200_000);
    assert_eq!(sandbox.run(&["blame", "sub/c.o"]).code, 0, "no NUL is in it, so it is one long line");
}

#[test]
fn blame_tells_who_brought_a_line() {
    let sandbox = nights();
    let ids = ids(&sandbox);
    let text = sandbox.ok(&["blame", "a.txt"]).out;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with(&ids[0]) && lines[0].ends_with("  1  alpha"), "{text}");
    assert!(lines[1].starts_with(&ids[1]) && lines[1].ends_with("  2  omega"), "{text}");
    assert_eq!(sandbox.ok(&["blame", "a.txt", "--snapshot", &ids[0]]).out.lines().count(), 1);
    assert_eq!(sandbox.run(&["blame", "a.txt", "--snapshot", "latest"]).code, 1, "it is gone there");
    let objects = sandbox.json(0, &["blame", "a.txt"]);
    assert_eq!(
        (&objects[1]["text"], &objects[1]["short_id"], &objects[1]["line"]),
        (&"omega".into(), &ids[1].as_str().into(), &2.into())
    );
}

#[test]
fn find_looks_at_names_paths_sizes_times_types_and_contents() {
    let sandbox = nights();
    let paths = |arguments: &[&str]| {
        let objects = sandbox.json(0, &[&["find"], arguments].concat());
        let (summary, hits) = objects.split_last().unwrap();
        assert_eq!(summary["summary"]["found"], hits.len());
        hits.iter().map(|hit| hit["path"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(paths(&["*.txt"]), ["/a.txt", "/sub/b.txt"]);
    assert_eq!(paths(&["A.TXT", "-i"]), ["/a.txt"]);
    assert_eq!(paths(&["A.TXT"]), [""; 0]);
    assert_eq!(paths(&["/sub/*", "*.txt"]), ["/a.txt", "/sub/b.txt", "/sub/c.o", "/sub/new"]);
    assert_eq!(paths(&["sub/*.o"]), paths(&["/sub/*.o"]));
    assert_eq!(paths(&["/*"]), ["/a.txt", "/sub"]);
    assert_eq!(paths(&["--size", "+100K"]), ["/sub/c.o"]);
    assert_eq!(paths(&["--size", "-6", "--size", "+3"]), ["/sub/b.txt"]);
    assert_eq!(paths(&["--size", "1"]), ["/sub/new"]);
    assert_eq!(paths(&["--type", "d", "s*"]), ["/sub"]);
    assert_eq!(paths(&["--newer", "2020-01-01", "*.o"]), ["/sub/c.o"]);
    assert_eq!(paths(&["--older", "2020-01-01"]), [""; 0]);
    assert_eq!(paths(&["a.txt", "--snapshot", "latest"]), [""; 0]);
    assert_eq!(paths(&["a.txt", "--all"]).len(), 3);
    let hit = sandbox.json(0, &["find", "a.txt"])[0].clone();
    assert_eq!((&hit["snapshots"], &hit["versions"], &hit["size"]), (&3.into(), &3.into(), &12.into()));
    assert_eq!(paths(&["--content", hit["content_id"].as_str().unwrap()]), ["/a.txt"]);
    // The id of a chunk that is a whole file finds it, too.
    let chunk = sandbox.json(0, &["cat", "tree", "latest:sub/b.txt"])[0]["content"][0]["chunk"].clone();
    assert_eq!(paths(&["--content", chunk.as_str().unwrap()]), ["/sub/b.txt"]);
    assert!(sandbox.ok(&["find", "nothing"]).out.contains("0 paths in 4 snapshots"));
    for wrong in
        [&["find"][..], &["find", "--size", "big"], &["find", "--content", "xyz"], &["find", "--newer", "soon"]]
    {
        assert_eq!(sandbox.run(wrong).code, 2, "{wrong:?}");
    }
    assert_eq!(sandbox.run(&["find", "a["]).code, 2);
}

#[test]
fn show_prints_attributes_and_text() {
    let sandbox = nights();
    let text = sandbox.ok(&["show", "latest~1:a.txt"]).out;
    for part in [
        "path      /a.txt",
        "type      file",
        "size      12 B\n",
        "mode      0755",
        "\n\nalpha\nomega\n",
        "3 in 3 snapshots",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let folder = sandbox.ok(&["show", "latest:sub"]).out;
    assert!(folder.contains("type      folder") && folder.contains("versions  2 in 4 snapshots"), "{folder}");
    let objects = sandbox.json(0, &["show", "latest~1:a.txt"]);
    assert_eq!(
        (&objects[0]["presence"]["versions"], &objects[1]["summary"]["text"]),
        (&3.into(), &"alpha\nomega\n".into())
    );
    let alone = sandbox.ok(&["show", "latest:sub/b.txt", "--no-cache"]).out;
    assert!(alone.ends_with("\nbeta\n") && !alone.contains("versions"), "{alone}");
}

#[test]
fn forgotten_snapshots_leave_the_answers() {
    let sandbox = nights();
    assert_eq!(told(&sandbox, &["a.txt"]).len(), 4);
    sandbox.ok(&["forget", "latest~2"]);
    let what: Vec<String> = told(&sandbox, &["a.txt"]).into_iter().map(|(_, what)| what).collect();
    assert_eq!(what.len(), 3);
    assert!(what[1].starts_with("content +6 B, mode "), "{what:?}");
    assert_eq!(told(&sandbox, &["a.txt", "--no-cache"]).len(), 3, "also without a file");
}

#[test]
fn names_that_are_not_utf8_are_found() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"odd\xff\x1b[2J");
    if fs::write(sandbox.path("src").join(name), "x\n").is_err() {
        println!("skipped: this file system takes UTF-8 names only");
        return;
    }
    sandbox.ok(&["backup", "."]);
    assert_eq!(sandbox.json(0, &["find", "odd*"])[0]["path_bytes"], "2f6f6464ff1b5b324a");
    let text = sandbox.ok(&["find", "odd*"]).out;
    assert!(text.contains("/odd\\xff\\u{1b}[2J") && !text.contains('\x1b'), "{text}");
    let mut command = sandbox.command(&["blame"]);
    let output = command.arg(name).output().unwrap();
    assert!(output.status.success() && output.stdout.ends_with(b"  1  x\n"), "{output:?}");
}
