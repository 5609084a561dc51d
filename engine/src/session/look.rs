// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a session looks at when its record stands: what is condemned, then what is visible, and which visible packs it must not
//! rely on.
//!
//! For `session` only.

use std::collections::{HashMap, HashSet};

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::id::PackId;
use keepfast_repo_format::layout;
use keepfast_storage::Listed;

use super::{Role, condemned};
use crate::error::{Error, Result};
use crate::history::History;
use crate::repository::{Distance, Repository};

/// What a session has to know before it begins.
pub(super) struct Seen {
    pub(super) condemned: Vec<CondemnList>,
    pub(super) history: History,
    /// The packs that the storage lists, if that was asked at the same time.
    pub(super) packs: Option<Vec<Listed>>,
}

/// Condemn lists, then what is visible. Over a network the packs are listed meanwhile: their place in this order is free, since
/// a pack that appears or goes meanwhile counts as absent, which costs work and nothing else.
pub(super) fn look(repository: &Repository, role: Role) -> Result<Seen> {
    let in_order = || Ok::<_, Error>((condemned::read_all(repository)?, repository.history()?));
    let knows_packs = !repository.index.loaded()?.is_empty();
    if role == Role::Collector || repository.distance == Distance::Local || !knows_packs {
        let (condemned, history) = in_order()?;
        return Ok(Seen { condemned, history, packs: None });
    }
    std::thread::scope(|scope| {
        let packs = scope.spawn(|| repository.backend.list(layout::PACKS_FOLDER));
        let (condemned, history) = in_order()?;
        let packs = packs.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Seen { condemned, history, packs: Some(packs) })
    })
}

/// What a session would go by that was announced now: for who only wants to know. The local index then finds what such a session would find.
pub(crate) fn look_unannounced(repository: &Repository) -> Result<History> {
    let Seen { condemned, history, packs } = look(repository, Role::Writer)?;
    repository.index.exclude_packs(&absent_packs(repository, &condemned, packs)?);
    Ok(history)
}

/// Visible packs that are condemned or lost.
pub(super) fn absent_packs(
    repository: &Repository,
    condemned: &[CondemnList],
    packs: Option<Vec<Listed>>,
) -> Result<HashSet<PackId>> {
    let known = repository.index.packs();
    if known.is_empty() {
        return Ok(HashSet::new());
    }
    let condemned: HashSet<&PackId> = condemned.iter().flat_map(|list| &list.packs).collect();
    let listed = packs.map_or_else(|| repository.backend.list(layout::PACKS_FOLDER), Ok)?;
    let there: HashMap<PackId, u64> =
        listed.iter().filter_map(|object| Some((layout::parse_pack(object.name.as_str())?, object.length))).collect();
    let absent = known.iter().filter(|pack| condemned.contains(&pack.id) || there.get(&pack.id) != Some(&pack.length));
    Ok(absent.map(|pack| pack.id).collect())
}
