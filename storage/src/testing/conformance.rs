// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contract of [`Backend`] as tests. Every backend and every wrapper passes all of it; a service that fails one
//! check is not one that keepfast can write to. What needs a crash to be seen (durability) is not tested here.

use std::collections::BTreeMap;
use std::sync::Barrier;

use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// Threads that race for one name.
const RACERS: usize = 16;

/// Names that they race for.
const RACES: usize = 8;

/// Larger than any pack by default (32 MiB), so than any single buffer on the way.
const LARGE_BYTES: usize = 40 << 20;

/// Runs every check on a backend of its own, which `make` gives empty.
///
/// # Panics
/// At the first check that does not hold.
pub fn check(make: &dyn Fn() -> Box<dyn Backend>) {
    let checks: &[fn(&dyn Backend)] = &[
        an_object_is_read_as_it_was_put,
        parts_are_joined_in_order,
        an_empty_object_is_an_object,
        a_large_object_is_read_whole_and_in_part,
        a_second_put_changes_nothing,
        racing_puts_of_different_names_all_create,
        of_racing_puts_exactly_one_creates,
        ranges_give_exactly_their_bytes,
        ranges_beyond_the_end_are_errors,
        absent_objects_are_not_found,
        a_list_is_complete_sorted_and_only_of_its_folder,
        an_empty_folder_has_an_empty_list,
        a_bad_folder_name_is_refused,
        every_name_of_the_format_can_be_stored,
        a_deleted_object_is_gone_and_can_be_put_again,
        deleting_an_absent_object_says_so,
        of_racing_deletes_at_least_one_deletes,
        barriers_succeed_at_any_time,
        the_location_is_not_empty,
    ];
    for check in checks {
        check(&*make());
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name of the format")
}

fn put(backend: &dyn Backend, text: &str, bytes: &[u8]) {
    let put = backend.put_if_absent(&name(text), &[bytes]).expect("a put works");
    assert_eq!(put, Put::Created, "{text}");
}

fn get(backend: &dyn Backend, text: &str) -> Vec<u8> {
    backend.get(&name(text), None).expect("an object that was put is there")
}

fn kind<T>(result: Result<T, StorageError>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind)
}

/// Bytes without a period that a wrong offset could hide in.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn an_object_is_read_as_it_was_put(backend: &dyn Backend) {
    put(backend, "config/00000001", b"first");
    assert_eq!(get(backend, "config/00000001"), b"first");
    assert_eq!(backend.length(&name("config/00000001")).expect("it is there"), 5);
    let listed = backend.list("config").expect("a list works");
    assert_eq!(listed, [Listed { name: name("config/00000001"), length: 5 }]);
}

fn parts_are_joined_in_order(backend: &dyn Backend) {
    let check = |text, parts: &[&[u8]], whole: &[u8]| {
        backend.put_if_absent(&name(text), parts).expect("a put works");
        assert_eq!(get(backend, text), whole, "{text}");
    };
    check("keys/a", &[b"one", b"", b"two", b"three"], b"onetwothree");
    check("keys/b", &[b"", b"", b"x", b""], b"x");
    check("keys/c", &[], b"");
    check("keys/d", &[b"", b""], b"");
    // More parts than one system call takes.
    let bytes = pattern(5000);
    let parts: Vec<&[u8]> = bytes.chunks(1).collect();
    backend.put_if_absent(&name("keys/e"), &parts).expect("a put works");
    assert_eq!(get(backend, "keys/e"), bytes);
}

fn an_empty_object_is_an_object(backend: &dyn Backend) {
    put(backend, "index/empty", b"");
    assert_eq!(get(backend, "index/empty"), b"");
    assert_eq!(backend.get(&name("index/empty"), Some(0..0)).expect("an empty range of it"), b"");
    assert_eq!(backend.length(&name("index/empty")).expect("it is there"), 0);
    assert_eq!(backend.list("index").expect("a list works").len(), 1);
    assert_eq!(backend.put_if_absent(&name("index/empty"), &[b"full"]).expect("a put works"), Put::Exists);
}

fn a_large_object_is_read_whole_and_in_part(backend: &dyn Backend) {
    let bytes = pattern(LARGE_BYTES);
    let parts: Vec<&[u8]> = bytes.chunks(1_000_003).collect();
    backend.put_if_absent(&name("packs/00/large"), &parts).expect("a put works");
    assert!(get(backend, "packs/00/large") == bytes, "a large object came back changed");
    let length = LARGE_BYTES as u64;
    let end = backend.get(&name("packs/00/large"), Some(length - 64..length)).expect("the last bytes");
    assert_eq!(end, bytes[LARGE_BYTES - 64..]);
}

fn a_second_put_changes_nothing(backend: &dyn Backend) {
    put(backend, "gen/000000000001", b"first");
    for other in [b"second".as_slice(), b"first", b"", b"a much longer second one"] {
        let again = backend.put_if_absent(&name("gen/000000000001"), &[other]).expect("a put works");
        assert_eq!(again, Put::Exists);
        assert_eq!(get(backend, "gen/000000000001"), b"first");
    }
    assert_eq!(backend.list("").expect("a list works").len(), 1);
}

fn of_racing_puts_exactly_one_creates(backend: &dyn Backend) {
    for race in 0..RACES {
        let contested = name(&format!("log/aa/{race:012}"));
        let start = Barrier::new(RACERS);
        let racer = |number: usize| {
            let bytes = vec![number as u8; 1000 + number];
            start.wait();
            let put = backend.put_if_absent(&contested, &[&bytes]).expect("a put works");
            // Won or lost: from here on the object is there, and is the winner's.
            let seen = backend.get(&contested, None).expect("an object that exists can be read");
            (put == Put::Created).then_some(bytes).into_iter().chain([seen]).collect::<Vec<_>>()
        };
        let mut outcomes = std::thread::scope(|scope| {
            let racer = &racer;
            let threads: Vec<_> = (0..RACERS).map(|number| scope.spawn(move || racer(number))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no racer panics")).collect::<Vec<_>>()
        });
        assert_eq!(outcomes.len(), RACERS + 1, "exactly one put must be told that it created the object");
        outcomes.dedup();
        assert_eq!(outcomes, [get(backend, contested.as_str())], "all must see the winner's bytes");
    }
    assert_eq!(backend.list("log").expect("a list works").len(), RACES);
}

fn racing_puts_of_different_names_all_create(backend: &dyn Backend) {
    let start = Barrier::new(RACERS);
    std::thread::scope(|scope| {
        for number in 0..RACERS {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for i in 0..10 {
                    put(backend, &format!("packs/{i:02}/{number:02}"), &[number as u8]);
                }
                backend.barrier().expect("a barrier works");
            });
        }
    });
    assert_eq!(backend.list("packs").expect("a list works").len(), 10 * RACERS);
}

fn ranges_give_exactly_their_bytes(backend: &dyn Backend) {
    let bytes = pattern(10_000);
    put(backend, "packs/00/a", &bytes);
    for range in [0..10_000, 0..1, 9_999..10_000, 1..9_999, 4_095..4_097, 0..0, 77..77, 10_000..10_000_usize] {
        let asked = Some(range.start as u64..range.end as u64);
        assert_eq!(backend.get(&name("packs/00/a"), asked).expect("a range within"), bytes[range]);
    }
}

fn ranges_beyond_the_end_are_errors(backend: &dyn Backend) {
    put(backend, "packs/00/a", &[7; 100]);
    #[expect(clippy::reversed_empty_ranges, reason = "a wrong caller is tested")]
    let beyond = [0..101, 100..101, 101..101, 99..u64::MAX, u64::MAX - 1..u64::MAX, u64::MAX..u64::MAX, 3..2];
    for range in beyond {
        let result = backend.get(&name("packs/00/a"), Some(range.clone()));
        assert_eq!(kind(result), Some(ErrorKind::Range), "{range:?}");
    }
}

fn absent_objects_are_not_found(backend: &dyn Backend) {
    put(backend, "packs/00/a", b"there");
    for text in ["packs/00/b", "packs/00", "packs", "packs/01/a", "packs/00/a/b", "readme.txt"] {
        assert_eq!(kind(backend.get(&name(text), None)), Some(ErrorKind::NotFound), "{text}");
        assert_eq!(kind(backend.get(&name(text), Some(0..0))), Some(ErrorKind::NotFound), "{text}");
        assert_eq!(kind(backend.length(&name(text))), Some(ErrorKind::NotFound), "{text}");
    }
}

fn a_list_is_complete_sorted_and_only_of_its_folder(backend: &dyn Backend) {
    let mut model = BTreeMap::new();
    for i in 0..300_u64 {
        // In no order, over many folders, with neighbours that only a careless prefix test would take in.
        let i = i * 7 % 300;
        let text = match i % 4 {
            0 => format!("packs/{:02x}/{i}", i % 16),
            1 => format!("packs-{}/x/{i}", i % 3),
            2 => format!("packs.old/{i}"),
            _ => format!("index/{i}"),
        };
        put(backend, &text, &vec![0; i as usize]);
        model.insert(name(&text), i);
    }
    for folder in ["packs", "packs/00", "packs/0c", "packs-1", "packs-1/x", "packs.old", "index", "pack", "packs/0", ""]
    {
        let within = |name: &Name| folder.is_empty() || name.as_str().starts_with(&format!("{folder}/"));
        let below = model.iter().filter(|(name, _)| within(name));
        let expected: Vec<Listed> =
            below.map(|(name, length)| Listed { name: name.clone(), length: *length }).collect();
        assert_eq!(backend.list(folder).expect("a list works"), expected, "{folder:?}");
    }
}

fn an_empty_folder_has_an_empty_list(backend: &dyn Backend) {
    for folder in ["", "snapshots", "log/aa"] {
        assert_eq!(backend.list(folder).expect("a list works"), []);
    }
    put(backend, "log/aa/1", b"");
    backend.delete(&name("log/aa/1")).expect("a delete works");
    for folder in ["", "log", "log/aa", "log/aa/1"] {
        assert_eq!(backend.list(folder).expect("a list works"), []);
    }
    put(backend, "readme.txt", b"");
    assert_eq!(backend.list("readme.txt").expect("an object is no folder"), []);
}

fn a_bad_folder_name_is_refused(backend: &dyn Backend) {
    for folder in ["/", "/packs", "packs/", "..", "packs/../..", ".", "Packs", "a//b"] {
        assert_eq!(kind(backend.list(folder)), Some(ErrorKind::BadName), "{folder:?}");
    }
}

fn every_name_of_the_format_can_be_stored(backend: &dyn Backend) {
    let hash = "0f".repeat(32);
    let writer = "a7".repeat(16);
    let mut names = vec![
        "readme.txt".to_owned(),
        "config/00000001".to_owned(),
        format!("keys/{hash}"),
        format!("packs/0f/{hash}"),
        format!("index/{hash}"),
        "gen/000000000012".to_owned(),
        format!("snapshots/{hash}"),
        format!("log/{writer}/000000000001"),
        format!("sessions/{writer}/000000000001"),
        "a".repeat(Name::MAX_BYTES),
        format!("{}b", "a/".repeat(Name::MAX_BYTES / 2 - 1)),
        "a.b-c/0..9/--".to_owned(),
    ];
    for text in &names {
        put(backend, text, text.as_bytes());
    }
    for text in &names {
        assert_eq!(get(backend, text), text.as_bytes());
    }
    names.sort();
    let listed: Vec<String> =
        backend.list("").expect("a list works").into_iter().map(|listed| listed.name.to_string()).collect();
    assert_eq!(listed, names);
}

fn a_deleted_object_is_gone_and_can_be_put_again(backend: &dyn Backend) {
    put(backend, "sessions/aa/1", b"one");
    put(backend, "sessions/aa/2", b"two");
    assert_eq!(backend.delete(&name("sessions/aa/1")).expect("a delete works"), Delete::Deleted);
    assert_eq!(kind(backend.get(&name("sessions/aa/1"), None)), Some(ErrorKind::NotFound));
    assert_eq!(backend.list("sessions").expect("a list works").len(), 1);
    assert_eq!(get(backend, "sessions/aa/2"), b"two");
    put(backend, "sessions/aa/1", b"again");
    assert_eq!(get(backend, "sessions/aa/1"), b"again");
}

fn deleting_an_absent_object_says_so(backend: &dyn Backend) {
    put(backend, "sessions/aa/1", b"one");
    for text in ["sessions/aa/2", "sessions/bb/1", "sessions/aa", "sessions/aa/1/x", "readme.txt"] {
        assert_eq!(backend.delete(&name(text)).expect("a delete works"), Delete::Absent, "{text}");
    }
    assert_eq!(get(backend, "sessions/aa/1"), b"one");
}

/// At least: S3 can not tell who was first. None may fail.
fn of_racing_deletes_at_least_one_deletes(backend: &dyn Backend) {
    put(backend, "sessions/aa/1", b"one");
    let deleted = std::thread::scope(|scope| {
        let delete = || backend.delete(&name("sessions/aa/1")).expect("a delete works");
        let threads: Vec<_> = (0..RACERS).map(|_| scope.spawn(delete)).collect();
        let answers = threads.into_iter().map(|thread| thread.join().expect("no racer panics"));
        answers.filter(|answer| *answer == Delete::Deleted).count()
    });
    assert!(deleted >= 1);
    assert_eq!(kind(backend.length(&name("sessions/aa/1"))), Some(ErrorKind::NotFound));
}

fn barriers_succeed_at_any_time(backend: &dyn Backend) {
    backend.barrier().expect("with nothing to do");
    put(backend, "packs/00/a", b"a");
    put(backend, "readme.txt", b"b");
    backend.barrier().expect("after puts");
    backend.barrier().expect("and once more");
    backend.delete(&name("packs/00/a")).expect("a delete works");
    backend.barrier().expect("after a delete");
    assert_eq!(get(backend, "readme.txt"), b"b");
}

fn the_location_is_not_empty(backend: &dyn Backend) {
    assert!(!backend.location().is_empty());
}
