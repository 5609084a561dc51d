// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which tree nodes were visited: whole ids, on disk, because a repository may have more of them than memory holds.
//!
//! For marking only. A node that is wrongly taken for visited would lose data, so nothing here is a guess. The file loses its name
//! as soon as it is open.

use std::path::Path;

use keepfast_repo_format::id::ChunkId;
use rusqlite::Connection;

use super::runs::scratch_error;
use crate::error::{Error, Result};
use crate::index::IndexError;

/// Page cache in KiB; negative, as `SQLite` has it.
const CACHE_KIB: i64 = -16 * 1024;

/// A set of node ids.
pub(super) struct Visited {
    connection: Connection,
    count: u64,
}

impl Visited {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::Builder::new().prefix("prune-").suffix(".sqlite").tempfile_in(folder);
        let path = file.map_err(|source| scratch_error(folder, source))?.into_temp_path();
        let connection = Self::open(&path).map_err(database)?;
        path.close().map_err(|source| scratch_error(folder, source))?;
        Ok(Self { connection, count: 0 })
    }

    fn open(path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        // Nobody else, and no tomorrow: it needs neither a journal nor flushes.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        connection.execute_batch("CREATE TABLE nodes(id BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN")?;
        Ok(connection)
    }

    /// Notes the node; whether it is new.
    pub(super) fn insert(&mut self, id: &ChunkId) -> Result<bool> {
        let sql = "INSERT OR IGNORE INTO nodes VALUES(?1)";
        let added = self.connection.prepare_cached(sql).and_then(|mut insert| insert.execute([&id.0[..]]));
        let is_new = added.map_err(database)? == 1;
        self.count += u64::from(is_new);
        Ok(is_new)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

fn database(source: rusqlite::Error) -> Error {
    Error::Index(IndexError::Database { source })
}

#[cfg(test)]
mod tests {
    use super::{ChunkId, Visited};

    #[test]
    fn a_node_is_new_once_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut visited = Visited::new(folder.path()).unwrap();
        for round in 0..2 {
            for n in 0..2000_u32 {
                let id = ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes());
                assert_eq!(visited.insert(&id).unwrap(), round == 0);
            }
        }
        assert_eq!(visited.count(), 2000);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
