// SPDX-License-Identifier: MIT OR Apache-2.0
//! An opened repository: backend, keys, config, local index. Opening and creating; nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use keepfast_repo_format::config::{ChunkerParams, Config, UnverifiedConfig};
use keepfast_repo_format::envelope::{Features, Kind};
use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::id::{RepositoryId, SlotId};
use keepfast_repo_format::key_slot::{KdfParams, KeyFile, KeySlot, OpenedSlot, Protection};
use keepfast_repo_format::keys::{Keys, RootSecret};
use keepfast_repo_format::{FormatError, crypto, layout, record};
use keepfast_storage::{Backend, Delete, ErrorKind, Listed, Name, Put};

use crate::error::{Error, Result};
use crate::history::History;
use crate::index::LocalIndex;
use crate::reader::Reader;

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

/// What `init` needs to know.
pub struct InitOptions {
    /// Parameters, public keys left to be filled in.
    pub parameters: Parameters,
    /// Cost of the password slot.
    pub kdf: KdfParams,
    /// Shown by `key list`: who and where.
    pub label: String,
    /// Now, in Unix seconds.
    pub now: u64,
}

/// Parameters that shape stored data; fixed for the repository's life.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Smallest, average, largest chunk in bytes, and FastCDC normalization.
    pub chunker: ChunkerParams,
    /// Segment target for data in bytes.
    pub data_segment: u32,
    /// Segment target for tree nodes in bytes.
    pub tree_segment: u32,
    /// Pack size in bytes.
    pub pack_size: u32,
    /// Entries per leaf on average.
    pub leaf_target: u32,
}

impl Default for Parameters {
    /// Small chunks find more that is equal; segments of many chunks compress as well as large chunks would. Packs are
    /// large enough that a cloud's price per request does not matter, small enough that rewriting one is cheap.
    fn default() -> Self {
        Self {
            chunker: ChunkerParams { min: 8 << 10, avg: 32 << 10, max: 256 << 10, normalization: 2 },
            data_segment: 1 << 20,
            tree_segment: 1 << 20,
            pack_size: 16 << 20,
            leaf_target: 16,
        }
    }
}

/// A full pack must be able to hold its largest segment several times, or every pack would be padded for another length.
const LEAST_SEGMENTS_PER_PACK: u64 = 4;

impl Parameters {
    /// The limits between parameters; each one's own are the format's.
    fn check(&self) -> Result<()> {
        let largest_segment = u64::from(self.data_segment.max(self.tree_segment)) + u64::from(self.chunker.max);
        if u64::from(self.pack_size) < LEAST_SEGMENTS_PER_PACK * largest_segment {
            let least = LEAST_SEGMENTS_PER_PACK * largest_segment;
            return Err(Error::Invalid(format!(
                "a pack of {} bytes is too small for segments of up to {largest_segment}: at least {least} are needed",
                self.pack_size
            )));
        }
        Ok(())
    }
}

/// How the first key slot is made.
pub enum FirstKey {
    /// A password slot.
    Password(String),
    /// A key file slot; the key file is returned.
    KeyFile,
}

/// Why an `init` gives up when it finds the traces of one that runs.
const ANOTHER_INIT: &str = "another init is at work there";

/// Creates a repository in an empty place, and the key file if one was asked for.
///
/// # Errors
/// [`Error::RepositoryExists`], or the place holds something else.
pub fn init(backend: &dyn Backend, options: &InitOptions, key: &FirstKey) -> Result<(RepositoryId, Option<KeyFile>)> {
    let location = backend.location();
    let existing = backend.list("")?;
    if let Some(config) = existing.iter().find(|object| layout::parse_config(object.name.as_str()).is_some()) {
        let object = backend.get(&config.name, None)?;
        let found = UnverifiedConfig::decode(&object).map_err(Error::object(config.name.as_str()))?;
        return Err(Error::RepositoryExists { location, id: found.repository() });
    }
    let foreign = existing.iter().find(|object| !is_init_leftover(object.name.as_str()));
    if let Some(object) = foreign {
        return Err(Error::NotARepository {
            location,
            why: format!("the place is not empty: it holds {}", object.name),
        });
    }
    remove_leftovers(backend, &existing)?;
    options.parameters.check()?;
    let (id, root) = (RepositoryId(crypto::random()), RootSecret::generate());
    let keys = Keys::derive(&root, id, 0);
    let (slot, file) = first_slot(&keys, &root, options, key).map_err(invalid)?;
    let put = |name: &str, bytes: &[u8]| backend.put_if_absent(&object_name(name), &[bytes]);
    // The generation first: of several `init` at once, the one that creates it goes on, and the others leave nothing.
    let (generation_name, generation) = (layout::generation(0), Generation::default().seal(&keys));
    if put(&generation_name, &generation)? == Put::Exists {
        return Err(Error::NotARepository { location, why: ANOTHER_INIT.to_string() });
    }
    let slot_name = layout::key_slot(&SlotId(crypto::object_hash(&slot)));
    put(&slot_name, &slot)?;
    put(layout::README_NAME, layout::README_TEXT.as_bytes())?;
    backend.barrier()?;
    // The config is written last: with it the repository exists.
    let config = config_of(&options.parameters, &keys, options.now);
    let slot_name = object_name(&slot_name);
    if put(&layout::config(0), &config.seal(&keys).map_err(invalid)?)? == Put::Exists {
        backend.delete(&slot_name)?;
        return Err(Error::RepositoryExists { location, id });
    }
    // Another `init` may have taken the objects above for leftovers, or may have left its own.
    let slots = backend.list(layout::KEYS_FOLDER)?;
    let is_whole = slots.iter().map(|object| &object.name).eq([&slot_name])
        && backend.get(&object_name(&generation_name), None)? == generation;
    if !is_whole {
        backend.delete(&object_name(&layout::config(0)))?;
        backend.delete(&slot_name)?;
        return Err(Error::NotARepository { location, why: ANOTHER_INIT.to_string() });
    }
    backend.barrier()?;
    Ok((id, file))
}

/// An `init` that was interrupted leaves a generation and a key slot that belong to no repository: with another root secret
/// nobody can open them, and beside a config they would be damage.
fn remove_leftovers(backend: &dyn Backend, leftovers: &[Listed]) -> Result<()> {
    for object in leftovers.iter().filter(|object| object.name.as_str() != layout::README_NAME) {
        if backend.delete(&object.name)? == Delete::Refused {
            let why =
                format!("an interrupted init left {}, which the storage does not allow to be removed", object.name);
            return Err(Error::NotARepository { location: backend.location(), why });
        }
    }
    Ok(())
}

fn invalid(error: FormatError) -> Error {
    Error::Invalid(error.to_string())
}

fn is_init_leftover(name: &str) -> bool {
    name == layout::README_NAME || name == layout::generation(0) || layout::parse_key_slot(name).is_some()
}

fn first_slot(
    keys: &Keys,
    root: &RootSecret,
    options: &InitOptions,
    key: &FirstKey,
) -> Result<(Vec<u8>, Option<KeyFile>), FormatError> {
    use keepfast_repo_format::key_slot::{seal_key_file, seal_password};
    let id = keys.repository();
    match key {
        FirstKey::Password(password) => {
            Ok((seal_password(id, root, 0, password, options.kdf, &options.label, options.now)?, None))
        }
        FirstKey::KeyFile => {
            let file = KeyFile::generate(id, keys.root_public());
            Ok((seal_key_file(id, root, 0, &file, &options.label, options.now)?, Some(file)))
        }
    }
}

fn config_of(parameters: &Parameters, keys: &Keys, now: u64) -> Config {
    Config {
        created: now,
        chunker: parameters.chunker,
        data_segment: parameters.data_segment,
        tree_segment: parameters.tree_segment,
        pack_size: parameters.pack_size,
        leaf_target: parameters.leaf_target,
        root_public: keys.root_public(),
        meta_public: keys.meta_public(),
        data_public: keys.data_public(),
        min_reader: "keepfast 0.1".to_string(),
        generation: 0,
        features: Features::default(),
    }
}

impl Repository {
    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        self.keys.repository()
    }

    /// Reads the log, brings the local index up to date, and returns what is visible now.
    pub fn history(&self) -> Result<History> {
        let history = History::read(self)?;
        let visible = history.index_objects();
        for id in self.index.retain(visible)? {
            let name = layout::index(&id);
            let object = self.get_hashed(&name, &id.0)?;
            let plain =
                record::open_structure(&self.keys, Kind::Index, &object).map_err(Error::object(name.as_str()))?;
            let packs = keepfast_repo_format::index::decode(&plain).map_err(Error::object(name.as_str()))?;
            self.index.load(id, &packs)?;
        }
        Ok(history)
    }

    /// A reader over everything that is visible. Call [`Repository::history`] first.
    pub fn reader(&self) -> Arc<Reader> {
        Arc::new(Reader::new(self.backend.clone(), self.keys.clone(), self.index.clone()))
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
