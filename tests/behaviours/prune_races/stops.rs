// SPDX-License-Identifier: MIT OR Apache-2.0
//! "It may stop at any point and go on at any later time": one party is stopped before each of its storage operations, others do their
//! work meanwhile, then it wakes. Where the races next door draw orders, this goes through all places of one stop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::layout;
use keepfast_storage::testing::Operation;

use super::story::{Cue, Story};
use super::{Outcome, Schedule, Task, act, impatient, prepared, settle};
use crate::support::collector::{all_of_it, forget};
use crate::support::prune_place::Place;
use crate::support::random::Random;

/// To the end.
pub(super) const ALL: usize = usize::MAX;

/// So many steps of a party, then so many of another; in the end all go on at once.
pub(super) struct Script {
    state: Mutex<Lines>,
    changed: Condvar,
}

struct Lines {
    lines: VecDeque<(usize, usize)>,
    finished: Vec<usize>,
    /// Steps that the first party has made.
    steps: usize,
}

impl Script {
    pub(super) fn new(lines: &[(usize, usize)]) -> Self {
        let lines = lines.iter().copied().filter(|(_, steps)| *steps > 0).collect();
        Self { state: Mutex::new(Lines { lines, finished: Vec::new(), steps: 0 }), changed: Condvar::new() }
    }

    pub(super) fn steps(&self) -> usize {
        self.state.lock().unwrap().steps
    }
}

impl Lines {
    /// Leaves out who is done.
    fn clear(&mut self) {
        while self.lines.front().is_some_and(|(party, steps)| *steps == 0 || self.finished.contains(party)) {
            self.lines.pop_front();
        }
    }
}

impl Schedule for Script {
    /// The next party comes when this one asks for more than its steps: its last step is done then.
    fn step(&self, party: usize, _: Operation, _: &str) {
        let mut state = self.state.lock().unwrap();
        state.clear();
        self.changed.notify_all();
        while state.lines.front().is_some_and(|(current, _)| *current != party) {
            state = self.changed.wait(state).unwrap();
            state.clear();
        }
        if let Some((_, steps)) = state.lines.front_mut() {
            *steps -= 1;
        }
        state.steps += usize::from(party == 0);
    }

    fn finish(&self, party: usize) {
        let mut state = self.state.lock().unwrap();
        state.finished.push(party);
        state.clear();
        self.changed.notify_all();
    }
}

/// A folder for one play.
pub(super) fn scene() -> String {
    static PLAYED: AtomicUsize = AtomicUsize::new(0);
    format!("play-{}", PLAYED.fetch_add(1, Ordering::Relaxed))
}

/// Plays a script whose first line stops party 0 after `stop` steps; whether that was before its end.
fn play(place: &Place, stop: usize, rest: &[usize], tasks: &[Task]) -> (Place, Vec<Outcome>, bool) {
    let lines: Vec<(usize, usize)> = [(0, stop)].into_iter().chain(rest.iter().map(|party| (*party, ALL))).collect();
    let script = Arc::new(Script::new(&lines));
    let (after, outcomes) = act(place, &scene(), script.clone(), tasks);
    (after, outcomes, script.steps() > stop)
}

/// Stops party 0 at each of its steps while the others, one by one, do their work.
fn stop_everywhere(place: &Place, tasks: &[Task]) -> usize {
    let others: Vec<usize> = (1..tasks.len()).collect();
    for stop in 0.. {
        let (after, _, was_stopped) = play(place, stop, &others, tasks);
        settle(&after);
        if !was_stopped {
            return stop;
        }
    }
    unreachable!("every party ends")
}

#[test]
fn a_backup_that_sleeps_anywhere_while_others_prune_loses_nothing_but_its_work() {
    let (place, ..) = prepared();
    let tasks = [
        Task::BackUp { who: 0, times: 1 },
        Task::Prune(impatient()),
        Task::BackUp { who: 1, times: 1 },
        Task::Prune(impatient()),
    ];
    assert!(stop_everywhere(&place, &tasks) > 15);
}

/// It finds the record of its machine's dead session, and a prune removes that before it is read.
#[test]
fn a_dead_session_that_somebody_ends_while_the_next_one_looks_at_it_does_not_disturb_it() {
    let (place, ..) = prepared();
    let repository = place.open(0);
    drop(Session::open(&repository, place.machines[0].client(), Role::Writer).unwrap());
    let tasks = [Task::BackUp { who: 0, times: 1 }, Task::Prune(impatient())];
    let story = [(0, Cue::Before(Operation::Get, layout::SESSIONS_FOLDER)), (1, Cue::End), (0, Cue::End)];
    let (after, outcomes) = act(&place, &scene(), Arc::new(Story::new(&story)), &tasks);
    assert_eq!(outcomes[0].committed.len(), 1);
    settle(&after);
}

#[test]
fn a_backup_that_nobody_ends_commits_whenever_it_wakes() {
    let (place, ..) = prepared();
    for stop in 0.. {
        let tasks = [Task::BackUp { who: 0, times: 1 }, Task::Prune(all_of_it())];
        let (after, outcomes, was_stopped) = play(&place, stop, &[1], &tasks);
        assert_eq!(outcomes[0].committed.len(), 1, "after {stop} steps");
        settle(&after);
        if !was_stopped {
            break;
        }
    }
}

#[test]
fn a_prune_that_sleeps_anywhere_beside_a_backup_and_another_prune_harms_nothing() {
    let (place, ..) = prepared();
    let tasks = [Task::Prune(all_of_it()), Task::BackUp { who: 0, times: 1 }, Task::Prune(impatient())];
    assert!(stop_everywhere(&place, &tasks) > 40);
}

/// A list that a collector has left behind, of packs in which everything is live: a backup that it did not wait for relied on them.
fn left_behind(place: &Place) -> Place {
    let tasks = [Task::BackUp { who: 0, times: 1 }, Task::Prune(all_of_it())];
    let mut found = None;
    // The last one: the longer the backup was at work before, the more it relies on.
    for stop in 0.. {
        let (after, _, was_stopped) = play(place, stop, &[1], &tasks);
        if !after.disk.image().names(layout::CONDEMNED_FOLDER).is_empty() {
            found = Some(after);
        }
        if !was_stopped {
            break;
        }
    }
    found.expect("some prune leaves a list")
}

#[test]
fn two_prunes_that_finish_one_list_harm_nothing_wherever_one_of_them_sleeps() {
    let mut place = Place::new();
    let forgotten = place.back_up(0);
    place.back_up(1);
    place.forget(1, &[forgotten]);
    let place = left_behind(&place);
    let tasks = [Task::Prune(all_of_it()), Task::Prune(all_of_it())];
    assert!(stop_everywhere(&place, &tasks) > 40);
}

#[test]
fn an_undelete_and_a_prune_that_sleep_anywhere_agree_on_what_is_there() {
    let (place, forgotten, contents) = prepared();
    let (mut brought_back, mut refused) = (0, 0);
    for sleeper in 0..2 {
        for stop in 0.. {
            let mut tasks = [Task::Undelete(forgotten), Task::Prune(all_of_it())];
            tasks.rotate_left(sleeper);
            let (mut after, outcomes, was_stopped) = play(&place, stop, &[1], &tasks);
            if outcomes[sleeper].undeleted.is_some() {
                after.promised.insert(forgotten, contents.clone());
                brought_back += 1;
            } else {
                refused += 1;
            }
            after.assert_whole();
            assert!(after.prune(1, &impatient()).finished);
            after.assert_whole();
            after.promised.remove(&forgotten);
            if outcomes[sleeper].undeleted.is_some() {
                forget(&after.open(1), &after.machines[1], &[forgotten]).unwrap();
            }
            settle(&after);
            if !was_stopped {
                break;
            }
        }
    }
    assert!(brought_back > 0 && refused > 0, "{brought_back} brought back, {refused} refused");
}

#[test]
fn two_that_sleep_in_each_other_harm_nothing() {
    let (place, ..) = prepared();
    let mut random = Random::new(77);
    for round in 0..120 {
        let (first, second) = (random.below(90), random.below(60));
        let mut tasks = vec![Task::Prune(all_of_it()), Task::BackUp { who: 0, times: 1 }, Task::Prune(impatient())];
        tasks.rotate_left(round % 3);
        let lines = [(0, first), (1, second), (2, ALL), (0, random.below(40)), (1, ALL)];
        let (after, _) = act(&place, &scene(), Arc::new(Script::new(&lines)), &tasks);
        settle(&after);
    }
}
