// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backends for tests, and the suite that every backend passes. Feature `testing`; never part of a release.
//!
//! [`MemBackend`] holds objects in memory, [`SimBackend`] also forgets what a crash may take. [`RecordingBackend`],
//! [`FaultyBackend`] and [`HookedBackend`] wrap any other: to count what was asked for, to fail where a plan says so, to act before
//! each call. [`OverwritingBackend`] breaks the contract. [`TestClock`] waits without waiting. [`Port`] is for servers.
//! They panic where a test is wrong.

mod clock;
pub mod conformance;
mod faulty;
mod hooked;
mod image;
mod mem;
mod overwriting;
mod port;
mod recording;
mod sim;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use clock::TestClock;
pub use faulty::{Fault, FaultyBackend, Moment};
pub use hooked::HookedBackend;
pub use image::Image;
pub use mem::MemBackend;
pub use overwriting::OverwritingBackend;
pub use port::Port;
pub use recording::{Record, RecordingBackend};
pub use sim::{Mutation, SimBackend};

/// A method of [`crate::Backend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `put_if_absent`
    Put,
    /// `get`
    Get,
    /// `length`
    Length,
    /// `list`: its name is the folder.
    List,
    /// `delete`
    Delete,
    /// `barrier`: its name is empty.
    Barrier,
}

impl Operation {
    /// The word that [`crate::StorageError`] has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Put => "write",
            Self::Get | Self::Length => "read",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Barrier => "sync",
        }
    }
}

/// A test that panicked in one thread must not hide behind poisoned locks in the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
