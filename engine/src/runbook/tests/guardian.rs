// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guardians whose holder lets them go, uses them, or is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::super::{Command, Fault, Guardian, Place};
use super::sshd::Sshd;
use super::{place_with, program, runs, script, soon};

fn start(place: &Place, text: &str) -> Guardian {
    Guardian::start(place, &script(text), &BTreeMap::new()).unwrap()
}

fn touch(path: &Path) -> String {
    format!("touch '{}'", path.display())
}

/// What a guardian does at a place in each of its three ways.
fn does_its_work(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    start(place, &touch(&file("released"))).release();
    start(place, &touch(&file("acted"))).act().unwrap();
    assert!(file("acted").exists());
    drop(start(place, &touch(&file("dropped"))));
    soon("one that is dropped acts", || file("dropped").exists());
    let fault = start(place, "echo first; echo the disk is full >&2; exit 4").act().unwrap_err();
    assert_eq!(fault.to_string(), "ended with exit code 4: the disk is full");
    let fault = start(place, "echo first; false; echo never").act().unwrap_err();
    assert_eq!(fault.to_string(), "ended with exit code 1: first");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!file("released").exists());
}

#[test]
fn a_guardian_acts_unless_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    does_its_work(&place_with(folder.path()));
    let Some(sshd) = Sshd::start() else { return };
    does_its_work(&sshd.place());
}

#[test]
fn a_greeting_of_a_login_shell_does_not_hide_a_guardian() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "su", "echo Welcome; echo; shift 2; shift; exec sh -c \"$1\"");
    let done = folder.path().join("done");
    let secrets = BTreeMap::from([("key".to_string(), "xyzzy".to_string())]);
    let text = format!("test \"$key\" = xyzzy\necho \"$key\"\n{}\nexit 1", touch(&done));
    let command = Command { user: Some("me".into()), secrets: vec!["key".into()], ..script(&text) };
    let fault = Guardian::start(&place_with(folder.path()), &command, &secrets).unwrap().act().unwrap_err();
    assert_eq!(fault.to_string(), "ended with exit code 1: ***");
    assert!(done.exists());
}

#[test]
fn a_guardian_that_can_not_be_placed_says_why() {
    let command = Command { user: Some("nobody-has-this-name".into()), ..script("true") };
    let Err(fault) = Guardian::start(&Place::here("here"), &command, &BTreeMap::new()) else { panic!("it was placed") };
    assert!(matches!(&fault, Fault::Failed { tail, .. } if !tail.is_empty()), "{fault}");
    let Some(sshd) = Sshd::start() else { return };
    let mut place = sshd.place();
    place.ssh.as_mut().unwrap().port = Some(1);
    let Err(fault) = Guardian::start(&place, &script("true"), &BTreeMap::new()) else { panic!("it was placed") };
    assert!(fault.to_string().starts_with("can not reach far: ssh: connect to host"), "{fault}");
}

#[test]
fn a_service_that_a_guardian_starts_heeds_signals_and_keeps_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    start(&Place::here("here"), &format!("sleep 100 & echo $! > {}", pid.display())).act().unwrap();
    assert!(runs(&pid));
    super::sh(&format!("kill -TERM $(cat {})", pid.display())).unwrap();
    soon("it has ended", || !runs(&pid));
}

/// Holds guardians until it is killed; does nothing unless it is told to.
#[test]
fn holder_of_guardians() {
    let Ok(told) = std::env::var("KEEPFAST_TEST_HOLDER") else { return };
    let (place, folder): (Place, String) = serde_json::from_str(&told).unwrap();
    let path = |name: &str| Path::new(&folder).join(name);
    let _guardian = start(&place, &format!("{}; echo $PPID > '{}'", touch(&path("acted")), path("pid").display()));
    fs::write(path("holds"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

fn acts_when_its_holder_is_killed(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let told = serde_json::to_string(&(place, folder.path())).unwrap();
    let test = "runbook::tests::guardian::holder_of_guardians";
    let mut holder = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact"])
        .env("KEEPFAST_TEST_HOLDER", told)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    soon("the guardian is in place", || folder.path().join("holds").exists());
    std::thread::sleep(Duration::from_millis(300));
    assert!(!folder.path().join("acted").exists(), "it waits");
    holder.kill().unwrap();
    holder.wait().unwrap();
    soon("it acts", || folder.path().join("acted").exists());
}

#[test]
fn a_guardian_acts_when_its_holder_is_killed() {
    acts_when_its_holder_is_killed(&Place::here("here"));
    let Some(sshd) = Sshd::start() else { return };
    acts_when_its_holder_is_killed(&sshd.place());
}
