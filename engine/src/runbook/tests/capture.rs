// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans of backups: from which hosts what is taken, and what is stopped where.

use std::collections::BTreeMap;

use super::super::{CapturePlan, Choice, RunbookError, capture, taken_from};
use crate::profile::{Library, Profile, Values};

const HOSTS: &str = "[roles.node]\n[roles.other]\nonly_runbooks = true\n[roles.third]\nonly_runbooks = true\n[variables.kind]\nvalue = \"vm\"\n\
                     [hosts.n1]\nroles = [\"node\"]\n[hosts.n2]\nroles = [\"node\"]\nvariables = { kind = \"box\" }\n\
                     [hosts.o1]\nroles = [\"other\"]\n";

fn profile(document: &str) -> Profile {
    Library::default().parse("it", &format!("{HOSTS}{document}")).unwrap()
}

fn planned(document: &str, one: &[(&str, &str)]) -> Result<CapturePlan, RunbookError> {
    let profile = profile(document);
    let one = one.iter().map(|(role, host)| (role.to_string(), host.to_string())).collect();
    let values = Values::new(&profile, &BTreeMap::new()).unwrap();
    capture(&Choice {
        profile: &profile,
        runbook: "",
        values: &values,
        run: "1",
        here: "here",
        one: &one,
        snapshot: None,
        now: 0,
    })
}

/// Hosts and the streams that are taken from them.
fn taken(document: &str, one: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    let hosts = planned(document, one).unwrap().hosts;
    let paths = |host: &super::super::HostCapture| host.streams.iter().map(|stream| stream.path.clone()).collect();
    hosts.iter().map(|host| (host.place.name.clone(), paths(host))).collect()
}

fn stream(id: &str, on: &str, when: &str) -> String {
    format!("[[capture.streams]]\nid = \"{id}\"\non = \"{on}\"\nrun = \"true\"\nwhen = \"{when}\"\n")
}

fn of(host: &str, paths: &[&str]) -> (String, Vec<String>) {
    (host.to_string(), paths.iter().map(ToString::to_string).collect())
}

#[test]
fn a_host_from_which_nothing_is_taken_is_in_no_backup_and_lacks_in_no_set() {
    let dump = stream("dump", "one node", "kind != none");
    assert_eq!(taken(&dump, &[]), [of("n1", &["dump"])]);
    assert_eq!(taken(&dump, &[("node", "n2")]), [of("n2", &["dump"])]);
    assert_eq!(taken_from(&profile(&dump)).unwrap(), [["n1", "n2"]], "one of them is enough");
    let each = stream("dump", "each node", "kind = box");
    assert_eq!(taken(&each, &[]), [of("n2", &["dump"])]);
    assert_eq!(taken_from(&profile(&each)).unwrap(), [["n2"]]);
    let files = format!("{dump}[[capture.files]]\nid = \"etc\"\npaths = [\"{{{{root}}}}/etc\"]\n");
    assert_eq!(taken(&files, &[]), [of("n1", &["dump"]), of("n2", &[])]);
    assert_eq!(taken_from(&profile(&files)).unwrap(), [vec!["n1"], vec!["n2"], vec!["n1", "n2"]]);
}

#[test]
fn what_runs_on_one_host_runs_on_the_first_for_which_its_condition_holds() {
    assert_eq!(taken(&stream("dump", "one node", "kind = box"), &[]), [of("n2", &["dump"])]);
    assert_eq!(taken(&stream("dump", "one node", "kind = none"), &[]), []);
}

#[test]
fn what_is_to_be_stopped_and_is_on_no_host_makes_no_plan() {
    let quiesce = |on: &str, when: &str| {
        let entry = "[[capture.quiesce]]\nid = \"api\"\ntitle = \"the API\"\nrun = \"stop\"\nresume = \"start\"\n";
        planned(
            &format!("{entry}on = \"{on}\"\nwhen = \"{when}\"\n{}", stream("dump", "one node", "kind != none")),
            &[],
        )
    };
    let places = |plan: CapturePlan| plan.quiesce.iter().map(|quieted| quieted.place.name.clone()).collect::<Vec<_>>();
    assert_eq!(places(quiesce("each node", "kind = box").unwrap()), ["n2"]);
    assert_eq!(places(quiesce("one other", "kind = vm").unwrap()), ["o1"]);
    assert_eq!(places(quiesce("each third", "kind = box").unwrap()), [""; 0], "it does not apply");
    let refused = quiesce("each third", "kind = vm").err().unwrap().to_string();
    assert_eq!(refused, "\"the API\" of the profile it is for hosts with the role third, and there is none");
}
