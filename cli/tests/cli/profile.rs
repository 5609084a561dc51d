// SPDX-License-Identifier: MIT OR Apache-2.0
//! `profile`: what there is, what it says, and that what is wrong with it shows before it is needed.

use std::fs;

use crate::sandbox::{Run, executable};
use crate::shop::{SECRET, Shop};

#[test]
fn profiles_are_listed_with_where_they_come_from() {
    let shop = Shop::new();
    let out = shop.ok(&["profile", "list"]).out;
    assert!(out.contains("A shop: a database and a web server") && out.contains("profiles/shop.toml"), "{out}");
    assert!(out.contains("juju") && out.contains("built in"), "{out}");
    let objects = shop.json(0, &["profile", "list"]);
    let object = objects.iter().find(|object| object["name"] == "shop").unwrap();
    assert_eq!((&object["built_in"], &object["error"]), (&false.into(), &serde_json::Value::Null), "{object}");
    fs::write(shop.path("profiles/broken.toml"), "title = 3").unwrap();
    let out = shop.ok(&["profile", "list"]).out;
    assert!(out.contains("broken") && out.contains("can not be used"), "{out}");
}

#[test]
fn a_profile_is_shown_with_hosts_captures_and_runbooks_and_no_secret() {
    let shop = Shop::new();
    let out = shop.ok(&["profile", "show", "shop"]).out;
    for words in [
        "follows    The shop's handbook, chapter 7",
        "this machine, with every role: db, web",
        "files config: /etc/shop /etc/shop.*",
        "stream db.sql on one db",
        "restore: Bring the shop back on the same machine (6 steps)",
        "when you see: Pages come without pictures",
        "password a secret: the first line of",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(!out.contains(SECRET), "{out}");
    let summary = shop.json(0, &["profile", "show", "shop"]).pop().unwrap();
    assert_eq!(summary["summary"]["runbooks"][2]["steps"][0]["id"], "stop", "{summary}");
    let source = shop.ok(&["profile", "show", "shop", "--source"]).out;
    assert_eq!(source, shop.read("profiles/shop.toml"));
}

#[test]
fn an_unknown_profile_is_refused_with_those_that_there_are() {
    let shop = Shop::new();
    for arguments in [&["profile", "show", "shup"][..], &["recover", "shup"], &["drill", "shup"], &["schedule", "shup"]]
    {
        let run = shop.run(arguments);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.err.contains("there is no profile \"shup\"") && run.err.contains("shop"), "{run:?}");
        assert!(run.err.contains("profile list"), "{run:?}");
    }
}

#[test]
fn a_check_prints_what_is_wrong_and_ends_with_1() {
    let shop = Shop::new();
    shop.ok(&["profile", "check", "shop"]);
    shop.profile(
        "wrong",
        "[runbooks.bad]\ntitle = \"x\"\n[[runbooks.bad.steps]]\nid = \"a\"\ntitle = \"a\"\non = \"each dbb\"\nrun = \"true\"\n",
    );
    let run = shop.run(&["profile", "check", "wrong"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("wrong: runbook bad, step a: \"dbb\" is no role"), "{run:?}");
    assert!(run.out.contains("undo"), "a step that says nothing of its undo: {run:?}");
    let objects = shop.json(1, &["profile", "check", "wrong"]);
    assert_eq!(objects.last().unwrap()["summary"]["findings"], 2, "{objects:?}");
    fs::write(shop.path("lines.toml"), "title = \"x\"\nnonsense = 1\n").unwrap();
    let run = shop.run(&["profile", "check", &shop.text("lines.toml")]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("line 2") && run.out.contains("nonsense"), "{run:?}");
    let run = shop.run(&["profile", "check", &shop.text("none.toml")]);
    assert!(run.code == 1 && run.err.contains("none.toml"), "{run:?}");
}

#[test]
fn editing_begins_with_a_file_that_inherits_and_checks_it_afterwards() {
    let shop = Shop::new();
    let editor = shop.path("editor");
    let script = "#!/bin/sh\necho '[variables.mode]' >> \"$2\"; echo \"value = \\\"$1\\\"\" >> \"$2\"\n";
    executable(&editor, script);
    let edit = |arguments: &[&str], mode: &str| {
        let mut command = shop.command(arguments);
        Run::from(command.env("EDITOR", format!("{} {mode}", editor.display())).output().unwrap())
    };
    let run = edit(&["profile", "edit", "mine", "--inherits", "shop"], "large");
    assert_eq!(run.code, 0, "{run:?}");
    let out = shop.ok(&["profile", "show", "mine"]).out;
    assert!(out.contains("inherits   shop") && out.contains("mode = large") && out.contains("restore:"), "{out}");
    fs::write(shop.path("profiles/mine.toml"), "inherits = \"shop\"\n").unwrap();
    let run = edit(&["profile", "edit", "mine"], "huge");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("variable mode: \"huge\" is none of its choices"), "{run:?}");
    let run = edit(&["profile", "edit", "other"], "small");
    assert!(run.code == 1 && run.err.contains("there is no profile \"other\""), "{run:?}");
    assert!(!shop.path("profiles/other.toml").exists());
    let run = edit(&["profile", "edit", "../up", "--inherits", "shop"], "small");
    assert_eq!(run.code, 2, "{run:?}");
}
