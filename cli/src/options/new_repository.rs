// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creating a repository together with the key file that opens it.

use std::path::Path;

use keepfast_engine::Error as EngineError;
use keepfast_engine::format::id::RepositoryId;
use keepfast_engine::format::key_slot::KdfParams;
use keepfast_engine::repository::{FirstKey, InitOptions, NewRepository, Parameters};
use keepfast_engine::storage::location::Location;

use crate::args::GlobalArgs;
use crate::exit::Failure;
use crate::options::key_file::NewKeyFile;
use crate::options::storage::{self, Access};
use crate::options::{machine, time};

/// Everything that `init` wants to know, made here and now.
pub fn options(parameters: Parameters, kdf: KdfParams) -> InitOptions {
    InitOptions { parameters, kdf, label: machine::label(), now: time::now_seconds() }
}

/// Creates the repository at `location`, opened by a new key file.
///
/// # Errors
/// Either exists, or could not be written.
pub fn with_key_file(
    global: &GlobalArgs,
    location: &Location,
    file: &Path,
    options: &InitOptions,
) -> Result<RepositoryId, Failure> {
    let mut new_file = NewKeyFile::create(file)?;
    let backend = storage::backend(global, location, Access::Create)?;
    let repository = NewRepository::new(options, &FirstKey::KeyFile)?;
    // Before the repository is there: whatever ends this program, no repository is left without a key.
    new_file.fill(repository.key_file().expect("a key file was asked for"))?;
    let created = repository.create(&*backend);
    if matches!(created, Ok(()) | Err(EngineError::InitUnknown { .. })) {
        new_file.keep();
    }
    created?;
    Ok(repository.id())
}

/// Cost of stretching a password.
///
/// # Errors
/// Out of the limits of the format.
pub fn kdf(memory_mib: u32) -> Result<KdfParams, Failure> {
    let default = KdfParams::default();
    KdfParams::new(memory_mib << 10, default.passes(), default.lanes())
        .map_err(|error| Failure::Usage(error.to_string()))
}
