// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sessions of others, seen and ended; and forgotten snapshots that come back, whole or not at all.

use std::fs;

use keepfast_engine::Error;
use keepfast_engine::events::Silent;
use keepfast_engine::forget::{self, Selection, forget};
use keepfast_engine::session::{Client, Role, Session};
use keepfast_engine::sessions::{Closed, State, close, sessions};
use keepfast_engine::undelete::{Mode, forgotten, undelete};
use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::id::{SessionId, SnapshotId, WriterId};
use keepfast_repo_format::layout;
use keepfast_storage::testing::MemBackend;
use keepfast_storage::{Backend, Name};

use crate::support::sandbox::{Sandbox, client, let_time_pass};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn ids(sandbox: &Sandbox) -> Vec<SnapshotId> {
    sandbox.snapshots().iter().map(|snapshot| snapshot.id).collect()
}

/// A sandbox with three snapshots of which the first two are forgotten.
fn two_forgotten() -> (Sandbox, [SnapshotId; 3]) {
    let sandbox = Sandbox::new();
    let made = [0, 1, 2].map(|number| {
        fs::write(sandbox.source().join("file"), format!("content {number}")).unwrap();
        fs::write(sandbox.source().join("big"), vec![number; 20_000]).unwrap();
        let_time_pass();
        sandbox.backup()
    });
    let selection = Selection::Named(made[..2].to_vec());
    forget(&sandbox.open(), &client(), &selection, forget::Mode::Write).unwrap();
    (sandbox, made)
}

fn bring_back(sandbox: &Sandbox, ids: &[SnapshotId]) -> keepfast_engine::Result<()> {
    undelete(&sandbox.open(), &client(), ids, Mode::Write, &Silent)
}

#[test]
fn an_open_session_says_who_it_is() {
    let sandbox = Sandbox::new();
    assert!(sessions(&sandbox.open()).unwrap().is_empty());
    let repository = sandbox.open();
    let who = Client { host: "web1".into(), user: "root".into(), process: 77, now: 5, ..client() };
    let session = Session::open(&repository, who, Role::Writer).unwrap();
    let found = sessions(&repository).unwrap();
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!(((one.writer, one.sequence), one.state), (session.place(), State::Open));
    let record = one.record.as_ref().unwrap();
    assert_eq!((&record.host[..], &record.user[..], record.process_id, record.started), ("web1", "root", 77, 5));
    assert_eq!((record.session, record.role), (session.id, None));
    session.abandon().unwrap();
    assert!(sessions(&repository).unwrap().is_empty());
}

#[test]
fn a_closed_session_can_not_commit_and_leaves_nothing_visible() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), b"1").unwrap();
    let first = sandbox.backup();
    let manifest = sandbox.snapshots()[0].manifest.clone();
    let repository = sandbox.open();
    let session = Session::open(&repository, client(), Role::Writer).unwrap();
    let (writer, sequence) = session.place();
    // Somebody with another state folder, who is not this writer.
    let other = sandbox.copy(MemBackend::new());
    let others = other.open_on(sandbox.objects.clone()).unwrap();
    assert_eq!(close(&others, &client(), writer, sequence).unwrap(), Closed::Voided);
    assert!(sessions(&others).unwrap().is_empty());
    let error = session.commit(&manifest, &[]).unwrap_err();
    assert!(matches!(error, Error::SessionVoid { .. }), "{error}");
    assert_eq!(ids(&sandbox), [first]);
    // The writer goes on as if nothing had been.
    fs::write(sandbox.source().join("file"), b"2").unwrap();
    let second = sandbox.backup();
    assert_eq!(ids(&sandbox), [first, second]);
    assert_eq!(sandbox.check().findings, []);
}

#[test]
fn a_record_whose_slot_is_filled_is_only_removed() {
    let sandbox = Sandbox::new();
    let repository = sandbox.open();
    let session = Session::open(&repository, client(), Role::Writer).unwrap();
    let (writer, sequence) = session.place();
    let record = sandbox.objects.get(&name(&layout::session(&writer, sequence)), None).unwrap();
    session.abandon().unwrap();
    sandbox.objects.put_if_absent(&name(&layout::session(&writer, sequence)), &[&record]).unwrap();
    assert_eq!(sessions(&repository).unwrap()[0].state, State::Ended);
    let slots = sandbox.objects.list("log").unwrap().len();
    assert_eq!(close(&repository, &client(), writer, sequence).unwrap(), Closed::Removed);
    assert_eq!(sandbox.objects.list("log").unwrap().len(), slots);
    assert!(sessions(&repository).unwrap().is_empty());
    let error = close(&repository, &client(), writer, sequence).unwrap_err();
    assert!(error.to_string().contains("no session"), "{error}");
}

#[test]
fn a_session_that_nobody_can_read_can_be_closed_too() {
    let sandbox = Sandbox::new();
    let place = (WriterId([7; 16]), 0);
    sandbox.objects.put_if_absent(&name(&layout::session(&place.0, place.1)), &[b"scribble"]).unwrap();
    let repository = sandbox.open();
    assert!(sessions(&repository).unwrap()[0].record.is_err());
    assert_eq!(close(&repository, &client(), place.0, place.1).unwrap(), Closed::Voided);
    assert!(sessions(&repository).unwrap().is_empty());
    assert_eq!(sandbox.check().findings, []);
}

#[test]
fn a_session_beyond_the_end_of_its_log_is_not_closed() {
    let sandbox = Sandbox::new();
    let place = (WriterId([7; 16]), 3);
    sandbox.objects.put_if_absent(&name(&layout::session(&place.0, place.1)), &[b"scribble"]).unwrap();
    let error = close(&sandbox.open(), &client(), place.0, place.1).unwrap_err();
    assert!(error.to_string().contains("lost"), "{error}");
    assert!(sandbox.objects.list("log").unwrap().is_empty());
}

#[test]
fn what_was_forgotten_comes_back_as_it_was() {
    let (sandbox, made) = two_forgotten();
    assert_eq!(ids(&sandbox), [made[2]]);
    let found = forgotten(&sandbox.open()).unwrap();
    assert_eq!(found.snapshots.iter().map(|snapshot| snapshot.id).collect::<Vec<_>>(), made[..2]);
    assert_eq!(found.gone, []);
    undelete(&sandbox.open(), &client(), &made[..1], Mode::DryRun, &Silent).unwrap();
    assert_eq!(ids(&sandbox), [made[2]], "a dry run changes nothing");
    bring_back(&sandbox, &made[..1]).unwrap();
    assert_eq!(ids(&sandbox), [made[0], made[2]]);
    assert_eq!(fs::read(sandbox.restore(made[0]).join("file")).unwrap(), b"content 0");
    assert_eq!(sandbox.check().findings, []);
    // Once more round.
    forget(&sandbox.open(), &client(), &Selection::Named(made[..1].to_vec()), forget::Mode::Write).unwrap();
    assert_eq!(ids(&sandbox), [made[2]]);
    bring_back(&sandbox, &made[..2]).unwrap();
    assert_eq!(ids(&sandbox), made);
}

#[test]
fn what_is_not_forgotten_can_not_come_back() {
    let (sandbox, made) = two_forgotten();
    for id in [made[2], SnapshotId([9; 32])] {
        let error = bring_back(&sandbox, &[made[0], id]).unwrap_err();
        assert!(matches!(error, Error::NoSnapshot { .. }), "{error}");
    }
    assert_eq!(ids(&sandbox), [made[2]], "all or none");
}

#[test]
fn a_snapshot_without_its_manifest_is_gone() {
    let (sandbox, made) = two_forgotten();
    let cached = sandbox.open_cached_on(sandbox.objects.clone()).unwrap();
    assert_eq!(forgotten(&cached).unwrap().snapshots.len(), 2, "the local index has seen them");
    sandbox.objects.edit(|image| drop(image.remove(&name(&layout::snapshot(&made[0])))));
    let found = forgotten(&cached).unwrap();
    assert_eq!((found.snapshots[0].id, &found.gone[..]), (made[1], &made[..1]));
    let error = bring_back(&sandbox, &made[..2]).unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    assert!(error.to_string().contains("prune has deleted it"), "{error}");
    assert_eq!(ids(&sandbox), [made[2]]);
}

#[test]
fn a_snapshot_that_lacks_any_pack_stays_forgotten() {
    let (sandbox, made) = two_forgotten();
    let image = sandbox.objects.image();
    let mut refused = 0;
    for pack in image.names("packs") {
        let victim = sandbox.copy(MemBackend::from_image(image.clone()));
        victim.objects.edit(|image| drop(image.remove(&pack)));
        let whole = bring_back(&victim, &made[..1]);
        let found = victim.open().history().unwrap().snapshot_ids().collect::<Vec<_>>();
        match whole {
            Ok(()) => {
                assert!(found.contains(&made[0]));
                assert_eq!(fs::read(victim.restore(made[0]).join("file")).unwrap(), b"content 0");
            }
            Err(error) => {
                assert!(matches!(error, Error::Gone { .. }), "{error}");
                assert!(!found.contains(&made[0]));
                refused += 1;
            }
        }
    }
    assert!(refused >= 2, "{refused}: at least a data pack and a tree pack");
}

#[test]
fn a_condemned_snapshot_stays_forgotten() {
    let (sandbox, made) = two_forgotten();
    let repository = sandbox.open();
    let list = CondemnList {
        writer: WriterId([8; 16]),
        sequence: 0,
        session: SessionId([8; 16]),
        packs: Vec::new(),
        snapshots: vec![made[0]],
    };
    let object = list.seal(&repository.keys);
    sandbox.objects.put_if_absent(&name(&layout::condemned(&list.writer, 0)), &[&object]).unwrap();
    let found = forgotten(&repository).unwrap();
    assert_eq!((found.snapshots[0].id, &found.gone[..]), (made[1], &made[..1]));
    bring_back(&sandbox, &made[..1]).unwrap_err();
    let error = undelete(&repository, &client(), &made[..1], Mode::DryRun, &Silent).unwrap_err();
    assert!(error.to_string().contains("prune is deleting it"), "{error}");
    assert_eq!(ids(&sandbox), [made[2]]);
}
