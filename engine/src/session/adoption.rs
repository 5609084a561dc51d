// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which packs of this writer's ended sessions a new session lists as its own (`docs/format.md` section 11.1), so that what an
//! interrupted backup has uploaded is not uploaded again.
//!
//! For `session` only, after its record stands and it has read condemn lists and log, in this order: what a collector has
//! condemned before is on a list or gone, and one that condemns later waits for the session. The same holds for the bases of deltas: of
//! a pack that nobody sees, a collector does not know what it needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::id::{PackId, SessionId};
use keepfast_repo_format::layout;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;
use keepfast_storage::Listed;

use super::ledger::Ledger;
use crate::error::{Error, Result};
use crate::history::History;
use crate::index::{LocalIndex, Location};
use crate::repository::{Repository, object_name};

/// The packs that `session` adopts, as packs of its own. Its next barrier speaks for them too. The local index must find what the
/// session may rely on, and nothing else.
///
/// # Errors
/// The storage, the local index.
pub(super) fn adopt(
    repository: &Repository,
    ledger: &Ledger,
    session: SessionId,
    condemned: &[CondemnList],
    history: &History,
) -> Result<Vec<PackRecord>> {
    let mut packs = ledger.read(&repository.keys);
    if packs.is_empty() {
        return Ok(packs);
    }
    let condemned: HashSet<&PackId> = condemned.iter().flat_map(|list| &list.packs).collect();
    let visible: HashSet<PackId> = repository.index.survey().iter().map(|pack| pack.summary.id).collect();
    let mut seen = HashSet::new();
    packs.retain(|pack| {
        let is_left = history.has_ended(&pack.session) && !visible.contains(&pack.id);
        is_left && !condemned.contains(&pack.id) && seen.insert(pack.id)
    });
    if packs.is_empty() {
        return Ok(packs);
    }
    // Listed after the condemn lists were read: of a list that was finished before, nothing is there any more.
    let there = lengths(&repository.backend.list(layout::PACKS_FOLDER)?);
    packs.retain(|pack| there.get(&pack.id) == Some(&pack.length));
    let mut adopted = Vec::with_capacity(packs.len());
    for mut pack in packs {
        if !has_bases(&repository.index, &pack)? {
            continue;
        }
        repository.backend.rely_on(&object_name(&layout::pack(&pack.id)))?;
        // In the index they are this session's: nobody takes its index objects for those of a dead one.
        pack.session = session;
        adopted.push(pack);
    }
    Ok(adopted)
}

/// Whether each delta of the pack can be read with what the session may rely on. A pack goes as a whole or not at all: one without a
/// base is left to prune.
fn has_bases(index: &LocalIndex, pack: &PackRecord) -> Result<bool> {
    let segments = pack.directory.segments.iter().zip(0..);
    let mut deltas = segments.filter(|(row, _)| row.codec == Codec::Delta).peekable();
    if deltas.peek().is_none() {
        return Ok(true);
    }
    let pack = Arc::new(pack.clone());
    for (_, segment) in deltas {
        let location = Location { pack: Arc::clone(&pack), segment, offset: 0, length: 0 };
        if index.lacking(&location)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks once more, after the barrier that speaks for them.
///
/// # Errors
/// One is not there, or has another length.
pub(super) fn verify(repository: &Repository, packs: &[PackRecord]) -> Result<()> {
    let there = lengths(&repository.backend.list(layout::PACKS_FOLDER)?);
    let Some(pack) = packs.iter().find(|pack| there.get(&pack.id) != Some(&pack.length)) else { return Ok(()) };
    let object = layout::pack(&pack.id);
    // Says best itself what is wrong.
    repository.backend.length(&object_name(&object))?;
    Err(Error::ObjectHash { object })
}

fn lengths(listed: &[Listed]) -> HashMap<PackId, u64> {
    let packs = listed.iter().filter_map(|object| Some((layout::parse_pack(object.name.as_str())?, object.length)));
    packs.collect()
}
