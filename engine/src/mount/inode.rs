// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inode numbers that tell what they stand for, so that no table of them is kept: whatever a reader looks at, the memory stays the same,
//! and a number means the same file for as long as the mount lasts.

/// Bits for the number of an entry in its tree, and one that says what it is.
const PLACE_BITS: u32 = 40;

/// Set for folders: programs that copy a folder in the order of inode numbers (`cp`, `tar`) take its files first and then go into its
/// folders, which is how a backup has stored them. Each segment is then opened once.
const FOLDER_BIT: u64 = 1 << (PLACE_BITS - 1);

/// Entries of a tree that can have numbers.
const MAX_ENTRIES: u64 = FOLDER_BIT - 1;

/// What an inode number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inode {
    /// A folder or link above the snapshots, by its number among them; 0 is the top.
    Above(u32),
    /// The top folder of a snapshot, by the number of the folder that shows it.
    Top(u32),
    /// An entry of a snapshot: the folder that shows it, and the number in its tree.
    Entry(u32, u64),
}

/// Whether an entry is a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    Other,
}

impl Inode {
    /// The number for the kernel; `None` for an entry that is too far back to have one.
    pub(super) fn number(self, kind: Kind) -> Option<u64> {
        let folder_bit = if kind == Kind::Folder { FOLDER_BIT } else { 0 };
        match self {
            Self::Above(number) => Some(u64::from(number) + 1),
            Self::Top(shown) => Some(high(shown)),
            Self::Entry(shown, place) if place < MAX_ENTRIES => Some(high(shown) | folder_bit | (place + 1)),
            Self::Entry(..) => None,
        }
    }

    /// What a number stands for.
    pub(super) fn of(number: u64) -> Option<Self> {
        let low = number & (FOLDER_BIT - 1);
        let shown = u32::try_from(number >> PLACE_BITS).ok()?.checked_sub(1);
        match (shown, low) {
            (None, _) => u32::try_from(number.checked_sub(1)?).ok().map(Self::Above),
            (Some(shown), 0) => Some(Self::Top(shown)),
            (Some(shown), place) => Some(Self::Entry(shown, place - 1)),
        }
    }
}

fn high(shown: u32) -> u64 {
    (u64::from(shown) + 1) << PLACE_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Inode, Kind, MAX_ENTRIES};

    fn inode() -> impl Strategy<Value = Inode> {
        let shown = 0_u32..1 << 24;
        prop_oneof![
            (0_u32..1 << 31).prop_map(Inode::Above),
            shown.clone().prop_map(Inode::Top),
            (shown, 0..MAX_ENTRIES).prop_map(|(shown, place)| Inode::Entry(shown, place)),
        ]
    }

    proptest! {
        #[test]
        fn a_number_tells_what_it_stands_for(inode in inode(), is_folder: bool) {
            let kind = if is_folder { Kind::Folder } else { Kind::Other };
            prop_assert_eq!(inode.number(kind).and_then(Inode::of), Some(inode));
        }

        #[test]
        fn no_number_makes_it_panic(number: u64) {
            let _ = Inode::of(number);
        }
    }

    #[test]
    fn the_top_is_1_as_the_kernel_wants_it() {
        assert_eq!(Inode::Above(0).number(Kind::Folder), Some(1));
        assert_eq!(Inode::of(1), Some(Inode::Above(0)));
        assert_eq!(Inode::of(0), None);
    }

    #[test]
    fn folders_come_behind_the_files_beside_them() {
        let of = |place, kind| Inode::Entry(3, place).number(kind).unwrap();
        assert!(of(7, Kind::Folder) > of(1_000_000, Kind::Other));
        assert_eq!(Inode::Entry(0, MAX_ENTRIES).number(Kind::Other), None);
    }
}
