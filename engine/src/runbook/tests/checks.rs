// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks against real listeners.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keepfast_storage::testing::Port;

use super::super::checks::Found;
use super::super::{Place, Sink, Test, TestKind};
use super::{Silent, script};

fn look(kind: TestKind, within: u64) -> Result<(), Found> {
    let test = Test { kind, within, says: "no".to_string() };
    test.holds(&Place::here("here"), &BTreeMap::new(), &Silent)
}

fn port(address: &str, port: u16) -> TestKind {
    TestKind::Port { address: address.to_string(), port }
}

fn offline(ports: &[u16]) -> TestKind {
    TestKind::Offline { address: "127.0.0.1".to_string(), ports: ports.to_vec() }
}

/// A listener that takes no one any more: its backlog is full.
fn silent() -> (TcpListener, Vec<TcpStream>) {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let listener = TcpListener::bind(address).unwrap();
    // Once more, with the shortest backlog.
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the backlog is never full");
    }
    (listener, waiting)
}

fn free_port() -> u16 {
    Port::reserve().keep()
}

#[test]
fn a_port_that_answers_is_open_at_any_address_of_its_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.local_addr().unwrap().port();
    look(port("127.0.0.1", number), 0).unwrap();
    // It may be ::1 first, where nobody listens.
    look(port("localhost", number), 0).unwrap();
    let refused = free_port();
    let found = look(port("127.0.0.1", refused), 0).unwrap_err();
    assert_eq!(found, Found::Other(format!("127.0.0.1 port {refused} refuses connections")));
}

#[test]
fn a_host_is_offline_only_if_it_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let closed = free_port();
    let (full, _waiting) = silent();
    let full = full.local_addr().unwrap().port();
    let found = look(offline(&[open]), 0).unwrap_err();
    assert_eq!(found, Found::Other(format!("127.0.0.1 answers at port {open}")));
    let found = look(offline(&[closed]), 0).unwrap_err();
    assert_eq!(found, Found::Other(format!("127.0.0.1 is up: it refuses connections to port {closed}")));
    look(offline(&[full]), 0).unwrap();
    assert!(look(offline(&[full, closed]), 0).is_err(), "one port that answers is enough");
    let kind = TestKind::Offline { address: "no such name.invalid".to_string(), ports: vec![] };
    let Found::Other(why) = look(kind, 0).unwrap_err() else { panic!("nobody cancelled") };
    assert!(why.contains("is no address"), "{why}");
}

#[test]
fn a_check_waits_for_as_long_as_it_may_and_no_longer() {
    let number = free_port();
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(1200));
        let listener = TcpListener::bind(("127.0.0.1", number)).unwrap();
        thread::sleep(Duration::from_secs(3));
        drop(listener);
    });
    look(port("127.0.0.1", number), 20).unwrap();
    late.join().unwrap();
    let begun = Instant::now();
    assert_eq!(
        look(TestKind::Run(script("exit 1")), 1).unwrap_err(),
        Found::Other("ended with exit code 1: it said nothing".into())
    );
    assert!((Duration::from_secs(1)..Duration::from_secs(30)).contains(&begun.elapsed()));
}

struct Stops(AtomicBool);

impl Sink for Stops {
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_check_that_waits_can_be_cancelled() {
    let stops = Stops(AtomicBool::new(false));
    let test = Test { kind: port("127.0.0.1", free_port()), within: 600, says: "no".into() };
    thread::scope(|scope| {
        let waits = scope.spawn(|| test.holds(&Place::here("here"), &BTreeMap::new(), &stops));
        thread::sleep(Duration::from_millis(700));
        stops.0.store(true, Ordering::Relaxed);
        assert_eq!(waits.join().unwrap(), Err(Found::Cancelled));
    });
}
