// SPDX-License-Identifier: MIT OR Apache-2.0
//! One order of operations, told by what each party is about to do: for a fault that is known. It asserts nothing about keepfast.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};

use keepfast_storage::testing::Operation;

use super::Schedule;

/// How long a party goes on before it is the next one's turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cue {
    /// To the operation before its first one of this kind on a name that begins so.
    Before(Operation, &'static str),
    /// So many operations.
    Steps(usize),
    End,
}

/// Parties with their cues, one after another; in the end all go on at once.
pub(super) struct Story {
    scenes: Mutex<VecDeque<(usize, Cue)>>,
    changed: Condvar,
}

impl Story {
    pub(super) fn new(scenes: &[(usize, Cue)]) -> Self {
        Self { scenes: Mutex::new(scenes.iter().copied().collect()), changed: Condvar::new() }
    }
}

impl Schedule for Story {
    fn step(&self, party: usize, operation: Operation, name: &str) {
        let mut scenes = self.scenes.lock().unwrap();
        loop {
            match scenes.front_mut() {
                Some((current, cue)) if *current == party => match cue {
                    Cue::Before(before, prefix) if *before != operation || !name.starts_with(*prefix) => return,
                    Cue::Steps(steps) if *steps > 0 => {
                        *steps -= 1;
                        return;
                    }
                    Cue::End => return,
                    Cue::Before(..) | Cue::Steps(_) => drop(scenes.pop_front()),
                },
                Some(_) => scenes = self.changed.wait(scenes).unwrap(),
                None => return,
            }
            self.changed.notify_all();
        }
    }

    fn finish(&self, party: usize) {
        let mut scenes = self.scenes.lock().unwrap();
        let (_, cue) = *scenes.front().expect("the story ends with its parties");
        assert!(matches!(cue, Cue::End), "party {party} never comes to {cue:?}");
        scenes.pop_front();
        self.changed.notify_all();
    }
}
