// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random plans, in a process that is killed anywhere: the run goes on to the same end, or back to the start.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::super::{Plan, RunState};
use super::samples::{planned, run_all, state_of, undo_all};
use super::soon;

/// A step of a random plan.
#[derive(Clone, Debug)]
struct Kind {
    on: &'static str,
    unless: bool,
    always: bool,
}

/// Steps that each add a line to the file of their host once, and die with keepfast at a call whose number stands in `die`.
fn plan(folder: &Path, kinds: &[Kind]) -> Plan {
    let dir = folder.display();
    // Killed with its group or not, before or after the work: nothing tells a script how its caller ends.
    let call = format!(
        "n=$(($(wc -l < '{dir}/calls' 2>/dev/null || echo 0) + 1)); echo >> '{dir}/calls'; \
         if [ \"$n\" = \"$(cat '{dir}/die' 2>/dev/null)\" ]; then kill -KILL $(cat '{dir}/runner') $$; fi"
    );
    let mut document =
        "[roles.node]\n[hosts.n1]\nroles = [\"node\"]\n[hosts.n2]\nroles = [\"node\"]\n[runbooks.it]\ntitle = \"it\"\n"
            .to_string();
    for (number, kind) in kinds.iter().enumerate() {
        let file = format!("'{dir}/state-'{{{{host}}}}");
        let has = format!("touch {file}; grep -qx {number} {file}");
        document.push_str(
            &format!(
                "[[runbooks.it.steps]]\nid = \"s{number}\"\ntitle = \"t\"\non = \"{}\"\nalways = {}\n\
             run = '''{call}\nif ! ({has}); then echo {number} >> {file}; fi\n{call}'''\n\
             undo = '''{call}\ntouch {file}\nsed -i '/^{number}$/d' {file}\n{call}'''\n{}",
                kind.on,
                kind.always,
                if kind.unless { format!("unless = '''{has}'''\n") } else { String::new() }
            )
            .replace("'''", "\"\"\"")
            .replace("\"\"\"", "'''")
            .replace("'''", "\u{1}"),
        );
    }
    // Scripts have single quotes: TOML's other long strings, with what they treat specially escaped.
    let mut whole = String::new();
    for (at, part) in document.split('\u{1}').enumerate() {
        match at % 2 {
            0 => whole.push_str(part),
            _ => whole.push_str(&format!("\"\"\"{}\"\"\"", part.replace('\\', "\\\\").replace('"', "\\\""))),
        }
    }
    planned(&whole)
}

fn states(folder: &Path) -> [String; 2] {
    ["n1", "n2"]
        .map(|host| fs::read_to_string(folder.join(format!("state-{host}"))).unwrap_or_default())
        .map(|text| text.lines().collect::<Vec<_>>().join(" "))
}

/// Runs or undoes the plan that stands in a folder; does nothing unless it is told to.
#[test]
fn runner_that_is_killed() {
    let Ok(told) = std::env::var("KEEPFAST_TEST_RUNNER") else { return };
    let (folder, undoes): (String, bool) = serde_json::from_str(&told).unwrap();
    let folder = Path::new(&folder);
    let plan: Plan = serde_json::from_slice(&fs::read(folder.join("plan")).unwrap()).unwrap();
    fs::write(folder.join("runner"), std::process::id().to_string()).unwrap();
    let runs = folder.join("runs");
    let went = if undoes { undo_all(&runs, &plan) } else { run_all(&runs, &plan) };
    went.ended.unwrap();
}

/// Lets it be carried out in another process, which is killed at this call; tells whether it ended.
fn elsewhere(folder: &Path, undoes: bool, die: usize) -> bool {
    let _ = fs::remove_file(folder.join("calls"));
    fs::write(folder.join("die"), die.to_string()).unwrap();
    let told = serde_json::to_string(&(folder, undoes)).unwrap();
    let succeeded = Command::new(std::env::current_exe().unwrap())
        .args(["runbook::tests::kills::runner_that_is_killed", "--exact"])
        .env("KEEPFAST_TEST_RUNNER", &told)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success();
    // A script of another host may live on.
    soon("what it has started has ended", || !runs_with(&format!("KEEPFAST_TEST_RUNNER={told}")));
    succeeded
}

/// Whether any process has this variable.
fn runs_with(variable: &str) -> bool {
    let is_of_it = |process: fs::DirEntry| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|own| own == variable.as_bytes())
    };
    fs::read_dir("/proc").unwrap().flatten().any(is_of_it)
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let on = prop::sample::select(vec!["operator", "all node", "each node", "one node"]);
    let kind = (on, any::<bool>(), prop::bool::weighted(0.2));
    prop::collection::vec(kind.prop_map(|(on, unless, always)| Kind { on, unless, always }), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_run_that_was_killed_anywhere_comes_to_its_end_or_back_to_its_start(
        kinds in kinds(), deaths in prop::collection::vec(1_usize..24, 1..4), undo_deaths in prop::collection::vec(1_usize..24, 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path(), &kinds);
        fs::write(folder.path().join("plan"), serde_json::to_vec(&plan).unwrap()).unwrap();
        let of_node = |host: &str| -> Vec<String> {
            let here = |kind: &&(usize, &Kind)| kind.1.on == "all node" || kind.1.on == "each node" || (kind.1.on == "one node" && host == "n1");
            kinds.iter().enumerate().collect::<Vec<_>>().iter().filter(here).map(|(number, _)| number.to_string()).collect()
        };
        let end = ["n1", "n2"].map(|host| of_node(host).join(" "));
        let mut has_ended = false;
        for die in deaths {
            has_ended = has_ended || elsewhere(folder.path(), false, die);
        }
        let runs = folder.path().join("runs");
        let ends = kinds.len() % 2 == 0 || has_ended;
        if ends {
            if !has_ended {
                prop_assert!(elsewhere(folder.path(), false, 0));
            }
            prop_assert_eq!(states(folder.path()), end);
            prop_assert_eq!(state_of(&runs, &plan).0, RunState::Finished);
        }
        // And back, from there or from where it was cut off.
        let mut is_undone = false;
        for die in undo_deaths {
            is_undone = is_undone || elsewhere(folder.path(), true, die);
        }
        if !is_undone {
            prop_assert!(elsewhere(folder.path(), true, 0));
        }
        prop_assert_eq!(states(folder.path()), [String::new(), String::new()]);
        prop_assert_eq!(state_of(&runs, &plan).0, RunState::Reverted);
    }
}
