// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two `init` in one place, in every order of their steps with up to three changes of turn, and with a power cut of the storage that both
//! outlive: who was told of a success has a repository, and no repository is without a key that somebody was left with.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use keepfast_engine::Error;
use keepfast_engine::error::Result;
use keepfast_engine::repository::{FirstKey, NewRepository};
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_storage::testing::{Image, SimBackend};
use keepfast_storage::{Backend, Delete, Listed, Name, Put, StorageError};

use super::crash_aftermath::{Promised, assert_whole};
use crate::support::history_script::{Contents, Machine, init_small, scratch, small_options};

/// As many as an `init` has, with one to spare.
const STEPS: usize = 13;
/// To its end.
const ALL_STEPS: usize = 100;

/// A storage whose two users take turns.
struct Turns {
    run: Mutex<Run>,
    changed: Condvar,
}

struct Run {
    handles: [SimBackend; 2],
    /// Steps that each may still do.
    allowed: [usize; 2],
    has_ended: [bool; 2],
}

impl Turns {
    fn new(start: Image) -> Self {
        let disk = SimBackend::from_image(start);
        let handles = [disk.another_handle(), disk];
        Self { run: Mutex::new(Run { handles, allowed: [0; 2], has_ended: [false; 2] }), changed: Condvar::new() }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap()
    }

    /// Lets one of them do so many steps; returns how many it did.
    fn grant(&self, who: usize, steps: usize) -> usize {
        let mut run = self.run();
        run.allowed[who] = steps;
        self.changed.notify_all();
        let mut run = self.changed.wait_while(run, |run| run.allowed[who] > 0 && !run.has_ended[who]).unwrap();
        steps - std::mem::take(&mut run.allowed[who])
    }

    /// The machine that stores dies and comes back. Its users go on, and are not told.
    fn cut_power(&self, image: Image) {
        let disk = SimBackend::from_image(image);
        self.run().handles = [disk.another_handle(), disk];
    }

    fn images(&self) -> Vec<Image> {
        self.run().handles[0].crash_images(1)
    }

    fn end(&self, who: usize) {
        self.run().has_ended[who] = true;
        self.changed.notify_all();
    }
}

/// The storage as one of the two sees it.
struct Turn<'a> {
    turns: &'a Turns,
    who: usize,
}

impl Turn<'_> {
    fn step<T>(&self, step: impl FnOnce(&SimBackend) -> T) -> T {
        let run = self.turns.run();
        let mut run = self.turns.changed.wait_while(run, |run| run.allowed[self.who] == 0).unwrap();
        let result = step(&run.handles[self.who]);
        run.allowed[self.who] -= 1;
        self.turns.changed.notify_all();
        result
    }
}

impl Backend for Turn<'_> {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        self.step(|disk| disk.put_if_absent(name, parts))
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        self.step(|disk| disk.get(name, range))
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.step(|disk| disk.length(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.step(|disk| disk.list(folder))
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        self.step(|disk| disk.delete(name))
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.step(SimBackend::barrier)
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.step(|disk| disk.rely_on(name))
    }

    fn location(&self) -> String {
        "turns".to_string()
    }
}

/// How one `init` ended, and the key file that was on its disk before it put its config.
type Ended = (Result<()>, KeyFile);

/// Runs two `init` that `drive` gives their turns; both go on to their ends then, the first one first.
fn two(start: &Image, drive: impl FnOnce(&Turns)) -> ([Ended; 2], Vec<Image>) {
    let turns = Turns::new(start.clone());
    let new = [(); 2].map(|()| NewRepository::new(&small_options(), &FirstKey::KeyFile).unwrap());
    let results = std::thread::scope(|scope| {
        let [first, second] = [0, 1].map(|who| {
            let (turns, new) = (&turns, &new[who]);
            scope.spawn(move || {
                let result = new.create(&Turn { turns, who });
                turns.end(who);
                result
            })
        });
        drive(&turns);
        turns.grant(0, ALL_STEPS);
        turns.grant(1, ALL_STEPS);
        [first.join().unwrap(), second.join().unwrap()]
    });
    let mut keys = new.iter().map(|new| new.key_file().unwrap().clone());
    (results.map(|result| (result, keys.next().unwrap())), turns.images())
}

/// `images` are what is there when both have ended, and the power fails once more.
fn assert_kept(ended: &[Ended; 2], images: &[Image], machine: &Machine, what: &str) {
    let opens = |image: &Image, key: &KeyFile| {
        let repository = machine.open(Arc::new(SimBackend::from_image(image.clone())), key).ok()?;
        Some(assert_whole(&repository, &Promised::new(), &Contents::new()))
    };
    let successes: Vec<&KeyFile> = ended.iter().filter(|(result, _)| result.is_ok()).map(|(_, key)| key).collect();
    assert!(successes.len() < 2, "{what}: both were told of a success");
    let left = |(result, _): &&Ended| matches!(result, Ok(()) | Err(Error::InitUnknown { .. }));
    let left: Vec<&KeyFile> = ended.iter().filter(left).map(|(_, key)| key).collect();
    for image in images {
        for key in &successes {
            assert!(opens(image, key).is_some(), "{what}: {ended:?}");
        }
        match init_small(&SimBackend::from_image(image.clone())) {
            Ok(_) => assert!(successes.is_empty(), "{what}"),
            Err(Error::RepositoryExists { .. }) => {
                assert!(left.iter().any(|key| opens(image, key).is_some()), "{what}: nobody has its key: {ended:?}");
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

/// Nothing, and what an `init` that was cut off before its config leaves.
fn starts() -> [Image; 2] {
    let disk = SimBackend::new();
    disk.cut_after(4);
    init_small(&disk).expect_err("the machine is dead");
    [Image::default(), disk.image()]
}

#[test]
fn in_any_order_of_steps_exactly_one_of_two_inits_succeeds_and_has_a_repository() {
    let scratch = scratch();
    let machine = Machine::new("alpha", scratch.path());
    for start in starts() {
        for order in 0..STEPS * STEPS * STEPS {
            let [first, second, third] = [order / STEPS / STEPS, order / STEPS % STEPS, order % STEPS];
            let (ended, images) = two(&start, |turns| {
                turns.grant(0, first);
                turns.grant(1, second);
                turns.grant(0, third);
                turns.grant(1, ALL_STEPS);
            });
            let what = format!("turns of {first}, {second} and {third} steps");
            assert!(ended.iter().any(|(result, _)| result.is_ok()), "{what}: {ended:?}");
            assert_kept(&ended, &images[images.len() - 1..], &machine, &what);
        }
    }
}

#[test]
fn a_power_cut_that_two_inits_outlive_takes_no_repository_from_who_was_told_of_one() {
    let scratch = scratch();
    let machine = Machine::new("alpha", scratch.path());
    let mut cuts = 0;
    for start in starts() {
        for first in 0..STEPS {
            for second in 0..STEPS {
                for number in 0.. {
                    let mut count = 0;
                    let (ended, images) = two(&start, |turns| {
                        turns.grant(0, first);
                        turns.grant(1, second);
                        let images = turns.images();
                        count = images.len();
                        turns.cut_power(images.into_iter().nth(number).unwrap());
                        if number % 2 == 0 {
                            turns.grant(1, ALL_STEPS);
                        }
                    });
                    cuts += 1;
                    assert_kept(&ended, &images, &machine, &format!("cut after {first} and {second}, image {number}"));
                    if number + 1 == count {
                        break;
                    }
                }
            }
        }
    }
    assert!(cuts > 500, "{cuts} cuts");
}
