// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes by the northbound APIs of Contrail are kept out while its databases are dumped, or the backup says that they were not.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::scene::Scene;
use crate::support::standin::Fault;
use crate::support::standin::contrail::{PYTHON, controller, heal, services};

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const EXPORT: &str = "5b5s42: python db_json_exim.py --export-to db-dump.json";
const STOP: &str = "os1: service neutron-server stop";
const START: &str = "os1: service neutron-server start";

/// Two controllers, and one of OpenStack.
fn scene(openstack: &[&str], more: &str) -> Scene {
    let scene = Scene::new("contrail");
    for name in ["5b5s42", "5b5s43"] {
        heal(&controller(&scene.world, name, ""));
    }
    scene.world.add("os1").service("neutron-server", "running");
    let of = |name: &'static str, roles: &[&str]| (name, scene.world.host(name).declared(roles));
    let roles = ["controller", "config-db"];
    scene.profile(&[of("5b5s42", &roles), of("5b5s43", &roles), of("os1", openstack)], more);
    scene
}

fn with_neutron() -> Scene {
    scene(&["openstack"], "variables.northbound.value = \"neutron\"")
}

fn neutron(scene: &Scene) -> String {
    scene.world.host("os1").recalls("services/neutron-server")
}

#[test]
fn neutron_is_stopped_while_databases_are_dumped_and_nobody_is_asked() {
    let scene = with_neutron();
    let run = scene.run(&["backup", "--profile", "contrail"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(services(&scene.world), [STOP, EXPORT, START]);
    assert_eq!(neutron(&scene), "running");
    scene.is_well();
}

#[test]
fn neutron_runs_again_when_the_dump_fails_and_there_is_no_dump_when_neutron_does_not_stop() {
    let scene = with_neutron();
    scene.world.fault(2, Fault::Fail);
    let run = scene.back_up(&[]);
    assert_eq!(run.code, 3, "{run:?}");
    assert_eq!(
        (services(&scene.world), neutron(&scene)),
        ([STOP, EXPORT, START].map(String::from).to_vec(), "running".into())
    );
    let scene = with_neutron();
    scene.world.fault(1, Fault::Fail);
    let run = scene.back_up(&[]);
    assert!(run.code == 1 && run.err.contains("Stop Neutron while the databases are dumped on os1"), "{run:?}");
    assert_eq!((services(&scene.world), neutron(&scene)), ([STOP, START].map(String::from).to_vec(), "running".into()));
}

#[test]
fn neutron_runs_again_when_keepfast_is_killed_during_the_dump() {
    let scene = with_neutron();
    scene.world.fault(2, Fault::Die);
    scene.is_killed(&["backup", "--profile", "contrail"]);
    let begun = Instant::now();
    while neutron(&scene) != "running" {
        assert!(begun.elapsed() < PATIENCE, "Neutron does not run again");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(services(&scene.world), [STOP, EXPORT, START]);
    // The next backup finds nothing in its way.
    assert_eq!(scene.back_up(&[]).code, 0);
}

#[test]
fn a_profile_that_names_no_controller_of_openstack_takes_no_dump_beside_a_running_neutron() {
    let scene = scene(&["analytics"], "variables.northbound.value = \"neutron\"");
    let run = scene.back_up(&[]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("is for hosts with the role openstack, and there is none"), "{run:?}");
    assert!(run.err.contains("give the hosts on which it is that role"), "{run:?}");
    assert!(services(&scene.world).is_empty());
}

/// An address of this machine at which no other test listens.
fn vip(number: u8) -> String {
    let [high, low] = u16::try_from(std::process::id() % 65_536).unwrap().to_le_bytes();
    format!("127.{}.{high}.{low}", 100 + number)
}

#[test]
fn a_northbound_api_that_still_answers_ends_a_backup_and_a_restore_before_they_begin() {
    let vip = vip(0);
    let scene = scene(&["analytics"], &format!("variables.northbound_vip.value = \"{vip}\""));
    assert_eq!(scene.back_up(&[]).code, 0, "an address that refuses is blocked");
    scene.forget_calls();
    for (port, says) in [(8082, "the Contrail API answers at"), (9696, "Neutron answers at")] {
        let listener = TcpListener::bind((vip.as_str(), port)).unwrap();
        for run in [scene.back_up(&[]), scene.recover(&[])] {
            let found = format!("({vip} answers at port {port})");
            assert!(run.code == 1 && run.err.contains(says) && run.err.contains(&found), "{port}: {run:?}");
            assert!(run.err.contains("block the external VIP at the load balancer first"), "{run:?}");
        }
        assert!(services(&scene.world).is_empty());
        assert_eq!(scene.recover(&["--abandon", &scene.newest_run()]).code, 0);
        // Closing it is not enough: a process that another test is just starting listens, too, until it is another program.
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
    }
    assert_eq!(scene.recover(&[]).code, 0);
}

#[test]
fn a_northbound_api_that_answers_again_before_the_dump_has_ended_makes_a_snapshot_that_is_not_taken() {
    for (port, says) in [(8082, "the Contrail API answers"), (9696, "Neutron answers")] {
        let vip = vip(if port == 8082 { 1 } else { 2 });
        let scene = scene(&["analytics"], &format!("variables.northbound_vip.value = \"{vip}\""));
        // The dump waits for somebody to open the load balancer.
        let wait = "\ncase $2 in --export-to) while ! test -e \"$world/open\"; do sleep 0.02; done ;; esac";
        scene.world.host("5b5s42").command("python", &format!("{PYTHON}{wait}"));
        let run = thread::scope(|scope| {
            let opened = scope.spawn(|| {
                let begun = Instant::now();
                while services(&scene.world) != [EXPORT] {
                    assert!(begun.elapsed() < PATIENCE, "no dump was begun");
                    thread::sleep(Duration::from_millis(20));
                }
                let listener = TcpListener::bind((vip.as_str(), port)).unwrap();
                std::fs::write(scene.world.folder().join("open"), "").unwrap();
                listener
            });
            let run = scene.back_up(&[]);
            drop(opened.join().unwrap());
            run
        });
        assert!(run.code == 3 && run.err.contains(says) && run.err.contains("failed-check"), "{port}: {run:?}");
        let run = scene.run(&["status", "contrail", "--older-than", "1h"]);
        assert!(run.code == 1 && run.out.contains("a check failed"), "{run:?}");
    }
}

#[test]
fn no_dump_is_taken_unless_somebody_says_that_northbound_apis_are_blocked() {
    let scene = scene(&["openstack"], "");
    let run = scene.run(&["backup", "--profile", "contrail"]);
    assert!(run.code == 2 && run.err.contains("--yes"), "{run:?}");
    assert!(services(&scene.world).is_empty());
    assert_eq!((scene.back_up(&[]).code, services(&scene.world)), (0, vec![EXPORT.to_string()]));
}

#[test]
fn without_the_vendors_tool_there_is_no_backup_and_it_is_said_what_to_set() {
    let scene = with_neutron();
    let tool = "usr/lib/python2.7/dist-packages/cfgm_common/db_json_exim.py";
    std::fs::remove_file(scene.world.host("5b5s42").path(tool)).unwrap();
    let run = scene.back_up(&[]);
    assert!(run.code == 1 && run.err.contains("set the variable exim to its folder"), "{run:?}");
    assert!(services(&scene.world).is_empty(), "Neutron was not stopped");
}
