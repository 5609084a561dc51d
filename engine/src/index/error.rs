// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why the local index could not answer. Facts for the engine; none of these says anything about the repository itself:
//! the same work can always be done with an index in memory.

use std::io;
use std::path::PathBuf;

/// Why the local index could not be opened or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The folder or a file in it could not be made, locked or removed.
    #[error("local index {}: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `SQLite` could not do it: no space, no right, or locked by another process for longer than the limit.
    #[error("local index: {source}")]
    Database {
        /// What `SQLite` said.
        source: rusqlite::Error,
    },
    /// The file contradicts itself. It is marked, and made anew when it is opened next; until then it is not to be asked again.
    #[error("local index is damaged: {what}")]
    Damaged {
        /// The part that is damaged.
        what: String,
    },
}

impl From<rusqlite::Error> for IndexError {
    fn from(source: rusqlite::Error) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
        use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase};
        let contradicts =
            matches!(source.sqlite_error_code(), Some(ConstraintViolation | DatabaseCorrupt | NotADatabase));
        // A value that this program did not write.
        let is_foreign =
            matches!(source, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..));
        if contradicts || is_foreign { Self::Damaged { what: source.to_string() } } else { Self::Database { source } }
    }
}
