// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signs of life of sessions that last (`docs/format.md` section 10): a prune does not end for its age who still gives them, people
//! see them, and none stays when its session has ended. Their making is tested beside it.

use std::time::Duration;

use keepfast_engine::events::Silent;
use keepfast_engine::prune::{PruneOptions, Report, prune};
use keepfast_engine::repository::{Found, LocalFolders, Repository};
use keepfast_engine::session::{Client, Role, Session};
use keepfast_engine::sessions::{Closed, close, sessions};
use keepfast_repo_format::id::{SessionId, WriterId};
use keepfast_repo_format::layout;
use keepfast_repo_format::session::SessionRecord;
use keepfast_storage::{Backend, Name};

use crate::support::collector::all_of_it;
use crate::support::sandbox::{Sandbox, client};

const DAY: u64 = 86_400;

/// When the prunes of these tests run.
const NOW: u64 = 100 * DAY;

/// Opens a session of the sandbox's machine, `days` ago by its clock.
fn session_since(repository: &Repository, days: u64) -> Session<'_> {
    Session::open(repository, Client { now: NOW - days * DAY, ..client() }, Role::Writer).unwrap()
}

/// Puts what the session at this place would put after some time.
fn renew(repository: &Repository, (writer, sequence): (WriterId, u64), number: u32, days_ago: u64) {
    let storage = &repository.backend;
    let bytes = storage.get(&name(&layout::session(&writer, sequence)), None).unwrap();
    let record = SessionRecord::open(&repository.keys, writer, sequence, &bytes).unwrap();
    let object = SessionRecord { started: NOW - days_ago * DAY, ..record }.seal(&repository.keys);
    storage.put_if_absent(&name(&layout::session_renewal(&writer, sequence, number)), &[&object]).unwrap();
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn other_machine(sandbox: &Sandbox) -> Repository {
    let folders = LocalFolders { cache: None, state: sandbox.path("other state") };
    Found::locate(sandbox.objects.clone()).unwrap().open(&sandbox.credential(), &folders).unwrap()
}

/// A prune of another machine that ends sessions which are older than seven days.
fn prune_there(sandbox: &Sandbox) -> Report {
    let options = PruneOptions { void_after: Some(Duration::from_secs(7 * DAY)), ..all_of_it() };
    prune(&other_machine(sandbox), &Client { now: NOW, ..client() }, &options, &Silent).unwrap()
}

fn session_objects(sandbox: &Sandbox) -> Vec<String> {
    let listed = sandbox.objects.list(layout::SESSIONS_FOLDER).unwrap();
    listed.into_iter().map(|object| object.name.as_str().to_string()).collect()
}

#[test]
fn a_session_is_as_old_as_its_last_sign() {
    let sandbox = Sandbox::new();
    let repository = sandbox.open();
    let session = session_since(&repository, 20);
    let place = session.place();
    renew(&repository, place, 1, 12);
    renew(&repository, place, 2, 6);
    assert_eq!(prune_there(&sandbox).sessions_voided, 0);
    assert_eq!(session_objects(&sandbox).len(), 3);
    // Its program dies, and the next one of its writer clears away what it has left.
    drop(session);
    session_since(&sandbox.open(), 0).abandon().unwrap();
    assert_eq!(session_objects(&sandbox), [""; 0]);
}

#[test]
fn a_session_without_a_sign_for_too_long_is_ended_and_its_signs_go_with_it() {
    let sandbox = Sandbox::new();
    let repository = sandbox.open();
    let session = session_since(&repository, 20);
    renew(&repository, session.place(), 1, 12);
    renew(&repository, session.place(), 2, 8);
    assert_eq!(prune_there(&sandbox).sessions_voided, 1);
    assert_eq!(session_objects(&sandbox), [""; 0]);
    assert!(session.abandon().is_err(), "its slot is filled");
}

#[test]
fn a_sign_of_another_session_or_a_damaged_one_is_no_sign() {
    let sandbox = Sandbox::new();
    let repository = sandbox.open();
    let session = session_since(&repository, 20);
    let (writer, sequence) = session.place();
    let bytes = sandbox.objects.get(&name(&layout::session(&writer, sequence)), None).unwrap();
    let record = SessionRecord::open(&repository.keys, writer, sequence, &bytes).unwrap();
    let foreign = SessionRecord { session: SessionId([9; 16]), started: NOW, ..record };
    let renewal = |number| name(&layout::session_renewal(&writer, sequence, number));
    sandbox.objects.put_if_absent(&renewal(1), &[&foreign.seal(&repository.keys)]).unwrap();
    sandbox.objects.put_if_absent(&renewal(2), &[b"no object"]).unwrap();
    assert_eq!(sessions(&repository).unwrap()[0].renewed, None);
    assert_eq!(prune_there(&sandbox).sessions_voided, 1);
    assert_eq!(session_objects(&sandbox), [""; 0]);
    drop(session);
}

#[test]
fn people_see_the_last_sign_and_closing_takes_all_of_them() {
    let sandbox = Sandbox::new();
    let repository = sandbox.open();
    let session = session_since(&repository, 3);
    let (writer, sequence) = session.place();
    assert_eq!(sessions(&repository).unwrap()[0].renewed, None);
    renew(&repository, (writer, sequence), 1, 2);
    renew(&repository, (writer, sequence), 2, 1);
    let standing = sessions(&repository).unwrap();
    assert_eq!((standing.len(), standing[0].renewed), (1, Some(NOW - DAY)));
    assert_eq!(close(&other_machine(&sandbox), &client(), writer, sequence).unwrap(), Closed::Voided);
    assert_eq!(session_objects(&sandbox), [""; 0]);
    drop(session);
}

/// Its session put it while somebody else ended it and removed the record.
#[test]
fn a_sign_without_its_session_goes_with_a_prune() {
    let sandbox = Sandbox::new();
    let repository = sandbox.open();
    let session = session_since(&repository, 3);
    let (writer, sequence) = session.place();
    renew(&repository, (writer, sequence), 1, 1);
    sandbox.objects.delete(&name(&layout::session(&writer, sequence))).unwrap();
    assert_eq!(session_objects(&sandbox).len(), 1);
    assert!(prune_there(&sandbox).finished);
    assert_eq!(session_objects(&sandbox), [""; 0]);
    drop(session);
}
