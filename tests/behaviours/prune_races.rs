// SPDX-License-Identifier: MIT OR Apache-2.0
//! "Prune runs beside backups, and beside other prunes": every storage operation of every party is a step, and a seed decides who makes
//! the next one. Whoever was told of a success keeps his snapshot, and a last prune finds nothing that was left behind for ever.

mod deltas;
mod stops;
mod story;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_engine::prune::PruneOptions;
use keepfast_repo_format::id::SnapshotId;
use keepfast_storage::Backend;
use keepfast_storage::testing::{HookedBackend, Operation};

use crate::support::collector::{all_of_it, forget, prune_on, undelete};
use crate::support::history_script::{Contents, Machine, on_disk, write_files};
use crate::support::prune_place::Place;
use crate::support::random::Random;

/// Says whose step it is.
trait Schedule: Send + Sync {
    /// Waits until the party may make its next step, which is this one.
    fn step(&self, party: usize, operation: Operation, name: &str);

    /// The party makes no more steps.
    fn finish(&self, party: usize);
}

/// Chance says.
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    random: Random,
    current: usize,
    at_work: Vec<bool>,
    /// How probable it is that somebody else makes the next step, in percent.
    restless: usize,
}

impl Turns {
    fn new(seed: u64, parties: usize) -> Self {
        let mut random = Random::new(seed);
        let restless = [3, 15, 60][random.below(3)];
        let current = random.below(parties);
        let state = State { random, current, at_work: vec![true; parties], restless };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn pass_on(&self, state: &mut State) {
        let others: Vec<usize> = (0..state.at_work.len()).filter(|party| state.at_work[*party]).collect();
        if !others.is_empty() {
            state.current = *state.random.pick(&others);
            self.changed.notify_all();
        }
    }
}

impl Schedule for Turns {
    fn step(&self, party: usize, _: Operation, _: &str) {
        let mut state = self.state.lock().unwrap();
        while state.current != party {
            state = self.changed.wait(state).unwrap();
        }
        let restless = state.restless;
        if state.random.chance(restless) {
            self.pass_on(&mut state);
        }
    }

    fn finish(&self, party: usize) {
        let mut state = self.state.lock().unwrap();
        state.at_work[party] = false;
        if state.current == party {
            self.pass_on(&mut state);
        }
    }
}

/// What a party does.
#[derive(Clone)]
enum Task {
    /// Backs a source up, once or twice.
    BackUp {
        who: usize,
        times: usize,
    },
    Prune(PruneOptions),
    Forget(Vec<SnapshotId>),
    Undelete(SnapshotId),
}

/// What became of it.
#[derive(Default)]
struct Outcome {
    committed: Vec<(SnapshotId, Contents)>,
    forgotten: Vec<SnapshotId>,
    undeleted: Option<SnapshotId>,
}

/// Does the task. Only what another party may cause is a failure that is taken.
fn perform(task: &Task, backend: &Arc<dyn Backend>, machine: &Machine, place: &Place) -> Outcome {
    let mut outcome = Outcome::default();
    let repository = machine.open(backend.clone(), &place.key).unwrap();
    match task {
        Task::BackUp { who, times } => {
            for _ in 0..*times {
                let source = place.source(*who);
                match machine.back_up(backend.clone(), &place.key, &source) {
                    Ok(summary) => outcome.committed.push((summary.snapshot.unwrap(), on_disk(&source))),
                    Err(error) => assert!(matches!(error, Error::SessionVoid { .. }), "{error}"),
                }
            }
        }
        Task::Prune(options) => match prune_on(&repository, machine, options) {
            Ok(_) | Err(Error::SessionVoid { .. }) => {}
            Err(error) => panic!("{error}"),
        },
        Task::Forget(ids) => match forget(&repository, machine, ids) {
            Ok(()) => outcome.forgotten.clone_from(ids),
            Err(error) => assert!(matches!(error, Error::SessionVoid { .. }), "{error}"),
        },
        Task::Undelete(id) => match undelete(&repository, machine, *id) {
            Ok(done) => outcome.undeleted = done.then_some(*id),
            Err(Error::SessionVoid { .. }) => {}
            Err(error) => panic!("{error}"),
        },
    }
    outcome
}

/// Lets all tasks run at once on what `place` holds, in the order of `seed`.
fn race(place: &Place, seed: u64, tasks: &[Task]) -> (Place, Vec<Outcome>) {
    act(place, &format!("race-{seed}"), Arc::new(Turns::new(seed, tasks.len())), tasks)
}

/// Lets all tasks run at once on what `place` holds, in the order of `turns`.
fn act(place: &Place, name: &str, turns: Arc<dyn Schedule>, tasks: &[Task]) -> (Place, Vec<Outcome>) {
    let scene = place.base.path().join(name);
    let mut after = place.after(place.disk.image(), &scene);
    let outcomes = std::thread::scope(|scope| {
        let threads: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(party, task)| {
                let turns = Arc::clone(&turns);
                let (disk, waiting) = (Arc::new(after.disk.another_handle()), Arc::clone(&turns));
                let wait = move |operation, name: &str| waiting.step(party, operation, name);
                let backend: Arc<dyn Backend> = Arc::new(HookedBackend::new(disk, wait));
                let names = ["gamma", "delta", "epsilon", "zeta"];
                // Some go on with what a machine remembers, some begin anew.
                let machine = match party {
                    0 => after.machines[0].clone(),
                    _ => Machine::new(names[party], &scene),
                };
                let place = &after;
                scope.spawn(move || {
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        perform(task, &backend, &machine, place)
                    }));
                    turns.finish(party);
                    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let outcomes: Vec<Outcome> = outcomes;
    for outcome in &outcomes {
        outcome.forgotten.iter().for_each(|id| drop(after.promised.remove(id)));
        after.promised.extend(outcome.committed.iter().cloned());
    }
    (after, outcomes)
}

/// The end of every race: all is whole, and a last prune leaves nothing but what is needed.
fn settle(after: &Place) {
    after.assert_whole();
    let report = after.prune(1, &PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() });
    assert!(report.finished, "{report:?}");
    after.assert_whole();
    after.assert_minimal();
}

/// A forgotten snapshot whose content is in the source again, packs that are partly dead, and something that stays.
fn prepared() -> (Place, SnapshotId, Contents) {
    let mut place = Place::new();
    let forgotten = place.back_up(0);
    let contents = place.promised[&forgotten].clone();
    write_files(&place.source(1)[0], 8, 0);
    place.back_up(1);
    place.forget(1, &[forgotten]);
    (place, forgotten, contents)
}

fn impatient() -> PruneOptions {
    PruneOptions { void_after: Some(Duration::ZERO), ..all_of_it() }
}

#[test]
fn a_backup_and_a_prune_at_once_lose_nothing_in_any_order() {
    let (place, ..) = prepared();
    for seed in 0..40 {
        let options = if u64::is_multiple_of(seed, 3) { impatient() } else { all_of_it() };
        let tasks = [Task::BackUp { who: 0, times: 2 }, Task::Prune(options)];
        let (after, _) = race(&place, seed, &tasks);
        settle(&after);
    }
}

#[test]
fn two_prunes_and_a_backup_at_once_lose_nothing_in_any_order() {
    let (place, ..) = prepared();
    for seed in 1000..1040 {
        let options = |n: u64| if (seed + n).is_multiple_of(3) { impatient() } else { all_of_it() };
        let tasks = [Task::Prune(options(0)), Task::BackUp { who: 0, times: 1 }, Task::Prune(options(1))];
        let (after, _) = race(&place, seed, &tasks);
        settle(&after);
    }
}

#[test]
fn a_prune_between_a_forget_and_backups_takes_only_what_was_forgotten() {
    let (place, ..) = prepared();
    let victims: Vec<SnapshotId> = place.promised.keys().copied().collect();
    for seed in 2000..2030 {
        let tasks = [
            Task::Prune(all_of_it()),
            Task::Forget(victims.clone()),
            Task::BackUp { who: 1, times: 2 },
            Task::Prune(impatient()),
        ];
        let (after, _) = race(&place, seed, &tasks);
        settle(&after);
    }
}

#[test]
fn a_snapshot_that_was_brought_back_beside_a_prune_is_whole_or_the_user_knows() {
    let (place, forgotten, contents) = prepared();
    let mut brought_back = 0;
    for seed in 3000..3040 {
        let tasks = [Task::Undelete(forgotten), Task::Prune(all_of_it()), Task::Prune(impatient())];
        let (mut after, outcomes) = race(&place, seed, &tasks);
        if let Some(id) = outcomes[0].undeleted {
            after.promised.insert(id, contents.clone());
            brought_back += 1;
        }
        after.assert_whole();
        let report = after.prune(1, &impatient());
        assert!(report.finished, "{report:?}");
        after.assert_whole();
        // A list that names a snapshot which is visible again stays until that is forgotten once more.
        after.promised.remove(&forgotten);
        forget(&after.open(1), &after.machines[1], &[forgotten]).unwrap();
        settle(&after);
    }
    assert!((1..40).contains(&brought_back), "one order only: {brought_back}");
}
