// SPDX-License-Identifier: MIT OR Apache-2.0
//! `diff` with what changed inside files: formats, patches, secrets, renames.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sandbox::Sandbox;

/// The same certificate twice, valid for 3000 and for 6000 days from November 2026.
const CERTIFICATES: [&str; 2] = [
    "-----BEGIN CERTIFICATE-----\n\
     MIIBSDCB+6ADAgECAhRPb5mAvjP+1aj+1leDtItH+Ez7mTAFBgMrZXAwGjEYMBYG\n\
     A1UEAwwPd2ViLmV4YW1wbGUub3JnMB4XDTI2MTEyOTA3MDYwNVoXDTM1MDIxNTA3\n\
     MDYwNVowGjEYMBYGA1UEAwwPd2ViLmV4YW1wbGUub3JnMCowBQYDK2VwAyEAoY4o\n\
     lM0SssDbFEExOm8bNoShnEVflGMVMtyE3nLLatWjUzBRMB0GA1UdDgQWBBSyMgJV\n\
     N5toJDsNVrngs4OfTsrp3TAfBgNVHSMEGDAWgBSyMgJVN5toJDsNVrngs4OfTsrp\n\
     3TAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAB2TuiHHAH5BYbIDq94xm3Y41325\n\
     wsYdp4poTFnavpJdkMrFEtRGXTGCA4kdvDxLFQFoEBhRhkLwbaO+qp570Qw=\n\
     -----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\n\
     MIIBSDCB+6ADAgECAhRJ9DtxsLZW5wp25NsZB28ca8Rp/jAFBgMrZXAwGjEYMBYG\n\
     A1UEAwwPd2ViLmV4YW1wbGUub3JnMB4XDTI2MTEyOTA3MDYwNVoXDTQzMDUwNDA3\n\
     MDYwNVowGjEYMBYGA1UEAwwPd2ViLmV4YW1wbGUub3JnMCowBQYDK2VwAyEA0lsN\n\
     dWWw8zLacxkVowyLunu4i75+jV5m0Pz/fWhLNy+jUzBRMB0GA1UdDgQWBBTNNkmo\n\
     fiFAhZvvsQuOCI2LncIuTDAfBgNVHSMEGDAWgBTNNkmofiFAhZvvsQuOCI2LncIu\n\
     TDAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBAHvU+zeyIXJM8pXHkHdWoLbw/kPF\n\
     MTa9Vyhft/gG+TtByohE0A0f/Jc1I++X2tQnpLM7eNNQRkPfL3w6CuF3CQA=\n\
     -----END CERTIFICATE-----\n",
];

/// A sandbox with a snapshot of these files, and a second one after `change`.
fn changed(files: &[(&str, &str)], change: impl FnOnce(&dyn Fn(&str) -> std::path::PathBuf)) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.ok(&["init"]);
    for (name, content) in files {
        let path = sandbox.path(&format!("src/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    sandbox.ok(&["backup", "."]);
    change(&|name| sandbox.path(&format!("src/{name}")));
    sandbox.ok(&["backup", "."]);
    sandbox
}

fn patch(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.ok(&[&["-q", "diff", "latest~1", "latest", "--patch"], arguments].concat()).out
}

#[test]
fn files_with_another_path_are_one_row_and_sizes_stand_behind_the_others() {
    let sandbox = changed(&[("a", "the content"), ("b", "old"), ("gone", "x")], |path| {
        fs::create_dir(path("deep")).unwrap();
        fs::rename(path("a"), path("deep/moved")).unwrap();
        fs::copy(path("deep/moved"), path("copy")).unwrap();
        fs::write(path("b"), "older").unwrap();
        fs::remove_file(path("gone")).unwrap();
    });
    let lines = |arguments: &[&str]| {
        let out = sandbox.ok(&[&["-q", "diff", "latest~1", "latest"], arguments].concat()).out;
        out.lines().map(str::to_string).collect::<Vec<_>>()
    };
    let shown = lines(&[]);
    assert!(shown[0].starts_with("M    /b") && shown[0].ends_with("| 5 B +2 B"), "{shown:?}");
    let rows = lines(&["--name-status"]);
    assert_eq!(rows, ["M    /b", "R    /a -> /copy", "+    /deep/", "C    /a -> /deep/moved", "-    /gone"]);
    let plain = lines(&["--name-status", "--no-renames"]);
    assert_eq!(plain, ["-    /a", "M    /b", "+    /copy", "+    /deep/", "-    /gone", "+    /deep/moved"]);
    let objects = sandbox.json(0, &["diff", "latest~1", "latest"]);
    let copy = objects.iter().find(|object| object["change"] == "C").unwrap();
    assert_eq!((&copy["path"], &copy["from"]), (&"/deep/moved".into(), &"/a".into()));
}

#[test]
fn copies_of_files_that_are_still_there_are_found_if_that_is_asked() {
    let sandbox = changed(&[("a", "the content"), ("b/c", "the content")], |path| {
        fs::write(path("c"), "the content").unwrap();
        fs::write(path("new"), "other content").unwrap();
    });
    let rows = |arguments: &[&str]| {
        sandbox.ok(&[&["-q", "diff", "latest~1", "latest", "--name-status"], arguments].concat()).out
    };
    assert_eq!(rows(&["--copies"]), "C    /b/c -> /c\n+    /new\n", "one with the same name is most likely the one");
    assert_eq!(rows(&[]), "+    /c\n+    /new\n");
}

#[test]
fn a_certificate_tells_how_many_days_are_left_at_the_later_snapshot() {
    let sandbox = changed(&[("web.pem", CERTIFICATES[0])], |path| fs::write(path("web.pem"), CERTIFICATES[1]).unwrap());
    let shown = patch(&sandbox, &[]);
    let line = shown.lines().find(|line| line.contains("not_after")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.ends_with(" days left)") || line.contains("(expired "), "{line}");
    assert_eq!(shown.matches(" days left)").count() + shown.matches("(expired ").count(), 1, "{shown}");
    assert_eq!(patch(&sandbox, &[]), shown, "the same snapshots always give the same days");
    let objects = sandbox.json(0, &["diff", "latest~1", "latest", "--patch"]);
    let changes: Vec<_> = objects.iter().filter(|object| object["days_left"].is_i64()).collect();
    assert!(changes.len() == 1 && changes[0]["place"].as_str().unwrap().ends_with("not_after"), "{objects:?}");
    assert!(!changes[0]["after"].as_str().unwrap().contains('('), "the value alone: {changes:?}");
}

#[test]
fn documents_are_compared_by_key_whatever_their_layout() {
    let sandbox =
        changed(&[("app.json", r#"{"db": {"port": 5432, "host": "a"}, "users": [{"id": 1, "name": "x"}]}"#)], |path| {
            let new = r#"{"users": [{"name": "y", "id": 1}, {"id": 2, "name": "z"}],
  "db": {"host": "a", "port": 5433}}"#;
            fs::write(path("app.json"), new).unwrap();
        });
    let shown = patch(&sandbox, &[]);
    for line in ["  ~ db.port: 5432 -> 5433", "  ~ users[id=1].name: \"x\" -> \"y\"", "  + users[id=2]: "] {
        assert!(shown.contains(line), "{shown}");
    }
    let objects = sandbox.json(0, &["diff", "latest~1", "latest", "--patch"]);
    let port = objects.iter().find(|object| object["place"] == "db.port").unwrap();
    assert_eq!((&port["before"], &port["after"], &port["kind"]), (&"5432".into(), &"5433".into(), &"changed".into()));
}

#[test]
fn no_secret_is_shown_unless_it_is_asked_for() {
    let files = [
        ("app.json", r#"{"password": "hunter2", "list": [{"id": 1, "token": "hunter2"}]}"#),
        ("app.ini", "[db]\nuser = me\npassword = hunter2\nport = 1\n"),
        ("app.yaml", "db:\n  password: hunter2\n  port: 1\n"),
        ("env.sh", "#!/bin/sh\nexport DB_PASSWORD=hunter2\ntrue\n"),
        ("key.pem", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"),
    ];
    let sandbox = changed(&files, |path| {
        for (name, content) in files {
            fs::write(path(name), content.replace("hunter2", "hunter3")).unwrap();
        }
    });
    for arguments in [&[][..], &["--text"], &["--json"], &["--text", "--json"]] {
        let shown = patch(&sandbox, arguments);
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.matches("<secret ").count() >= 4, "{shown}");
    }
    let page = sandbox.ok(&["diff", "latest~1", "latest", "--html", "-"]).out;
    assert!(!page.contains("hunter") && page.matches("class=\"secret\"").count() >= 10, "{page}");
    assert!(sandbox.ok(&["diff", "latest~1", "latest", "--html", "-", "--reveal"]).out.contains("hunter3"));
    for (name, _) in files {
        let page = sandbox.ok(&["history", name, "--html", "-"]).out;
        assert!(!page.contains("hunter") && page.contains("class=\"secret\""), "{page}");
        assert!(sandbox.ok(&["history", name, "--html", "-", "--reveal"]).out.contains("hunter3"), "{name}");
        let latest = format!("latest:{name}");
        for command in [&["history", name, "--patch"][..], &["blame", name], &["show", &latest]] {
            let shown = sandbox.ok(command).out;
            assert!(!shown.contains("hunter") && shown.contains("<secret "), "{command:?}: {shown}");
            assert!(sandbox.ok(&[command, &["--reveal"]].concat()).out.contains("hunter3"), "{command:?}");
        }
    }
    let revealed = patch(&sandbox, &["--reveal", "--text"]);
    assert!(revealed.matches("hunter2").count() == 6 && revealed.matches("hunter3").count() == 6, "{revealed}");
}

#[test]
fn the_patch_applied_to_the_old_tree_gives_the_new_one() {
    let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
    let odd = ["with space", "sub dir/in \"quotes\"\tand \\", "\u{e4}\u{1}"];
    let mut files =
        vec![("long", text.as_str()), ("sub/end", "no line feed"), ("gone", "a\nb\n"), ("crlf", "a\r\nb\r\n")];
    files.extend(odd.map(|name| (name, "one\n")));
    let sandbox = changed(&files, |path| {
        fs::write(path("long"), text.replace("line 7\n", "").replace("line 150\n", "line 150\nmore\n")).unwrap();
        fs::write(path("sub/end"), "no line feed\nhere").unwrap();
        fs::write(path("new"), "x\ny\n").unwrap();
        fs::write(path("crlf"), "a\r\nc\r\n").unwrap();
        fs::remove_file(path("gone")).unwrap();
        odd.iter().for_each(|name| fs::write(path(name), "two\n").unwrap());
    });
    let shown = patch(&sandbox, &["--text", "--reveal", "--no-renames"]);
    sandbox.ok(&["restore", "latest~1", "--target", "old"]);
    let old = sandbox.path("src/old");
    let mut child =
        match Command::new("patch").args(["-p1", "--binary"]).current_dir(&old).stdin(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(_) => return println!("skipped: there is no `patch` here"),
        };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), shown.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    for name in ["long", "sub/end", "new", "crlf"].into_iter().chain(odd) {
        assert_eq!(
            fs::read(old.join(name)).unwrap(),
            fs::read(sandbox.path(&format!("src/{name}"))).unwrap(),
            "{name}"
        );
    }
    assert!(!Path::new(&old.join("gone")).exists());
}

#[test]
fn what_a_reader_can_not_read_is_compared_as_text_and_that_is_said() {
    let sandbox = changed(&[("broken.json", "{\"a\": 1, \"b\": 2}\n")], |path| {
        fs::write(path("broken.json"), "{\"a\": 1, \"b\": }\n").unwrap();
    });
    let shown = patch(&sandbox, &[]);
    assert!(shown.contains("JSON reader gave up at byte 14") && shown.contains("+{\"a\": 1, \"b\": }"), "{shown}");
}

#[test]
fn of_a_link_it_is_told_where_it_led_and_leads() {
    let link = |path: &Path, target: &str| std::os::unix::fs::symlink(target, path).unwrap();
    let sandbox = changed(&[("a", "1\n"), ("turns", "2\n")], |path| {
        link(&path("new"), "a");
        fs::remove_file(path("turns")).unwrap();
        link(&path("turns"), "a");
    });
    fs::remove_file(sandbox.path("src/new")).unwrap();
    link(&sandbox.path("src/new"), "../else where");
    sandbox.ok(&["backup", "."]);
    let shown = sandbox.ok(&["-q", "diff", "latest~2", "latest~1", "--patch"]).out;
    assert!(shown.contains("+ /new\n    link, 1 change\n  + target: a\n") && shown.contains("T /turns\n"), "{shown}");
    let shown = patch(&sandbox, &[]);
    assert_eq!(shown, "M /new\n    link, 1 change\n  ~ target: a -> ../else where\n");
    let live = sandbox.ok(&["-q", "diff", "latest~1", "--live", "--patch"]).out;
    assert_eq!(live, shown);
    let page = sandbox.ok(&["diff", "latest~1", "latest", "--html", "-"]).out;
    assert!(page.contains("../else where"), "{page}");
}

#[test]
fn two_paths_are_compared_with_each_other_also_in_one_snapshot() {
    let files = [
        ("a.ini", "[x]\nn = 1\np = 2\n"),
        ("b.ini", "[x]\nn = 1\np = 3\n"),
        ("one/same", "same\n"),
        ("one/sub/other", "old\n"),
        ("one/gone", "gone\n"),
        ("two/same", "same\n"),
        ("two/sub/other", "new\n"),
        ("two/fresh", "fresh\n"),
    ];
    let sandbox = changed(&files, |path| fs::write(path("two/fresh"), "fresher\n").unwrap());
    let of = |arguments: &[&str]| sandbox.ok(&[&["-q", "diff"], arguments].concat()).out;
    let shown = of(&["latest:a.ini", "latest:b.ini", "--patch"]);
    assert_eq!(shown, "M /b.ini\n    INI, 1 change\n  ~ x.p: \"2\" -> \"3\"\n");
    let rows = |arguments: &[&str]| {
        let shown = of(&[arguments, &["--name-status"]].concat());
        shown.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(rows(&["latest:one", "latest:two"]), ["- /one/gone", "+ /two/fresh", "M /two/sub/other"]);
    assert_eq!(rows(&["latest~1:one", "latest:two/"]), ["- /one/gone", "+ /two/fresh", "M /two/sub/other"]);
    assert_eq!(
        rows(&["latest:one/sub", "latest:two"]),
        ["- /one/sub/other", "+ /two/fresh", "+ /two/same", "+ /two/sub/", "+ /two/sub/other"]
    );
    assert_eq!(rows(&["latest:one", "latest:one"]), [""; 0]);
    assert_eq!(rows(&["latest:a.ini", "latest:one"])[..1], ["T /one/"]);
    let whole = rows(&["latest:", "latest:one", "--no-renames"]);
    assert!(whole.contains(&"- /a.ini".to_string()) && whole.contains(&"+ /one/same".to_string()), "{whole:?}");
    let row = sandbox.json(0, &["diff", "latest:a.ini", "latest:b.ini"]).remove(0);
    assert_eq!((&row["path"], &row["from"]), (&"/b.ini".into(), &"/a.ini".into()));
    for (pair, missing) in [(["latest~1:none", "latest:one"], "none"), (["latest:one", "latest:two/none"], "two/none")]
    {
        let run = sandbox.run(&["diff", pair[0], pair[1]]);
        assert!(run.code == 1 && run.err.contains(&format!("{missing} is not in snapshot")), "{run:?}");
    }
}

#[test]
fn binary_files_are_compared_by_ranges() {
    let sandbox = changed(&[("data", "\0\u{1}\u{2}".repeat(9000).as_str())], |path| {
        let mut data = fs::read(path("data")).unwrap();
        data[20_000] ^= 1;
        fs::write(path("data"), data).unwrap();
    });
    assert!(patch(&sandbox, &[]).contains("binary, 26.4 KiB -> 26.4 KiB, "), "{}", patch(&sandbox, &[]));
}

#[test]
fn the_exit_code_tells_whether_there_are_differences_if_it_is_asked() {
    let sandbox = changed(&[("a", "1")], |path| fs::write(path("a"), "2").unwrap());
    assert_eq!(sandbox.run(&["diff", "latest~1", "latest", "--exit-code"]).code, 1);
    assert_eq!(sandbox.run(&["diff", "latest", "latest", "--exit-code"]).code, 0);
    assert_eq!(sandbox.run(&["diff", "latest~1", "latest"]).code, 0);
}

#[test]
fn since_compares_with_the_newest_that_is_old_enough() {
    let sandbox = changed(&[("a", "1")], |path| fs::write(path("a"), "2").unwrap());
    let run = sandbox.run(&["diff", "--since", "1d"]);
    assert!(run.code == 1 && run.err.contains("has no snapshot of the same paths that is 1d older than"), "{run:?}");
    assert_eq!(sandbox.run(&["diff", "--since", "soon"]).code, 2);
    assert_eq!(sandbox.run(&["diff", "latest"]).code, 2);
}

#[test]
fn what_a_file_says_does_not_command_the_terminal() {
    let sandbox = changed(&[("a", "one\n")], |path| fs::write(path("a"), "\u{1b}]0;owned\u{7}\n").unwrap());
    let shown = patch(&sandbox, &[]);
    assert!(shown.contains("+\u{1b}]0;owned\u{7}\n"), "a pipe gets the bytes: {shown}");
}
