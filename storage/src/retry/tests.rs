// SPDX-License-Identifier: MIT OR Apache-2.0
mod model;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Retry, RetryOptions};
use crate::pace::Clock;
use crate::testing::{
    Fault, FaultyBackend, MemBackend, Moment, Operation, Record, RecordingBackend, TestClock, conformance,
};
use crate::{Backend, Delete, ErrorKind, Name, Put};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn broken(operation: Operation, nth: u64, moment: Moment) -> Fault {
    Fault::new(operation, "", nth, ErrorKind::Transient, moment)
}

/// A store, what is asked of it, and retries over the faults in between.
struct Scene {
    store: Arc<MemBackend>,
    recording: Arc<RecordingBackend>,
    clock: Arc<TestClock>,
    retry: Retry,
}

impl Scene {
    fn new(faults: Vec<Fault>) -> Self {
        Self::with(faults, RetryOptions::default())
    }

    fn with(faults: Vec<Fault>, options: RetryOptions) -> Self {
        let store = Arc::new(MemBackend::new());
        let faulty = Arc::new(FaultyBackend::new(store.clone(), faults));
        let recording = Arc::new(RecordingBackend::new(faulty));
        let clock = TestClock::new();
        let retry = Retry::new(recording.clone(), options, clock.pace());
        Self { store, recording, clock, retry }
    }

    fn asked(&self) -> Vec<Operation> {
        self.recording.take().into_iter().map(|Record { operation, .. }| operation).collect()
    }
}

#[test]
fn retries_over_no_faults_keep_the_contract_and_add_no_call() {
    conformance::check(&|| {
        let clock = TestClock::new();
        Box::new(Retry::new(Arc::new(MemBackend::new()), RetryOptions::default(), clock.pace()))
    });
    let scene = Scene::new(Vec::new());
    scene.retry.put_if_absent(&name("a"), &[b"1"]).unwrap();
    assert_eq!(scene.retry.put_if_absent(&name("a"), &[b"1"]).unwrap(), Put::Exists);
    scene.retry.get(&name("a"), None).unwrap();
    scene.retry.delete(&name("a")).unwrap();
    assert_eq!(scene.retry.delete(&name("a")).unwrap(), Delete::Absent);
    assert_eq!(scene.asked(), [Operation::Put, Operation::Put, Operation::Get, Operation::Delete, Operation::Delete]);
    assert_eq!(scene.clock.now(), Duration::ZERO);
}

/// Not the third put and not the first deletes: there the suite asks what a lost answer must not change but may blur
/// (equal bytes put twice, deletes of what is absent).
#[test]
fn retries_over_faults_keep_the_contract() {
    conformance::check(&|| {
        let put = |nth, moment| broken(Operation::Put, nth, moment);
        let faults = vec![
            put(1, Moment::AfterEffect),
            put(2, Moment::BeforeEffect),
            put(7, Moment::AfterEffect),
            put(8, Moment::AfterEffect),
            put(20, Moment::BeforeEffect),
            put(33, Moment::AfterEffect),
            broken(Operation::Get, 1, Moment::BeforeEffect),
            broken(Operation::Get, 3, Moment::AfterEffect),
            broken(Operation::Length, 1, Moment::BeforeEffect),
            broken(Operation::List, 1, Moment::BeforeEffect),
            broken(Operation::List, 2, Moment::AfterEffect),
        ];
        let faulty = FaultyBackend::new(Arc::new(MemBackend::new()), faults);
        Box::new(Retry::new(Arc::new(faulty), RetryOptions::default(), TestClock::new().pace()))
    });
}

#[test]
fn a_put_whose_answer_was_lost_is_ours() {
    let scene = Scene::new(vec![broken(Operation::Put, 1, Moment::AfterEffect)]);
    assert_eq!(scene.retry.put_if_absent(&name("a"), &[b"on", b"", b"e"]).unwrap(), Put::Created);
    assert_eq!(scene.asked(), [Operation::Put, Operation::Put, Operation::Get]);
}

#[test]
fn an_object_of_somebody_else_is_not_ours_also_after_a_failed_attempt() {
    for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
        for theirs in [b"two".as_slice(), b"on", b"ones", b""] {
            let scene = Scene::new(vec![broken(Operation::Put, 1, moment)]);
            scene.store.edit(|image| image.insert(name("a"), theirs));
            assert_eq!(scene.retry.put_if_absent(&name("a"), &[b"one"]).unwrap(), Put::Exists);
            assert_eq!(scene.store.get(&name("a"), None).unwrap(), theirs);
        }
    }
}

/// Without an ambiguous attempt equal bytes prove nothing: the answer of the storage stands.
#[test]
fn equal_bytes_found_at_the_first_attempt_are_not_called_ours() {
    let scene = Scene::new(Vec::new());
    scene.store.edit(|image| image.insert(name("a"), b"one".as_slice()));
    assert_eq!(scene.retry.put_if_absent(&name("a"), &[b"one"]).unwrap(), Put::Exists);
    assert_eq!(scene.asked(), [Operation::Put]);
}

#[test]
fn the_reading_back_is_retried_too_and_what_can_not_be_read_exists() {
    let lost = || broken(Operation::Put, 1, Moment::AfterEffect);
    let scene = Scene::new(vec![lost(), broken(Operation::Get, 1, Moment::BeforeEffect)]);
    assert_eq!(scene.retry.put_if_absent(&name("a"), &[b"one"]).unwrap(), Put::Created);
    let denied = Fault::new(Operation::Get, "", 1, ErrorKind::Denied, Moment::BeforeEffect);
    let scene = Scene::new(vec![lost(), denied]);
    assert_eq!(scene.retry.put_if_absent(&name("a"), &[b"one"]).unwrap(), Put::Exists);
}

#[test]
fn a_delete_whose_answer_was_lost_has_deleted() {
    let scene = Scene::new(vec![broken(Operation::Delete, 1, Moment::AfterEffect)]);
    scene.retry.put_if_absent(&name("a"), &[b"1"]).unwrap();
    assert_eq!(scene.retry.delete(&name("a")).unwrap(), Delete::Deleted);
    assert_eq!(scene.retry.delete(&name("a")).unwrap(), Delete::Absent);
}

#[test]
fn a_body_that_is_cut_short_is_fetched_again() {
    let scene =
        Scene::new(vec![broken(Operation::Get, 1, Moment::CutShort), broken(Operation::Get, 2, Moment::CutShort)]);
    scene.retry.put_if_absent(&name("a"), &[&[7; 100]]).unwrap();
    assert_eq!(scene.retry.get(&name("a"), Some(10..90)).unwrap(), [7; 80]);
    assert_eq!(scene.asked().len(), 4);
}

#[test]
fn a_list_is_taken_again_as_a_whole() {
    let scene = Scene::new(vec![broken(Operation::List, 1, Moment::AfterEffect)]);
    for number in 0..4 {
        scene.retry.put_if_absent(&name(&format!("log/{number}")), &[]).unwrap();
    }
    assert_eq!(scene.retry.list("log").unwrap(), scene.store.list("log").unwrap());
}

#[test]
fn a_barrier_is_never_tried_again() {
    for kind in [ErrorKind::Transient, ErrorKind::Other] {
        let scene = Scene::new(vec![Fault::new(Operation::Barrier, "", 1, kind, Moment::BeforeEffect)]);
        assert_eq!(scene.retry.barrier().unwrap_err().kind, kind);
        assert_eq!(scene.asked(), [Operation::Barrier]);
    }
}

#[test]
fn only_transient_errors_are_tried_again() {
    use ErrorKind::{Denied, Full, Lost, NotFound, Other, Range};
    for kind in [NotFound, Denied, Full, Range, Lost, Other] {
        let operations = [Operation::Put, Operation::Get, Operation::Length, Operation::List];
        let faults = operations.map(|operation| Fault::new(operation, "", 1, kind, Moment::BeforeEffect)).into();
        let scene = Scene::new(faults);
        assert_eq!(scene.retry.put_if_absent(&name("a"), &[]).unwrap_err().kind, kind);
        assert_eq!(scene.retry.get(&name("a"), None).unwrap_err().kind, kind);
        assert_eq!(scene.retry.length(&name("a")).unwrap_err().kind, kind);
        assert_eq!(scene.retry.list("").unwrap_err().kind, kind);
        assert_eq!(scene.asked(), operations);
    }
}

#[test]
fn it_gives_up_after_its_attempts_with_the_last_failure() {
    let options = RetryOptions { retries: 3, ..RetryOptions::default() };
    let scene = Scene::with(vec![broken(Operation::List, 1, Moment::BeforeEffect).and_ever_after()], options);
    assert_eq!(scene.retry.list("").unwrap_err().kind, ErrorKind::Transient);
    assert_eq!(scene.asked().len(), 4);
    let none = RetryOptions { retries: 0, ..RetryOptions::default() };
    let scene = Scene::with(vec![broken(Operation::List, 1, Moment::BeforeEffect)], none);
    scene.retry.list("").unwrap_err();
    assert_eq!(scene.asked().len(), 1);
}

#[test]
fn it_gives_up_when_its_time_is_over() {
    let options = RetryOptions { retries: u32::MAX, total: Duration::from_secs(100), ..RetryOptions::default() };
    let scene = Scene::with(vec![broken(Operation::List, 1, Moment::BeforeEffect).and_ever_after()], options);
    scene.retry.list("").unwrap_err();
    assert!(scene.clock.now() <= options.total, "{:?}", scene.clock.now());
}

#[test]
fn waits_double_up_to_their_bound_and_are_random() {
    let options = RetryOptions { retries: 40, total: Duration::MAX / 2, ..RetryOptions::default() };
    let waits = Arc::new(Mutex::new(Vec::new()));
    let clock = TestClock::new();
    let fault = broken(Operation::List, 1, Moment::BeforeEffect).and_ever_after();
    let faulty = Arc::new(FaultyBackend::new(Arc::new(MemBackend::new()), vec![fault]));
    let kept = waits.clone();
    let retry =
        Retry::new(faulty, options, clock.pace()).with_notify(Arc::new(move |_, wait| kept.lock().unwrap().push(wait)));
    retry.list("").unwrap_err();
    let waits = waits.lock().unwrap();
    assert_eq!(waits.len(), 40);
    for (number, wait) in waits.iter().enumerate() {
        let bound = options.first_delay.as_secs_f64() * 2_f64.powi(number as i32);
        assert!(wait.as_secs_f64() <= bound.min(60.0), "{number}: {wait:?}");
    }
    assert!(waits[8..].iter().max().unwrap() > &Duration::from_secs(40), "{waits:?}");
    assert!(waits[8..].iter().min().unwrap() < &Duration::from_secs(20), "{waits:?}");
    assert_eq!(waits.iter().sum::<Duration>(), clock.now());
}

#[test]
fn a_user_who_asks_to_stop_does_not_wait_for_the_next_attempt() {
    let clock = TestClock::new();
    let fault = broken(Operation::List, 1, Moment::BeforeEffect).and_ever_after();
    let recording =
        Arc::new(RecordingBackend::new(Arc::new(FaultyBackend::new(Arc::new(MemBackend::new()), vec![fault]))));
    let options = RetryOptions { first_delay: Duration::from_secs(60), ..RetryOptions::default() };
    let retry = Retry::new(recording, options, clock.pace_until(Duration::from_secs(5)));
    assert_eq!(retry.list("").unwrap_err().kind, ErrorKind::Cancelled);
    assert!(clock.now() < Duration::from_secs(70), "{:?}", clock.now());
}

#[test]
fn what_ends_a_cancelled_session_still_goes_out() {
    let clock = TestClock::new();
    let retry = Retry::new(Arc::new(MemBackend::new()), RetryOptions::default(), clock.pace_until(Duration::ZERO));
    assert_eq!(retry.put_if_absent(&name("log/a"), &[b"void"]).unwrap(), Put::Created);
}

#[test]
fn every_wait_is_told() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let faults = vec![broken(Operation::Get, 1, Moment::BeforeEffect), broken(Operation::Get, 2, Moment::BeforeEffect)];
    let store = Arc::new(MemBackend::new());
    store.edit(|image| image.insert(name("a"), b"1".as_slice()));
    let faulty = Arc::new(FaultyBackend::new(store, faults));
    let retry =
        Retry::new(faulty, RetryOptions::default(), TestClock::new().pace()).with_notify(Arc::new(move |error, _| {
            assert_eq!(error.name, "a");
            count.fetch_add(1, Ordering::Relaxed);
        }));
    retry.get(&name("a"), None).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 2);
}
