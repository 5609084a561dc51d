// SPDX-License-Identifier: MIT OR Apache-2.0
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::{Limit, LimitOptions};
use crate::pace::Clock;
use crate::testing::{MemBackend, TestClock, conformance};
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

const KIB: u64 = 1024;

fn name(number: usize) -> Name {
    Name::new(format!("packs/{number}")).unwrap()
}

fn rate(bytes_per_second: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(bytes_per_second)
}

fn count(connections: usize) -> Option<NonZeroUsize> {
    NonZeroUsize::new(connections)
}

#[test]
fn a_limited_backend_keeps_the_contract() {
    let options = LimitOptions { upload: rate(50 << 20), download: rate(50 << 20), connections: count(3) };
    conformance::check(&|| Box::new(Limit::new(Arc::new(MemBackend::new()), options, TestClock::new().pace())));
}

#[test]
fn uploads_take_their_time_and_not_more() {
    let clock = TestClock::new();
    let options = LimitOptions { upload: rate(100 * KIB), ..LimitOptions::default() };
    let limit = Limit::new(Arc::new(MemBackend::new()), options, clock.pace());
    for number in 0..20 {
        limit.put_if_absent(&name(number), &[&[0; 40 * 1024], &[0; 10 * 1024]]).unwrap();
    }
    // 1000 KiB, of which 50 went out at once.
    let took = clock.now().as_secs_f64();
    assert!((9.4..9.6).contains(&took), "{took}");
    limit.get(&name(0), None).unwrap();
    assert!(clock.now().as_secs_f64() < 9.6, "downloads have their own limit");
}

#[test]
fn downloads_take_their_time_by_what_came() {
    let clock = TestClock::new();
    let options = LimitOptions { download: rate(100 * KIB), ..LimitOptions::default() };
    let limit = Limit::new(Arc::new(MemBackend::new()), options, clock.pace());
    limit.put_if_absent(&name(0), &[&[0; 100 * 1024]]).unwrap();
    assert_eq!(clock.now(), Duration::ZERO);
    limit.get(&name(0), None).unwrap();
    limit.get(&name(0), Some(0..50 * KIB)).unwrap();
    assert!(limit.get(&name(0), Some(99..u64::MAX)).is_err(), "and what failed weighs nothing");
    let took = clock.now().as_secs_f64();
    assert!((0.9..1.1).contains(&took), "{took}");
}

#[test]
fn silence_earns_no_more_than_a_short_burst() {
    let clock = TestClock::new();
    let options = LimitOptions { upload: rate(100 * KIB), ..LimitOptions::default() };
    let limit = Limit::new(Arc::new(MemBackend::new()), options, clock.pace());
    clock.sleep(Duration::from_secs(3600));
    limit.put_if_absent(&name(0), &[&[0; 200 * 1024]]).unwrap();
    let took = clock.now().as_secs_f64() - 3600.0;
    assert!((1.4..1.6).contains(&took), "{took}");
}

#[test]
fn a_cancelled_wait_leaves_room_for_what_ends_the_session() {
    let clock = TestClock::new();
    let options = LimitOptions { upload: rate(KIB), ..LimitOptions::default() };
    let inner = Arc::new(MemBackend::new());
    let limit = Limit::new(inner.clone(), options, clock.pace_until(Duration::from_secs(2)));
    let error = limit.put_if_absent(&name(0), &[&[0; 1 << 20]]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(inner.image().is_empty());
    assert_eq!(limit.put_if_absent(&name(1), &[&[0; 500]]).unwrap(), Put::Created);
    assert!(clock.now() < Duration::from_secs(4));
}

/// Counts calls under way.
struct Crowded {
    inner: MemBackend,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowded {
    fn count<T>(&self, call: impl FnOnce() -> T) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
        let answer = call();
        self.now.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

impl Backend for Crowded {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        self.count(|| self.inner.put_if_absent(name, parts))
    }
    fn get(&self, name: &Name, range: Option<std::ops::Range<u64>>) -> Result<Vec<u8>, StorageError> {
        self.count(|| self.inner.get(name, range))
    }
    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.count(|| self.inner.length(name))
    }
    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.count(|| self.inner.list(folder))
    }
    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        self.count(|| self.inner.delete(name))
    }
    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }
    fn barrier(&self) -> Result<(), StorageError> {
        self.count(|| self.inner.barrier())
    }
    fn location(&self) -> String {
        self.inner.location()
    }
}

#[test]
fn no_more_calls_are_under_way_than_allowed_and_none_is_lost() {
    let crowded = Arc::new(Crowded { inner: MemBackend::new(), now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
    let options = LimitOptions { connections: count(3), ..LimitOptions::default() };
    let limit = Limit::new(crowded.clone(), options, TestClock::new().pace());
    let start = Barrier::new(12);
    std::thread::scope(|scope| {
        for number in 0..12 {
            let (limit, start) = (&limit, &start);
            scope.spawn(move || {
                start.wait();
                limit.put_if_absent(&name(number), &[b"x"]).unwrap();
                limit.get(&name(number), None).unwrap();
                limit.get(&name(number + 100), None).unwrap_err();
                limit.length(&name(number)).unwrap();
                limit.list("").unwrap();
                limit.delete(&name(number)).unwrap();
                limit.barrier().unwrap();
            });
        }
    });
    assert_eq!(crowded.most.load(Ordering::SeqCst), 3);
    assert_eq!(crowded.now.load(Ordering::SeqCst), 0);
}
