// SPDX-License-Identifier: MIT OR Apache-2.0
//! Opening a repository: found by its config, opened by a key slot.
//!
//! For the cli and the tests. What this machine remembers (`known`) saves requests and changes no answer: where it does not
//! fit, everything is read as if for the first time.

use std::sync::Arc;

use keepfast_repo_format::config::UnverifiedConfig;
use keepfast_repo_format::id::{RepositoryId, SlotId};
use keepfast_repo_format::key_slot::{KeySlot, OpenedSlot, Protection};
use keepfast_repo_format::keys::Keys;
use keepfast_repo_format::{FormatError, crypto, layout};
use keepfast_storage::cache::RangeCache;
use keepfast_storage::{Backend, ErrorKind, Listed};

use super::known::Opening;
use super::{Credential, Distance, LocalFolders, Repository, object_name};
use crate::error::{Error, Result};
use crate::index::LocalIndex;

/// Disk space for segments of remote trees, in bytes: the trees of ten million files, or some hundred nights of one million.
const TREE_CACHE_BYTES: u64 = 512 << 20;

/// Folder of those segments, in the cache folder of the repository.
const TREE_CACHE_FOLDER: &str = "trees";

/// A repository found but not opened: what stands in clear.
pub struct Found {
    backend: Arc<dyn Backend>,
    config: UnverifiedConfig,
    /// Its bytes, to be remembered.
    object: Vec<u8>,
    generation: u64,
    distance: Distance,
    origin: Origin,
}

/// Where the config comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The storage.
    Storage,
    /// This machine, which proves nothing about the storage.
    Memory,
}

impl Found {
    /// Looks for a repository.
    ///
    /// # Errors
    /// [`Error::NoRepository`], [`Error::NotARepository`], or a config that needs another version.
    pub fn locate(backend: Arc<dyn Backend>) -> Result<Self> {
        let newest = newest_config(&*backend)?;
        Self::fetch(backend, newest)
    }

    /// The same for a repository whose id is known, from a key file: with what is remembered of it in `folders`, the config
    /// need not be fetched. [`Found::open`] finds out whether it is the one that is there.
    ///
    /// # Errors
    /// As for [`Found::locate`].
    pub fn locate_known(backend: Arc<dyn Backend>, id: RepositoryId, folders: &LocalFolders) -> Result<Self> {
        let newest = newest_config(&*backend)?;
        let remembered = Opening::read(folders, id)
            .filter(|known| known.generation == newest.0 && known.config.len() as u64 == newest.1.length);
        let config = remembered.as_ref().and_then(|known| UnverifiedConfig::decode(&known.config).ok());
        match (config, remembered) {
            (Some(config), Some(known)) if config.repository() == id => Ok(Self {
                backend,
                config,
                object: known.config,
                generation: newest.0,
                distance: Distance::default(),
                origin: Origin::Memory,
            }),
            _ => Self::fetch(backend, newest),
        }
    }

    fn fetch(backend: Arc<dyn Backend>, (generation, listed): (u64, Listed)) -> Result<Self> {
        let name = listed.name.to_string();
        let object = backend.get(&listed.name, None)?;
        let config = match UnverifiedConfig::decode(&object) {
            Err(FormatError::NotAnObject) => {
                let why = format!("{name} is not a keepfast object");
                return Err(Error::NotARepository { location: backend.location(), why });
            }
            decoded => decoded.map_err(Error::object(name))?,
        };
        Ok(Self { backend, config, object, generation, distance: Distance::default(), origin: Origin::Storage })
    }

    /// The same at this distance. A remote one has its trees cached, and is probed before the first session.
    #[must_use]
    pub fn at(self, distance: Distance) -> Self {
        Self { distance, ..self }
    }

    /// The repository's id, unverified.
    pub fn id(&self) -> RepositoryId {
        self.config.repository()
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::WrongKey`] if no slot opens with `credential`.
    pub fn open(mut self, credential: &Credential, folders: &LocalFolders) -> Result<Repository> {
        let known = Opening::read(folders, self.id());
        let quick = known.as_ref().map(|known| self.unlock_with(known.slot, credential)).transpose()?.flatten();
        if quick.is_none() && self.origin == Origin::Memory {
            // Without its key slot nothing shows that it is the repository that is remembered.
            self = Self::locate(self.backend)?.at(self.distance);
        }
        let id = self.id();
        let location = self.backend.location();
        if let Credential::KeyFile(file) = credential
            && file.repository != id
        {
            return Err(Error::OtherRepository { location, found: id, expected: file.repository });
        }
        let (slot, OpenedSlot { root, epoch }) = match quick {
            Some(opened) => opened,
            None => unlock(self.backend.as_ref(), id, credential)?,
        };
        let keys = Arc::new(Keys::derive(&root, id, epoch));
        if let Credential::KeyFile(file) = credential
            && file.root_public != keys.root_public()
        {
            return Err(Error::NotARepository { location, why: "its root key is not the one in the key file".into() });
        }
        let config =
            self.config.verify(&keys, self.generation).map_err(Error::object(layout::config(self.generation)))?;
        let index = match &folders.cache {
            Some(folder) => LocalIndex::open(&folder.join(id.to_string()), id)?,
            None => LocalIndex::in_memory(id)?,
        };
        let opening = Opening { slot, generation: self.generation, config: self.object };
        if known.as_ref() != Some(&opening) {
            opening.write(folders, id);
        }
        Ok(Repository {
            backend: self.backend,
            keys,
            config,
            config_generation: self.generation,
            index: Arc::new(index),
            state: folders.state.join(id.to_string()),
            distance: self.distance,
            root,
            trees: trees(folders, id, self.distance),
        })
    }

    /// Tries the key slot that opened last. `None` if it is not there, not whole, or does not open: then all are looked at.
    fn unlock_with(&self, slot: SlotId, credential: &Credential) -> Result<Option<(SlotId, OpenedSlot)>> {
        let bytes = match self.backend.get(&object_name(&layout::key_slot(&slot)), None) {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        if crypto::object_hash(&bytes) != slot.0 {
            return Ok(None);
        }
        let parsed = KeySlot::parse(&bytes, Some(self.id())).ok();
        let opened = parsed.and_then(|parsed| try_slot(&parsed, credential)).and_then(Result::ok);
        Ok(opened.map(|opened| (slot, opened)))
    }
}

/// What can not be cached is fetched: a cache folder that fails stops nothing.
fn trees(folders: &LocalFolders, id: RepositoryId, distance: Distance) -> Option<Arc<RangeCache>> {
    let folder = folders.cache.as_ref().filter(|_| distance == Distance::Remote)?;
    let cache = RangeCache::open(&folder.join(id.to_string()).join(TREE_CACHE_FOLDER), TREE_CACHE_BYTES);
    cache.ok().map(Arc::new)
}

/// The highest generation of the config, and its object.
fn newest_config(backend: &dyn Backend) -> Result<(u64, Listed)> {
    let location = backend.location();
    let listed = match backend.list(layout::CONFIG_FOLDER) {
        Ok(listed) => listed,
        Err(error) if error.kind == ErrorKind::NotFound => {
            return Err(Error::NoPlace { location, why: error.source.to_string() });
        }
        Err(error) => return Err(error.into()),
    };
    let generations =
        listed.into_iter().filter_map(|object| Some((layout::parse_config(object.name.as_str())?, object)));
    generations.max_by_key(|(generation, _)| *generation).map_or_else(
        || {
            Err(match backend.list("") {
                Ok(objects) if objects.is_empty() => Error::NoRepository { location },
                _ => Error::NotARepository { location, why: "it has no config object".to_string() },
            })
        },
        Ok,
    )
}

/// `None` if the slot is for another sort of credential.
fn try_slot(slot: &KeySlot, credential: &Credential) -> Option<Result<OpenedSlot, FormatError>> {
    match credential {
        Credential::Password(password) if slot.protection() != Protection::KeyFile => {
            Some(slot.open_with_password(password))
        }
        Credential::KeyFile(file) if slot.protection() == Protection::KeyFile => Some(slot.open_with_key_file(file)),
        _ => None,
    }
}

fn unlock(backend: &dyn Backend, id: RepositoryId, credential: &Credential) -> Result<(SlotId, OpenedSlot)> {
    let Slots { whole, mut damaged, of_others } = list_slots(backend, id)?;
    if whole.is_empty() && damaged.is_empty() {
        // The config is more likely the wrong one than all the keys.
        damaged = of_others;
    }
    let mut tried = 0;
    for (slot_id, slot) in &whole {
        let Some(opened) = try_slot(slot, credential) else { continue };
        tried += 1;
        match opened {
            Ok(opened) => return Ok((*slot_id, opened)),
            Err(FormatError::Commitment) => {}
            Err(source) => damaged.push(Error::Object { object: layout::key_slot(slot_id), source }),
        }
    }
    // A damaged slot may be the one that would have opened: say so rather than blame the password.
    Err(damaged.into_iter().next().unwrap_or(Error::WrongKey { location: backend.location(), slots: tried }))
}

/// The key slots of a repository.
pub(crate) struct Slots {
    /// Those that can be read, in the order of their creation.
    pub(crate) whole: Vec<(SlotId, KeySlot)>,
    /// What is wrong with the others. They must not lock out whoever has a key to a whole one.
    pub(crate) damaged: Vec<Error>,
    /// Those of another repository, whole: what an `init` left that came to nothing (docs/format.md section 11.3). No damage.
    pub(crate) of_others: Vec<Error>,
}

/// Reads every key slot.
pub(crate) fn list_slots(backend: &dyn Backend, id: RepositoryId) -> Result<Slots> {
    let mut slots = Slots { whole: Vec::new(), damaged: Vec::new(), of_others: Vec::new() };
    for object in backend.list(layout::KEYS_FOLDER)? {
        let name = object.name.as_str();
        let Some(slot_id) = layout::parse_key_slot(name) else { continue };
        let bytes = backend.get(&object.name, None)?;
        match KeySlot::parse(&bytes, None) {
            Ok(_) if crypto::object_hash(&bytes) != slot_id.0 => {
                slots.damaged.push(Error::ObjectHash { object: name.to_string() });
            }
            Ok(slot) if slot.repository() == id => slots.whole.push((slot_id, slot)),
            Ok(slot) => {
                let source = FormatError::WrongRepository { expected: id, found: slot.repository() };
                slots.of_others.push(Error::Object { object: name.to_string(), source });
            }
            Err(source) => slots.damaged.push(Error::Object { object: name.to_string(), source }),
        }
    }
    slots.whole.sort_by_key(|(id, slot)| (slot.created(), *id));
    Ok(slots)
}
