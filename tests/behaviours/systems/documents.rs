// SPDX-License-Identifier: MIT OR Apache-2.0
//! A profile held against the headings of its vendor's document.

use std::collections::BTreeSet;

use keepfast_engine::profile::{Library, Profile, review};
use keepfast_engine::runbook::RunbookError;

use crate::support::standin::{Fault, Nothing, Recorder, Rehearsal, Stage, World};

/// The built-in profile: nothing is wrong with it, each part of it names a part of the document, and each heading of the
/// document, but for the `told` ones that only tell, is named by a part of it.
pub fn held_against(name: &str, headings: &[&str], told: &[&str]) -> Profile {
    let profile = Library::default().find(name).unwrap();
    assert_eq!(review(&profile), [], "{name}");
    let capture = &profile.capture;
    let files = capture.files.iter().map(|files| (&files.id, &files.section));
    let streams = capture.streams.iter().map(|stream| (&stream.id, &stream.section));
    let vendors = profile.vendor.iter().map(|vendor| (&vendor.id, &vendor.section));
    let steps = profile.runbooks.values().flat_map(|runbook| &runbook.steps).map(|step| (&step.id, &step.section));
    let mut named = BTreeSet::new();
    for (id, section) in files.chain(streams).chain(vendors).chain(steps) {
        let of = headings.iter().find(|heading| {
            section.strip_prefix(**heading).is_some_and(|rest| rest.is_empty() || rest.starts_with(", "))
        });
        named.insert(*of.unwrap_or_else(|| panic!("{name}, {id}: {section:?} is no part of the document")));
    }
    let left: Vec<_> = headings.iter().filter(|heading| !named.contains(*heading) && !told.contains(heading)).collect();
    assert!(left.is_empty(), "{name} does nothing for {left:?}");
    profile
}

/// Whatever call fails: resumed, the runbook comes to the same end; undone, to the beginning, or it says why it can not.
pub fn survives_everything(rehearsal: &Rehearsal) {
    for fault in [Fault::Fail, Fault::FailAfter] {
        rehearsal.resumes_after_a_fault_at_every_call(fault);
        rehearsal.undoes_after_a_fault_at_every_call(fault);
    }
}

/// A runbook does not begin without `variable`, and says which it is.
pub fn needs(rehearsal: &Rehearsal, variable: &str) {
    let world = rehearsal.ready();
    let stage = |world: &World| {
        let mut stage = (rehearsal.stage)(world);
        stage.values.remove(variable);
        stage
    };
    let without = Rehearsal { stage: &stage, ..*rehearsal };
    let error = without.plan(&world).unwrap_err();
    assert!(error.to_string().contains(&format!("the variable {variable} needs a value")), "{error}");
}

/// A runbook does not begin without a snapshot that has what it needs; the error names `what`.
pub fn needs_in_snapshot(rehearsal: &Rehearsal, what: &str) {
    let world = rehearsal.ready();
    let stage = |world: &World| Stage { contents: Box::new(Nothing), ..(rehearsal.stage)(world) };
    let error = Rehearsal { stage: &stage, ..*rehearsal }.plan(&world).unwrap_err();
    assert!(matches!(error, RunbookError::NotInSnapshot { .. }), "{error}");
    assert!(error.to_string().contains(what), "{error}");
}

/// Refused at `step`, everything is as it was before it, and nothing behind it has been called.
pub fn stops_where_a_person_says_no(rehearsal: &Rehearsal, step: &str, calls: &[&str]) {
    let world = rehearsal.ready();
    rehearsal.run(&world, &Recorder::refuses_at(step)).unwrap_err();
    let made: Vec<String> = world.calls().acts().iter().map(|call| call.words.clone()).collect();
    assert_eq!(made, calls, "refused at {step}");
}
