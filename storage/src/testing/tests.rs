// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the test backends: a suite that can not fail, or a simulation that forgets nothing, would make other tests
//! worthless.

mod histories;
mod port;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::reserve::Reserve;
use crate::{Backend, Delete, ErrorKind, Name, Put};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn put(backend: &dyn Backend, text: &str, bytes: &[u8]) {
    assert_eq!(backend.put_if_absent(&name(text), &[bytes]).unwrap(), Put::Created);
}

/// The crash states of a store as sets of `name=bytes`.
fn crash_states(backend: &SimBackend) -> BTreeSet<String> {
    let state = |image: &Image| {
        let objects: Vec<String> =
            image.iter().map(|(name, bytes)| format!("{name}={}", String::from_utf8_lossy(bytes))).collect();
        objects.join(" ")
    };
    backend.crash_images(1).iter().map(state).collect()
}

fn states<const N: usize>(states: [&str; N]) -> BTreeSet<String> {
    states.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_memory_backend_keeps_the_contract() {
    conformance::check(&|| Box::new(MemBackend::new()));
}

#[test]
fn the_simulated_backend_keeps_the_contract() {
    conformance::check(&|| Box::new(SimBackend::new()));
}

#[test]
fn the_recording_backend_keeps_the_contract() {
    conformance::check(&|| Box::new(RecordingBackend::new(Arc::new(MemBackend::new()))));
}

#[test]
fn the_hooked_backend_keeps_the_contract() {
    conformance::check(&|| Box::new(HookedBackend::new(Arc::new(MemBackend::new()), |_, _| {})));
}

#[test]
fn the_faulty_backend_without_faults_keeps_the_contract() {
    conformance::check(&|| Box::new(FaultyBackend::new(Arc::new(MemBackend::new()), Vec::new())));
    conformance::check(&|| Box::new(Reserve::new(Arc::new(MemBackend::new()))));
}

#[test]
#[should_panic(expected = "Exists")]
fn a_backend_that_overwrites_fails_the_suite() {
    conformance::check(&|| Box::new(OverwritingBackend::new(Arc::new(MemBackend::new()))));
}

#[test]
fn a_crash_takes_any_of_the_puts_since_the_barrier_and_none_before_it() {
    let sim = SimBackend::new();
    put(&sim, "a", b"1");
    sim.barrier().unwrap();
    put(&sim, "b", b"2");
    put(&sim, "c", b"3");
    assert_eq!(crash_states(&sim), states(["a=1", "a=1 b=2", "a=1 c=3", "a=1 b=2 c=3"]));
    sim.barrier().unwrap();
    assert_eq!(crash_states(&sim), states(["a=1 b=2 c=3"]));
}

#[test]
fn a_crash_may_undo_a_delete_until_the_barrier() {
    let sim = SimBackend::new();
    put(&sim, "a", b"1");
    sim.barrier().unwrap();
    sim.delete(&name("a")).unwrap();
    assert_eq!(crash_states(&sim), states(["", "a=1"]));
    put(&sim, "a", b"2");
    assert_eq!(crash_states(&sim), states(["", "a=1", "a=2"]));
    sim.barrier().unwrap();
    assert_eq!(crash_states(&sim), states(["a=2"]));
}

#[test]
fn a_barrier_speaks_only_for_its_own_handle() {
    let sim = SimBackend::new();
    let other = sim.another_handle();
    put(&sim, "a", b"1");
    put(&other, "b", b"2");
    other.barrier().unwrap();
    assert_eq!(crash_states(&sim), states(["b=2", "a=1 b=2"]));
}

#[test]
fn an_object_found_to_exist_is_durable_after_the_finders_barrier() {
    let sim = SimBackend::new();
    let other = sim.another_handle();
    put(&sim, "a", b"1");
    assert_eq!(other.put_if_absent(&name("a"), &[b"2"]).unwrap(), Put::Exists);
    assert_eq!(crash_states(&sim), states(["", "a=1"]));
    other.barrier().unwrap();
    assert_eq!(crash_states(&sim), states(["a=1"]));
}

#[test]
fn many_unsettled_objects_are_sampled_with_both_extremes_and_by_seed() {
    let sim = SimBackend::new();
    for i in 0..40 {
        put(&sim, &format!("packs/{i}"), b"");
    }
    let images = sim.crash_images(7);
    assert!(images.first().unwrap().is_empty());
    assert_eq!(images.last().unwrap(), &sim.image());
    assert_eq!(images, sim.crash_images(7));
    assert_ne!(images, sim.crash_images(8));
    let counts: Vec<usize> = images.iter().map(Image::len).collect();
    assert!(counts.iter().any(|count| (1..20).contains(count)), "{counts:?}");
    assert!(counts.iter().any(|count| (20..40).contains(count)), "{counts:?}");
}

#[test]
fn after_the_cut_every_call_fails_and_nothing_changes() {
    let sim = SimBackend::new();
    sim.cut_after(2);
    put(&sim, "a", b"1");
    assert_eq!(sim.get(&name("a"), None).unwrap(), b"1");
    put(&sim, "b", b"2");
    assert!(sim.put_if_absent(&name("c"), &[]).is_err());
    assert!(sim.delete(&name("a")).is_err());
    assert!(sim.get(&name("a"), None).is_err());
    assert!(sim.length(&name("a")).is_err());
    assert!(sim.list("").is_err());
    assert!(sim.barrier().is_err());
    assert_eq!(sim.operations(), 2);
    assert_eq!(sim.image().names(""), [name("a"), name("b")]);
    let restarted = SimBackend::from_image(sim.image());
    assert_eq!(restarted.get(&name("b"), None).unwrap(), b"2");
    assert_eq!(crash_states(&restarted), states(["a=1 b=2"]));
}

#[test]
fn the_log_holds_every_mutation_in_order() {
    let sim = SimBackend::new();
    put(&sim, "a", b"1");
    sim.barrier().unwrap();
    sim.another_handle().delete(&name("a")).unwrap();
    sim.list("").unwrap();
    let entry = |operation, name: &str, handle| Mutation { operation, name: name.to_owned(), handle };
    let expected = [entry(Operation::Put, "a", 0), entry(Operation::Barrier, "", 0), entry(Operation::Delete, "a", 1)];
    assert_eq!(sim.log(), expected);
}

#[test]
fn a_planned_fault_strikes_once_before_the_effect() {
    let fault = Fault::new(Operation::Put, "packs/", 2, ErrorKind::Full, Moment::BeforeEffect);
    let faulty = FaultyBackend::new(Arc::new(MemBackend::new()), vec![fault]);
    put(&faulty, "packs/1", b"");
    put(&faulty, "index/1", b"");
    let error = faulty.put_if_absent(&name("packs/2"), &[]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Full);
    assert_eq!(error.to_string(), "can not write packs/2 in memory");
    assert_eq!(faulty.list("packs").unwrap().len(), 1);
    put(&faulty, "packs/2", b"");
    faulty.verify_all_faults_reached();
}

#[test]
fn a_fault_after_the_effect_loses_only_the_answer() {
    let fault = Fault::new(Operation::Put, "", 1, ErrorKind::Transient, Moment::AfterEffect);
    let faulty = FaultyBackend::new(Arc::new(MemBackend::new()), vec![fault]);
    assert!(faulty.put_if_absent(&name("a"), &[b"1"]).is_err());
    assert_eq!(faulty.get(&name("a"), None).unwrap(), b"1");
    assert_eq!(faulty.put_if_absent(&name("a"), &[b"1"]).unwrap(), Put::Exists);
}

#[test]
fn a_lasting_fault_does_not_go_away() {
    let fault = Fault::new(Operation::Barrier, "", 2, ErrorKind::Other, Moment::BeforeEffect).and_ever_after();
    let faulty = FaultyBackend::new(Arc::new(MemBackend::new()), vec![fault]);
    assert!(faulty.barrier().is_ok());
    assert!(faulty.barrier().is_err());
    assert!(faulty.barrier().is_err());
}

#[test]
fn a_denied_delete_is_refused() {
    let fault = Fault::new(Operation::Delete, "packs/", 1, ErrorKind::Denied, Moment::BeforeEffect);
    let faulty = FaultyBackend::new(Arc::new(MemBackend::new()), vec![fault]);
    put(&faulty, "packs/1", b"");
    assert_eq!(faulty.delete(&name("packs/1")).unwrap(), Delete::Refused);
    assert_eq!(faulty.delete(&name("packs/1")).unwrap(), Delete::Deleted);
}

#[test]
#[should_panic(expected = "no operation reached")]
fn a_fault_that_is_never_reached_is_noticed() {
    let fault = Fault::new(Operation::Get, "packs/", 1, ErrorKind::Other, Moment::BeforeEffect);
    FaultyBackend::new(Arc::new(MemBackend::new()), vec![fault]).verify_all_faults_reached();
}

#[test]
fn records_tell_operations_names_ranges_and_bytes() {
    let recording = RecordingBackend::new(Arc::new(MemBackend::new()));
    recording.put_if_absent(&name("a"), &[b"one", b"two"]).unwrap();
    recording.get(&name("a"), Some(1..3)).unwrap();
    recording.get(&name("b"), None).unwrap_err();
    recording.list("packs").unwrap();
    recording.barrier().unwrap();
    let record =
        |operation, name: &str, bytes| Record { operation, name: name.to_owned(), range: None, bytes, error: None };
    let expected = [
        record(Operation::Put, "a", 6),
        Record { range: Some(1..3), ..record(Operation::Get, "a", 2) },
        Record { error: Some(ErrorKind::NotFound), ..record(Operation::Get, "b", 0) },
        record(Operation::List, "packs", 0),
        record(Operation::Barrier, "", 0),
    ];
    assert_eq!(recording.take(), expected);
    assert_eq!(recording.take(), []);
}

#[test]
fn objects_in_memory_can_be_damaged() {
    let mem = MemBackend::new();
    put(&mem, "a", b"1");
    mem.edit(|image| image.insert(name("a"), b"2".as_slice()));
    assert_eq!(mem.get(&name("a"), None).unwrap(), b"2");
    assert_eq!(MemBackend::from_image(mem.image()).get(&name("a"), None).unwrap(), b"2");
}

#[test]
fn an_answer_is_cut_short_without_an_error() {
    let cut = |operation| Fault::new(operation, "", 1, ErrorKind::Other, Moment::CutShort);
    let faulty = FaultyBackend::new(Arc::new(MemBackend::new()), vec![cut(Operation::Get), cut(Operation::List)]);
    (0..5).for_each(|number| put(&faulty, &format!("log/{number}"), b"four"));
    assert_eq!(faulty.get(&name("log/0"), None).unwrap(), b"fo");
    assert_eq!(faulty.get(&name("log/0"), None).unwrap(), b"four");
    assert_eq!(faulty.list("log").unwrap().last().unwrap().name, name("log/1"));
    assert_eq!(faulty.list("log").unwrap().len(), 5);
    faulty.verify_all_faults_reached();
}
