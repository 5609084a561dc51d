// SPDX-License-Identifier: MIT OR Apache-2.0
//! Built-in profiles from one end to the other through a repository: captured, drilled, lost, recovered, and found out where the
//! backup is none.

mod conductor;
mod iml;
mod puppet_enterprise;
mod system;

mod contrail;
mod contrail_capture;
mod juju;
mod scene;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sandbox::{Run, Sandbox};

/// Stays who it is, whoever it shall be: a database of a test trusts everybody who reaches its socket.
const SU: &str = "while [ \"$1\" != -c ]; do shift; done\nPATH=$fakes exec sh -c \"$2\"\n";

/// Rows with all that a dump has to quote.
const ROWS: &str = "create role chroma login;\ncreate database chroma owner chroma;\n\\connect chroma\n\
    create table \"Hosts\" (id int primary key, name text);\ninsert into \"Hosts\" select n, 'host ' || n from generate_series(1, 500) n;\n\
    create schema s;\ncreate table s.odd (text text);\ninsert into s.odd values (E'a\\tb\\\\n'), (null), (E'\\\\.'), ('ä');\n";

const KEYS: &str = "root/etc/128technology/salt/pki/master";

/// A conductor's files, with a key pair; `None`, with a printed reason, without openssl.
fn conductor() -> Option<Sandbox> {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path(KEYS).join("minions")).unwrap();
    fs::create_dir_all(sandbox.path("root/var/lib/128technology")).unwrap();
    let pem = sandbox.path(KEYS).join("master.pem");
    let openssl = |words: &[&str]| {
        let made = Command::new("openssl").args(words).stdin(Stdio::null()).output();
        made.is_ok_and(|output| output.status.success())
    };
    let public = sandbox.path(KEYS).join("master.pub");
    let is_made = openssl(&["genrsa", "-traditional", "-out", text(&pem), "2048"])
        && openssl(&["rsa", "-in", text(&pem), "-pubout", "-out", text(&public)]);
    if !is_made {
        println!("not tested here: openssl makes no keys");
        return None;
    }
    for file in [
        "var/lib/128technology/t128-running.json",
        "var/lib/128technology/user-running.json",
        "etc/128technology/global.init",
        "etc/128technology/local.init",
    ] {
        fs::write(sandbox.path("root").join(file), "{\"name\": \"c1\"}\n").unwrap();
    }
    fs::write(sandbox.path(KEYS).join("minions/r1"), "a router's key\n").unwrap();
    Some(sandbox)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn back_up(sandbox: &Sandbox) -> Run {
    let root = format!("root={}", sandbox.text("root"));
    sandbox.run(&["backup", "--profile", "ssr-conductor", "--var", &root])
}

#[test]
fn a_conductor_is_captured_whole_and_its_drill_proves_it() {
    let Some(sandbox) = conductor() else { return };
    let run = back_up(&sandbox);
    assert_eq!(run.code, 0, "{run:?}");
    let saved = sandbox.ls("latest");
    assert!(saved.contains(&"/etc/128technology/salt/pki/master/minions/r1".to_string()), "{saved:?}");
    assert!(!saved.iter().any(|path| path.contains("svr")), "{saved:?}");
    // The machine is lost: only the repository is asked.
    fs::remove_dir_all(sandbox.path("root")).unwrap();
    let run = sandbox.run(&["drill", "ssr-conductor"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = sandbox.run(&["status", "ssr-conductor", "--older-than", "1h", "--drill-older-than", "1h"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn keys_that_do_not_belong_together_fail_the_drill_by_name() {
    let Some(sandbox) = conductor() else { return };
    let other = sandbox.path("other.pem");
    let made = Command::new("openssl").args(["genrsa", "-traditional", "-out", text(&other), "2048"]).output().unwrap();
    assert!(made.status.success());
    fs::copy(&other, sandbox.path(KEYS).join("master.pem")).unwrap();
    assert_eq!(back_up(&sandbox).code, 0);
    let run = sandbox.run(&["drill", "ssr-conductor"]);
    assert!(run.code == 1 && run.err.contains("halves of the master's key"), "{run:?}");
    let run = sandbox.run(&["status", "ssr-conductor", "--drill-older-than", "1h"]);
    assert_eq!(run.code, 1, "{run:?}");
}

#[test]
fn a_conductor_without_its_key_is_no_whole_backup_and_none_to_recover_from() {
    let Some(sandbox) = conductor() else { return };
    fs::remove_file(sandbox.path(KEYS).join("master.pem")).unwrap();
    let run = back_up(&sandbox);
    assert!(run.code == 3 && run.err.contains("master.pem"), "{run:?}");
    let run = sandbox.run(&["recover", "ssr-conductor", "--dry-run", "--var", "old_address=192.0.2.1"]);
    assert!(run.code == 1 && run.err.contains("incomplete"), "{run:?}");
}
