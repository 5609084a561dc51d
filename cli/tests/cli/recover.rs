// SPDX-License-Identifier: MIT OR Apache-2.0
//! `recover`: a plan that is shown is what runs, what runs is written down, and nothing that is half done is built upon.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sandbox::Run;
use crate::shop::{SECRET, Shop};

#[test]
fn a_damaged_system_comes_back_and_a_report_says_how() {
    let shop = Shop::new();
    let before = shop.state();
    shop.backup(&[]);
    shop.damage();
    let run = shop.recover(&["--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(shop.state(), before);
    let calls = "service web stop\nload ROOT/var/lib/shop/db\nservice web start\n".replace("ROOT", &shop.text("root"));
    assert_eq!(shop.read("log"), calls);
    for words in ["step 5 of 6  Load the database", "known problem: Pages come without pictures", "--runbook pictures"]
    {
        assert!(run.out.contains(words), "{words}: {run:?}");
    }
    let folder = shop.runs_folder().join(shop.newest_run());
    let report = fs::read_to_string(folder.join("report.md")).unwrap();
    for words in [
        "# shop restore: finished",
        "recovery time:",
        "old, of",
        "| 5 | Load the database |",
        "by --yes: yes to \"Orders taken after the backup are lost.\"",
        "after step 6",
        "Pages come without pictures",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let report: Value = serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["state"], report["steps"].as_array().unwrap().len()), (&"finished".into(), 6), "{report}");
    assert!(report["data"]["age_seconds"].as_f64().unwrap() >= 0.0 && report["seconds"].as_f64().unwrap() > 0.0);
    // Another one may begin now.
    assert_eq!(shop.recover(&["--yes"]).code, 0);
}

#[test]
fn a_run_is_told_to_programs_step_by_step() {
    let shop = Shop::damaged();
    let objects = shop.json(0, &["recover", "shop", "--root", &shop.text("root"), "--yes"]);
    assert!(objects.iter().all(|object| object["schema"] == 1), "{objects:?}");
    let steps: Vec<&str> =
        objects.iter().filter(|object| object["event"] == "step").map(|it| it["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["stop", "save", "wipe", "config", "load", "start"]);
    assert_eq!(objects[0]["event"], "plan");
    let summary = &objects.last().unwrap()["summary"];
    assert_eq!((&summary["state"], &summary["report"]["state"]), (&"finished".into(), &"finished".into()));
}

#[test]
fn a_dry_run_does_nothing_and_prints_what_then_runs() {
    let shop = Shop::damaged();
    let (damaged, root) = (shop.state(), shop.text("root"));
    let dry = shop.ok(&["recover", "shop", "--root", &root, "--dry-run"]);
    assert_eq!((shop.state(), shop.read("log").as_str()), (damaged.clone(), ""));
    assert!(!shop.runs_folder().exists(), "a dry run leaves no run");
    for words in [
        "# caution: Orders taken after the backup are lost.",
        "# must be so before:\nsh -c 'set -e\ntest -d",
        "step 1 of 6: Stop the web server [7.1]",
    ] {
        assert!(dry.out.contains(words), "{words}: {}", dry.out);
    }
    assert!(!dry.out.contains(SECRET), "{}", dry.out);
    // Pasted by a person ...
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_keepfast")).parent().unwrap().to_path_buf();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut pasted = Command::new("sh");
    pasted.args(["-e", "-c", &dry.out]).current_dir(shop.path("src")).env_clear().env("PATH", path);
    pasted.env("HOME", shop.path("home")).env("KEEPFAST_REPOSITORY", shop.path("repo"));
    pasted.env("KEEPFAST_KEY_FILE", shop.path("key")).env("password", SECRET);
    let run = Run::from(pasted.output().unwrap());
    assert_eq!(run.code, 0, "{run:?}\n{}", dry.out);
    let (by_hand, calls) = (shop.state(), shop.read("log"));
    // ... it does what the program does.
    fs::remove_file(shop.path("log")).unwrap();
    shop.damage();
    assert_eq!(shop.state(), damaged);
    assert_eq!(shop.recover(&["--yes"]).code, 0);
    assert_eq!((shop.state(), shop.read("log")), (by_hand, calls));
}

#[test]
fn what_runs_is_what_a_dry_run_says_script_by_script() {
    let shop = Shop::damaged();
    let arguments = ["recover", "shop", "--root", &shop.text("root")];
    let scripts = |objects: &[Value]| {
        let plan = objects.iter().find(|object| object["event"] == "plan").unwrap();
        let run = plan["run"].as_str().unwrap();
        plan["steps"].to_string().replace(run, "RUN")
    };
    let dry = shop.json(0, &[&arguments[..], &["-n"]].concat());
    let real = shop.json(0, &[&arguments[..], &["-y"]].concat());
    assert_eq!(scripts(&dry), scripts(&real));
    assert_eq!(dry.last().unwrap()["summary"]["dry_run"], true);
}

#[test]
fn nothing_begins_without_somebody_who_agrees() {
    let shop = Shop::damaged();
    let run = shop.recover(&[]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("no terminal") && run.err.contains("--dry-run") && run.err.contains("--yes"), "{run:?}");
    assert_eq!(shop.read("log"), "");
}

#[test]
fn the_newest_complete_snapshot_is_taken_and_a_newer_one_that_is_not_is_told() {
    let shop = Shop::new();
    shop.backup(&[]);
    fs::write(shop.path("root/var/lib/shop/db"), "orders: 1 2 3 4\n").unwrap();
    shop.backup(&["--command", "more.sql=exit 3"]);
    let dry = |more: &[&str]| {
        let root = shop.text("root");
        shop.run(&[&["recover", "shop", "--root", &root, "-n"], more].concat())
    };
    let snapshots = shop.json(0, &["snapshots"]);
    let ids: Vec<String> = snapshots[..2].iter().map(|snapshot| snapshot["id"].as_str().unwrap().to_string()).collect();
    let run = dry(&[]);
    assert!(run.code == 0 && run.out.contains(&ids[0]) && !run.out.contains(&ids[1]), "{run:?}");
    assert!(run.err.contains("passed over") && run.err.contains("incomplete"), "{run:?}");
    let run = dry(&["latest"]);
    assert!(run.code == 0 && run.out.contains(&ids[1]) && run.err.contains("taken as it is"), "{run:?}");
    let run = dry(&["--at", "2020-01-01"]);
    assert!(run.code == 1 && run.err.contains("none is so old"), "{run:?}");
    let run = dry(&["--at", "2020"]);
    assert_eq!(run.code, 2, "{run:?}");
}

#[test]
fn a_set_gives_each_host_its_own_and_lacks_none() {
    let shop = Shop::new();
    shop.profile("shop", "[hosts.one]\nroles = [\"db\"]\n[hosts.two]\nroles = [\"web\"]\n");
    let dry = || shop.recover(&["--dry-run"]);
    shop.backup(&["--host", "one", "--tag", "set:n1"]);
    let run = dry();
    assert!(run.code == 1 && run.err.contains("it has no snapshot of two"), "{run:?}");
    fs::write(shop.path("root/etc/shop/main.conf"), "of two\n").unwrap();
    shop.backup(&["--host", "two", "--tag", "set:n1"]);
    assert!(dry().out.contains("# set n1 of "), "{:?}", dry());
    shop.damage();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
    assert_eq!(shop.read("root/etc/shop/main.conf"), "of two\n", "the web server's host is two");
    let run = shop.recover(&["set:n2", "--dry-run"]);
    assert!(run.code == 1 && run.err.contains("set:n2"), "{run:?}");
    let run = shop.recover(&["--one", "db=two", "--dry-run"]);
    assert!(run.code == 1 && run.err.contains("there is no host \"two\"; there are: one"), "{run:?}");
}

#[test]
fn words_that_the_profile_does_not_know_are_refused_by_name() {
    let shop = Shop::damaged();
    let table: [(&[&str], i32, &str); 9] = [
        (&["--runbook", "restor"], 1, "has no runbook \"restor\"; it has: drill, pictures, restore"),
        (&["--var", "colour=red"], 1, "there is no variable \"colour\""),
        (&["--var", "mode=huge"], 1, "mode can not be \"huge\"; it can be: small, large"),
        (&["--var", "mode"], 2, "NAME=VALUE"),
        (&["--var", "password=x"], 1, "password is a secret"),
        (&["--one", "dbb=x"], 2, "there is no role \"dbb\""),
        (&["--one", "db=x"], 1, "names no hosts, so this machine has every role"),
        (&["nonsense"], 1, "nonsense"),
        (&["--resume", "x"], 2, "cannot be used with"),
    ];
    for (words, code, says) in table {
        let run = shop.recover(&[words, &["--yes"]].concat());
        assert!(run.code == code && run.err.contains(says), "{words:?}: {run:?}");
    }
    let run = shop.run(&["recover", "shop", "--resume", "20200101-000000-000", "-y"]);
    assert!(run.code == 1 && run.err.contains("there is no run") && run.err.contains("--runs"), "{run:?}");
    assert_eq!(shop.read("log"), "");
}

#[test]
fn a_snapshot_that_lacks_what_is_needed_is_refused_before_anything_is_done() {
    let shop = Shop::new();
    let mut command = shop.command(&["backup", "etc", "--tag", "profile:shop"]);
    assert!(command.current_dir(shop.path("root")).output().unwrap().status.success());
    let run = shop.recover(&["--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("step load needs db.sql, which the snapshot does not have"), "{run:?}");
    assert_eq!(shop.read("log"), "");
}

#[test]
fn a_snapshot_of_another_system_is_told_to_be_one() {
    let shop = Shop::new();
    let run = shop.recover(&["latest", "--dry-run"]);
    assert!(run.code == 1 && run.err.contains("there is no snapshot with the tag profile:shop"), "{run:?}");
    let mut command = shop.command(&["backup", "etc", "--tag", "profile:test-shop"]);
    assert!(command.current_dir(shop.path("root")).output().unwrap().status.success());
    let id = shop.json(0, &["snapshots"])[0]["id"].as_str().unwrap().to_string();
    let run = shop.recover(&[&id, "--dry-run"]);
    assert!(run.err.contains("is of another system, profile:test-shop, and not profile:shop"), "{run:?}");
}

#[test]
fn a_runbook_that_takes_nothing_needs_no_repository() {
    let shop = Shop::damaged();
    fs::rename(shop.path("repo"), shop.path("away")).unwrap();
    let run = shop.run(&["recover", "shop", "--runbook", "pictures", "--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(shop.read("log"), "service pictures start\n");
    assert_eq!(shop.recover(&["--yes"]).code, 10, "one that does is told that there is none");
}
