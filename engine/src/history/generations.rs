// SPDX-License-Identifier: MIT OR Apache-2.0
//! The newest generation: found, kept in the local index once it is durable, and made durable together with the ends of logs.
//!
//! For `history` and for whoever builds upon what is visible. It makes no generation.

use std::cmp::Reverse;

use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::{layout, record};
use keepfast_storage::ErrorKind;

use super::{Access, History};
use crate::error::{Error, Result, describe};
use crate::index::Unreadable;
use crate::repository::{Repository, object_name};

/// How often the newest generation is looked for anew when it vanishes before it is read: each time somebody has made two more.
const ATTEMPTS: usize = 8;

/// What counts of the generations that are there.
pub(super) struct Newest {
    /// The highest one of this repository that can be read; one that names nothing where none can.
    pub(super) generation: Generation,
    /// The number behind the highest that is there, whosever it is.
    pub(super) next: u64,
    /// What a higher number has instead of a generation: the index objects that count are not known then.
    pub(super) lost: Option<Unreadable>,
}

pub(super) fn newest_generation(access: Access<'_>) -> Result<Newest> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match try_newest_generation(access) {
            // A collector has removed it, so there are newer ones.
            Err(error) if error.is_not_found() && attempt < ATTEMPTS => {}
            outcome => return outcome,
        }
    }
}

fn try_newest_generation(access: Access<'_>) -> Result<Newest> {
    let listed = access.backend.list(layout::GENERATIONS_FOLDER)?;
    let mut numbers: Vec<u64> =
        listed.iter().filter_map(|object| layout::parse_generation(object.name.as_str())).collect();
    numbers.sort_unstable_by_key(|number| Reverse(*number));
    let next = numbers.first().map_or(0, |highest| highest + 1);
    let mut lost = None;
    for number in numbers {
        match own_generation(access, number) {
            Ok(Some(generation)) => return Ok(Newest { generation, next, lost }),
            Ok(None) => {}
            Err(error) if error.is_damage() && !error.is_not_found() => {
                lost.get_or_insert(Unreadable { name: layout::generation(number), why: describe(&error) });
            }
            Err(error) => return Err(error),
        }
    }
    // A repository has had one from its first moment on.
    let number = next.saturating_sub(1);
    let none = || Unreadable { name: layout::generation(number), why: "there is no generation".to_string() };
    let generation = Generation { number, base: Vec::new(), absorbed: Vec::new(), reserved: Vec::new() };
    Ok(Newest { generation, next, lost: Some(lost.unwrap_or_else(none)) })
}

/// `None` if it is another repository's (docs/format.md section 11.3).
fn own_generation(access: Access<'_>, number: u64) -> Result<Option<Generation>> {
    if let Some(generation) = cached_generation(access, number)? {
        return Ok(Some(generation));
    }
    let name = layout::generation(number);
    let object = access.backend.get(&object_name(&name), None)?;
    if Generation::is_of_another(access.keys, &object).map_err(Error::object(name.as_str()))? {
        return Ok(None);
    }
    let generation = Generation::open(access.keys, number, &object).map_err(Error::object(name.as_str()))?;
    if number == 0 {
        // `init` has made it durable before the config.
        store_generation(access, &generation)?;
    }
    Ok(Some(generation))
}

fn cached_generation(access: Access<'_>, number: u64) -> Result<Option<Generation>> {
    let plain = access.index.cached(&layout::generation(number))?;
    Ok(plain.and_then(|plain| record::from_cbor::<Generation>(&plain, "index generation").ok()))
}

impl History {
    /// Whether there is no newer generation yet.
    ///
    /// # Errors
    /// The storage.
    pub(crate) fn has_newest_generation(&self, repository: &Repository) -> Result<bool> {
        Ok(newest_generation(Access::of(repository))?.generation.number == self.generation.number)
    }
}

/// Keeps a generation in the local index. Only once it is durable: a power cut could give its number to another one.
pub(crate) fn cache_generation(repository: &Repository, generation: &Generation) -> Result<()> {
    store_generation(Access::of(repository), generation)
}

fn store_generation(access: Access<'_>, generation: &Generation) -> Result<()> {
    Ok(access.index.cache(&layout::generation(generation.number), &record::to_cbor(generation))?)
}

/// Makes durable what this session builds upon and whose maker may have died before its barrier: ends of logs, and the newest
/// generation.
pub(crate) fn settle(repository: &Repository, history: &History) -> Result<()> {
    let backend = &repository.backend;
    let number = history.generation.number;
    let known = cached_generation(Access::of(repository), number)?.is_some();
    let generation = (!known).then(|| layout::generation(number));
    let names: Vec<&String> = history.unsettled.iter().chain(&generation).collect();
    if names.is_empty() {
        return Ok(());
    }
    for name in names {
        let object = object_name(name);
        match backend.get(&object, None) {
            Ok(bytes) => drop(backend.put_if_absent(&object, &[&bytes])?),
            // A newer generation has taken its place.
            Err(error) if error.kind == ErrorKind::NotFound && Some(name) == generation.as_ref() => {}
            Err(error) => return Err(error.into()),
        }
    }
    backend.barrier()?;
    let Some(name) = generation else { return Ok(()) };
    // Read once more: only what is there after the barrier has this number for good.
    match backend.get(&object_name(&name), None) {
        Ok(bytes) => match Generation::open(&repository.keys, number, &bytes) {
            Ok(generation) if generation == history.generation => cache_generation(repository, &generation),
            _ => Ok(()),
        },
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
