// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of an index object: packs and their directories (`docs/format.md` section 7).
//!
//! For whoever writes or loads an index. Only the plaintext: framing and sealing are `record`'s.

use crate::directory::Directory;
use crate::envelope::{Kind, MAX_PACK_BYTES};
use crate::error::FormatError;
use crate::id::{PackId, SessionId};
use crate::keys::KeyRow;
use crate::pack::{FOOTER_LEN, PackRecord};
use crate::tree::column::{fits, malformed, within};
use crate::wire::Reader;

const WHAT: &str = "index";
/// Bytes of plaintext to put into an index object at most, unless a single pack needs more: what a client holds while it
/// loads one, and loads again when a transfer fails.
pub const TARGET_BYTES: u64 = 16 << 20;
/// Id, length, kind, session, rows of the key table, length of the directory.
const FIXED_BYTES: u64 = 32 + 8 + 1 + 16 + 2 + 4;

/// Bytes that `record` takes in a table, so that a writer can begin a new object before [`TARGET_BYTES`].
pub fn encoded_len(record: &PackRecord) -> u64 {
    FIXED_BYTES + (KeyRow::LEN * record.keys.len()) as u64 + record.directory.encoded_len()
}

/// The table of these packs, whatever their order; no pack twice.
pub fn encode(packs: &[PackRecord]) -> Vec<u8> {
    let mut sorted: Vec<&PackRecord> = packs.iter().collect();
    sorted.sort_unstable_by_key(|record| record.id);
    let mut out = Vec::with_capacity(4 + packs.iter().map(encoded_len).sum::<u64>() as usize);
    out.extend_from_slice(&(packs.len() as u32).to_le_bytes());
    for record in sorted {
        out.extend_from_slice(record.id.as_bytes());
        out.extend_from_slice(&record.length.to_le_bytes());
        out.push(record.kind.letter());
        out.extend_from_slice(record.session.as_bytes());
        out.extend_from_slice(&(record.keys.len() as u16).to_le_bytes());
        record.keys.iter().for_each(|row| out.extend_from_slice(&row.encode()));
        let table = record.directory.encode();
        out.extend_from_slice(&(table.len() as u32).to_le_bytes());
        out.extend_from_slice(&table);
    }
    out
}

/// The packs of a table, sorted by id.
///
/// # Errors
/// Counts beyond the bytes, packs out of order, a kind that no pack has, a directory that is not valid or does not fit
/// its pack's length, bytes left over.
pub fn decode(table: &[u8]) -> Result<Vec<PackRecord>, FormatError> {
    let mut reader = Reader::new(table, WHAT);
    let packs = u64::from(reader.u32()?);
    let packs = fits(&reader, WHAT, packs, FIXED_BYTES + KeyRow::LEN as u64)?;
    let mut records: Vec<PackRecord> = Vec::with_capacity(packs);
    for _ in 0..packs {
        let record = read_record(&mut reader)?;
        if records.last().is_some_and(|last| last.id >= record.id) {
            return Err(malformed(WHAT, "its packs are not in order"));
        }
        records.push(record);
    }
    reader.finish(WHAT)?;
    Ok(records)
}

fn read_record(reader: &mut Reader<'_>) -> Result<PackRecord, FormatError> {
    let id = PackId(reader.array()?);
    let length = within("length of a pack", reader.u64()?, 0..=MAX_PACK_BYTES)?;
    let kind = match Kind::from_letter(reader.u8()?) {
        Some(kind @ (Kind::DataPack | Kind::TreePack)) => kind,
        _ => return Err(malformed(WHAT, "it names an object that is no pack")),
    };
    let session = SessionId(reader.array()?);
    let rows = reader.u16()?;
    within("rows of a key table", rows.into(), 1..=u16::MAX.into())?;
    let n = fits(reader, WHAT, rows.into(), KeyRow::LEN as u64)?;
    let mut keys = Vec::with_capacity(n);
    for _ in 0..n {
        keys.push(KeyRow::read(reader)?);
    }
    let table_len = reader.u32()?;
    let directory = Directory::decode(reader.bytes(table_len as usize)?, rows)?;
    if directory.end() + (KeyRow::LEN * n + FOOTER_LEN) as u64 > length {
        return Err(malformed(WHAT, "segments reach beyond their pack"));
    }
    Ok(PackRecord { id, length, kind, session, keys, directory })
}
