// SPDX-License-Identifier: MIT OR Apache-2.0
//! Condemn lists (`docs/format.md` section 10): what a collector has announced that it will delete.
//!
//! For prune, which writes them, and for every session, which reads them before it reads the index. Final: nothing on a
//! list is ever taken off it.

use minicbor::{Decode, Encode};

use crate::envelope::Kind;
use crate::error::FormatError;
use crate::id::{PackId, SessionId, SnapshotId, WriterId};
use crate::keys::Keys;
use crate::record::{from_cbor, open_structure, seal_structure, to_cbor};
use crate::session::check_place;

const WHAT: &str = "condemn list";

/// What one collector round deletes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CondemnList {
    /// The collector.
    #[n(0)]
    pub writer: WriterId,
    /// The log slot that its session holds; with the writer, the name of the list.
    #[n(1)]
    pub sequence: u64,
    /// That session.
    #[n(2)]
    pub session: SessionId,
    /// Packs, ascending, each once.
    #[n(3)]
    pub packs: Vec<PackId>,
    /// Forgotten snapshots whose manifests go, ascending, each once.
    #[n(4)]
    pub snapshots: Vec<SnapshotId>,
}

impl CondemnList {
    /// The list as an object.
    pub fn seal(&self, keys: &Keys) -> Vec<u8> {
        seal_structure(keys, Kind::Condemned, &to_cbor(self))
    }

    /// Opens the list that stands at (`writer`, `sequence`).
    ///
    /// # Errors
    /// As [`open_structure`]; malformed, also when a list is not ascending; wrong place when it was made for another name.
    pub fn open(keys: &Keys, writer: WriterId, sequence: u64, object: &[u8]) -> Result<Self, FormatError> {
        let list: Self = from_cbor(&open_structure(keys, Kind::Condemned, object)?, WHAT)?;
        check_place(WHAT, (writer, sequence), (list.writer, list.sequence))?;
        let ascending = list.packs.is_sorted_by(|a, b| a < b) && list.snapshots.is_sorted_by(|a, b| a < b);
        if !ascending {
            return Err(FormatError::Malformed { what: WHAT, why: "its ids do not ascend".into() });
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RepositoryId;
    use crate::keys::RootSecret;

    fn list(packs: &[u8]) -> CondemnList {
        CondemnList {
            writer: WriterId([1; 16]),
            sequence: 2,
            session: SessionId([3; 16]),
            packs: packs.iter().map(|byte| PackId([*byte; 32])).collect(),
            snapshots: vec![SnapshotId([4; 32])],
        }
    }

    #[test]
    fn a_list_comes_back_only_at_its_place_and_in_order() {
        let keys = Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0);
        let object = list(&[5, 6]).seal(&keys);
        assert_eq!(CondemnList::open(&keys, WriterId([1; 16]), 2, &object), Ok(list(&[5, 6])));
        for place in [(WriterId([1; 16]), 3), (WriterId([9; 16]), 2)] {
            let error = CondemnList::open(&keys, place.0, place.1, &object).unwrap_err();
            assert!(matches!(error, FormatError::WrongPlace { .. }), "{error}");
        }
        for bad in [[6, 5], [5, 5]] {
            let error = CondemnList::open(&keys, WriterId([1; 16]), 2, &list(&bad).seal(&keys)).unwrap_err();
            assert!(matches!(error, FormatError::Malformed { .. }), "{error}");
        }
    }
}
