// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of writes that everything rests on (`docs/format.md` section 11), read from the log of the storage.

use std::fs;
use std::sync::Arc;

use keepfast_repo_format::layout;
use keepfast_storage::testing::{Image, Mutation, Operation, SimBackend};
use keepfast_storage::{Backend, Name};

use crate::support::history_script::{Machine, init_small, random_bytes, scratch, write_files};

/// One letter for each mutation: its folder's first, `|` for a barrier, `-` for a delete. Repeated letters stand once.
fn letters(log: &[Mutation]) -> String {
    let letter = |mutation: &Mutation| match mutation.operation {
        Operation::Barrier => '|',
        Operation::Delete => '-',
        _ => match mutation.name.split('/').next() {
            Some("config") => 'C',
            Some("sessions") => 'S',
            Some("packs") => 'P',
            Some("index") => 'I',
            Some("snapshots") => 'M',
            Some("log") => 'L',
            _ => '?',
        },
    };
    let mut letters: Vec<char> = log.iter().map(letter).collect();
    letters.dedup();
    letters.into_iter().collect()
}

#[test]
fn each_kind_of_object_is_durable_before_the_next_kind_names_it() {
    let scratch = scratch();
    let source = [scratch.path().join("source")];
    write_files(&source[0], 20, 0);
    fs::write(source[0].join("big"), random_bytes(1, 3 << 20)).unwrap();
    let disk = Arc::new(SimBackend::new());
    let key = init_small(disk.as_ref()).unwrap();
    let machine = Machine::new("alpha", scratch.path());
    let mut seen = disk.operations();
    let mut run = |machine: &Machine| {
        machine.back_up(disk.clone(), &key, &source).unwrap();
        let log = disk.log().split_off(seen);
        seen += log.len();
        letters(&log)
    };
    assert_eq!(run(&machine), "S|P|I|M|L|-");
    assert_eq!(run(&machine), "S|M|L|-", "nothing changed: no pack and no index object");
    fs::write(source[0].join("new"), b"content").unwrap();
    assert_eq!(run(&machine), "S|P|I|M|L|-");
    assert_eq!(run(&Machine::new("beta", scratch.path())), "S|P|I|M|L|-");
}

/// Its `init` may have died before the barrier.
#[test]
fn the_first_session_makes_sure_that_the_config_lasts() {
    let scratch = scratch();
    let source = [scratch.path().join("source")];
    write_files(&source[0], 2, 0);
    let made = SimBackend::new();
    let key = init_small(&made).unwrap();
    let config = Name::new(layout::config(0)).unwrap();
    let mut rest = made.image();
    let bytes = rest.remove(&config).unwrap();
    let disk = Arc::new(SimBackend::from_image(rest));
    disk.another_handle().put_if_absent(&config, &[&bytes]).unwrap();
    let is_there = |image: &Image| image.get(&config).is_some();
    assert!(!disk.crash_images(1).iter().all(is_there), "it could still be lost");
    Machine::new("alpha", scratch.path()).back_up(disk.clone(), &key, &source).unwrap();
    assert!(disk.crash_images(1).iter().all(is_there));
}
