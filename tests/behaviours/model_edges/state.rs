// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is true at one instant of the model with edges: packs and what they hold, the index, condemn lists, sessions, and
//! where each process stands. It must not know a rule of the protocol.

use crate::support::search::Set;

/// Numbers of clients: writers 0 and 1, an undeleter 2. A client has one session, which has its number.
pub const UNDELETER: u8 = 2;
pub const CLIENTS: usize = 3;

/// Packs: 0 to 2 may stand there at the start, a writer puts one at most, and so does a collector.
pub const PACKS: usize = 7;
pub const FIRST_OF_WRITERS: u8 = 3;
pub const FIRST_OF_COLLECTORS: u8 = 5;

/// A chunk, and its copies: bit 0 and 1 of a pack's content are X and Y as they are, 2 is X as a delta against Y, 3 is Y
/// as a delta against X.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chunk {
    X,
    Y,
}

impl Chunk {
    pub const BOTH: [Self; 2] = [Self::X, Self::Y];

    pub fn number(self) -> u8 {
        self as u8
    }

    /// The chunk that this one is a delta against.
    pub fn base(self) -> Self {
        Self::BOTH[1 - usize::from(self.number())]
    }

    pub fn plain(self) -> u8 {
        self.number()
    }

    pub fn delta(self) -> u8 {
        2 + self.number()
    }

    pub fn copies(self) -> Set {
        Set::of(self.plain()) | Set::of(self.delta())
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Session {
    None,
    Open,
    Kept,
    Void,
}

/// Where a client stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAt {
    Idle,
    Announced,
    ReadLists,
    ReadBoth,
    /// What the slot will promise is there.
    Ready,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client {
    pub at: ClientAt,
    /// Packs on condemn lists, as it has read them.
    pub condemned: Set,
    /// Chunks that it may rely on.
    pub known: Set,
    /// Chunks that it takes for bases.
    pub bases: Set,
    /// It saw S0, and nothing that is condemned: what S0 needs is there.
    pub trusts_parent: bool,
}

impl Client {
    pub const fn at(at: ClientAt) -> Self {
        Self { at, condemned: Set::EMPTY, known: Set::EMPTY, bases: Set::EMPTY, trusts_parent: false }
    }
}

/// Where a collector stands: what it has just done.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectorAt {
    Idle,
    Chose,
    PutList,
    Waits,
    SessionsEnded,
    ReadLists,
    ReadIndex,
    MustCopy,
    PutCopy,
    Collected,
    Deletes,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collector {
    pub at: CollectorAt,
    pub condemns: Set,
    /// Sessions it waits for.
    pub awaited: Set,
    /// Packs on condemn lists, as it has read them.
    pub read: Set,
    /// Packs that the index names, as it has read it, and the generation that it read.
    pub named: Set,
    pub generation: u8,
    /// Copies it is going to move.
    pub moves: Set,
}

impl Collector {
    pub const fn at(at: CollectorAt) -> Self {
        let none = Set::EMPTY;
        Self { at, condemns: none, awaited: none, read: none, named: none, generation: 0, moves: none }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct State {
    /// The copies in each pack; a pack without one does not exist.
    pub packs: [Set; PACKS],
    /// Packs that the index names.
    pub visible: Set,
    /// The newest index generation.
    pub generation: u8,
    /// The condemn list of each collector, and one that a dead collector has left; empty: there is none.
    pub lists: [Set; 3],
    pub sessions: [Session; CLIENTS],
    pub clients: [Client; CLIENTS],
    pub collectors: [Collector; 2],
    /// The snapshot of the start, which needs X.
    pub s0_visible: bool,
    /// Snapshots of writers that were forgotten.
    pub forgotten: Set,
}

impl State {
    pub fn stored(&self) -> Set {
        (0..PACKS as u8).filter(|&pack| !self.packs[usize::from(pack)].is_empty()).collect()
    }

    /// All copies in these packs.
    pub fn copies_in(&self, packs: Set) -> Set {
        packs.iter().fold(Set::EMPTY, |copies, pack| copies | self.packs[usize::from(pack)])
    }

    pub fn condemned(&self) -> Set {
        self.lists[0] | self.lists[1] | self.lists[2]
    }

    pub fn sessions_that_are(&self, session: Session) -> Set {
        (0..CLIENTS as u8).filter(|&client| self.sessions[usize::from(client)] == session).collect()
    }

    pub fn after(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn client(self, number: u8, client: Client) -> Self {
        self.after(|state| state.clients[usize::from(number)] = client)
    }

    pub fn collector(self, number: u8, change: impl FnOnce(&mut Collector)) -> Self {
        self.after(|state| change(&mut state.collectors[usize::from(number)]))
    }

    pub fn session(self, number: u8, session: Session) -> Self {
        self.after(|state| state.sessions[usize::from(number)] = session)
    }

    pub fn with_pack(self, pack: u8, copies: Set) -> Self {
        self.after(|state| state.packs[usize::from(pack)] = copies)
    }
}
