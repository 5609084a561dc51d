// SPDX-License-Identifier: MIT OR Apache-2.0
//! Edges as references (`docs/format.md` section 11.2), as a model: chunks that are stored as they are or as a delta against
//! another, writers that use a chunk as a base, an undeleter, and collectors that delete packs. For whoever changes a rule of
//! edges. It must not know the program. Two chunks are enough: each may be a delta against the other, so "all the way
//! down" and circles are in it. What `model_collect.rs` shows for index objects, generations and slots is one step here.
//! The promise: a chunk that a visible snapshot needs has a visible, stored copy whose base has one too, all the way down.

mod clients;
mod collector;
mod state;

use self::state::{CLIENTS, Chunk, Client, ClientAt, Collector, CollectorAt, PACKS, Session, State, UNDELETER};
use crate::support::search::{Model, Outcome, Set, Take, search};

/// When a copy of a chunk counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// When it is no delta.
    Plain,
    /// When its base has a copy that counts, all the way down.
    Whole,
    /// When its base has any copy.
    BaseStored,
    /// As `Whole` if a visible pack is condemned or lost, else always.
    WholeIfExcluded,
    /// Always.
    Any,
}

/// Which packs a writer takes bases from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bases {
    /// Those that its known chunks are in.
    Known,
    /// Those that are visible, condemned or not.
    Condemned,
    /// Those that were visible and condemned by nobody before it announced itself, as well as the known ones.
    LookedUpEarly,
}

/// When a collector takes bases of live chunks for live.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    /// When it looks a second time. What it chose first does not matter.
    SecondLook,
    /// Only when it chooses.
    FirstLook,
    Never,
}

/// What a collector makes of a pack that the index named and the storage does not list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Where there is a newer generation, it may have been moved: all is read again.
    LooksAgain,
    /// It is lost.
    Lost,
}

/// In which packs the bases of a copy elsewhere must be, where a delta may be one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BasesElsewhere {
    /// Where copies elsewhere are: in packs that nobody condemns.
    Uncondemned,
    /// In any that is visible.
    Visible,
}

/// Which copies of a chunk are moved when the condemned packs hold several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moves {
    /// The plain one; if there is none, the delta.
    PlainFirst,
    /// Whichever is found first.
    AnyOne,
    /// Whichever is found first, among those whose bases are there.
    AnyWhole,
}

/// Which rules are kept, and how many take part.
#[derive(Clone, Copy)]
struct Rules {
    /// What a writer or an undeleter may rely on.
    known: Counts,
    bases: Bases,
    /// What a collector takes for a copy elsewhere.
    elsewhere: Counts,
    bases_elsewhere: BasesElsewhere,
    follows: Follows,
    gone: Gone,
    moves: Moves,
    /// Packs 0 to 2 at the start.
    start: [Set; 3],
    /// Packs that the index names at the start, and the storage does not have: S0 may be damaged then.
    lost: Set,
    /// Whether S0 is visible at the start.
    s0_visible: bool,
    /// What the snapshot of each writer needs.
    wanted: &'static [Chunk],
    undeleter: bool,
    collectors: u8,
    /// Packs on a list that a dead collector has left.
    list_left_behind: Set,
    all_forgettable: bool,
}

/// What a pack may hold at the start.
const NONE: Set = Set::EMPTY;
const X: Set = Set::of(0);
const Y: Set = Set::of(1);
const X_ON_Y: Set = Set::of(2);
const X_AND_Y: Set = Set::of_both(0, 1);
const EACH_ON_THE_OTHER: Set = Set::of_both(2, 3);

/// Both chunks as they are, and each as a delta against the other.
const CIRCLE: [Set; 3] = [X_AND_Y, EACH_ON_THE_OTHER, NONE];

const PROPOSED: Rules = Rules {
    known: Counts::Whole,
    bases: Bases::Known,
    elsewhere: Counts::Plain,
    bases_elsewhere: BasesElsewhere::Uncondemned,
    follows: Follows::SecondLook,
    gone: Gone::LooksAgain,
    moves: Moves::PlainFirst,
    start: [Y, X_ON_Y, NONE],
    lost: Set::EMPTY,
    s0_visible: true,
    wanted: &[Chunk::X],
    undeleter: false,
    collectors: 1,
    list_left_behind: Set::EMPTY,
    all_forgettable: false,
};

const LOST: &str = "a visible snapshot needs a chunk that nobody can decode";

impl Model for Rules {
    type State = State;

    fn start(&self) -> State {
        let mut packs = [Set::EMPTY; PACKS];
        packs[..3].copy_from_slice(&self.start);
        let state = State {
            packs,
            visible: Set::EMPTY,
            generation: 0,
            lists: [Set::EMPTY, Set::EMPTY, self.list_left_behind],
            sessions: [Session::None; CLIENTS],
            clients: [Client::at(ClientAt::Idle); CLIENTS],
            collectors: [Collector::at(CollectorAt::Idle); 2],
            s0_visible: self.s0_visible,
            forgotten: Set::EMPTY,
        };
        state.after(|state| state.visible = state.stored() | self.lost)
    }

    fn steps(&self, state: &State, take: &mut Take<'_, State>) {
        if state.s0_visible {
            take(format_args!("S0 is forgotten"), state.after(|state| state.s0_visible = false));
        }
        if self.all_forgettable {
            for writer in ((self.writers() & state.sessions_that_are(Session::Kept)) - state.forgotten).iter() {
                let next = state.after(|state| state.forgotten = state.forgotten | Set::of(writer));
                take(format_args!("the snapshot of W{writer} is forgotten"), next);
            }
        }
        for client in state.sessions_that_are(Session::Open).iter() {
            take(format_args!("somebody ends the session of {client} with VOID"), state.session(client, Session::Void));
        }
        self.writers().iter().for_each(|writer| clients::steps(self, writer, state, take));
        if self.undeleter {
            clients::steps(self, UNDELETER, state, take);
        }
        (0..self.collectors).for_each(|g| collector::steps(self, g, state, take));
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let readable = state.copies_in(state.visible & state.stored());
        let promised = if self.lost.is_empty() { self.needed(state) } else { self.needed_by_writers(state) };
        (!(promised - counting(Counts::Whole, readable, readable)).is_empty()).then_some(LOST)
    }
}

impl Rules {
    fn writers(&self) -> Set {
        (0..self.wanted.len() as u8).collect()
    }

    fn needed_by_writers(&self, state: &State) -> Set {
        let kept = (self.writers() & state.sessions_that_are(Session::Kept)) - state.forgotten;
        kept.iter().map(|writer| self.wanted[usize::from(writer)].number()).collect()
    }

    /// Chunks that visible snapshots name.
    fn needed(&self, state: &State) -> Set {
        self.needed_by_writers(state) | if state.s0_visible { X } else { Set::EMPTY }
    }
}

/// Chunks of which one of `copies` counts; their bases are looked up in `bases`.
fn counting(counts: Counts, copies: Set, bases: Set) -> Set {
    let chunks = |are: &dyn Fn(Chunk) -> bool| -> Set {
        Chunk::BOTH.into_iter().filter(|&chunk| are(chunk)).map(Chunk::number).collect()
    };
    let one_more = |there: Set, copies: Set| {
        chunks(&|chunk| copies.has(chunk.plain()) || copies.has(chunk.delta()) && there.has(chunk.base().number()))
    };
    let there = match counts {
        Counts::Plain => Set::EMPTY,
        // Two chunks: what the second round does not find is a circle.
        Counts::Whole => one_more(one_more(Set::EMPTY, bases), bases),
        Counts::BaseStored => chunks(&|chunk| !(bases & chunk.copies()).is_empty()),
        Counts::Any | Counts::WholeIfExcluded => X | Y,
    };
    one_more(there, copies)
}

fn run(rules: &Rules) -> Outcome {
    assert!(rules.wanted.len() <= usize::from(UNDELETER), "the state has no place for more");
    search(rules, 30_000_000)
}

mod proposed;
mod weakened;
