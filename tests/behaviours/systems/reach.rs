// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stand-ins can not have: ports below 1024, and addresses that are silent without being waited for. Both are files of the
//! world instead: `closed-PORT`, and `on-ADDRESS`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use keepfast_engine::profile::{Check, Profile};

use crate::support::standin::World;

/// Lets a port answer unless it was shut, and an address be silent unless it was turned on. Other checks stay as they are.
pub fn within_reach(profile: &mut Profile, world: &World) {
    let there = |name: &str| format!("'{}/{name}'", world.folder().display());
    for check in checks(profile) {
        if let Some(port) = check.port.take() {
            check.run = Some(format!("! test -e {}", there(&format!("closed-{port}"))));
        }
        if let Some(address) = check.offline.take() {
            check.run = Some(format!("! test -e {}{address}", there("on-")));
            check.ports.clear();
        }
        check.within = check.within.map(|_| Duration::from_secs(1));
    }
}

/// Lets an address answer from now on, or be silent again.
pub fn turn(world: &World, address: &str, is_on: bool) {
    toggle(world.folder().join(format!("on-{address}")), is_on);
}

/// Lets a port answer no more, or again.
pub fn shut(world: &World, port: u16, is_shut: bool) {
    toggle(world.folder().join(format!("closed-{port}")), is_shut);
}

fn toggle(path: PathBuf, is_there: bool) {
    if is_there { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
}

/// Ports that a step of a runbook waits for, in order.
pub fn ports(profile: &Profile, runbook: &str, step: &str) -> Vec<u16> {
    let steps = &profile.runbooks[runbook].steps;
    let step = steps.iter().find(|found| found.id == step).unwrap_or_else(|| panic!("{runbook} has no step {step}"));
    step.require.iter().chain(&step.ensure).filter_map(|check| check.port).collect()
}

fn checks(profile: &mut Profile) -> impl Iterator<Item = &mut Check> {
    let steps = profile.runbooks.values_mut().flat_map(|runbook| &mut runbook.steps);
    steps.flat_map(|step| step.require.iter_mut().chain(&mut step.ensure))
}
