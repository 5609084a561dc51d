// SPDX-License-Identifier: MIT OR Apache-2.0
//! Space that is set aside for the day on which the storage is full: even what frees space has to write a little first.
//!
//! The reserve is made of objects without meaning, `reserve/<n>`, of [`PIECE_BYTES`] each. For folders and servers with a file system: an
//! object store is not full before its owner says so. [`Reserve`] is for `forget` and `prune` alone; a backup that took it would leave
//! nothing for them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// The folder of the reserve in the namespace of a repository.
pub const RESERVE_FOLDER: &str = "reserve";

/// Bytes of an object: what is given up at a time.
pub const PIECE_BYTES: u64 = 1 << 20;

/// Objects that a reserve may have: their numbers have four digits.
pub const MAX_PIECES: u64 = 10_000;

/// Bytes that are set aside now.
///
/// # Errors
/// The storage can not be listed.
pub fn reserved(backend: &dyn Backend) -> Result<u64, StorageError> {
    Ok(pieces(backend)?.iter().map(|piece| piece.length).sum())
}

/// Sets so many bytes aside, rounded up to whole pieces, or gives back what is more; returns what is there then. A storage that becomes
/// full on the way keeps what it took.
///
/// # Errors
/// The storage; [`ErrorKind::Full`] if it has not so much.
///
/// # Panics
/// With more than [`MAX_PIECES`] pieces.
pub fn set_aside(backend: &dyn Backend, bytes: u64) -> Result<u64, StorageError> {
    let wanted = bytes.div_ceil(PIECE_BYTES);
    assert!(wanted <= MAX_PIECES, "{wanted} pieces are too many");
    let there: Vec<Name> = pieces(backend)?.into_iter().map(|piece| piece.name).collect();
    for name in there.iter().filter(|name| number(name).is_none_or(|number| number >= wanted)) {
        backend.delete(name)?;
    }
    for number in 0..wanted {
        let name = piece(number);
        if !there.contains(&name) {
            backend.put_if_absent(&name, &[&filling(number)])?;
        }
    }
    backend.barrier()?;
    reserved(backend)
}

fn pieces(backend: &dyn Backend) -> Result<Vec<Listed>, StorageError> {
    backend.list(RESERVE_FOLDER)
}

fn piece(number: u64) -> Name {
    Name::new(format!("{RESERVE_FOLDER}/{number:04}")).expect("folder and digits are a name")
}

fn number(name: &Name) -> Option<u64> {
    name.as_str().strip_prefix(RESERVE_FOLDER)?.strip_prefix('/')?.parse().ok()
}

/// Bytes that no file system makes smaller or shares: xorshift64 (Marsaglia 2003), from another start for each piece.
fn filling(number: u64) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number + 1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..PIECE_BYTES / 8).flat_map(|_| next()).collect()
}

/// A backend that gives a piece of the reserve up whenever a put finds the storage full, and tries again.
pub struct Reserve {
    inner: Arc<dyn Backend>,
    given_up: AtomicU64,
}

impl Reserve {
    /// Over a backend that may have a reserve.
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self { inner, given_up: AtomicU64::new(0) }
    }

    /// Bytes that were given up.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Sets aside again what was given up; returns what is there then.
    ///
    /// # Errors
    /// As [`set_aside`].
    pub fn refill(&self) -> Result<u64, StorageError> {
        let there = reserved(&*self.inner)?;
        set_aside(&*self.inner, there + self.given_up.swap(0, Ordering::Relaxed))
    }

    /// Whether there was a piece to give up. Of several threads that find the storage full each gives up its own.
    fn give_up_one(&self) -> bool {
        let Ok(pieces) = pieces(&*self.inner) else { return false };
        pieces.iter().rev().any(|piece| {
            let is_gone = matches!(self.inner.delete(&piece.name), Ok(Delete::Deleted));
            self.given_up.fetch_add(if is_gone { piece.length } else { 0 }, Ordering::Relaxed);
            is_gone
        })
    }
}

impl Backend for Reserve {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        loop {
            match self.inner.put_if_absent(name, parts) {
                Err(error) if error.kind == ErrorKind::Full && self.give_up_one() => {}
                outcome => return outcome,
            }
        }
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        self.inner.get(name, range)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.inner.length(name)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.inner.list(folder)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        self.inner.delete(name)
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.inner.barrier()
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{PIECE_BYTES, Reserve, filling, reserved, set_aside};
    use crate::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation};
    use crate::{Backend, ErrorKind, Name, Put};

    fn full_for(puts: u64) -> (Arc<MemBackend>, Arc<FaultyBackend>) {
        let objects = Arc::new(MemBackend::new());
        let fault = |nth| Fault::new(Operation::Put, "log", nth, ErrorKind::Full, Moment::BeforeEffect);
        let faulty = FaultyBackend::new(objects.clone(), (1..=puts).map(fault).collect());
        (objects, Arc::new(faulty))
    }

    #[test]
    fn as_much_is_set_aside_as_was_asked_for_last() {
        let objects = MemBackend::new();
        for (asked, there) in [(1, 1), (3 * PIECE_BYTES, 3), (2 * PIECE_BYTES - 1, 2), (5 * PIECE_BYTES, 5), (0, 0)] {
            assert_eq!(set_aside(&objects, asked).unwrap(), there * PIECE_BYTES);
            assert_eq!(reserved(&objects).unwrap(), there * PIECE_BYTES);
        }
    }

    #[test]
    fn pieces_differ_and_do_not_compress() {
        assert_ne!(filling(0), filling(1));
        let piece = filling(7);
        assert_eq!(piece.len() as u64, PIECE_BYTES);
        let mut counts = [0_usize; 256];
        piece.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        assert!(counts.iter().all(|count| (3500..4700).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_put_that_finds_the_storage_full_goes_on_with_what_was_set_aside() {
        let (objects, faulty) = full_for(2);
        set_aside(&*objects, 3 * PIECE_BYTES).unwrap();
        let reserve = Reserve::new(faulty.clone());
        let name = Name::new("log/a").unwrap();
        assert_eq!(reserve.put_if_absent(&name, &[b"slot"]).unwrap(), Put::Created);
        faulty.verify_all_faults_reached();
        assert_eq!((reserve.given_up(), reserved(&*objects).unwrap()), (2 * PIECE_BYTES, PIECE_BYTES));
        assert_eq!(reserve.refill().unwrap(), 3 * PIECE_BYTES);
        assert_eq!((reserve.given_up(), reserved(&*objects).unwrap()), (0, 3 * PIECE_BYTES));
    }

    #[test]
    fn without_enough_the_storage_is_full() {
        let (objects, faulty) = full_for(2);
        set_aside(&*objects, PIECE_BYTES).unwrap();
        let reserve = Reserve::new(faulty);
        let error = reserve.put_if_absent(&Name::new("log/a").unwrap(), &[b"slot"]).unwrap_err();
        assert_eq!((error.kind, reserve.given_up()), (ErrorKind::Full, PIECE_BYTES));
        assert_eq!(reserved(&*objects).unwrap(), 0);
    }
}
