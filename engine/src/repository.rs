// SPDX-License-Identifier: MIT OR Apache-2.0
//! An opened repository: backend, keys, config, local index. Opening is in `found`, creating in `init`; nothing else.

mod found;
mod init;
mod known;

use std::path::PathBuf;
use std::sync::Arc;

use keepfast_repo_format::config::{Config, UnverifiedConfig};
use keepfast_repo_format::id::RepositoryId;
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::keys::{Keys, RootSecret};
use keepfast_repo_format::layout;
use keepfast_storage::cache::RangeCache;
use keepfast_storage::{Backend, Name};

use crate::error::{Error, Result};
use crate::history::{self, History};
use crate::index::LocalIndex;
use crate::reader::{Reader, Sees};
pub use found::Found;
pub(crate) use found::list_slots;
pub use init::{FirstKey, InitOptions, NewRepository, Parameters, init};

/// Where this machine keeps what belongs to a repository but is not in it.
#[derive(Clone, Debug)]
pub struct LocalFolders {
    /// For the local index, which can be lost at any time. `None`: in memory only.
    pub cache: Option<PathBuf>,
    /// For the writer's identity.
    pub state: PathBuf,
}

/// What lies between this machine and the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distance {
    /// A file system: quick to ask, and what it guarantees is known.
    #[default]
    Local,
    /// A network service: each request costs a round trip, and what it guarantees is found out by a probe.
    Remote,
}

impl Distance {
    /// Packs that are uploaded at a time, each in memory: a disk is as fast with one, a network mostly waits.
    pub fn uploads(self) -> usize {
        match self {
            Self::Local => 1,
            Self::Remote => 3,
        }
    }
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
    /// The local index.
    pub index: Arc<LocalIndex>,
    /// Where the writer's identity is kept.
    pub state: PathBuf,
    /// What lies between this machine and the objects.
    pub distance: Distance,
    pub(crate) root: RootSecret,
    /// Segments of tree packs that need not be fetched again; only for a remote repository.
    pub(crate) trees: Option<Arc<RangeCache>>,
}

/// The checked name of an object that the format itself made.
pub(crate) fn object_name(name: &str) -> Name {
    Name::new(name).expect("names of the format obey the rule for names")
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

    /// A reader over everything that is visible. Call [`Repository::history`] first. Trees may come from this machine's
    /// cache.
    pub fn reader(&self) -> Arc<Reader> {
        Arc::new(self.reader_over_all())
    }

    /// A reader over some of it, for who wants to know what the storage holds: nothing comes from a cache.
    pub fn reader_that(&self, sees: Sees) -> Arc<Reader> {
        Arc::new(Reader::new(self.backend.clone(), self.keys.clone(), self.index.clone(), sees))
    }

    /// The same for base chunks of a session's segments: only where it may rely on them.
    pub fn reader_for_bases(&self) -> Arc<Reader> {
        let (backend, keys, index) = (self.backend.clone(), self.keys.clone(), self.index.clone());
        Arc::new(Reader::new(backend, keys, index, Sees::NotExcluded).with_trees(self.trees.clone()).for_bases())
    }

    /// The same as [`Repository::reader`] for who deletes what is damaged: that it can not be read at the moment is no damage.
    pub fn reader_for_collector(&self) -> Arc<Reader> {
        Arc::new(self.reader_over_all().for_collector())
    }

    fn reader_over_all(&self) -> Reader {
        let (backend, keys, index) = (self.backend.clone(), self.keys.clone(), self.index.clone());
        Reader::new(backend, keys, index, Sees::All).with_trees(self.trees.clone())
    }

    /// A reader that asks the storage for everything, past what this machine keeps.
    pub fn reader_of_storage(&self) -> Arc<Reader> {
        self.reader_that(Sees::All)
    }

    /// Reads the config object once more, from the storage: what this repository was opened with may have been remembered.
    pub(crate) fn verify_stored_config(&self) -> Result<()> {
        let name = layout::config(self.config_generation);
        let object = self.backend.get(&object_name(&name), None)?;
        let verified =
            UnverifiedConfig::decode(&object).and_then(|config| config.verify(&self.keys, self.config_generation));
        verified.map(drop).map_err(Error::object(name))
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
