// SPDX-License-Identifier: MIT OR Apache-2.0
//! Index objects, packs and chunk prefixes in the database.
//!
//! For the local index only. Which of it counts is decided above: rows here may belong to objects that nobody sees any more.

use std::collections::{HashMap, HashSet};

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{IndexId, PackId};
use keepfast_repo_format::pack::PackRecord;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::recent::prefix_of;
use super::row::{Packed, ids, object_digest, unpack};
use super::{IndexError, PackSummary};

/// Names the columns used here; see `database`.
pub(super) const PROBE: &str =
    "SELECT o.number, o.id, o.digest, p.number, p.content, p.id, p.kind, p.length, p.chunks, p.edges,
    d.record, c.prefix, c.pack FROM listings l JOIN objects o ON o.number = l.object JOIN packs p ON p.number = l.pack
    JOIN directories d ON d.pack = p.number JOIN chunks c ON c.pack = p.number LIMIT 0";

/// Dead chunk rows are swept when they are more than one in this many: a sweep reads the whole table.
const SWEEP_SHARE: i64 = 4;

/// A listed pack: its number in the database and what is known without reading its directory.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    pub(super) number: i64,
    pub(super) content: [u8; 32],
    pub(super) chunks: u64,
    pub(super) edges: u64,
    pub(super) summary: PackSummary,
}

/// Names of all objects with rows.
pub(super) fn objects(connection: &Connection) -> Result<HashSet<IndexId>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT id FROM objects")?;
    let mut rows = statement.query([])?;
    let mut found = HashSet::new();
    while let Some(row) = rows.next()? {
        found.extend(row.get::<_, Vec<u8>>(0)?.try_into().ok().map(IndexId));
    }
    Ok(found)
}

/// The packs that an object lists, if the list is what was stored under its name.
pub(super) fn listing(connection: &Connection, object: &IndexId) -> Result<Option<Vec<Listed>>, IndexError> {
    let sql = "SELECT number, digest FROM objects WHERE id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([&object.0[..]], |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((number, digest)): Option<(i64, Vec<u8>)> = found.optional()? else { return Ok(None) };
    let sql =
        "SELECT p.number, p.content, p.id, p.kind, p.length, p.chunks, p.edges FROM listings l JOIN packs p ON p.number = l.pack
        WHERE l.object = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([number])?;
    let mut packs = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(kind) = Kind::from_letter(row.get(3)?) else { return Ok(None) };
        let (Ok(content), Ok(id)) = (row.get::<_, Vec<u8>>(1)?.try_into(), row.get::<_, Vec<u8>>(2)?.try_into()) else {
            return Ok(None);
        };
        let summary = PackSummary { id: PackId(id), length: row.get::<_, i64>(4)?.cast_unsigned(), kind };
        let (chunks, edges) = (row.get::<_, i64>(5)?.cast_unsigned(), row.get::<_, i64>(6)?.cast_unsigned());
        packs.push(Listed { number: row.get(0)?, content, chunks, edges, summary });
    }
    let fits = object_digest(&object.0, packs.iter().map(|pack| (&pack.content, pack.edges))) == *digest;
    Ok(fits.then_some(packs))
}

/// Stores what an object lists, in one transaction. Packs that are here already, under any object, only get a line.
pub(super) fn load(connection: &mut Connection, object: &IndexId, packs: &[PackRecord]) -> Result<(), IndexError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let packed: Vec<Packed> = packs.iter().map(Packed::new).collect();
    let contents: HashMap<[u8; 32], u64> = packed
        .iter()
        .zip(packs)
        .map(|(packed, record)| (packed.content, record.directory.edges.len() as u64))
        .collect();
    let digest = object_digest(&object.0, contents.iter().map(|(content, edges)| (content, *edges)));
    drop_object(&transaction, &object.0)?;
    let sql = "INSERT INTO objects(id, digest) VALUES(?1, ?2) RETURNING number";
    let number: i64 = transaction.prepare_cached(sql)?.query_row([&object.0[..], &digest], |row| row.get(0))?;
    let mut chunks = Vec::new();
    for (record, packed) in packs.iter().zip(packed) {
        let pack = match number_of(&transaction, &packed.content)? {
            Some(pack) => {
                // A number that was damaged would keep the object out for ever.
                let edges = i64::try_from(record.directory.edges.len()).unwrap_or(i64::MAX);
                let sql = "UPDATE packs SET edges = ?2 WHERE number = ?1 AND edges <> ?2";
                transaction.prepare_cached(sql)?.execute([pack, edges])?;
                pack
            }
            None => {
                let pack = insert_pack(&transaction, record, &packed)?;
                chunks.extend(ids(record).map(|id| (prefix_of(id), pack)));
                pack
            }
        };
        transaction.prepare_cached("INSERT OR IGNORE INTO listings VALUES(?1, ?2)")?.execute([number, pack])?;
    }
    // In the order of the table: neighbours share pages.
    chunks.sort_unstable();
    chunks.dedup();
    let mut insert = transaction.prepare_cached("INSERT INTO chunks VALUES(?1, ?2)")?;
    for (prefix, pack) in chunks {
        insert.execute([prefix, pack])?;
    }
    drop(insert);
    transaction.commit()?;
    Ok(())
}

/// Lets go of objects that are not visible any more, and of packs that were left over the last time. What is left over this time stays
/// once more: a new generation mostly lists the same packs, and `load` finds them.
pub(super) fn forget(connection: &mut Connection, visible: &HashSet<IndexId>) -> Result<(), IndexError> {
    let gone: Vec<IndexId> = objects(connection)?.into_iter().filter(|object| !visible.contains(object)).collect();
    let sql = "SELECT count(*), coalesce(sum(chunks), 0) FROM packs WHERE number NOT IN (SELECT pack FROM listings)";
    let (left, dead): (i64, i64) = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if gone.is_empty() && left == 0 {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM packs WHERE number NOT IN (SELECT pack FROM listings)", [])?;
    transaction.execute("DELETE FROM directories WHERE pack NOT IN (SELECT number FROM packs)", [])?;
    transaction.execute("UPDATE facts SET value = value + ?1 WHERE name = 'dead rows'", [dead])?;
    for object in gone {
        drop_object(&transaction, &object.0)?;
    }
    sweep(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// Packs that may hold a chunk with this prefix.
pub(super) fn candidates(connection: &Connection, prefix: i64) -> Result<Vec<i64>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT pack FROM chunks WHERE prefix = ?1")?;
    let mut rows = statement.query([prefix])?;
    let mut packs = Vec::new();
    while let Some(row) = rows.next()? {
        packs.push(row.get(0)?);
    }
    Ok(packs)
}

/// Calls `each` with the prefix of every chunk row.
pub(super) fn prefixes(connection: &Connection, mut each: impl FnMut(i64)) -> Result<(), IndexError> {
    let mut statement = connection.prepare_cached("SELECT prefix FROM chunks")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?);
    }
    Ok(())
}

/// Calls `each` with prefix and pack number of every chunk row, ascending by prefix, then by number.
pub(super) fn in_order<E: From<IndexError>>(
    connection: &Connection,
    mut each: impl FnMut(i64, i64) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement =
        connection.prepare_cached("SELECT prefix, pack FROM chunks ORDER BY prefix, pack").map_err(IndexError::from)?;
    let mut rows = statement.query([]).map_err(IndexError::from)?;
    while let Some(row) = rows.next().map_err(IndexError::from)? {
        let prefix = row.get(0).map_err(IndexError::from)?;
        each(prefix, row.get(1).map_err(IndexError::from)?)?;
    }
    Ok(())
}

/// The whole record of a pack; `None` if another handle removed it.
pub(super) fn pack(connection: &Connection, listed: &Listed) -> Result<Option<PackRecord>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT record FROM directories WHERE pack = ?1")?;
    let mut rows = statement.query([listed.number])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let record = unpack(row.get_ref(0)?.as_blob().unwrap_or_default(), &listed.content);
    let as_listed =
        |record: &PackRecord| listed.summary == PackSummary { id: record.id, length: record.length, kind: record.kind };
    let damaged = || IndexError::Damaged { what: format!("the row of pack {}", listed.summary.id) };
    record.filter(as_listed).ok_or_else(damaged).map(Some)
}

fn number_of(transaction: &Transaction<'_>, content: &[u8; 32]) -> Result<Option<i64>, IndexError> {
    let mut statement = transaction.prepare_cached("SELECT number FROM packs WHERE content = ?1")?;
    Ok(statement.query_row([&content[..]], |row| row.get(0)).optional()?)
}

fn insert_pack(transaction: &Transaction<'_>, record: &PackRecord, packed: &Packed) -> Result<i64, IndexError> {
    let sql = "INSERT INTO packs(content, id, kind, length, chunks, edges) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
        RETURNING number";
    let chunks = i64::try_from(record.directory.chunks.len()).unwrap_or(i64::MAX);
    let length = record.length.cast_signed();
    let edges = i64::try_from(record.directory.edges.len()).unwrap_or(i64::MAX);
    let values = params![&packed.content[..], &record.id.0[..], record.kind.letter(), length, chunks, edges];
    let number = transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    let sql = "INSERT INTO directories VALUES(?1, ?2)";
    transaction.prepare_cached(sql)?.execute(params![number, packed.bytes])?;
    Ok(number)
}

fn drop_object(transaction: &Transaction<'_>, object: &[u8]) -> Result<(), IndexError> {
    let sql = "DELETE FROM listings WHERE object IN (SELECT number FROM objects WHERE id = ?1)";
    transaction.prepare_cached(sql)?.execute([object])?;
    transaction.prepare_cached("DELETE FROM objects WHERE id = ?1")?.execute([object])?;
    Ok(())
}

fn sweep(transaction: &Transaction<'_>) -> Result<(), IndexError> {
    let number = |sql: &str| transaction.query_row(sql, [], |row| row.get::<_, i64>(0));
    let live = number("SELECT coalesce(sum(chunks), 0) FROM packs")?;
    let dead = number("SELECT value FROM facts WHERE name = 'dead rows'")?;
    if dead == 0 || dead.saturating_mul(SWEEP_SHARE) < live.saturating_add(dead) {
        return Ok(());
    }
    if live == 0 {
        transaction.execute("DELETE FROM chunks", [])?;
    } else {
        transaction.execute("DELETE FROM chunks WHERE pack NOT IN (SELECT number FROM packs)", [])?;
    }
    transaction.execute("UPDATE facts SET value = 0 WHERE name = 'dead rows'", [])?;
    Ok(())
}

/// Numbers of visible packs, and what is known of them.
pub(super) type Usable = HashMap<i64, Listed>;
