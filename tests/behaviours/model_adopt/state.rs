// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is true at one instant of the model of adoption: objects of the repository, and where each process stands.
//! It must not know a rule of the protocol.

use crate::support::search::Set;

/// Packs: 0 and 1 of the writers with these numbers, this one of a session that had ended before, the copies of collectors.
pub const LEFT: u8 = 2;
pub const FIRST_COPY: u8 = 4;

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
    Looked,
    ReadLists,
    ReadLog,
    Chose,
    Ready,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Writer {
    pub at: WriterAt,
    /// What it has read on lists, and what ended sessions left, as far as it has seen.
    pub condemned: Set,
    pub there: Set,
}

impl Writer {
    pub const IDLE: Self = Self { at: WriterAt::Idle, condemned: Set::EMPTY, there: Set::EMPTY };
}

/// Where a collector stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectorAt {
    Idle,
    Chose,
    PutList,
    Waits,
    SessionsEnded,
    CopiedOut,
    ReadGeneration,
    Deletes,
    DeletesIndex,
    RemovesList,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collector {
    pub at: CollectorAt,
    pub condemns: Set,
    /// Sessions it waits for.
    pub awaited: Set,
    /// The pack it copied X out to.
    pub copy: Set,
    /// The generation it has read, with what of the log it is about to absorb.
    pub read: Generation,
}

impl Collector {
    pub const IDLE: Self = Self {
        at: CollectorAt::Idle,
        condemns: Set::EMPTY,
        awaited: Set::EMPTY,
        copy: Set::EMPTY,
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
    /// Packs that exist.
    pub packs: Set,
    pub generation: Generation,
    /// The condemn list of each collector; empty: there is none.
    pub lists: [Set; 2],
    pub sessions: [Session; 2],
    /// The pack that each writer's index object lists, and the writers whose object is there.
    pub index: [Option<u8>; 2],
    pub index_objects: Set,
    pub writers: [Writer; 2],
    pub collectors: [Collector; 2],
}

impl State {
    pub const START: Self = Self {
        packs: Set::of(LEFT),
        generation: Generation { number: 0, packs: Set::EMPTY, absorbed: Set::EMPTY },
        lists: [Set::EMPTY; 2],
        sessions: [Session::None; 2],
        index: [None; 2],
        index_objects: Set::EMPTY,
        writers: [Writer::IDLE; 2],
        collectors: [Collector::IDLE; 2],
    };

    pub fn condemned(&self) -> Set {
        self.lists[0] | self.lists[1]
    }

    pub fn sessions_that_are(&self, session: Session) -> Set {
        (0..2).filter(|&writer| self.sessions[usize::from(writer)] == session).collect()
    }

    /// Packs that the newest generation names, or an index object that counts and is not absorbed.
    pub fn visible(&self) -> Set {
        let counting = self.sessions_that_are(Session::Committed) - self.generation.absorbed;
        let listed = (counting & self.index_objects).iter().filter_map(|writer| self.index[usize::from(writer)]);
        self.generation.packs | listed.collect::<Set>()
    }

    pub fn after(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn writer(self, number: u8, change: impl FnOnce(&mut Writer)) -> Self {
        self.after(|state| change(&mut state.writers[usize::from(number)]))
    }

    pub fn collector(self, number: u8, change: impl FnOnce(&mut Collector)) -> Self {
        self.after(|state| change(&mut state.collectors[usize::from(number)]))
    }

    pub fn session(self, number: u8, session: Session) -> Self {
        self.after(|state| state.sessions[usize::from(number)] = session)
    }
}
