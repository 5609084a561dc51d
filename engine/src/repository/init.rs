// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creating a repository (docs/format.md section 11.3): key slot and generation first, the config last, because with it the
//! repository exists.

use keepfast_repo_format::config::{ChunkerParams, Config, UnverifiedConfig};
use keepfast_repo_format::envelope::Features;
use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::id::{RepositoryId, SlotId};
use keepfast_repo_format::key_slot::{KdfParams, KeyFile};
use keepfast_repo_format::keys::{Keys, RootSecret};
use keepfast_repo_format::{FormatError, crypto, layout};
use keepfast_storage::probe::PROBE_FOLDER;
use keepfast_storage::{Backend, ErrorKind, Name, Put};

use super::object_name;
use crate::error::{Error, Result};

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
    /// large enough that a cloud's price per request does not matter, small enough that rewriting one is cheap. Of data that can not be
    /// compressed sixteen segments fill a pack: a segment is half a chunk longer than its target (`docs/decisions/001-sizes.md`).
    fn default() -> Self {
        Self {
            chunker: ChunkerParams { min: 8 << 10, avg: 32 << 10, max: 256 << 10, normalization: 2 },
            data_segment: 992 << 10,
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

/// A repository that is not there yet. Its key file can be kept before: with it nobody who is interrupted has a repository without
/// a key.
pub struct NewRepository {
    keys: Keys,
    slot: Vec<u8>,
    config: Vec<u8>,
    key_file: Option<KeyFile>,
}

impl NewRepository {
    /// Makes keys and first key slot. Stores nothing.
    ///
    /// # Errors
    /// Invalid parameters, or a password slot for which there is not enough memory.
    pub fn new(options: &InitOptions, key: &FirstKey) -> Result<Self> {
        options.parameters.check()?;
        let (id, root) = (RepositoryId(crypto::random()), RootSecret::generate());
        let keys = Keys::derive(&root, id, 0);
        let (slot, key_file) = first_slot(&keys, &root, options, key).map_err(invalid)?;
        let config = config_of(&options.parameters, &keys, options.now).seal(&keys).map_err(invalid)?;
        Ok(Self { keys, slot, config, key_file })
    }

    /// Its id.
    pub fn id(&self) -> RepositoryId {
        self.keys.repository()
    }

    /// The key file, if one was asked for.
    pub fn key_file(&self) -> Option<&KeyFile> {
        self.key_file.as_ref()
    }

    /// Creates it in an empty place. What an interrupted `init` left there does not stand in the way.
    ///
    /// # Errors
    /// [`Error::RepositoryExists`], or the place holds something else. With [`Error::InitUnknown`] alone it may be there.
    pub fn create(&self, backend: &dyn Backend) -> Result<()> {
        refuse_what_is_there(backend)?;
        let generation = self.put_generation(backend)?;
        let slot = object_name(&layout::key_slot(&SlotId(crypto::object_hash(&self.slot))));
        backend.put_if_absent(&slot, &[&self.slot])?;
        backend.put_if_absent(&object_name(layout::README_NAME), &[layout::README_TEXT.as_bytes()])?;
        backend.barrier()?;
        // A storage on a network may have gone down and come back since, without either, and call that durable.
        [&generation, &slot].into_iter().try_for_each(|name| backend.get(name, None).map(drop))?;
        match self.put_config(backend) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // The storage has declined it, and does not have it.
            Err(error) if is_full(&error) && is_absent(backend, &object_name(&layout::config(0))) => return Err(error),
            Err(source) => return Err(Error::InitUnknown { location: backend.location(), source: Box::new(source) }),
        }
        // It means nothing beside another repository's config, which is the news.
        let _ = backend.delete(&slot);
        Err(repository_exists(backend, &object_name(&layout::config(0))))
    }

    /// Puts an own generation under the first number that is free: those of other `init` are passed by.
    fn put_generation(&self, backend: &dyn Backend) -> Result<Name> {
        let mut number = 0;
        loop {
            let generation = Generation { number, ..Generation::default() }.seal(&self.keys);
            let name = object_name(&layout::generation(number));
            match backend.put_if_absent(&name, &[&generation])? {
                Put::Created => return Ok(name),
                Put::Exists => number += 1,
            }
        }
    }

    /// Whether this config is the one that is there for good: with it the repository exists, and of several `init` at once, whoever's
    /// config it is has made it. Nothing may be deleted before, and nothing by a name that another `init` uses, too.
    fn put_config(&self, backend: &dyn Backend) -> Result<bool> {
        let name = object_name(&layout::config(0));
        backend.put_if_absent(&name, &[&self.config])?;
        backend.barrier()?;
        // What was put last could have been gone, and another one there, before the barrier.
        Ok(backend.get(&name, None)? == self.config)
    }
}

/// Creates a repository, and the key file if one was asked for.
///
/// # Errors
/// As [`NewRepository::new`] and [`NewRepository::create`].
pub fn init(backend: &dyn Backend, options: &InitOptions, key: &FirstKey) -> Result<(RepositoryId, Option<KeyFile>)> {
    let new = NewRepository::new(options, key)?;
    new.create(backend)?;
    Ok((new.id(), new.key_file))
}

/// A repository, or what no `init` leaves.
fn refuse_what_is_there(backend: &dyn Backend) -> Result<()> {
    let existing = backend.list("")?;
    if let Some(config) = existing.iter().find(|object| layout::parse_config(object.name.as_str()).is_some()) {
        return Err(repository_exists(backend, &config.name));
    }
    match existing.iter().find(|object| !is_init_leftover(object.name.as_str())) {
        Some(object) => Err(Error::NotEmpty { location: backend.location(), holds: object.name.to_string() }),
        None => Ok(()),
    }
}

/// The error that names the repository of this config.
fn repository_exists(backend: &dyn Backend, config: &Name) -> Error {
    match backend.get(config, None) {
        Err(error) => error.into(),
        Ok(object) => match UnverifiedConfig::decode(&object) {
            Err(source) => Error::Object { object: config.to_string(), source },
            Ok(found) => Error::RepositoryExists { location: backend.location(), id: found.repository() },
        },
    }
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::Storage(error) if error.kind == ErrorKind::Full)
}

fn is_absent(backend: &dyn Backend, name: &Name) -> bool {
    backend.get(name, None).is_err_and(|error| error.kind == ErrorKind::NotFound)
}

fn invalid(error: FormatError) -> Error {
    Error::Invalid(error.to_string())
}

fn is_init_leftover(name: &str) -> bool {
    name == layout::README_NAME
        || layout::parse_generation(name).is_some()
        || layout::parse_key_slot(name).is_some()
        || is_of_a_probe(name)
}

/// Left where the storage refuses to delete; means nothing.
fn is_of_a_probe(name: &str) -> bool {
    name.strip_prefix(PROBE_FOLDER).is_some_and(|rest| rest.starts_with('/'))
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
