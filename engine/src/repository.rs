// SPDX-License-Identifier: MIT OR Apache-2.0
//! An opened repository: backend, keys, config, local index. Opening; creating is in `init`; nothing else.

mod init;

use std::path::PathBuf;
use std::sync::Arc;

use keepfast_repo_format::config::{Config, UnverifiedConfig};
use keepfast_repo_format::id::{RepositoryId, SlotId};
use keepfast_repo_format::key_slot::{KeyFile, KeySlot, OpenedSlot, Protection};
use keepfast_repo_format::keys::{Keys, RootSecret};
use keepfast_repo_format::{FormatError, crypto, layout};
use keepfast_storage::{Backend, ErrorKind, Name};

use crate::error::{Error, Result};
use crate::history::{self, History};
use crate::index::LocalIndex;
use crate::reader::{Reader, Sees};
pub use init::{FirstKey, InitOptions, Parameters, init};

/// Where this machine keeps what belongs to a repository but is not in it.
#[derive(Clone, Debug)]
pub struct LocalFolders {
    /// For the index and catalog, which can be lost at any time. `None`: in memory only.
    pub cache: Option<PathBuf>,
    /// For the writer's identity.
    pub state: PathBuf,
}

/// What opens a repository.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A password, for the Argon2id slots.
    Password(String),
    /// The content of a key file.
    KeyFile(KeyFile),
}

/// An opened repository.
pub struct Repository {
    /// Where its objects are.
    pub backend: Arc<dyn Backend>,
    /// Every key of the root secret.
    pub keys: Arc<Keys>,
    /// The verified config.
    pub config: Config,
    /// The config's generation, as log slots name it.
    pub config_generation: u64,
    /// Local index and catalog.
    pub index: Arc<LocalIndex>,
    /// Where the writer's identity is kept.
    pub state: PathBuf,
    pub(crate) root: RootSecret,
}

/// The checked name of an object that the format itself made.
pub(crate) fn object_name(name: &str) -> Name {
    Name::new(name).expect("names of the format obey the rule for names")
}

/// A repository found but not opened: what stands in clear.
pub struct Found {
    backend: Arc<dyn Backend>,
    config: UnverifiedConfig,
    generation: u64,
}

impl Found {
    /// Looks for a repository.
    ///
    /// # Errors
    /// [`Error::NoRepository`], [`Error::NotARepository`], or a config that needs another version.
    pub fn locate(backend: Arc<dyn Backend>) -> Result<Self> {
        let location = backend.location();
        let listed = match backend.list(layout::CONFIG_FOLDER) {
            Ok(listed) => listed,
            Err(error) if error.kind == ErrorKind::NotFound => {
                return Err(Error::NoRepository { location });
            }
            Err(error) => return Err(error.into()),
        };
        let newest = listed.iter().filter_map(|object| layout::parse_config(object.name.as_str())).max();
        let Some(generation) = newest else {
            return Err(match backend.list("") {
                Ok(objects) if objects.is_empty() => Error::NoRepository { location },
                _ => Error::NotARepository { location, why: "it has no config object".to_string() },
            });
        };
        let name = layout::config(generation);
        let object = backend.get(&object_name(&name), None)?;
        let config = match UnverifiedConfig::decode(&object) {
            Err(FormatError::NotAnObject) => {
                return Err(Error::NotARepository { location, why: format!("{name} is not a keepfast object") });
            }
            decoded => decoded.map_err(Error::object(name))?,
        };
        Ok(Self { backend, config, generation })
    }

    /// The repository's id, unverified.
    pub fn id(&self) -> RepositoryId {
        self.config.repository()
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Error::WrongKey`] if no slot opens with `credential`.
    pub fn open(self, credential: &Credential, folders: &LocalFolders) -> Result<Repository> {
        let id = self.id();
        let location = self.backend.location();
        if let Credential::KeyFile(file) = credential
            && file.repository != id
        {
            return Err(Error::OtherRepository { location, found: id, expected: file.repository });
        }
        let OpenedSlot { root, epoch } = unlock(self.backend.as_ref(), id, credential)?;
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
        Ok(Repository {
            backend: self.backend,
            keys,
            config,
            config_generation: self.generation,
            index: Arc::new(index),
            state: folders.state.join(id.to_string()),
            root,
        })
    }
}

fn unlock(backend: &dyn Backend, id: RepositoryId, credential: &Credential) -> Result<OpenedSlot> {
    let Slots { whole, mut damaged } = list_slots(backend, id)?;
    let mut tried = 0;
    for (slot_id, slot) in &whole {
        let opened = match credential {
            Credential::Password(password) if slot.protection() != Protection::KeyFile => {
                slot.open_with_password(password)
            }
            Credential::KeyFile(file) if slot.protection() == Protection::KeyFile => slot.open_with_key_file(file),
            _ => continue,
        };
        tried += 1;
        match opened {
            Ok(opened) => return Ok(opened),
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
}

/// Reads every key slot.
pub(crate) fn list_slots(backend: &dyn Backend, id: RepositoryId) -> Result<Slots> {
    let mut slots = Slots { whole: Vec::new(), damaged: Vec::new() };
    for object in backend.list(layout::KEYS_FOLDER)? {
        let name = object.name.as_str();
        let Some(slot_id) = layout::parse_key_slot(name) else { continue };
        let bytes = backend.get(&object.name, None)?;
        match KeySlot::parse(&bytes, Some(id)) {
            Ok(slot) if crypto::object_hash(&bytes) == slot_id.0 => slots.whole.push((slot_id, slot)),
            Ok(_) => slots.damaged.push(Error::ObjectHash { object: name.to_string() }),
            Err(source) => slots.damaged.push(Error::Object { object: name.to_string(), source }),
        }
    }
    slots.whole.sort_by_key(|(id, slot)| (slot.created(), *id));
    Ok(slots)
}

impl Repository {
    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        self.keys.repository()
    }

    /// Reads the log, brings the local index up to date, and returns what is visible now.
    pub fn history(&self) -> Result<History> {
        history::refresh(history::Access::of(self))
    }

    /// A reader over everything that is visible. Call [`Repository::history`] first.
    pub fn reader(&self) -> Arc<Reader> {
        self.reader_that(Sees::All)
    }

    /// A reader over some of it. Call [`Repository::history`] first.
    pub fn reader_that(&self, sees: Sees) -> Arc<Reader> {
        Arc::new(Reader::new(self.backend.clone(), self.keys.clone(), self.index.clone(), sees))
    }

    /// Reads an object whose name is its hash, and compares.
    pub fn get_hashed(&self, name: &str, hash: &[u8; 32]) -> Result<Vec<u8>> {
        let object = self.backend.get(&object_name(name), None)?;
        if blake3::hash(&object).as_bytes() == hash {
            Ok(object)
        } else {
            Err(Error::ObjectHash { object: name.to_string() })
        }
    }
}
