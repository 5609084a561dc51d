// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is true at one instant of the model with generations: packs, index, condemn lists, sessions, and where each
//! process stands. It must not know a rule of the protocol.

use crate::support::search::Set;

/// Packs of the model: p0 stands there at the start, new ones are numbered on.
pub const PACKS: usize = 6;

/// In `State::makers`, beside the numbers of writers.
pub const COLLECTOR: u8 = 6;
pub const START: u8 = 7;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Session {
    None,
    Open,
    Committed,
    Void,
}

/// Where a writer stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriterAt {
    Idle,
    Announced,
    /// Lists or index, whatever the rules say comes first.
    ReadFirst,
    ReadBoth,
    PutPack,
    Stored,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Writer {
    pub at: WriterAt,
    /// What it has read.
    pub condemned: Set,
    pub visible: Set,
    /// The pack that it wrote or adopted.
    pub pack: Option<u8>,
}

impl Writer {
    pub const IDLE: Self = Self { at: WriterAt::Idle, condemned: Set::EMPTY, visible: Set::EMPTY, pack: None };
}

/// Where a collector stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectorAt {
    Idle,
    MarkedLive,
    MarkedDead,
    Chose,
    PutList,
    Waits,
    SessionsEnded,
    CopiedOut,
    ReadGeneration,
    Deletes,
    WaitsAgain,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collector {
    pub at: CollectorAt,
    pub condemns: Set,
    /// Sessions it waits for.
    pub awaited: Set,
    /// The pack it copied X out to.
    pub copy: Option<u8>,
    /// The generation it has read, with what of the log it is about to absorb.
    pub read: Generation,
}

impl Collector {
    pub const IDLE: Self = Self {
        at: CollectorAt::Idle,
        condemns: Set::EMPTY,
        awaited: Set::EMPTY,
        copy: None,
        read: Generation { number: 0, packs: Set::EMPTY, absorbed: Set::EMPTY },
    };
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Generation {
    pub number: u8,
    pub packs: Set,
    /// Sessions whose index objects it contains.
    pub absorbed: Set,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// Who made each pack; a pack without a maker does not exist.
    pub makers: [Option<u8>; PACKS],
    pub generation: Generation,
    /// The condemn list of each collector; empty: there is none.
    pub lists: [Set; 2],
    pub sessions: [Session; 2],
    /// The pack in the index object of each writer's session.
    pub index_objects: [Option<u8>; 2],
    pub writers: [Writer; 2],
    pub collectors: [Collector; 2],
    pub s0_visible: bool,
    pub next_pack: u8,
}

impl State {
    pub fn new(s0_visible: bool) -> Self {
        let mut makers = [None; PACKS];
        makers[0] = Some(START);
        Self {
            makers,
            generation: Generation { number: 0, packs: Set::of(0), absorbed: Set::EMPTY },
            lists: [Set::EMPTY; 2],
            sessions: [Session::None; 2],
            index_objects: [None; 2],
            writers: [Writer::IDLE; 2],
            collectors: [Collector::IDLE; 2],
            s0_visible,
            next_pack: 1,
        }
    }

    fn packs_where(&self, is: impl Fn(Option<u8>) -> bool) -> Set {
        (0..PACKS as u8).filter(|&pack| is(self.makers[usize::from(pack)])).collect()
    }

    pub fn packs(&self) -> Set {
        self.packs_where(|maker| maker.is_some())
    }

    /// Packs that these writers made.
    pub fn packs_of(&self, writers: Set) -> Set {
        self.packs_where(|maker| maker.is_some_and(|maker| writers.has(maker)))
    }

    /// Packs in the index objects of these writers.
    pub fn indexed_by(&self, writers: Set) -> Set {
        writers.iter().filter_map(|writer| self.index_objects[usize::from(writer)]).collect()
    }

    pub fn condemned(&self) -> Set {
        self.lists[0] | self.lists[1]
    }

    pub fn sessions_that_are(&self, session: Session) -> Set {
        (0..2).filter(|&writer| self.sessions[usize::from(writer)] == session).collect()
    }

    /// Whether a snapshot that is visible needs X.
    pub fn x_is_live(&self) -> bool {
        self.s0_visible || self.sessions.contains(&Session::Committed)
    }

    pub fn after(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn writer(self, index: u8, change: impl FnOnce(&mut Writer)) -> Self {
        self.after(|state| change(&mut state.writers[usize::from(index)]))
    }

    pub fn collector(self, index: u8, change: impl FnOnce(&mut Collector)) -> Self {
        self.after(|state| change(&mut state.collectors[usize::from(index)]))
    }

    pub fn session(self, index: u8, session: Session) -> Self {
        self.after(|state| state.sessions[usize::from(index)] = session)
    }

    pub fn with_pack(self, maker: u8) -> Self {
        self.after(|state| {
            state.makers[usize::from(state.next_pack)] = Some(maker);
            state.next_pack += 1;
        })
    }
}
