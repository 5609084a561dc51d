// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole round of a collector (`docs/format.md` section 11.2) as a model: sessions of collectors, copies that a COLLECT
//! slot makes visible, lists that others finish, index objects that are removed, and snapshots that are forgotten and
//! undeleted. One chunk X; every pack holds it. Every process may stop for ever anywhere, and every order is tried.
//! For whoever changes an order of writes. It must not know the program.

mod clients;
mod collector;
mod state;

use self::state::{
    Client, ClientAt, Collector, CollectorAt, Condemned, FIRST_COLLECTOR, FIRST_UNDELETER, Generation, PROCESSES, S0,
    SECOND_START, START, Session, State, WRITERS,
};
use crate::support::search::{Model, Outcome, Set, Take, search};

/// What is read first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadOrder {
    /// Condemn lists, then generation and log.
    ListsFirst,
    IndexFirst,
}

/// When a copy of a collector is visible.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copies {
    /// When its slot COLLECT names its index object.
    BySlot,
    /// When its index object is there.
    AtOnce,
    /// When the generation of the collector names it; there is no slot.
    ByGeneration,
}

/// What becomes of a condemned snapshot that is visible once more when the sessions have ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undeleted {
    /// Its manifest is deleted all the same.
    Deleted,
    /// It is kept, and the list is removed.
    Kept,
    /// It is kept, and the list stays, so that nobody undeletes it again, until a collector finds it forgotten.
    KeptAndListed,
}

/// Which index objects a collector deletes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IndexRemoval {
    /// Those that neither the newest generation nor a slot which it has not absorbed names.
    Unnamed,
    /// Of those, the ones that list only packs of sessions which have ended.
    UnnamedAndEnded,
    /// Of those, the ones that stood there before the collector put its own generation.
    KnownBefore,
    /// Those that a generation or an absorbed slot has named, and nothing names now.
    Superseded,
}

/// Which rules are kept, and how many take part.
#[derive(Clone, Copy)]
struct Rules {
    client_reads: ReadOrder,
    collector_reads: ReadOrder,
    copies: Copies,
    undeleted: Undeleted,
    removal: IndexRemoval,
    /// Before it deletes, a collector reads the newest generation, and begins step 6 again while it names condemned packs.
    generation_is_read_again: bool,
    /// A collector waits for other collectors as it waits for writers.
    waits_for_collectors: bool,
    /// Somebody may end the session of a collector.
    collectors_are_voided: bool,
    writers: u8,
    undeleters: u8,
    collectors: u8,
    /// X stands in two packs at the start.
    duplicate: bool,
    /// A condemn list of a collector that has died stands there at the start.
    list_left_behind: bool,
    /// Snapshots of the writers may be forgotten too.
    all_forgettable: bool,
    /// Generations that others put between: they absorb the log.
    merges: u8,
    /// How many of the newest generations are kept.
    generations_kept: u8,
}

const PROPOSED: Rules = Rules {
    client_reads: ReadOrder::ListsFirst,
    collector_reads: ReadOrder::ListsFirst,
    copies: Copies::BySlot,
    undeleted: Undeleted::KeptAndListed,
    removal: IndexRemoval::KnownBefore,
    generation_is_read_again: true,
    waits_for_collectors: false,
    collectors_are_voided: true,
    writers: 1,
    undeleters: 0,
    collectors: 2,
    duplicate: false,
    list_left_behind: false,
    all_forgettable: false,
    merges: 0,
    generations_kept: 2,
};

const LOST: &str = "a visible snapshot has no visible pack with its chunk";
const DANGLING: &str = "an index row names a pack that is gone and not condemned";
const HEADLESS: &str = "a visible snapshot has no manifest";
const STUCK: &str = "nobody can take a step, and a collector is not done";

impl Model for Rules {
    type State = State;

    fn start(&self) -> State {
        let packs = if self.duplicate { Set::of(START) | Set::of(SECOND_START) } else { Set::of(START) };
        let (mut lists, mut sessions) = ([Condemned::NOTHING; 3], [Session::None; PROCESSES]);
        if self.list_left_behind {
            (lists[2].packs, sessions[6]) = (Set::of(START), Session::Void);
        }
        State {
            packs,
            index_objects: Set::EMPTY,
            generation: Generation { number: 0, packs, absorbed: Set::EMPTY },
            oldest_generation: 0,
            lists,
            sessions,
            clients: [Client { at: ClientAt::Idle, read: Set::EMPTY, s0_condemned: false }; 4],
            collectors: [Collector::at(CollectorAt::Idle); 3],
            forgotten: Set::EMPTY,
            manifests: Set::of(S0),
            merges_left: self.merges,
        }
    }

    fn steps(&self, state: &State, take: &mut Take<'_, State>) {
        for snapshot in state.snapshots().iter().filter(|&snapshot| snapshot == S0 || self.all_forgettable) {
            let next = state.after(|state| state.forgotten = state.forgotten | Set::of(snapshot));
            take(format_args!("S{snapshot} is forgotten"), next);
        }
        for session in state.sessions_that(|session| session == Session::Open).iter() {
            if session < FIRST_COLLECTOR || self.collectors_are_voided {
                take(format_args!("somebody ends session {session} with VOID"), state.session(session, Session::Void));
            }
        }
        if state.merges_left > 0 {
            let next = self.merge(state);
            take(format_args!("somebody puts generation {}: {}", next.generation.number, next.generation.packs), next);
        }
        (0..self.writers).for_each(|w| clients::steps(self, w, state, take));
        (FIRST_UNDELETER..FIRST_UNDELETER + self.undeleters).for_each(|u| clients::steps(self, u, state, take));
        (FIRST_COLLECTOR..FIRST_COLLECTOR + self.collectors).for_each(|g| collector::steps(self, g, state, take));
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let visible = self.visible(state);
        let snapshots = state.snapshots();
        if !snapshots.is_empty() && (state.packs & visible).is_empty() {
            return Some(LOST);
        }
        if !(visible - state.packs - state.condemned().packs).is_empty() {
            return Some(DANGLING);
        }
        (!(snapshots - state.manifests).is_empty()).then_some(HEADLESS)
    }

    fn stuck(&self, state: &State) -> Option<&'static str> {
        let (taking_part, _) = state.collectors.split_at(usize::from(self.collectors));
        let all_ended = taking_part.iter().all(|collector| collector.at == CollectorAt::Done);
        (!all_ended).then_some(STUCK)
    }
}

impl Rules {
    /// Sessions whose own index object counts.
    fn counting(&self, sessions: [Session; PROCESSES], index_objects: Set) -> Set {
        let at_once = |session| self.copies == Copies::AtOnce && session >= FIRST_COLLECTOR;
        index_objects.filter(|session| sessions[usize::from(session)] == Session::Kept || at_once(session))
    }

    /// Packs that the newest generation names, or an index object that counts and is not absorbed.
    fn visible(&self, state: &State) -> Set {
        let counting = self.counting(state.sessions, state.index_objects);
        state.generation.packs | (counting - state.generation.absorbed)
    }

    /// Somebody who condemns nothing puts a generation, and deletes old ones.
    fn merge(&self, state: &State) -> State {
        state.after(|state| {
            let counting = self.counting(state.sessions, state.index_objects);
            state.generation.packs = self.visible(state);
            state.generation.absorbed = state.generation.absorbed | counting;
            state.generation.number += 1;
            state.merges_left -= 1;
            self.remove_generations(state);
        })
    }

    fn remove_generations(&self, state: &mut State) {
        let oldest = (state.generation.number + 1).saturating_sub(self.generations_kept);
        state.oldest_generation = state.oldest_generation.max(oldest);
    }

    /// The last part of step 7. A generation's own index object is never touched: the generation names it.
    fn remove_index(&self, state: &State, collector: u8) -> State {
        let leftovers = state.collectors[usize::from(collector - FIRST_COLLECTOR)].leftovers;
        let named = self.counting(state.sessions, state.index_objects) - state.generation.absorbed;
        let ended = state.sessions_that(|session| matches!(session, Session::Kept | Session::Void));
        let (own, rewritten) = match self.removal {
            IndexRemoval::Unnamed => (state.index_objects - named, Set::from_iter(0..8)),
            IndexRemoval::UnnamedAndEnded => ((state.index_objects - named) & ended, Set::from_iter(0..8)),
            IndexRemoval::KnownBefore => ((state.index_objects - named) & ended, leftovers),
            IndexRemoval::Superseded => (state.index_objects & state.generation.absorbed, Set::EMPTY),
        };
        state.after(|state| {
            state.index_objects = state.index_objects - own;
            for other in rewritten.iter().filter(|&other| other >= FIRST_COLLECTOR && other != collector) {
                if let Some(other) = state.collectors.get_mut(usize::from(other - FIRST_COLLECTOR)) {
                    other.rewritten = false;
                }
            }
            self.remove_generations(state);
        })
    }
}

fn run(rules: &Rules) -> Outcome {
    assert!(rules.writers <= WRITERS, "the state has no place for more");
    assert!(!rules.list_left_behind || rules.collectors < 3, "the third collector is the dead one");
    search(rules, 30_000_000)
}

mod proposed;
mod weakened;
