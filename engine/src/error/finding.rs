// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an error says of what is stored: that it is damaged or missing, or only that the storage does not give it now.

use keepfast_repo_format::id::PackId;
use keepfast_repo_format::layout;
use keepfast_storage::ErrorKind;

use super::Error;

impl Error {
    /// Whether the storage says that there is no such object.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Storage(error) => error.kind == ErrorKind::NotFound,
            Self::Base { source, .. } => source.is_not_found(),
            _ => false,
        }
    }

    /// Whether it says nothing of what is stored: the storage may answer when it is asked again, and the index is this machine's.
    pub(crate) fn is_no_finding(&self) -> bool {
        match self {
            Self::Storage(error) => matches!(error.kind, ErrorKind::Transient | ErrorKind::Lost | ErrorKind::Denied),
            Self::Index(_) => true,
            Self::Base { source, .. } | Self::Content { source, .. } => source.is_no_finding(),
            _ => false,
        }
    }

    /// Whether the storage gave no answer at all: it would give none for another object either.
    pub(crate) fn is_without_answer(&self) -> bool {
        match self {
            Self::Storage(error) => matches!(error.kind, ErrorKind::Transient | ErrorKind::Lost | ErrorKind::Cancelled),
            Self::Base { source, .. } | Self::Content { source, .. } => source.is_without_answer(),
            _ => false,
        }
    }

    /// The pack that is damaged, if the error knows one.
    pub(crate) fn damaged_pack(&self) -> Option<PackId> {
        match self {
            Self::Object { object, .. } | Self::ObjectHash { object } => layout::parse_pack(object),
            Self::Base { source, .. } | Self::Content { source, .. } => source.damaged_pack(),
            _ => None,
        }
    }

    /// Whether the storage gave no answer, or one that says nothing of the object: what it fails to do may concern all of it.
    pub fn is_of_storage(&self) -> bool {
        match self {
            Self::Storage(_) => !self.is_damage(),
            Self::Base { source, .. } | Self::Content { source, .. } => source.is_of_storage(),
            _ => false,
        }
    }

    /// Whether it concerns stored data that is damaged or missing, so that other data may still be readable.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Object { .. } | Self::ObjectHash { .. } | Self::MissingChunk { .. } | Self::Node { .. })
            || matches!(self, Self::Rewrap(_) | Self::Lost { .. })
            || matches!(self, Self::Content { source, .. } | Self::Base { source, .. } if source.is_damage())
            || self.is_not_found()
            // The object is shorter than what was stored.
            || matches!(self, Self::Storage(error) if error.kind == ErrorKind::Range)
    }
}
