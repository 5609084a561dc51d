// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is true at one instant of the model of deleting: packs, condemn lists, sessions, and where each process stands.
//! It must not know a rule of the protocol.

use crate::support::search::Set;

/// Packs of the model: p0 and p1 may stand there at the start, new ones are numbered on.
pub const PACKS: usize = 7;

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
    ReadTooEarly,
    Announced,
    ReadLists,
    Stored,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Writer {
    pub at: WriterAt,
    /// Packs that its local index knows.
    pub known: Set,
    /// The pack it relies on.
    pub pack: Option<u8>,
}

/// Where a collector stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectorAt {
    Idle,
    MarkedLive,
    MarkedDead,
    Chose,
    ListedTooEarly,
    PutList,
    Waits,
    SessionsEnded,
    Deletes,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collector {
    pub at: CollectorAt,
    pub condemns: Set,
    /// Sessions it waits for.
    pub awaited: Set,
}

impl Collector {
    pub const fn at(at: CollectorAt) -> Self {
        Self { at, condemns: Set::EMPTY, awaited: Set::EMPTY }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// Who made each pack; a pack without a maker does not exist.
    pub makers: [Set; PACKS],
    pub condemned: Set,
    pub sessions: [Session; 3],
    pub writers: [Writer; 3],
    pub collectors: [Collector; 2],
    pub s0_visible: bool,
    pub next_pack: u8,
}

impl State {
    pub fn packs(&self) -> Set {
        (0..PACKS as u8).filter(|&pack| !self.makers[usize::from(pack)].is_empty()).collect()
    }

    pub fn sessions_that_are(&self, session: Session) -> Set {
        (0..3).filter(|&writer| self.sessions[usize::from(writer)] == session).collect()
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

    pub fn with_pack(self, pack: u8, maker: u8) -> Self {
        self.after(|state| {
            state.makers[usize::from(pack)] = state.makers[usize::from(pack)] | Set::of(maker);
            state.next_pack += 1;
        })
    }
}
