// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local index brought up to date: the rows of the index objects that are visible now.
//!
//! For `history`, and for whoever reads a single index object.

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::IndexId;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::{layout, record};

use super::{Access, History, tails};
use crate::error::{Error, Result, describe};
use crate::index::Unreadable;
use crate::repository::object_name;

/// Reads the log and brings the local index up to date: from now on exactly what is visible is found. Where index objects can not
/// be read, the directories of stored packs take their place, and the local index says so.
pub(crate) fn refresh(access: Access<'_>) -> Result<History> {
    let mut before = None;
    loop {
        let history = History::read_from(access)?;
        let is_final = before.as_ref() == Some(history.index_objects());
        match access.index.renew(|| load_missing(access, &history, is_final)) {
            Ok(()) => return Ok(history),
            // A collector has put others in its place; if it has not, the object is lost.
            Err(error) if error.is_not_found() && !is_final => before = Some(history.index_objects),
            Err(error) => return Err(error),
        }
    }
}

fn load_missing(access: Access<'_>, history: &History, is_final: bool) -> Result<()> {
    let mut unreadable: Vec<Unreadable> = history.lost_generation().cloned().into_iter().collect();
    for id in access.index.retain(history.index_objects())? {
        match read_index_object(access, &id) {
            Ok(packs) => access.index.load(id, &packs)?,
            Err(error) if error.is_damage() && (is_final || !error.is_not_found()) => {
                unreadable.push(Unreadable { name: layout::index(&id), why: describe(&error) });
            }
            Err(error) => return Err(error),
        }
    }
    if !unreadable.is_empty() {
        tails::load(access)?;
        access.index.set_unreadable(unreadable);
    }
    Ok(())
}

/// The packs that an index object lists.
pub(crate) fn read_index_object(access: Access<'_>, id: &IndexId) -> Result<Vec<PackRecord>> {
    let name = layout::index(id);
    let object = access.backend.get(&object_name(&name), None)?;
    if *blake3::hash(&object).as_bytes() != id.0 {
        return Err(Error::ObjectHash { object: name });
    }
    let plain = record::open_structure(access.keys, Kind::Index, &object).map_err(Error::object(name.as_str()))?;
    keepfast_repo_format::index::decode(&plain).map_err(Error::object(name))
}
