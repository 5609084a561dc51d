// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plans: which hosts, which scripts, what a snapshot must have, and what no plan may do.

use super::super::{Action, From, Undo};
use super::samples::{Paths, planned, try_plan};

const TWO: &str = "[roles.node]\n[variables.kind]\nvalue = \"vm\"\n[hosts.n1]\nroles = [\"node\"]\n[hosts.n2]\nroles = [\"node\"]\nvariables = { kind = \"container\" }\n";

fn refused(steps: &str, paths: &[&'static str]) -> String {
    let document = format!(
        "[[capture.files]]\nid = \"etc\"\npaths = [\"{{{{root}}}}/etc/{{{{name}}}}\"]\n[variables.name]\nvalue = \"app\"\n[runbooks.it]\ntitle = \"it\"\nneeds_snapshot = true\n{steps}"
    );
    try_plan(&document, Some(&Paths(paths.to_vec()))).unwrap_err().to_string()
}

#[test]
fn a_condition_of_a_step_looks_at_each_hosts_own_variables() {
    let step = |on: &str, kind: &str| {
        let steps = format!(
            "[[runbooks.it.steps]]\nid = \"a\"\ntitle = \"t\"\non = \"{on} node\"\nwhen = \"kind = {kind}\"\nrun = \"true\"\nundo_by = \"none\"\n"
        );
        let plan = planned(&format!("{TWO}[runbooks.it]\ntitle = \"it\"\n{steps}"));
        plan.steps.iter().flat_map(|step| step.tasks.iter().map(|task| task.host.clone())).collect::<Vec<_>>()
    };
    assert_eq!(step("all", "vm"), ["n1"]);
    assert_eq!(step("each", "container"), ["n2"]);
    assert_eq!(step("one", "container"), ["n2"], "any one of those for which it holds");
    assert_eq!(step("all", "none"), Vec::<String>::new());
}

#[test]
fn a_restore_takes_what_the_snapshot_has_at_paths_with_variables_put_in() {
    let document = "[variables.name]\nvalue = \"app\"\n[[capture.files]]\nid = \"etc\"\npaths = [\"{{root}}/etc/{{name}}\"]\n\
                    [[capture.files]]\nid = \"extra\"\nneed = \"none\"\npaths = [\"{{root}}/etc/extra\"]\n[runbooks.it]\ntitle = \"it\"\nneeds_snapshot = true\n\
                    [[runbooks.it.steps]]\nid = \"a\"\ntitle = \"t\"\nrestore = [\"etc\"]\n[[runbooks.it.steps]]\nid = \"b\"\ntitle = \"t\"\nrestore = [\"extra\"]\n";
    let plan = try_plan(document, Some(&Paths(vec!["etc/app"]))).unwrap();
    let Action::Run { reads: Some(From::Archive(paths)), .. } = &plan.steps[0].tasks[0].action else {
        panic!("{plan:?}")
    };
    assert_eq!(paths, &["etc/app"]);
    assert_eq!(plan.steps[1].tasks[0].action, Action::Check, "nothing to restore is nothing to do");
    let error = refused("[[runbooks.it.steps]]\nid = \"a\"\ntitle = \"t\"\nrestore = [\"etc\"]\n", &["etc/other"]);
    assert_eq!(error, "step a needs etc/app, which the snapshot does not have");
}

#[test]
fn no_plan_wipes_what_no_step_before_it_saves_aside_or_the_copy_itself() {
    let save = |path: &str, to: &str| {
        format!(
            "[[runbooks.it.steps]]\nid = \"save\"\ntitle = \"t\"\nsave_aside = {{ path = \"{{{{root}}}}{path}\", to = \"{{{{root}}}}{to}\" }}\n"
        )
    };
    let wipe = "[[runbooks.it.steps]]\nid = \"wipe\"\ntitle = \"t\"\nwipe = { inside = \"{{root}}/var/lib/db\", saved_by = \"save\" }\n";
    let none = "step wipe: no step \"save\" before it saves {{root}}/var/lib/db aside";
    assert!(refused(wipe, &[]).ends_with(none));
    assert!(refused(&format!("{wipe}{}", save("/var/lib/db", "/var/copy")), &[]).ends_with(none), "it comes too late");
    assert!(refused(&format!("{}{wipe}", save("/var/lib/dbx", "/var/copy")), &[]).ends_with(none));
    assert!(
        refused(&format!("{}{wipe}", save("/var/lib/d", "/var/copy")), &[]).ends_with(none),
        "a part of a name is no folder"
    );
    let error = refused(&format!("{}{wipe}", save("/var/lib", "/var/lib/db/copy")), &[]);
    assert!(error.ends_with("the copy /var/lib/db/copy-run-1 is inside of what is wiped"), "{error}");
}

#[test]
fn two_steps_of_one_id_are_refused() {
    let step = "[[runbooks.it.steps]]\nid = \"a\"\ntitle = \"t\"\nrun = \"true\"\nundo_by = \"none\"\n";
    assert!(refused(&format!("{step}{step}"), &[]).ends_with("there are two steps \"a\""));
}

#[test]
fn a_step_that_says_how_it_is_undone_is_undone_so() {
    let plan = planned(
        "[runbooks.it]\ntitle = \"it\"\n[[runbooks.it.steps]]\nid = \"a\"\ntitle = \"t\"\nrun = \"x\"\nundo = \"y\"\nuser = \"me\"\n\
         [[runbooks.it.steps]]\nid = \"b\"\ntitle = \"t\"\nrun = \"x\"\nfinal_because = \"why\"\n",
    );
    let Undo::Run(command) = &plan.steps[0].tasks[0].undo else { panic!("{plan:?}") };
    assert_eq!(command.shown(), "su - me -c y");
    assert_eq!(plan.steps[1].tasks[0].undo, Undo::Never("why".to_string()));
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<super::super::Plan>(&text).unwrap(), plan, "what is written is what is shown");
}
