// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is true at one instant of the model of collectors: objects of the repository, and where each process stands.
//! It must not know a rule of the protocol.

use crate::support::search::Set;

/// Numbers of processes: writers 0 and 1, undeleters 2 and 3, collectors 4 to 6. A process has one session, which has its
/// number, and puts at most one pack, which has its number too. Undeleters put none: 2 and 3 are packs of the start.
pub const WRITERS: u8 = 2;
pub const FIRST_UNDELETER: u8 = 2;
pub const FIRST_COLLECTOR: u8 = 4;
pub const PROCESSES: usize = 7;

/// The packs that may stand there at the start.
pub const START: u8 = 2;
pub const SECOND_START: u8 = 3;

/// Snapshots have the number of their writer; S0, of the start, has this one.
pub const S0: u8 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Session {
    None,
    Open,
    /// The slot is COMMIT, UNDELETE or COLLECT.
    Kept,
    Void,
}

/// Where a writer or an undeleter stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAt {
    Idle,
    Announced,
    /// Lists or index, whatever the rules say comes first.
    ReadFirst,
    MustPut,
    PutPack,
    /// What the slot will promise is there.
    Ready,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client {
    pub at: ClientAt,
    /// Packs it has read first: those on condemn lists, or the visible ones.
    pub read: Set,
    /// Whether the lists it has read condemn S0.
    pub s0_condemned: bool,
}

/// Where a collector stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectorAt {
    Idle,
    Announced,
    Chose,
    PutList,
    Waits,
    SessionsEnded,
    /// Lists or index, whatever the rules say comes first.
    ReadFirst,
    MustCopy,
    PutCopy,
    PutIndex,
    Collected,
    ReadGeneration,
    PutGeneration,
    Deletes,
    DeletesIndex,
    RemovesLists,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collector {
    pub at: CollectorAt,
    /// What it will put on its own condemn list.
    pub own: Condemned,
    /// Packs and snapshots that it is about to delete: its own and those of lists that it finishes.
    pub condemns: Condemned,
    /// Collectors whose lists it finishes, itself included.
    pub lists: Set,
    /// Sessions it waits for.
    pub awaited: Set,
    /// Packs it has read first: those on condemn lists, or the visible ones.
    pub read: Set,
    /// The generation that it is about to put.
    pub next: Generation,
    /// Whether the index object that this generation names still exists.
    pub rewritten: bool,
    /// Collectors whose rewritten index objects stood there when it read the generation.
    pub leftovers: Set,
}

impl Collector {
    pub const fn at(at: CollectorAt) -> Self {
        Self {
            at,
            own: Condemned::NOTHING,
            condemns: Condemned::NOTHING,
            lists: Set::EMPTY,
            awaited: Set::EMPTY,
            read: Set::EMPTY,
            next: Generation::NONE,
            rewritten: false,
            leftovers: Set::EMPTY,
        }
    }
}

/// What stands on a condemn list.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condemned {
    pub packs: Set,
    pub snapshots: Set,
}

impl Condemned {
    pub const NOTHING: Self = Self { packs: Set::EMPTY, snapshots: Set::EMPTY };

    pub fn is_nothing(self) -> bool {
        self == Self::NOTHING
    }

    pub fn and(self, other: Self) -> Self {
        Self { packs: self.packs | other.packs, snapshots: self.snapshots | other.snapshots }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation {
    pub number: u8,
    /// Packs in its index object.
    pub packs: Set,
    /// Sessions whose index objects it contains.
    pub absorbed: Set,
}

impl Generation {
    pub const NONE: Self = Self { number: 0, packs: Set::EMPTY, absorbed: Set::EMPTY };
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// Packs that exist.
    pub packs: Set,
    /// Sessions whose own index object exists. It lists the pack of that session.
    pub index_objects: Set,
    pub generation: Generation,
    /// The oldest generation that still exists; below it numbers are free again.
    pub oldest_generation: u8,
    /// The condemn list of each collector; nothing on it: there is none.
    pub lists: [Condemned; 3],
    pub sessions: [Session; PROCESSES],
    pub clients: [Client; 4],
    pub collectors: [Collector; 3],
    pub forgotten: Set,
    pub manifests: Set,
    /// Generations that somebody else may still put, who only absorbs the log.
    pub merges_left: u8,
}

impl State {
    pub fn sessions_that(&self, are: impl Fn(Session) -> bool) -> Set {
        (0..PROCESSES as u8).filter(|&session| are(self.sessions[usize::from(session)])).collect()
    }

    pub fn condemned(&self) -> Condemned {
        self.lists.into_iter().fold(Condemned::NOTHING, Condemned::and)
    }

    /// Snapshots that were committed and are not forgotten.
    pub fn snapshots(&self) -> Set {
        let committed = self.sessions_that(|session| session == Session::Kept).filter(|session| session < WRITERS);
        (committed | Set::of(S0)) - self.forgotten
    }

    pub fn after(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn client(self, number: u8, change: impl FnOnce(&mut Client)) -> Self {
        self.after(|state| change(&mut state.clients[usize::from(number)]))
    }

    pub fn collector(self, number: u8, change: impl FnOnce(&mut Collector)) -> Self {
        self.after(|state| change(&mut state.collectors[usize::from(number - FIRST_COLLECTOR)]))
    }

    pub fn session(self, number: u8, session: Session) -> Self {
        self.after(|state| state.sessions[usize::from(number)] = session)
    }
}
