// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stand-ins can not have: ports below 1024, and addresses that are silent without being waited for.

use std::net::TcpListener;
use std::sync::OnceLock;

use keepfast_engine::profile::{Check, Profile};

use crate::support::standin::World;

/// Lets every port that a runbook waits for be one that listens, and asks the command `reaches ADDRESS` whether an address is off.
/// What is looked at otherwise stays as the profile has it.
pub fn within_reach(profile: &mut Profile) {
    static LISTENER: OnceLock<TcpListener> = OnceLock::new();
    let listener = LISTENER.get_or_init(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    for check in checks(profile) {
        if check.port.is_some() {
            check.port = Some(port);
        }
        if let Some(address) = check.offline.take() {
            check.run = Some(format!("! test -e \"${{STANDIN%/*/*}}/on-\"{address}"));
            check.ports.clear();
        }
    }
}

/// Lets an address answer from now on.
pub fn turn_on(world: &World, address: &str) {
    std::fs::write(world.folder().join(format!("on-{address}")), "").unwrap();
}

/// Ports that the steps of a runbook wait for, in order.
pub fn ports(profile: &Profile, runbook: &str, step: &str) -> Vec<u16> {
    let steps = &profile.runbooks[runbook].steps;
    let step = steps.iter().find(|found| found.id == step).unwrap_or_else(|| panic!("{runbook} has no step {step}"));
    step.require.iter().chain(&step.ensure).filter_map(|check| check.port).collect()
}

fn checks(profile: &mut Profile) -> impl Iterator<Item = &mut Check> {
    let steps = profile.runbooks.values_mut().flat_map(|runbook| &mut runbook.steps);
    steps.flat_map(|step| step.require.iter_mut().chain(&mut step.ensure))
}
