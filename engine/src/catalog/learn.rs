// SPDX-License-Identifier: MIT OR Apache-2.0
//! Learning a snapshot: what differs from one of the same line that is known, and nothing else, is read and written.
//!
//! For the catalog only. One transaction for each snapshot, so that a stop at any moment leaves whole ones; SQLite writes out what does
//! not fit its page cache, so memory does not grow with the tree.

use std::collections::HashMap;
use std::sync::Arc;

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::{Entry, Owner};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::schema::OPEN;
use super::version::Version;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::history::Snapshot;
use crate::index::IndexError;
use crate::reader::Reader;
use crate::tree::{Cursor, Direction, Root, differences};

/// What the new snapshot is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The newest one of its line that is visible.
    Newest,
    /// None: everything is read.
    Nothing,
}

pub(super) fn root(snapshot: &Snapshot) -> Root {
    Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level }
}

/// Begins a transaction that nobody else writes beside; waits for another program that is learning.
pub(super) fn begin<'a>(connection: &'a Connection, events: &dyn Events) -> Result<Transaction<'a>> {
    loop {
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                if events.cancelled() {
                    return Err(Error::Cancelled);
                }
            }
            begun => return begun.map_err(|error| IndexError::from(error).into()),
        }
    }
}

/// Learns one snapshot, unless somebody has.
pub(super) fn learn(
    connection: &Connection,
    reader: &Arc<Reader>,
    snapshot: &Snapshot,
    visible: &HashMap<SnapshotId, Root>,
    base: Base,
    events: &dyn Events,
) -> Result<()> {
    let transaction = begin(connection, events)?;
    if is_known(&transaction, &snapshot.id)? {
        return Ok(());
    }
    let (line, place) = place(&transaction, snapshot)?;
    let base = if base == Base::Newest { newest(&transaction, line, visible)? } else { None };
    let mut lesson = Lesson { transaction: &transaction, line, place, folder: None, owners: HashMap::new() };
    match base {
        Some((known, before)) => {
            lesson.rewind(known)?;
            let root = root(snapshot);
            differences(reader, before, root, b"", events, &mut |_, old, new| {
                new.or(old).map_or(Ok(()), |key| Ok(lesson.put(key, new)?))
            })?;
        }
        None => lesson.whole(Cursor::new(reader.clone(), root(snapshot), Direction::Forward), events)?,
    }
    lesson.finish(&snapshot.id)?;
    transaction.commit().map_err(IndexError::from)?;
    Ok(())
}

fn is_known(connection: &Connection, id: &SnapshotId) -> Result<bool, IndexError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM snapshots WHERE id = ?1")?;
    Ok(statement.exists([&id.0[..]])?)
}

/// The line of a snapshot and its place there, the first that is free.
fn place(connection: &Connection, snapshot: &Snapshot) -> Result<(i64, i64), IndexError> {
    let identity = identity(snapshot);
    connection.prepare_cached("INSERT OR IGNORE INTO lines(identity, next) VALUES(?1, 0)")?.execute([&identity[..]])?;
    let mut statement = connection.prepare_cached("SELECT number, next FROM lines WHERE identity = ?1")?;
    Ok(statement.query_row([&identity[..]], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn identity(snapshot: &Snapshot) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let paths = snapshot.manifest.paths.iter().map(Vec::as_slice);
    for part in std::iter::once(snapshot.manifest.host.as_bytes()).chain(paths) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The newest place of the line whose snapshot can still be read.
fn newest(
    connection: &Connection,
    line: i64,
    visible: &HashMap<SnapshotId, Root>,
) -> Result<Option<(i64, Root)>, IndexError> {
    let mut statement =
        connection.prepare_cached("SELECT id, place FROM snapshots WHERE line = ?1 ORDER BY place DESC")?;
    let mut rows = statement.query([line])?;
    while let Some(row) = rows.next()? {
        let id = row.get::<_, Vec<u8>>(0)?.try_into().ok().map(SnapshotId);
        if let Some(root) = id.and_then(|id| visible.get(&id)) {
            return Ok(Some((row.get(1)?, *root)));
        }
    }
    Ok(None)
}

/// A snapshot that is being learned.
struct Lesson<'a> {
    transaction: &'a Transaction<'a>,
    line: i64,
    place: i64,
    /// The folder of the entry before: entries of a folder come in one run.
    folder: Option<(Arc<[u8]>, i64)>,
    owners: HashMap<Arc<Owner>, i64>,
}

impl Lesson<'_> {
    /// Makes the state at `place` that of an earlier place: the snapshots between the two are gone, so nothing can be compared with them.
    fn rewind(&self, known: i64) -> Result<(), IndexError> {
        if known + 1 == self.place {
            return Ok(());
        }
        let (line, place) = (self.line, self.place);
        self.transaction.execute(
            "UPDATE versions SET last = ?1 - 1 WHERE line = ?2 AND last = ?3 AND first > ?4",
            params![place, line, OPEN, known],
        )?;
        self.transaction.execute(
            "INSERT INTO versions SELECT path, line, ?1, ?3, type, mode, owner, size, seconds, nanos, content, attributes
             FROM versions WHERE line = ?2 AND first <= ?4 AND last >= ?4 AND last < ?3",
            params![place, line, OPEN, known],
        )?;
        Ok(())
    }

    /// Everything is new; what the line had is over.
    fn whole(&mut self, cursor: Cursor, events: &dyn Events) -> Result<()> {
        if self.place > 0 {
            let sql = "UPDATE versions SET last = ?1 - 1 WHERE line = ?2 AND last = ?3";
            self.transaction.execute(sql, params![self.place, self.line, OPEN]).map_err(IndexError::from)?;
        }
        for (number, entry) in cursor.enumerate() {
            if number % 1024 == 0 && events.cancelled() {
                return Err(Error::Cancelled);
            }
            let entry = entry?;
            let path = self.path(&entry)?;
            self.insert(path, &entry)?;
            events.path_done(&entry.name, 0);
        }
        Ok(())
    }

    /// From this place on the path is something else, or nothing.
    fn put(&mut self, key: &Entry, new: Option<&Entry>) -> Result<(), IndexError> {
        let path = self.path(key)?;
        self.end(path)?;
        new.map_or(Ok(()), |entry| self.insert(path, entry))
    }

    fn end(&self, path: i64) -> Result<(), IndexError> {
        let sql = "DELETE FROM versions WHERE path = ?1 AND line = ?2 AND first = ?3";
        self.transaction.prepare_cached(sql)?.execute([path, self.line, self.place])?;
        let sql = "UPDATE versions SET last = ?1 - 1 WHERE path = ?2 AND line = ?3 AND last = ?4";
        self.transaction.prepare_cached(sql)?.execute([self.place, path, self.line, OPEN])?;
        Ok(())
    }

    fn insert(&mut self, path: i64, entry: &Entry) -> Result<(), IndexError> {
        let version = Version::of(entry);
        let owner = self.owner(&version.owner)?;
        let sql = "INSERT INTO versions VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        self.transaction.prepare_cached(sql)?.execute(params![
            path,
            self.line,
            self.place,
            OPEN,
            version.file_type as u8,
            version.mode,
            owner,
            // The bits count: a sparse file can be larger than the database can say.
            version.size as i64,
            version.modified.seconds,
            version.modified.nanos,
            version.content,
            version.attributes,
        ])?;
        Ok(())
    }

    fn path(&mut self, entry: &Entry) -> Result<i64, IndexError> {
        let folder = match &self.folder {
            Some((known, number)) if **known == *entry.directory => *number,
            _ => {
                let put = "INSERT OR IGNORE INTO folders(path) VALUES(?1)";
                let get = "SELECT number FROM folders WHERE path = ?1";
                let number = numbered(self.transaction, [put, get], params![&entry.directory[..]])?;
                self.folder = Some((entry.directory.clone(), number));
                number
            }
        };
        let put = "INSERT OR IGNORE INTO paths(folder, name) VALUES(?1, ?2)";
        let get = "SELECT number FROM paths WHERE folder = ?1 AND name = ?2";
        numbered(self.transaction, [put, get], params![folder, entry.name])
    }

    fn owner(&mut self, owner: &Arc<Owner>) -> Result<i64, IndexError> {
        if let Some(number) = self.owners.get(owner) {
            return Ok(*number);
        }
        let put = "INSERT OR IGNORE INTO owners(uid, gid, user, team) VALUES(?1, ?2, ?3, ?4)";
        let get = "SELECT number FROM owners WHERE uid = ?1 AND gid = ?2 AND user = ?3 AND team = ?4";
        let values = params![owner.uid, owner.gid, owner.user, owner.group];
        let number = numbered(self.transaction, [put, get], values)?;
        self.owners.insert(owner.clone(), number);
        Ok(number)
    }

    fn finish(&self, id: &SnapshotId) -> Result<(), IndexError> {
        let values = params![&id.0[..], self.line, self.place];
        self.transaction.prepare_cached("INSERT INTO snapshots VALUES(?1, ?2, ?3)")?.execute(values)?;
        let sql = "UPDATE lines SET next = ?1 + 1 WHERE number = ?2";
        self.transaction.prepare_cached(sql)?.execute([self.place, self.line])?;
        Ok(())
    }
}

/// Puts a row unless it is there, and returns its number.
fn numbered(
    connection: &Connection,
    [put, get]: [&str; 2],
    values: &[&dyn rusqlite::ToSql],
) -> Result<i64, IndexError> {
    if connection.prepare_cached(put)?.execute(values)? == 1 {
        return Ok(connection.last_insert_rowid());
    }
    let found = connection.prepare_cached(get)?.query_row(values, |row| row.get(0)).optional()?;
    found.ok_or_else(|| IndexError::Damaged { what: "a row of the catalog is there and can not be found".to_string() })
}
