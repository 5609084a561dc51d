// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creating a repository together with the key file that opens it.

use std::path::Path;

use keepfast_engine::format::id::RepositoryId;
use keepfast_engine::format::key_slot::KdfParams;
use keepfast_engine::repository::{FirstKey, InitOptions, Parameters, init};
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
    let new = NewKeyFile::create(file)?;
    let backend = storage::backend(global, location, Access::Create)?;
    let (id, key) = init(&*backend, options, &FirstKey::KeyFile)?;
    new.fill(&key.expect("a key file was asked for"))?;
    Ok(id)
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
