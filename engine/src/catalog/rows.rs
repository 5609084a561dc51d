// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading the catalog: the versions of one path, of all that is below a folder, and the list of paths.
//!
//! For those who ask the catalog. Rows may belong to snapshots that the caller does not see: [`super::Timeline`] leaves them out.

use std::collections::HashMap;
use std::sync::Arc;

use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::{FileType, Owner, Timestamp};
use keepfast_repo_format::tree::order;
use rusqlite::{Connection, OptionalExtension, Row};

use super::schema::OPEN;
use super::{Catalog, Version};
use crate::error::Result;
use crate::index::IndexError;
use crate::tree::is_inside;

/// A version, and the places of a line in which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    pub(super) line: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    /// What the path was there.
    pub version: Version,
}

/// The columns of `versions` that [`Catalog::interval`] reads, in its order.
const COLUMNS: &str =
    "v.line, v.first, v.last, v.type, v.mode, v.owner, v.size, v.seconds, v.nanos, v.content, v.attributes";

/// A path of the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// The folder, without slashes at its ends.
    pub folder: &'a [u8],
    /// The name; empty for the top folder itself.
    pub name: &'a [u8],
}

impl Path<'_> {
    /// Folder and name as one.
    pub fn joined(&self) -> Vec<u8> {
        order::join(self.folder, self.name)
    }
}

impl Catalog {
    /// Line and place of every snapshot that was learned.
    pub(super) fn known(&self) -> Result<HashMap<SnapshotId, (i64, i64)>, IndexError> {
        let mut statement = self.connection.prepare_cached("SELECT id, line, place FROM snapshots")?;
        let mut rows = statement.query([])?;
        let mut known = HashMap::new();
        while let Some(row) = rows.next()? {
            let id = row.get::<_, Vec<u8>>(0)?.try_into().map_err(|_| damaged("the id of a snapshot"))?;
            known.insert(SnapshotId(id), (row.get(1)?, row.get(2)?));
        }
        Ok(known)
    }

    /// The versions of a path, by line and place; none if it was never there.
    ///
    /// # Errors
    /// The database.
    pub fn intervals(&self, path: &[u8]) -> Result<Vec<Interval>, IndexError> {
        let (folder, name) = order::split(path);
        let sql =
            "SELECT p.number FROM folders f JOIN paths p ON p.folder = f.number WHERE f.path = ?1 AND p.name = ?2";
        let number = self.connection.prepare_cached(sql)?.query_row([folder, name], |row| row.get(0)).optional()?;
        number.map_or(Ok(Vec::new()), |number| self.versions(number))
    }

    fn versions(&self, path: i64) -> Result<Vec<Interval>, IndexError> {
        let sql = format!("SELECT {COLUMNS} FROM versions v WHERE v.path = ?1 ORDER BY v.line, v.first");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([path])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.interval(row, 0)?);
        }
        Ok(found)
    }

    /// Tells the versions of every path that is wanted and whose folder is `folder` or below it (empty: any), folder by folder, those in order
    /// of their bytes.
    ///
    /// # Errors
    /// The database, or what `each` says.
    pub fn each_path(
        &self,
        folder: &[u8],
        mut wants: impl FnMut(Path) -> Result<bool>,
        mut each: impl FnMut(&[u8], &[Interval]) -> Result<()>,
    ) -> Result<()> {
        let sql = format!(
            "SELECT p.number, f.path, p.name, {COLUMNS} FROM folders f CROSS JOIN paths p ON p.folder = f.number
             CROSS JOIN versions v ON v.path = p.number WHERE {} ORDER BY f.path, p.name, v.line, v.first",
            range(folder)
        );
        let mut statement = self.connection.prepare_cached(&sql).map_err(IndexError::from)?;
        let mut rows = statement.query(rusqlite::params_from_iter(ends(folder))).map_err(IndexError::from)?;
        let (mut number, mut path, mut intervals) = (None, Vec::new(), Vec::new());
        while let Some(row) = rows.next().map_err(IndexError::from)? {
            let next: i64 = row.get(0).map_err(IndexError::from)?;
            if number != Some(next) {
                if !intervals.is_empty() {
                    each(&path, &intervals)?;
                    intervals.clear();
                }
                let found = Path { folder: bytes(row, 1)?, name: bytes(row, 2)? };
                if !is_inside(found.folder, folder) || !wants(found)? {
                    continue;
                }
                (number, path) = (Some(next), found.joined());
            }
            intervals.push(self.interval(row, 3)?);
        }
        if intervals.is_empty() { Ok(()) } else { each(&path, &intervals) }
    }

    fn interval(&self, row: &Row, from: usize) -> Result<Interval, IndexError> {
        let file_type = FileType::from_stored(row.get(from + 3)?).ok_or_else(|| damaged("a type"))?;
        let version = Version {
            file_type,
            mode: row.get(from + 4)?,
            owner: self.owner(row.get(from + 5)?)?,
            size: row.get::<_, i64>(from + 6)? as u64,
            modified: Timestamp { seconds: row.get(from + 7)?, nanos: row.get(from + 8)? },
            content: row.get(from + 9)?,
            attributes: row.get(from + 10)?,
        };
        Ok(Interval { line: row.get(from)?, first: row.get(from + 1)?, last: row.get(from + 2)?, version })
    }

    fn owner(&self, number: i64) -> Result<Arc<Owner>, IndexError> {
        if let Some(owner) = self.owners.borrow().get(&number) {
            return Ok(owner.clone());
        }
        let sql = "SELECT uid, gid, user, team FROM owners WHERE number = ?1";
        let read = |row: &Row| Ok(Owner { uid: row.get(0)?, gid: row.get(1)?, user: row.get(2)?, group: row.get(3)? });
        let found = self.connection.prepare_cached(sql)?.query_row([number], read).optional()?;
        let owner = Arc::new(found.ok_or_else(|| damaged("an owner"))?);
        self.owners.borrow_mut().insert(number, owner.clone());
        Ok(owner)
    }
}

/// Folders from `?1` to before `?2`, among them all below `folder`, and some more whose names only begin alike.
fn range(folder: &[u8]) -> &'static str {
    if folder.is_empty() { "TRUE" } else { "f.path >= ?1 AND f.path < ?2" }
}

/// The values of [`range`]: `0` is the byte behind `/`.
fn ends(folder: &[u8]) -> Vec<Vec<u8>> {
    if folder.is_empty() { Vec::new() } else { vec![folder.to_vec(), [folder, b"0"].concat()] }
}

fn bytes<'a>(row: &'a Row, column: usize) -> Result<&'a [u8], IndexError> {
    let value = row.get_ref(column)?;
    value.as_blob().map_err(|_| damaged("a name"))
}

fn damaged(what: &str) -> IndexError {
    IndexError::Damaged { what: format!("{what} in the catalog makes no sense") }
}

/// Lets go of snapshots, and of versions and paths that no other snapshot has.
pub(super) fn sweep(connection: &Connection, gone: &[SnapshotId]) -> Result<(), IndexError> {
    let mut statement = connection.prepare("DELETE FROM snapshots WHERE id = ?1")?;
    for id in gone {
        statement.execute([&id.0[..]])?;
    }
    // A version that its line has not left stays: the next snapshot is compared with it.
    connection.execute(
        "DELETE FROM versions WHERE last < ?1 AND NOT EXISTS(SELECT 1 FROM snapshots s WHERE s.line = versions.line
         AND s.place BETWEEN versions.first AND versions.last)",
        [OPEN],
    )?;
    connection.execute_batch(
        "DELETE FROM paths WHERE NOT EXISTS(SELECT 1 FROM versions v WHERE v.path = paths.number);
         DELETE FROM folders WHERE NOT EXISTS(SELECT 1 FROM paths p WHERE p.folder = folders.number);",
    )?;
    Ok(())
}
