// SPDX-License-Identifier: MIT OR Apache-2.0
//! `import` and `export` as they are typed: where archives come from and go to, and what is said about what can not be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::sandbox::{Run, Sandbox};

/// A plain archive of the source tree.
fn tar(sandbox: &Sandbox) -> Vec<u8> {
    let output = Command::new("tar").args(["-C", &sandbox.text("src"), "-c", "."]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn piped(sandbox: &Sandbox, arguments: &[&str], input: &std::path::Path) -> Run {
    let mut command = sandbox.command(arguments);
    Run::from(command.stdin(Stdio::from(fs::File::open(input).unwrap())).output().unwrap())
}

#[test]
fn an_archive_is_imported_as_it_is_or_as_its_members() {
    let sandbox = Sandbox::new();
    let archive = sandbox.path("old.tar");
    fs::write(&archive, tar(&sandbox)).unwrap();
    let archive = archive.to_str().unwrap();
    let whole = sandbox.ok(&["import", archive]);
    assert!(whole.out.contains("content") && whole.out.contains("saved"), "{whole:?}");
    assert_eq!(sandbox.ls("latest"), ["/old.tar"]);
    let members = sandbox.ok(&["import", archive, "--as-tree", "--tag", "x", "--host", "web1"]);
    assert!(members.out.contains("members  3 files, 2 folders"), "{members:?}");
    assert_eq!(sandbox.ls("latest"), ["/", "/a.txt", "/sub", "/sub/b.txt", "/sub/c.o"]);
    assert_eq!(sandbox.json(0, &["snapshots", "--tag", "x", "-H", "web1"]).len(), 2);
    assert_eq!(sandbox.ok(&["dump", "latest:a.txt"]).out, "alpha\n");
    let again = sandbox.json(0, &["import", archive, "--as-tree", "--host", "web1"]);
    let summary = &again.last().unwrap()["summary"];
    assert_eq!((&summary["files_unmodified"], &summary["bytes_new"]), (&3.into(), &0.into()), "{summary}");
}

#[test]
fn standard_input_is_an_archive_too() {
    let sandbox = Sandbox::new();
    let archive = sandbox.path("old.tar");
    fs::write(&archive, tar(&sandbox)).unwrap();
    let run = piped(&sandbox, &["import", "-", "--as-tree", "--stdin-filename", "vendor.tar"], &archive);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(sandbox.ls("latest").len(), 5);
    assert_eq!(sandbox.json(0, &["snapshots"])[0]["paths"], serde_json::json!(["/vendor.tar"]));
    let run = piped(&sandbox, &["import", "-", "--stdin-filename", "vendor.tar"], &archive);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(sandbox.ls("latest"), ["/vendor.tar"]);
}

#[test]
fn what_is_no_archive_or_half_of_one_is_refused_with_a_reason() {
    let sandbox = Sandbox::new();
    let archive = sandbox.path("old.tar");
    let refused = |bytes: &[u8]| {
        fs::write(&archive, bytes).unwrap();
        let run = sandbox.run(&["import", archive.to_str().unwrap(), "--as-tree"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert_eq!(sandbox.json(0, &["snapshots"]).len(), 1, "{run:?}");
        run.err
    };
    let whole = tar(&sandbox);
    assert!(refused(b"PK\x03\x04 and so on").contains("this is a zip file, and no tar archive"));
    assert!(refused(&whole[..whole.len() / 2]).contains("cut off"));
    let err = refused(&whole[..whole.iter().rposition(|byte| *byte != 0).unwrap().next_multiple_of(512)]);
    assert!(err.contains("hint: --ignore-zeros"), "{err}");
    for missing in [sandbox.text("nothing"), sandbox.text("src")] {
        assert_eq!(sandbox.run(&["import", &missing, "--as-tree"]).code, 1);
    }
    assert_eq!(sandbox.run(&["import", archive.to_str().unwrap(), "--ignore-zeros"]).code, 2);
    // Twice the same archive: the second one is said to be left out.
    fs::write(&archive, [&whole[..], &whole].concat()).unwrap();
    let run = sandbox.run(&["import", archive.to_str().unwrap(), "--as-tree"]);
    assert!(run.code == 3 && run.err.contains("behind the end"), "{run:?}");
}

#[test]
fn an_export_takes_its_form_from_its_name() {
    let sandbox = Sandbox::with_snapshot();
    for (name, magic, program) in
        [("a.tar", &b"."[..], "-t"), ("a.tgz", b"\x1f\x8b", "-tz"), ("a.tar.zst", b"\x28\xb5\x2f\xfd", "--zstd -t")]
    {
        let file = sandbox.text(name);
        let run = sandbox.ok(&["export", "latest:sub", &file, "--prefix", "."]);
        assert!(run.out.contains(&format!("{name} written")), "{run:?}");
        let bytes = fs::read(&file).unwrap();
        assert!(bytes.starts_with(magic), "{name}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it may hold secrets");
        let listed = Command::new("tar").args(program.split(' ')).args(["-f", &file]).output().unwrap();
        assert_eq!(String::from_utf8(listed.stdout).unwrap(), ".\n./b.txt\n./c.o\n", "{name}");
    }
    let bad = sandbox.run(&["export", "latest", &sandbox.text("a.tar.xz")]);
    assert!(bad.code == 1 && bad.err.contains("hint:") && !sandbox.path("a.tar.xz").exists(), "{bad:?}");
    assert_eq!(sandbox.run(&["export", "latest:none", &sandbox.text("b.tar")]).code, 1);
    assert!(!sandbox.path("b.tar").exists());
    assert_eq!(sandbox.run(&["export", "latest", "-", "--json"]).code, 2);
    assert_eq!(sandbox.run(&["export", "latest", &sandbox.text("b.tar"), "--prefix", "../x"]).code, 2);
}

#[test]
fn what_is_there_is_replaced_only_by_force() {
    let sandbox = Sandbox::with_snapshot();
    let file = sandbox.text("a.tar");
    fs::write(&file, "precious").unwrap();
    let run = sandbox.run(&["export", "latest", &file]);
    assert!(run.code == 1 && run.err.contains("--force"), "{run:?}");
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    sandbox.ok(&["export", "latest", &file, "--force"]);
    assert!(fs::read(&file).unwrap().len() > 200_000);
}

#[test]
fn a_damaged_snapshot_gives_no_archive_and_code_3() {
    let sandbox = Sandbox::with_snapshot();
    let mut packs = Vec::new();
    let mut folders = vec![sandbox.path("repo/packs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { packs.push(path) }
        }
    }
    // Contents and trees lie in packs of their own: one of the two is enough to make a gap.
    let lost = packs.iter().find(|pack| {
        let aside = sandbox.path("aside");
        fs::rename(pack, &aside).unwrap();
        let lists = sandbox.run(&["ls", "latest", "--no-cache"]).code == 0;
        fs::rename(&aside, pack).unwrap();
        lists
    });
    fs::remove_file(lost.unwrap()).unwrap();
    let file = sandbox.text("a.tar");
    let run = sandbox.run(&["export", "latest", &file]);
    assert!(run.code == 3 && run.err.contains("problem: a.txt: "), "{run:?}");
    assert!(!sandbox.path("a.tar").exists());
    let objects = sandbox.json(3, &["export", "latest", &file]);
    assert_eq!(objects.last().unwrap()["summary"]["written"], false);
}
