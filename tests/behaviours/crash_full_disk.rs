// SPDX-License-Identifier: MIT OR Apache-2.0
//! The storage fills up, or a connection breaks, at every single put of a backup.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_storage::testing::{Fault, FaultyBackend, Image, Moment, Operation, SimBackend};
use keepfast_storage::{Backend, ErrorKind};

use super::crash_aftermath::{Promised, assert_goes_on, assert_invariants, assert_nothing_changed, assert_whole};
use crate::support::history_script::{Machine, init_small, on_disk, open_bare, random_bytes, scratch, write_files};

/// A backup that still runs after this long waits for something that never comes.
const HUNG: Duration = Duration::from_secs(60);

/// How long the trouble lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The disk stays full.
    Full,
    /// There is room again at once: the session can be closed.
    FullOnce,
    /// The answer is lost, the object is there.
    AnswerLost,
    /// The flush fails.
    Barrier,
}

impl Trouble {
    fn fault(self, nth: u64) -> Fault {
        match self {
            Self::Full => Fault::new(Operation::Put, "", nth, ErrorKind::Full, Moment::BeforeEffect).and_ever_after(),
            Self::FullOnce => Fault::new(Operation::Put, "", nth, ErrorKind::Full, Moment::BeforeEffect),
            Self::AnswerLost => Fault::new(Operation::Put, "", nth, ErrorKind::Transient, Moment::AfterEffect),
            Self::Barrier => Fault::new(Operation::Barrier, "", nth, ErrorKind::Other, Moment::BeforeEffect),
        }
    }
}

#[test]
fn a_storage_that_fails_at_any_write_gives_an_error_and_nothing_half() {
    let scratch = scratch();
    let source = [scratch.path().join("source")];
    write_files(&source[0], 12, 0);
    let disk = Arc::new(SimBackend::new());
    let key = init_small(disk.as_ref()).unwrap();
    let machine = Machine::new("alpha", &scratch.path().join("start"));
    let first = machine.back_up(disk.clone(), &key, &source).unwrap().snapshot.unwrap();
    let promised = Promised::from([(first, on_disk(&source))]);
    let start: Image = disk.image();
    fs::write(source[0].join("big"), random_bytes(3, 3 << 20)).unwrap();
    let attempted = on_disk(&source);
    for trouble in [Trouble::Full, Trouble::FullOnce, Trouble::AnswerLost, Trouble::Barrier] {
        for nth in 1.. {
            println!("{trouble:?} at the {nth}th");
            let place = scratch.path().join(format!("{trouble:?}-{nth}"));
            let machine = machine.copy(&place);
            let disk = Arc::new(SimBackend::from_image(start.clone()));
            let faulty: Arc<dyn Backend> = Arc::new(FaultyBackend::new(disk.clone(), vec![trouble.fault(nth)]));
            let (done, result) = mpsc::channel();
            let (runner, runners_key, runners_source) = (machine.clone(), key.clone(), source.clone());
            std::thread::spawn(move || {
                let result = runner.back_up(faulty, &runners_key, &runners_source);
                done.send(result).expect("the test waits");
            });
            let result = result.recv_timeout(HUNG).expect("the backup ends");
            let image = disk.image();
            assert_invariants(&image, &key, &place);
            assert_nothing_changed(&start, &image);
            let bare = open_bare(disk, &key, &place).unwrap();
            let view = assert_whole(&bare, &promised, &attempted);
            let expected = match trouble {
                Trouble::Full | Trouble::FullOnce => ErrorKind::Full,
                Trouble::AnswerLost => ErrorKind::Transient,
                Trouble::Barrier => ErrorKind::Other,
            };
            match result {
                Ok(_) => break,
                Err(Error::Storage(error)) => assert_eq!(error.kind, expected),
                Err(error) => panic!("the cause is hidden behind: {error}"),
            }
            if expected == ErrorKind::Full {
                assert_eq!(view.len(), 1, "part of a backup is visible");
            }
            assert_goes_on(&image, &machine, &key, &source, &promised_and_seen(&promised, &view, &attempted));
        }
    }
}

fn promised_and_seen(
    promised: &Promised,
    view: &super::crash_aftermath::View,
    attempted: &crate::support::history_script::Contents,
) -> Promised {
    let mut all: Promised = view.keys().map(|id| (*id, attempted.clone())).collect();
    all.extend(promised.clone());
    all
}
