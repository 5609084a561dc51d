// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever a service answers, the caller is told exactly what it may believe: never success with missing bytes, never a
//! short list, never "absent" on a guess, and which errors are worth another attempt.

use std::error::Error;
use std::time::{Duration, Instant};

use keepfast_storage::ErrorKind::{Denied, Full, NotFound, Other, Transient};
use keepfast_storage::cloud::{CloudBackend, CloudLocation, CloudOptions, CloudSettings};
use keepfast_storage::testing::Port;
use keepfast_storage::{Backend, Delete, ErrorKind, Name, Put, StorageError};

use super::{open, open_with};
use crate::support::s3_server::S3Server;
use crate::support::s3_server::fault::Fault;
use crate::support::servers::Server;

/// Idle limit of tests that wait for it.
const IDLE: Duration = Duration::from_secs(5);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, StorageError>) -> ErrorKind {
    result.expect_err("the service went wrong").kind
}

/// The error with its causes, as a user reads it.
fn words(error: &StorageError) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words += &format!(": {cause}");
        source = cause.source();
    }
    words
}

fn puts(server: &S3Server) -> usize {
    server.requests().iter().filter(|request| request.starts_with("PUT")).count()
}

#[test]
fn a_put_whose_answer_is_lost_is_found_by_the_next_attempt() {
    let faults = [Fault::ErrorAfterEffect(500, "InternalError"), Fault::SilenceAfterEffect];
    for fault in faults {
        let server = S3Server::start();
        let backend = open_with(&server.location("repo"), IDLE);
        server.fail("PUT", "packs", 1, fault);
        let pack = name("packs/00/a");
        assert_eq!(kind(backend.put_if_absent(&pack, &[b"own"])), Transient);
        assert_eq!(backend.put_if_absent(&pack, &[b"own"]).unwrap(), Put::Exists);
        assert_eq!(backend.get(&pack, None).unwrap(), b"own");
        assert_eq!(puts(&server), 2, "the client must not repeat a put of its own accord");
        server.verify_all_faults_reached();
    }
}

#[test]
fn a_put_that_is_refused_for_now_can_be_repeated() {
    let cases = [
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (500, "InternalError"),
        (502, ""),
        (429, "TooManyRequests"),
        (408, "RequestTimeout"),
        (400, "RequestTimeout"),
        (400, "BadDigest"),
        (409, "ConditionalRequestConflict"),
        (409, "OperationAborted"),
        // Somebody created and deleted it meanwhile.
        (412, "PreconditionFailed"),
    ];
    let server = S3Server::start();
    let backend = open(&server.location("repo"));
    for (number, (status, code)) in cases.into_iter().enumerate() {
        server.fail("PUT", "index", 1, Fault::Error(status, code));
        let name = name(&format!("index/{number}"));
        assert_eq!(kind(backend.put_if_absent(&name, &[b"x"])), Transient, "{status} {code}");
        assert_eq!(backend.put_if_absent(&name, &[b"x"]).unwrap(), Put::Created, "{status} {code}");
    }
    server.verify_all_faults_reached();
    assert_eq!(puts(&server), 2 * cases.len());
}

#[test]
fn a_conflict_over_an_object_that_is_there_says_that_it_exists() {
    let server = S3Server::start();
    let backend = open(&server.location("repo"));
    server.insert("repo/log/aa/1", b"of another");
    server.fail("PUT", "log", 1, Fault::Error(409, "ConditionalRequestConflict"));
    assert_eq!(backend.put_if_absent(&name("log/aa/1"), &[b"own"]).unwrap(), Put::Exists);
    server.verify_all_faults_reached();
}

#[test]
fn a_put_that_will_never_work_is_not_called_transient() {
    let cases = [
        (403, "AccessDenied", Denied),
        (401, "", Denied),
        (400, "ExpiredToken", Denied),
        (403, "QuotaExceeded", Full),
        (507, "InsufficientStorage", Full),
        (501, "NotImplemented", Other),
        (400, "InvalidArgument", Other),
        (301, "PermanentRedirect", Other),
        (404, "NoSuchBucket", Other),
    ];
    let server = S3Server::start();
    let backend = open(&server.location("repo"));
    for (status, code, expected) in cases {
        server.fail("PUT", "packs", 1, Fault::Error(status, code));
        assert_eq!(kind(backend.put_if_absent(&name("packs/00/a"), &[b"x"])), expected, "{status} {code}");
    }
    server.verify_all_faults_reached();
    assert!(server.keys().is_empty());
}

#[test]
fn an_upload_that_nobody_reads_ends_and_a_slow_one_does_not() {
    let server = S3Server::start();
    let backend = open_with(&server.location("repo"), Duration::from_secs(3));
    let pack = vec![7; 48 << 20];
    server.fail("PUT", "deaf", 1, Fault::Deaf);
    server.fail("PUT", "slow", 1, Fault::ReadsSlowly);
    let start = Instant::now();
    assert_eq!(kind(backend.put_if_absent(&name("packs/00/deaf"), &[&pack])), Transient);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(backend.put_if_absent(&name("packs/00/slow"), &[&pack]).unwrap(), Put::Created);
    assert_eq!(backend.length(&name("packs/00/slow")).unwrap(), pack.len() as u64);
    server.verify_all_faults_reached();
}

#[test]
fn bytes_that_are_missing_or_others_are_never_returned() {
    let server = S3Server::start();
    let backend = open_with(&server.location("repo"), IDLE);
    let pack = name("packs/00/a");
    backend.put_if_absent(&pack, &[&[1; 5000], &[2; 5000]]).unwrap();
    let range = Some(4000..6000);
    let ranges = [
        Fault::Truncated,
        Fault::StallsInBody,
        Fault::OtherRange,
        Fault::ShortRange,
        Fault::NoRange,
        Fault::Error(500, "InternalError"),
        Fault::Body(200, "<html>log in</html>"),
    ];
    for fault in ranges {
        server.fail("GET", "packs", 1, fault.clone());
        assert_eq!(kind(backend.get(&pack, range.clone())), Transient, "{fault:?}");
    }
    for fault in [Fault::Truncated, Fault::StallsInBody, Fault::UnaskedRange, Fault::Error(503, "SlowDown")] {
        server.fail("GET", "packs", 1, fault.clone());
        assert_eq!(kind(backend.get(&pack, None)), Transient, "{fault:?}");
    }
    server.verify_all_faults_reached();
    assert_eq!(backend.get(&pack, range).unwrap(), [[1; 1000], [2; 1000]].concat());
}

#[test]
fn only_the_word_of_an_object_store_makes_an_object_absent() {
    let server = S3Server::start();
    let backend = open(&server.location("repo"));
    server.insert("repo/keys/a", b"there");
    let there = name("keys/a");
    server.fail("GET", "keys", 1, Fault::Body(404, "<html>no such page</html>"));
    assert_eq!(kind(backend.get(&there, None)), Other);
    // A `HEAD` has no body, so its 404 alone means nothing.
    server.fail("HEAD", "keys", 1, Fault::Error(404, "NoSuchKey"));
    assert_eq!(kind(backend.length(&there)), Transient);
    server.fail("HEAD", "keys", 1, Fault::Error(404, "NoSuchKey"));
    assert_eq!(kind(backend.delete(&there)), Transient);
    server.verify_all_faults_reached();
    for absent in ["keys/b", "keys"] {
        assert_eq!(kind(backend.length(&name(absent))), NotFound);
    }
    server.remove_bucket();
    assert_eq!(kind(backend.get(&there, None)), Other);
    assert_eq!(kind(backend.length(&there)), Other);
    assert_eq!(kind(backend.delete(&there)), Other);
    assert_eq!(kind(backend.list("keys")), NotFound, "the root itself is gone, and no list is empty for it");
}

#[test]
fn a_list_is_whole_or_an_error() {
    let server = S3Server::start();
    server.set_page_keys(3);
    let backend = open_with(&server.location("repo"), IDLE);
    for number in 0..10 {
        server.insert(&format!("repo/index/{number}"), b"x");
    }
    // What others keep in the bucket.
    for foreign in ["repo/index/UPPER", "repo/index/", "repo/index-2/x", "other/index/1", "repo/index/.hidden"] {
        server.insert(foreign, b"foreign");
    }
    let faults = [
        (Fault::Error(500, "InternalError"), Transient),
        (Fault::Error(503, "SlowDown"), Transient),
        (Fault::Error(403, "AccessDenied"), Denied),
        (Fault::NoToken, Transient),
        (Fault::Truncated, Transient),
        (Fault::StallsInBody, Transient),
        (Fault::Body(200, ""), Transient),
        (Fault::Body(200, "<html><body>log in</body></html>"), Transient),
        (Fault::Body(200, "<Error><Code>InternalError</Code></Error>"), Transient),
        (Fault::Body(200, "<ListBucketResult><IsTruncated>false</IsTruncated>"), Transient),
    ];
    // On the first page and on the second.
    for page in ["list-type=2", "continuation-token"] {
        for (fault, expected) in &faults {
            server.fail("GET", page, 1, fault.clone());
            assert_eq!(kind(backend.list("index")), *expected, "{page} {fault:?}");
        }
    }
    server.verify_all_faults_reached();
    let listed = backend.list("index").unwrap();
    let names: Vec<&str> = listed.iter().map(|listed| listed.name.as_str()).collect();
    assert_eq!(names, (0..10).map(|number| format!("index/{number}")).collect::<Vec<_>>());
}

#[test]
fn a_delete_that_is_not_allowed_is_a_refusal_and_not_an_error() {
    let server = S3Server::start();
    let backend = open(&server.location("repo"));
    let pack = name("packs/00/a");
    backend.put_if_absent(&pack, &[b"x"]).unwrap();
    for (status, code) in [(403, "AccessDenied"), (400, "ObjectLocked"), (405, "MethodNotAllowed")] {
        server.fail("DELETE", "packs", 1, Fault::Error(status, code));
        assert_eq!(backend.delete(&pack).unwrap(), Delete::Refused, "{status} {code}");
    }
    // Not about this object: nobody was recognised.
    server.fail("DELETE", "packs", 1, Fault::Error(403, "SignatureDoesNotMatch"));
    assert_eq!(kind(backend.delete(&pack)), Denied);
    server.fail("DELETE", "packs", 1, Fault::Error(500, "InternalError"));
    assert_eq!(kind(backend.delete(&pack)), Transient);
    server.fail("HEAD", "packs", 1, Fault::Error(503, ""));
    assert_eq!(kind(backend.delete(&pack)), Transient);
    assert_eq!(backend.get(&pack, None).unwrap(), b"x");
    server.fail("DELETE", "packs", 1, Fault::ErrorAfterEffect(500, "InternalError"));
    assert_eq!(kind(backend.delete(&pack)), Transient);
    assert_eq!(backend.delete(&pack).unwrap(), Delete::Absent);
    server.verify_all_faults_reached();
}

#[test]
fn a_service_that_is_not_there_may_come_back() {
    let port = Port::reserve();
    let backend = open(&format!("s3://bucket/repo?endpoint=http://127.0.0.1:{}", port.number()));
    assert_eq!(kind(backend.list("")), Transient);
    assert_eq!(kind(backend.get(&name("config/00000001"), None)), Transient);
    assert_eq!(kind(backend.delete(&name("config/00000001"))), Transient);
}

#[test]
fn a_certificate_that_nobody_trusts_is_an_error_that_waiting_does_not_mend() {
    let Some(server) = Server::untrusted_moto() else { return };
    let backend = open(&format!("s3://bucket/repo?endpoint={}", server.tls_endpoint()));
    let error = backend.list("").unwrap_err();
    assert!(words(&error).contains("certificate"), "{}", words(&error));
    assert_eq!(error.kind, Other, "{}", words(&error));
}

#[test]
fn without_credentials_nothing_is_tried_again() {
    let server = S3Server::start();
    let port = Port::reserve();
    let mut settings = CloudSettings::new();
    settings.set("aws_metadata_endpoint", format!("http://127.0.0.1:{}", port.number()));
    let location = CloudLocation::parse(&server.location("repo")).unwrap();
    let backend = CloudBackend::open(&location, &settings, &CloudOptions::default()).unwrap();
    let error = backend.list("").unwrap_err();
    assert_eq!(error.kind, Denied);
    assert!(words(&error).contains("the service for credentials"), "{}", words(&error));
    assert!(server.requests().is_empty());
}

#[test]
fn no_error_shows_a_credential_that_a_service_sends_back() {
    let server = S3Server::start();
    let backend = open(&server.location("repo"));
    let (user, secret) = Server::credentials();
    for said in [user, secret] {
        server.fail("GET", "keys", 1, Fault::Error(403, said));
        let error = backend.get(&name("keys/a"), None).unwrap_err();
        let text = format!("{} {error:?}", words(&error));
        assert!(text.contains("***") && !text.contains(said), "{text}");
    }
    server.verify_all_faults_reached();
}

#[test]
fn sixteen_threads_get_what_is_theirs_from_a_service_that_fails_now_and_then() {
    const THREADS: usize = 16;
    const OBJECTS: usize = 20;
    let server = S3Server::start();
    let backend = open(&server.location("repo"));
    let faults = [("PUT", Fault::Error(503, "SlowDown")), ("PUT", Fault::ErrorAfterEffect(500, "InternalError"))];
    let faults = faults.into_iter().chain([("GET", Fault::Truncated), ("GET", Fault::ShortRange)]);
    faults.for_each(|(method, fault)| server.fail(method, "packs", 25, fault));
    let backend = &backend;
    let work = move |thread: usize| {
        for number in 0..OBJECTS {
            let name = name(&format!("packs/{thread:02}/{number}"));
            let bytes = vec![thread as u8; 10_000 + number];
            // More attempts than there are faults.
            let put = (0..51).find_map(|_| backend.put_if_absent(&name, &[&bytes]).ok());
            assert!(put.is_some(), "{name}");
            let got = (0..51).find_map(|_| backend.get(&name, Some(1..bytes.len() as u64)).ok());
            assert_eq!(got.unwrap(), bytes[1..], "{name}");
        }
    };
    std::thread::scope(|scope| (0..THREADS).for_each(|thread| drop(scope.spawn(move || work(thread)))));
    server.verify_all_faults_reached();
    assert_eq!(backend.list("packs").unwrap().len(), THREADS * OBJECTS);
}
