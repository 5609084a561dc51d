// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds out what a storage really guarantees: [`probe`] tries each guarantee of [`Backend`] on objects of its own.
//!
//! For `init`, `repository probe` and the first session on a remote repository. Services differ from their documents: a
//! popular S3 gateway says yes to a conditional put, and overwrites. A probe can show that a guarantee does not hold, and
//! make it likely that it does; it must never be taken for a proof.

mod trial;

use std::fmt;

use crate::{Backend, StorageError};

/// Where a probe puts its objects; nothing there is an object of the repository, and whatever is found there may be
/// removed (`docs/format.md` section 2).
pub const PROBE_FOLDER: &str = "probe";

/// Something that a storage should guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// Of several callers that put one name, one creates it, and nothing is ever overwritten.
    CreateOnce,
    /// What was put is read, whole, from then on.
    ReadAfterWrite,
    /// Lists are complete at any time.
    ListConsistent,
    /// What is deleted is gone. The only one that may be missing for good: a storage may be write-once.
    Delete,
    /// Ranges are exact, and end in an error beyond the end.
    Range,
}

impl Guarantee {
    /// All, in the order in which people read them.
    pub const ALL: [Self; 5] =
        [Self::CreateOnce, Self::ReadAfterWrite, Self::ListConsistent, Self::Delete, Self::Range];

    /// A word for files and programs; keeps its meaning for ever.
    pub fn word(self) -> &'static str {
        match self {
            Self::CreateOnce => "create_once",
            Self::ReadAfterWrite => "read_after_write",
            Self::ListConsistent => "list_consistent",
            Self::Delete => "delete",
            Self::Range => "range",
        }
    }
}

/// What was found out about one guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing spoke against it.
    Holds,
    /// It does not hold; what was seen, for people.
    Fails(String),
}

/// What was found out about a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Guarantee::CreateOnce`]
    pub create_once: Finding,
    /// [`Guarantee::ReadAfterWrite`]
    pub read_after_write: Finding,
    /// [`Guarantee::ListConsistent`]
    pub list_consistent: Finding,
    /// [`Guarantee::Delete`]
    pub delete: Finding,
    /// [`Guarantee::Range`]
    pub range: Finding,
}

/// What may be done with a repository on such a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Everything: many writers at once, and prune while they write.
    ManyWritersAndPrune,
    /// Many writers at once; nothing can be deleted.
    ManyWriters,
    /// One writer at a time, and no prune while anybody writes.
    OneWriter,
    /// Nothing: objects come back wrong, or lists are short. Backups on it would be lost.
    Nothing,
}

impl Capabilities {
    /// All guarantees hold.
    pub fn full() -> Self {
        let holds = || Finding::Holds;
        Self {
            create_once: holds(),
            read_after_write: holds(),
            list_consistent: holds(),
            delete: holds(),
            range: holds(),
        }
    }

    /// What was found out about one guarantee.
    pub fn of(&self, guarantee: Guarantee) -> &Finding {
        match guarantee {
            Guarantee::CreateOnce => &self.create_once,
            Guarantee::ReadAfterWrite => &self.read_after_write,
            Guarantee::ListConsistent => &self.list_consistent,
            Guarantee::Delete => &self.delete,
            Guarantee::Range => &self.range,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, guarantee: Guarantee) -> &mut Finding {
        match guarantee {
            Guarantee::CreateOnce => &mut self.create_once,
            Guarantee::ReadAfterWrite => &mut self.read_after_write,
            Guarantee::ListConsistent => &mut self.list_consistent,
            Guarantee::Delete => &mut self.delete,
            Guarantee::Range => &mut self.range,
        }
    }

    /// What does not hold, and what was seen.
    pub fn why(&self) -> impl Iterator<Item = (Guarantee, &str)> {
        Guarantee::ALL.into_iter().filter_map(|guarantee| match self.of(guarantee) {
            Finding::Holds => None,
            Finding::Fails(why) => Some((guarantee, why.as_str())),
        })
    }

    /// What may be done.
    pub fn allows(&self) -> Use {
        let fails = |guarantee| *self.of(guarantee) != Finding::Holds;
        if [Guarantee::ReadAfterWrite, Guarantee::ListConsistent, Guarantee::Range].into_iter().any(fails) {
            Use::Nothing
        } else if fails(Guarantee::CreateOnce) {
            Use::OneWriter
        } else if fails(Guarantee::Delete) {
            Use::ManyWriters
        } else {
            Use::ManyWritersAndPrune
        }
    }
}

/// One line of words, for error messages.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (guarantee, why) in self.why() {
            write!(f, "{separator}{} fails: {why}", guarantee.word())?;
            separator = "; ";
        }
        if separator.is_empty() { f.write_str("everything holds") } else { Ok(()) }
    }
}

/// Tries every guarantee: some fifty small requests, eight at a time where it races. Leaves nothing behind that the
/// storage lets it remove. Two probes at once do not disturb each other.
///
/// # Errors
/// The storage could not be asked: no connection, no right to write. What it answers wrongly is a finding.
pub fn probe(backend: &dyn Backend) -> Result<Capabilities, StorageError> {
    trial::run(backend)
}

#[cfg(test)]
mod tests;
