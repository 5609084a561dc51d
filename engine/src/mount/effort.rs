// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a request will cost, guessed without doing it: whether all that it needs is in memory. A wrong guess costs time, never an answer.

use super::inode::Inode;
use super::view::View;

/// What a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// All that it needs is in memory.
    Little,
    /// The storage may have to be asked, or much be computed.
    Much,
}

impl Effort {
    fn of(is_kept: bool) -> Self {
        if is_kept { Self::Little } else { Self::Much }
    }
}

impl View {
    /// Of looking at an inode.
    pub(super) fn effort(&self, number: u64) -> Effort {
        Effort::of(match Inode::of(number) {
            Some(Inode::Entry(shown, place)) => {
                self.catalog.top(shown).is_some_and(|(opened, _)| opened.tree.keeps_entry(place))
            }
            Some(Inode::Top(shown)) => self.catalog.top(shown).is_some_and(|(opened, _)| opened.tree.keeps(b"", b"")),
            // The log may be read.
            Some(Inode::Above(_)) => false,
            None => true,
        })
    }

    /// Of looking for a name.
    pub(super) fn effort_of_name(&self, folder: u64, name: &[u8]) -> Effort {
        let (shown, directory) = match Inode::of(folder) {
            Some(Inode::Top(shown)) => (shown, Vec::new()),
            Some(Inode::Entry(shown, _)) => match self.effort(folder) {
                Effort::Little => (shown, self.path(folder).unwrap_or_default()),
                Effort::Much => return Effort::Much,
            },
            // The log may be read.
            Some(Inode::Above(_)) | None => return Effort::Much,
        };
        let is_kept = self.catalog.top(shown).is_some_and(|(opened, _)| opened.tree.keeps(&directory, name));
        Effort::of(is_kept)
    }

    /// Of a listing that goes on at a place.
    pub(super) fn effort_of_list(&self, folder: u64, from: u64) -> Effort {
        match (Inode::of(folder), self.place(from)) {
            (Some(Inode::Top(shown) | Inode::Entry(shown, _)), Some(place)) => {
                let top = self.catalog.top(shown);
                Effort::of(top.is_some_and(|(opened, _)| opened.tree.keeps_entry(place)))
            }
            _ => self.effort_of_name(folder, b""),
        }
    }

    /// Of reading bytes of a file.
    pub(super) fn effort_of_bytes(&self, number: u64, offset: u64, length: u64) -> Effort {
        if self.effort(number) == Effort::Much {
            return Effort::Much;
        }
        Effort::of(
            self.file_range(number, offset, length)
                .is_ok_and(|(found, range)| found.entry.layers.is_empty() && self.contents.keeps(&found.entry, range)),
        )
    }
}
