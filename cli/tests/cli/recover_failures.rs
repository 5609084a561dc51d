// SPDX-License-Identifier: MIT OR Apache-2.0
//! A recovery that fails, is killed or is stopped anywhere: it says in what state things are, and is resumed, undone or given up.

use std::fs;
use std::io::Read;
use std::process::{Child, Command};

use keepfast_storage::testing::Port;
use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::executable;
use crate::shop::{SECRET, Shop};
use crate::support::sshd::Sshd;

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
}

fn resume(shop: &Shop) -> crate::sandbox::Run {
    shop.run(&["recover", "shop", "--resume", &shop.newest_run(), "--yes"])
}

fn undo(shop: &Shop) -> crate::sandbox::Run {
    shop.run(&["recover", "shop", "--undo", &shop.newest_run(), "--yes"])
}

#[test]
fn a_failure_says_what_is_done_what_failed_and_what_to_run_next() {
    let shop = Shop::damaged();
    fs::write(shop.path("fail-load"), "").unwrap();
    let run = shop.recover(&["--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    let number = shop.newest_run();
    for words in [
        "done       1 Stop the web server",
        "failed     5 Load the database",
        "not begun  6 Start the web server",
        "in effect until it is undone: what steps 1, 2, 3, 4 did",
    ] {
        assert!(run.out.contains(words), "{words}: {run:?}");
    }
    for words in [
        "step 5 of 6, \"Load the database\"",
        "exit code 7: load: out of order",
        &format!("`keepfast recover shop --resume {number}` goes on with step 5"),
        &format!("`keepfast recover shop --undo {number}`"),
        &format!("`keepfast recover shop --abandon {number}`"),
    ] {
        assert!(run.err.contains(words), "{words}: {run:?}");
    }
    let report = fs::read_to_string(shop.runs_folder().join(&number).join("report.md")).unwrap();
    assert!(report.contains("unfinished at step 5 of 6") && report.contains("## The state of things"), "{report}");
    // No other one is built upon it.
    let again = shop.recover(&["--yes"]);
    assert_eq!(again.code, 1, "{again:?}");
    for words in [&number, "unfinished at step 5 of 6", "--resume", "--undo", "--abandon", "nothing new is begun"] {
        assert!(again.err.contains(words), "{words}: {again:?}");
    }
    let objects = shop.json(1, &["recover", "shop", "--root", &shop.text("root"), "--yes"]);
    assert_eq!(objects[0]["tasks"][4]["state"], "failed", "{objects:?}");
    assert_eq!(objects[0]["next"].as_array().unwrap().len(), 3, "{objects:?}");
}

#[test]
fn a_failed_run_is_resumed_to_the_end_that_it_would_have_had() {
    let shop = Shop::new();
    let before = shop.state();
    shop.backup(&[]);
    shop.damage();
    fs::write(shop.path("fail-load"), "").unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 1);
    fs::remove_file(shop.path("fail-load")).unwrap();
    let run = resume(&shop);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(shop.state(), before);
    assert_eq!(shop.read("log").matches("service web stop").count(), 1, "what is done is not done again");
    let run = resume(&shop);
    assert!(run.code == 1 && run.err.contains("it was carried out"), "{run:?}");
}

#[test]
fn a_killed_run_is_resumed_to_the_end_that_it_would_have_had() {
    let shop = Shop::new();
    let before = shop.state();
    shop.backup(&[]);
    shop.damage();
    let mut child = shop.hanging_in("load");
    send(&child, Signal::KILL);
    child.wait().unwrap();
    shop.end_hanging();
    let refused = shop.recover(&["--yes"]);
    assert!(refused.code == 1 && refused.err.contains("unfinished at step 5"), "{refused:?}");
    assert!(refused.out.contains("in doubt   5 Load the database"), "{refused:?}");
    let run = resume(&shop);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(shop.state(), before);
    let log = shop.read("log");
    assert_eq!((log.matches("service web stop").count(), log.matches("load ").count()), (1, 2), "{log}");
}

#[test]
fn a_run_is_undone_to_where_it_began_also_without_the_repository() {
    let shop = Shop::damaged();
    let damaged = shop.state();
    fs::write(shop.path("fail-load"), "").unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 1);
    assert_ne!(shop.state(), damaged);
    fs::rename(shop.path("repo"), shop.path("away")).unwrap();
    let run = undo(&shop);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(shop.state(), damaged);
    assert!(shop.path("running-web").exists(), "the web server runs again");
    let run = undo(&shop);
    assert!(run.code == 1 && run.err.contains("it was undone"), "{run:?}");
    fs::rename(shop.path("away"), shop.path("repo")).unwrap();
    fs::remove_file(shop.path("fail-load")).unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 0, "nothing is in its way any more");
}

#[test]
fn what_takes_nothing_more_is_resumed_without_the_repository() {
    let shop = Shop::damaged();
    // Its end is hindered, when everything has been taken out of the snapshot.
    let service = shop.path("bin/service");
    let text = fs::read_to_string(&service).unwrap();
    fs::write(&service, text.replace("\"service start\") touch", "\"service start\") false; touch")).unwrap();
    let text = fs::read_to_string(&service).unwrap();
    fs::write(&service, text.replace("false; touch", "exit 4; touch")).unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 1);
    fs::rename(shop.path("repo"), shop.path("away")).unwrap();
    fs::write(&service, text.replace("false; touch", "touch")).unwrap();
    let run = resume(&shop);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(shop.path("running-web").exists());
}

#[test]
fn a_run_that_is_given_up_leaves_things_and_stands_in_no_way() {
    let shop = Shop::damaged();
    fs::write(shop.path("fail-load"), "").unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 1);
    let (state, number) = (shop.state(), shop.newest_run());
    let run = shop.run(&["recover", "shop", "--abandon", &number]);
    assert_eq!(run.code, 2, "nobody was asked: {run:?}");
    shop.ok(&["recover", "shop", "--abandon", &number, "--yes"]);
    assert_eq!(shop.state(), state);
    fs::remove_file(shop.path("fail-load")).unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
    let out = shop.ok(&["recover", "shop", "--runs"]).out;
    assert!(out.contains("given up") && out.contains("finished"), "{out}");
}

#[test]
fn a_first_check_that_fails_leaves_nothing_to_resume() {
    let shop = Shop::damaged();
    fs::rename(shop.path("root/var/lib/shop"), shop.path("root/var/lib/elsewhere")).unwrap();
    let run = shop.recover(&["--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("there is no shop here: install it first"), "{run:?}");
    assert!(run.err.contains("nothing has been done") && !run.err.contains("--resume"), "{run:?}");
    fs::rename(shop.path("root/var/lib/elsewhere"), shop.path("root/var/lib/shop")).unwrap();
    assert_eq!(shop.recover(&["--yes"]).code, 0);
}

#[test]
fn a_signal_stops_a_run_cleanly_and_it_can_be_resumed() {
    for signal in [Signal::INT, Signal::TERM] {
        let shop = Shop::damaged();
        let mut child = shop.hanging_in("load");
        send(&child, signal);
        let status = child.wait().unwrap();
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(status.code(), Some(130), "{err}");
        assert!(err.contains("--resume"), "{err}");
        let pid: i32 = shop.read("hanging").trim().parse().unwrap();
        // Gone, or dead and not yet buried by whoever inherited it.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.rsplit_once(')').is_none_or(|(_, rest)| rest.starts_with(" Z")), "it was left running: {stat}");
        assert_eq!(resume(&shop).code, 0);
    }
}

#[test]
fn two_do_not_recover_one_system_at_the_same_time() {
    let shop = Shop::damaged();
    let mut child = shop.hanging_in("load");
    for run in [shop.recover(&["--yes"]), resume(&shop), undo(&shop)] {
        assert!(run.code == 1 && run.err.contains("another process works on shop"), "{run:?}");
    }
    send(&child, Signal::INT);
    child.wait().unwrap();
    assert_eq!(undo(&shop).code, 0);
}

#[test]
fn no_secret_is_in_lists_of_processes_logs_journals_or_reports() {
    let shop = Shop::damaged();
    let mut child = shop.hanging_in("load");
    let mut looked = 0;
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path().join("cmdline");
        let Ok(words) = fs::read(&path) else { continue };
        let words = String::from_utf8_lossy(&words).into_owned();
        // The fake program itself compares with it, in its file and not in its words.
        assert!(!words.contains(SECRET), "{words}");
        looked += usize::from(words.contains("load"));
    }
    assert!(looked > 0, "the command was not among the processes");
    send(&child, Signal::INT);
    child.wait().unwrap();
    let run = shop.run(&["recover", "shop", "--resume", &shop.newest_run(), "--yes", "--verbose"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(!run.out.contains(SECRET) && !run.err.contains(SECRET), "{run:?}");
    assert_no_file_has_the_secret(&shop);
}

/// The pattern is in a file: another test looks at the words of every process.
fn assert_no_file_has_the_secret(shop: &Shop) {
    let mut grep = Command::new("grep");
    let found = grep.args(["-r", "-l", "-F", "-f"]).arg(shop.path("secret")).arg(shop.path("home")).output().unwrap();
    assert_eq!((found.status.code(), String::from_utf8(found.stdout).unwrap()), (Some(1), String::new()));
}

#[test]
fn an_error_that_quotes_a_secret_is_masked() {
    let shop = Shop::damaged();
    let load = shop.path("bin/load");
    executable(&load, "#!/bin/sh\necho \"access denied for $password\" >&2; exit 3\n");
    let run = shop.recover(&["--yes", "--verbose"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("access denied for ***") && !run.err.contains(SECRET), "{run:?}");
    assert!(!run.out.contains(SECRET), "{run:?}");
    assert_no_file_has_the_secret(&shop);
}

#[test]
fn a_secret_that_can_not_be_read_stops_before_anything_is_done() {
    let shop = Shop::damaged();
    fs::remove_file(shop.path("secret")).unwrap();
    let run = shop.recover(&["--yes"]);
    assert!(run.code == 1 && run.err.contains("can not read the secret password"), "{run:?}");
    assert!(run.err.contains("nothing has been done") && shop.read("log").is_empty(), "{run:?}");
}

#[test]
fn a_host_that_is_out_of_reach_in_the_middle_is_named_with_the_way_on() {
    if Command::new("ssh").arg("-V").output().is_err() {
        println!("skipped: there is no ssh");
        return;
    }
    let shop = Shop::damaged();
    // A port at which nobody listens.
    let port = Port::reserve().keep();
    let hosts = format!(
        "[hosts.near]\nroles = [\"web\"]\n[hosts.far]\nroles = [\"db\"]\nssh = \"nobody@127.0.0.1\"\nport = {port}\n"
    );
    shop.profile("shop", &hosts);
    let run = shop.recover(&["--yes"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("can not reach far") && run.err.contains("step 2 of 6"), "{run:?}");
    assert!(run.err.contains("--resume") && run.out.contains("done       1 Stop the web server (near)"), "{run:?}");
    let run = shop.recover(&["--dry-run"]);
    assert!(run.out.contains("BatchMode=yes") && run.out.contains("nobody@127.0.0.1"), "{run:?}");
    // What was done is undone on the host that is there; the other one's step was begun, so it is asked, and does not answer.
    let run = undo(&shop);
    assert!(run.code == 1 && run.err.contains("can not reach far") && run.err.contains("--abandon"), "{run:?}");
}

/// The shop with its database on a host that is reached by ssh.
fn with_a_far_host(shop: &Shop, sshd: &Sshd) {
    let (target, port) = sshd.target();
    let options: Vec<String> =
        sshd.options().command.iter().skip(1).map(|word| format!("{:?}", word.to_str().unwrap())).collect();
    let far = format!("ssh = \"{target}\"\nport = {port}\nssh_options = [{}]\n", options.join(", "));
    shop.profile("shop", &format!("[hosts.near]\nroles = [\"web\"]\n[hosts.far]\nroles = [\"db\"]\n{far}"));
}

#[test]
fn hosts_that_are_reached_by_ssh_are_brought_back_and_undone_too() {
    let Some(sshd) = Sshd::start() else { return };
    let shop = Shop::new();
    with_a_far_host(&shop, &sshd);
    let before = shop.state();
    shop.backup(&[]);
    shop.damage();
    let damaged = shop.state();
    let run = shop.recover(&["--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(shop.state(), before);
    let run = undo(&shop);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(shop.state(), damaged);
}

#[test]
fn a_host_that_dies_in_the_middle_is_named_with_what_is_done_and_the_ways_on() {
    let Some(sshd) = Sshd::start() else { return };
    let shop = Shop::damaged();
    with_a_far_host(&shop, &sshd);
    let child = shop.hanging_in("load");
    sshd.kill();
    let output = child.wait_with_output().unwrap();
    let run = crate::sandbox::Run::from(output);
    shop.end_hanging();
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("step 5 of 6, \"Load the database\" on far: the command can not reach far"), "{run:?}");
    assert!(run.out.contains("failed     5 Load the database (far)") && run.err.contains("--resume"), "{run:?}");
    let report = fs::read_to_string(shop.runs_folder().join(shop.newest_run()).join("report.md")).unwrap();
    assert!(report.contains("can not reach far"), "{report}");
    // It is still not there.
    let run = resume(&shop);
    assert!(run.code == 1 && run.err.contains("can not reach far"), "{run:?}");
}
