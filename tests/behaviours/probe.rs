// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository knows what its storage guarantees, and refuses what that does not carry: a second writer, or deleting beside
//! writers. A storage far away is probed before it is written to, one that is trusted is not.

use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_engine::backup::backup;
use keepfast_engine::capability::remembered;
use keepfast_engine::events::Silent;
use keepfast_engine::repository::{Distance, Found, LocalFolders, Repository};
use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::id::WriterId;
use keepfast_storage::probe::{Capabilities, Use};
use keepfast_storage::testing::{
    Fault, FaultyBackend, MemBackend, Moment, Operation, OverwritingBackend, RecordingBackend,
};
use keepfast_storage::{Backend, ErrorKind, Name};

use crate::support::sandbox::{Sandbox, client};

const NOW: u64 = 1_700_000_000;

fn open_at(sandbox: &Sandbox, backend: Arc<dyn Backend>, distance: Distance) -> Repository {
    let folders = LocalFolders { cache: None, state: sandbox.path("state") };
    Found::locate(backend).unwrap().at(distance).open(&sandbox.credential(), &folders).unwrap()
}

#[test]
fn a_local_repository_is_trusted_unasked() {
    let sandbox = Sandbox::new();
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let repository = open_at(&sandbox, recording.clone(), Distance::Local);
    recording.take();
    repository.admit_writer(WriterId([1; 16]), NOW).unwrap();
    repository.require_online_prune().unwrap();
    assert_eq!(recording.take(), []);
}

#[test]
fn a_remote_repository_is_probed_once_and_the_result_is_kept_with_its_time() {
    let sandbox = Sandbox::new();
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let repository = open_at(&sandbox, recording.clone(), Distance::Remote);
    recording.take();
    repository.admit_writer(WriterId([1; 16]), NOW).unwrap();
    let asked = recording.take();
    assert!(!asked.is_empty() && asked.iter().all(|record| record.name.starts_with("probe")), "{asked:?}");
    let known = repository.capabilities().unwrap().unwrap();
    assert_eq!((known.capabilities, known.probed), (Capabilities::full(), NOW));
    let again = open_at(&sandbox, recording.clone(), Distance::Remote);
    recording.take();
    again.admit_writer(WriterId([1; 16]), NOW + 1).unwrap();
    again.require_online_prune().unwrap();
    assert_eq!(recording.take(), []);
}

#[test]
fn a_probe_leaves_the_repository_as_it_was() {
    let sandbox = Sandbox::new();
    sandbox.backup();
    let before = sandbox.objects.image();
    sandbox.open().probe(NOW).unwrap();
    assert_eq!(sandbox.objects.image(), before);
}

#[test]
fn what_a_probe_could_not_remove_disturbs_nobody() {
    let mut sandbox = Sandbox::new();
    let litter = Name::new("probe/0123456789abcdef-race-0").unwrap();
    sandbox.objects.edit(|image| image.insert(litter.clone(), b"racer 1".as_slice()));
    sandbox.backup();
    assert_eq!(sandbox.check().findings, []);
    // Nor does it keep a repository from being made.
    let place = MemBackend::new();
    place.edit(|image| image.insert(litter.clone(), b"racer 1".as_slice()));
    sandbox.key = crate::support::sandbox::initialise(&place);
    let sandbox = sandbox.copy(place);
    sandbox.backup();
}

#[test]
fn without_create_once_a_writer_is_admitted_alone_and_prune_never() {
    let sandbox = Sandbox::new();
    let backend = Arc::new(OverwritingBackend::new(sandbox.objects.clone()));
    let repository = open_at(&sandbox, backend.clone(), Distance::Remote);
    let own = WriterId([1; 16]);
    repository.admit_writer(own, NOW).unwrap();
    assert_eq!(repository.capabilities().unwrap().unwrap().capabilities.allows(), Use::OneWriter);
    let refused = repository.require_online_prune().unwrap_err();
    assert!(matches!(&refused, Error::NoOnlinePrune { why, .. } if why.contains("overwrote")), "{refused}");

    // Another machine has a session.
    let elsewhere = sandbox.copy(MemBackend::from_image(sandbox.objects.image()));
    let there = elsewhere.open();
    let session = Session::open(&there, client(), Role::Writer).unwrap();
    let (other, _) = session.place();
    sandbox.objects.edit(|image| *image = elsewhere.objects.image());
    let refused = repository.admit_writer(own, NOW).unwrap_err();
    assert!(matches!(&refused, Error::OneWriter { who, .. } if who == "user@host"), "{refused}");
    repository.admit_writer(other, NOW).expect("a writer does not stand in its own way");

    // A backup is refused before it has put anything.
    let before = sandbox.objects.image();
    let refused = backup(&repository, &client(), &sandbox.options(), &Silent).unwrap_err();
    assert!(matches!(refused, Error::OneWriter { .. }), "{refused}");
    assert_eq!(sandbox.objects.image(), before);

    // It ends.
    session.abandon().unwrap();
    sandbox.objects.edit(|image| *image = elsewhere.objects.image());
    repository.admit_writer(own, NOW).unwrap();
}

#[test]
fn a_result_is_of_one_location_alone() {
    let sandbox = Sandbox::new();
    let gateway = open_at(&sandbox, Arc::new(OverwritingBackend::new(sandbox.objects.clone())), Distance::Remote);
    gateway.probe(NOW).unwrap();
    let direct = open_at(&sandbox, sandbox.objects.clone(), Distance::Remote);
    assert_eq!(direct.capabilities().unwrap(), None);
    direct.require_online_prune().unwrap();
    assert!(gateway.require_online_prune().is_err());
    assert!(remembered(&gateway.state, "overwriting").unwrap().is_some());
}

#[test]
fn a_storage_that_refuses_deletes_takes_many_writers_and_no_prune() {
    let sandbox = Sandbox::new();
    let refusing = Fault::new(Operation::Delete, "", 1, ErrorKind::Denied, Moment::BeforeEffect).and_ever_after();
    let backend = Arc::new(FaultyBackend::new(sandbox.objects.clone(), vec![refusing]));
    let repository = open_at(&sandbox, backend, Distance::Remote);
    repository.admit_writer(WriterId([1; 16]), NOW).unwrap();
    assert!(matches!(repository.require_online_prune(), Err(Error::NoOnlinePrune { .. })));
}

#[test]
fn a_storage_whose_lists_are_short_is_refused_before_anything_is_written() {
    let sandbox = Sandbox::new();
    let short = Fault::new(Operation::List, "probe", 1, ErrorKind::Other, Moment::CutShort).and_ever_after();
    let backend = Arc::new(FaultyBackend::new(sandbox.objects.clone(), vec![short]));
    let repository = open_at(&sandbox, backend, Distance::Remote);
    let refused = repository.admit_writer(WriterId([1; 16]), NOW).unwrap_err();
    assert!(matches!(&refused, Error::UnfitStorage { why, .. } if why.contains("list")), "{refused}");
}

#[test]
fn a_client_that_may_not_probe_is_admitted_and_one_that_can_not_reach_the_storage_is_not() {
    let sandbox = Sandbox::new();
    let on = |kind| {
        let fault = Fault::new(Operation::Put, "probe/", 1, kind, Moment::BeforeEffect).and_ever_after();
        let backend = Arc::new(FaultyBackend::new(sandbox.objects.clone(), vec![fault]));
        let repository = open_at(&sandbox, backend, Distance::Remote);
        let admitted = repository.admit_writer(WriterId([1; 16]), NOW);
        assert_eq!(repository.capabilities().unwrap(), None, "nothing was found out");
        admitted
    };
    on(ErrorKind::Denied).unwrap();
    assert!(matches!(on(ErrorKind::Transient), Err(Error::Storage(error)) if error.kind == ErrorKind::Transient));
}
