// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs in the place of index objects that are lost or damaged: each pack has its own directory at its end.
//!
//! For readers, so that one lost object does not make everything unreadable, and for a collector, which writes the index anew.
//! Whoever adds to the repository refuses to go by it.

use std::collections::HashSet;

use keepfast_repo_format::envelope::HEADER_LEN;
use keepfast_repo_format::id::{IndexId, PackId};
use keepfast_repo_format::layout;
use keepfast_repo_format::pack::{self, FOOTER_LEN, Footer, PackRecord};

use super::Access;
use crate::error::{Error, Result};
use crate::index::LocalIndex;
use crate::repository::object_name;

/// The name under which the local index has these rows: no object has it, so nothing of them outlives this look.
const ROWS: &[u8] = b"keepfast rows of the packs that no index object tells";

/// Loads what stored packs say that no index object tells.
pub(super) fn load(access: Access<'_>) -> Result<()> {
    let told: HashSet<PackId> = access.index.packs().iter().map(|pack| pack.id).collect();
    let packs = untold(access, &told)?;
    Ok(access.index.load(rows(), &packs)?)
}

/// The packs that are visible because of [`load`] alone.
pub(crate) fn loaded(index: &LocalIndex) -> Result<Vec<PackId>> {
    Ok(index.listed_by(&rows())?.unwrap_or_default())
}

fn rows() -> IndexId {
    IndexId(*blake3::hash(ROWS).as_bytes())
}

/// The directories of stored packs but for those in `told`. A pack that does not open is left out: what needs it names it.
pub(crate) fn untold(access: Access<'_>, told: &HashSet<PackId>) -> Result<Vec<PackRecord>> {
    let mut packs = Vec::new();
    for object in access.backend.list(layout::PACKS_FOLDER)? {
        let Some(id) = layout::parse_pack(object.name.as_str()).filter(|id| !told.contains(id)) else { continue };
        match directory(access, id, object.length) {
            Ok(pack) => packs.push(pack),
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(packs)
}

fn directory(access: Access<'_>, id: PackId, length: u64) -> Result<PackRecord> {
    let name = layout::pack(&id);
    let object = object_name(&name);
    let lost = || Error::Lost { reason: format!("{name} is shorter than any pack") };
    let least = (HEADER_LEN + FOOTER_LEN) as u64;
    if length < least {
        return Err(lost());
    }
    let header = access.backend.get(&object, Some(0..HEADER_LEN as u64))?;
    let header = header.first_chunk::<HEADER_LEN>().ok_or_else(lost)?;
    let footer = access.backend.get(&object, Some(length - FOOTER_LEN as u64..length))?;
    let footer = footer.first_chunk::<FOOTER_LEN>().ok_or_else(lost)?;
    let footer = Footer::decode(footer).map_err(Error::object(name.as_str()))?;
    let start = length.checked_sub(footer.tail_len()).ok_or_else(lost)?;
    let tail = access.backend.get(&object, Some(start..length))?;
    let tail = pack::open_directory(access.keys, header, &tail).map_err(Error::object(name.as_str()))?;
    let pack::PackTail { kind, length: said, session, keys, directory } = tail;
    if said != length {
        return Err(Error::Lost { reason: format!("{name} has {length} bytes, its directory says {said}") });
    }
    Ok(PackRecord { id, length, kind, session, keys, directory })
}
