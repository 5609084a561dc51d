// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object stores keep the contract of a backend: over a real server, over one of our own, and where a service does not.

mod faults;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keepfast_storage::cloud::{CloudBackend, CloudLocation, CloudOptions, CloudSettings, Provider};
use keepfast_storage::testing::conformance;
use keepfast_storage::{Backend, Name, Put};

use crate::support::s3_server::S3Server;
use crate::support::servers::Server;

/// A client for the servers of the tests, with little patience.
fn open(location: &str) -> CloudBackend {
    open_with(location, Duration::from_secs(20))
}

fn open_with(location: &str, idle_timeout: Duration) -> CloudBackend {
    let location = CloudLocation::parse(location).unwrap();
    let mut settings = CloudSettings::new();
    if location.provider() == Provider::S3 {
        let (user, secret) = Server::credentials();
        settings.set("aws_access_key_id", user);
        settings.set("aws_secret_access_key", secret);
    } else {
        settings.set("google_bearer_token", "a-token-of-nobody");
    }
    let options = CloudOptions { idle_timeout, ..CloudOptions::default() };
    CloudBackend::open(&location, &settings, &options).unwrap()
}

/// Gives each check a backend with a prefix of its own.
fn numbered(location: impl Fn(&str) -> String) -> impl Fn() -> Box<dyn Backend> {
    let number = AtomicUsize::new(0);
    move || {
        let prefix = format!("check {}/repo", number.fetch_add(1, Ordering::Relaxed));
        Box::new(open(&location(&prefix)))
    }
}

#[test]
fn a_bucket_of_moto_keeps_the_contract() {
    let Some(server) = Server::moto() else { return };
    conformance::check(&numbered(|prefix| server.location(prefix)));
}

#[test]
fn a_bucket_of_our_own_server_keeps_the_contract() {
    let server = S3Server::start();
    server.set_page_keys(7);
    conformance::check(&numbered(|prefix| server.location(prefix)));
}

#[test]
fn a_bucket_in_the_protocol_of_google_keeps_the_contract() {
    let server = S3Server::start();
    server.set_page_keys(100);
    conformance::check(&numbered(|prefix| server.google_location(prefix)));
}

/// What makes a probe before use necessary.
#[test]
fn a_service_that_overwrites_is_seen_to_create_twice() {
    let Some(server) = Server::rclone() else { return };
    let backend = open(&server.location("repo"));
    let name = Name::new("log/aa/000000000000").unwrap();
    assert_eq!(backend.put_if_absent(&name, &[b"first"]).unwrap(), Put::Created);
    assert_eq!(backend.put_if_absent(&name, &[b"second"]).unwrap(), Put::Created, "rclone keeps the condition by now");
    assert_eq!(backend.get(&name, None).unwrap(), b"second");
}
