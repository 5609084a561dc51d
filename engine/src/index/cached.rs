// SPDX-License-Identifier: MIT OR Apache-2.0
//! Immutable small objects, kept so that nothing is fetched twice: log slots, manifests, generations.
//!
//! For the local index only. What is found here was stored under this name by this program, or it is not found.

use rusqlite::{Connection, OptionalExtension, params};

use super::IndexError;

/// Names the columns used here; see `database`.
pub(super) const PROBE: &str = "SELECT name, digest, bytes FROM cached LIMIT 1";

pub(super) fn get(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT digest, bytes FROM cached WHERE name = ?1")?;
    let row = statement.query_row([name], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)));
    Ok(row.optional()?.and_then(|(found, bytes)| (found == digest(name, &bytes)).then_some(bytes)))
}

pub(super) fn put(connection: &Connection, name: &str, bytes: &[u8]) -> Result<(), IndexError> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO cached VALUES(?1, ?2, ?3)")?;
    statement.execute(params![name, &digest(name, bytes)[..], bytes])?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, name: &str) -> Result<(), IndexError> {
    connection.prepare_cached("DELETE FROM cached WHERE name = ?1")?.execute([name])?;
    Ok(())
}

pub(super) fn names(connection: &Connection, prefix: &str) -> Result<Vec<String>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT name FROM cached WHERE name >= ?1 ORDER BY name")?;
    let mut rows = statement.query([prefix])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if !name.starts_with(prefix) {
            break;
        }
        names.push(name);
    }
    Ok(names)
}

/// The name takes part: bytes that stray to another row are not that object's.
fn digest(name: &str, bytes: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new()
        .update(&(name.len() as u64).to_le_bytes())
        .update(name.as_bytes())
        .update(bytes)
        .finalize()
        .as_bytes()
}
