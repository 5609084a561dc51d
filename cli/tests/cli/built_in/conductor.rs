// SPDX-License-Identifier: MIT OR Apache-2.0
//! An SSR conductor is captured, lost, and recovered in place through a repository; and the same after a fault at each call.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::system::{System, lost};
use crate::support::standin::{Fault, State};

const MASTER: &str = "etc/128technology/salt/pki/master";

/// What the document lists, with modes that a careless extraction would lose.
const FILES: [(&str, &str, u32); 8] = [
    ("var/lib/128technology/t128-running.json", "{\"router\": [\"east\"]}\n", 0o644),
    ("var/lib/128technology/user-running.json", "{\"user\": []}\n", 0o640),
    ("etc/128technology/salt/pki/master/master.pem", "private key of the old conductor\n", 0o400),
    ("etc/128technology/salt/pki/master/master.pub", "public key of the old conductor\n", 0o644),
    ("etc/128technology/salt/pki/master/minions/east", "public key of east\n", 0o600),
    ("etc/128technology/global.init", "{\"init\": \"old\"}\n", 0o600),
    ("etc/128technology/local.init", "{\"id\": \"node1\"}\n", 0o664),
    ("srv/salt/top.sls", "base: {}\n", 0o755),
];

/// Keys are texts: what belongs together ends with the same words.
const OPENSSL: &str =
    "look \"$@\"\nfor word; do if [ -e \"$word\" ]; then sed 's/^.* key/Modulus=/' \"$word\"; fi; done\n";

/// Ports below 1024 and addresses that are silent are files here.
const DIFFERS: &str = r#"
variables.old_address.value = "192.0.2.1"
[[runbooks.restore.steps]]
id = "remove-old"
ensure = [{ run = "! test -e {{root}}/old-is-on", says = "something still answers at {{old_address}}" }]
[[runbooks.restore.steps]]
id = "ports"
ensure = [{ run = "systemctl is-active --quiet 128T", says = "the ports are closed" }]
"#;

/// A conductor with its router, backed up; what its files were.
fn backed_up() -> (System, State) {
    let system = System::new("ssr-conductor");
    let node = system.world.add("node1");
    node.command("openssl", OPENSSL).service("128T", "running");
    for (path, text, mode) in FILES {
        node.file(path, text);
        fs::set_permissions(node.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(node.path(MASTER), fs::Permissions::from_mode(0o750)).unwrap();
    let router = system.world.add("east");
    system.declare(&[("node1", node.declared(&["conductor"])), ("east", router.declared(&["router"]))], DIFFERS);
    system.back_up();
    let was = State::of(&node.root());
    system.lose("node1");
    (system, was)
}

/// Another machine of the same name, as the initializer leaves it.
fn install(system: &System) {
    let node = system.world.add("node1");
    node.command("openssl", OPENSSL).service("128T", "running");
    node.file(&format!("{MASTER}/master.pem"), "private key of the new conductor\n");
    node.file(&format!("{MASTER}/master.pub"), "public key of the new conductor\n");
    node.file("etc/128technology/global.init", "{\"init\": \"new\"}\n");
    node.file("etc/128technology/local.init", "{\"id\": \"new\"}\n");
    system.forget_calls();
}

fn is_back(system: &System, was: &State) {
    let node = system.world.host("node1");
    let paths = FILES.map(|(path, ..)| path);
    assert_eq!(lost(was, &State::of(&node.root()), &paths), Vec::<String>::new());
    assert_eq!(lost(was, &State::of(&node.root()), &[&format!("{MASTER}/minions")]), Vec::<String>::new());
    assert_eq!(node.recalls("services/128T"), "running");
}

#[test]
fn a_lost_conductor_is_recovered_to_the_last_bit_and_an_undo_leaves_the_new_one() {
    let (system, was) = backed_up();
    install(&system);
    let before = system.world.state();
    let run = system.recover(&[]);
    assert_eq!(run.code, 0, "{run:?}");
    is_back(&system, &was);
    let calls = ["node1: systemctl stop 128T", "node1: systemctl start 128T"];
    assert_eq!(system.world.calls().of(&["systemctl"]), calls);
    system.undo(&before);
    // The same again: nothing of the first time is in its way.
    assert_eq!(system.recover(&[]).code, 0);
    is_back(&system, &was);
}

#[test]
fn a_recovery_of_a_conductor_that_fails_at_any_call_is_resumed_to_the_same_end() {
    let (system, was) = backed_up();
    let mut failed = 0;
    for fault in [Fault::Fail, Fault::FailAfter] {
        for k in 1.. {
            install(&system);
            system.world.fault(k, fault);
            let run = system.recover(&[]);
            if run.code == 0 {
                break;
            }
            failed += 1;
            assert!(run.code == 1 && run.err.contains("--resume"), "{k}: {run:?}");
            let run = system.recover(&["--resume", &system.newest_run()]);
            assert_eq!(run.code, 0, "{k}: {run:?}");
            is_back(&system, &was);
            system.lose("node1");
        }
        system.lose("node1");
    }
    assert!(failed >= 8, "{failed} calls of stop, save, extract and start were tried");
}

#[test]
fn a_conductor_is_not_recovered_while_the_old_one_is_on_the_network() {
    let (system, _) = backed_up();
    install(&system);
    system.world.host("node1").file("old-is-on", "");
    // Where the check runs there is no root: it is the operator's machine.
    let on = system.sandbox.path("src/old-is-on");
    fs::write(&on, "").unwrap();
    let root = system.sandbox.text("src");
    let run = system.recover(&["--var", &format!("root={root}")]);
    assert!(run.code == 1 && run.err.contains("something still answers at 192.0.2.1"), "{run:?}");
    assert!(system.world.calls().acts().is_empty());
}
