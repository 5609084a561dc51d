// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast init`: a new repository, opened by a password or by a key file that is made with it.

use std::path::Path;

use keepfast_engine::capability::{Known, remember};
use keepfast_engine::format::id::RepositoryId;
use keepfast_engine::repository::{Credential, Distance, FirstKey, Found, Parameters, init};
use keepfast_engine::storage::location::Location;
use keepfast_engine::storage::probe::{Capabilities, probe};
use serde_json::json;

use crate::args::{InitArgs, ShapeArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::credential::{Source, read_key_file};
use crate::options::storage::{self, Access};
use crate::options::{new_repository, repository, size, time};
use crate::render::{capability, text};

/// Creates the repository.
pub fn run(context: &Context, args: &InitArgs) -> Result<Done, Failure> {
    let location = storage::location(&context.global)?;
    let source = Source::find(&context.global)?;
    let options = new_repository::options(parameters(&args.shape)?, new_repository::kdf(args.kdf_memory)?);
    let (id, key_file) = match &source {
        Source::KeyFile(file) => {
            (new_repository::with_key_file(&context.global, &location, file, &options)?, Some(file))
        }
        other => {
            let key = FirstKey::Password(other.read_new_password()?);
            let backend = storage::backend(&context.global, &location, Access::Create)?;
            (init(&*backend, &options, &key)?.0, None)
        }
    };
    let out = &context.output;
    out.note(&format!("repository {} created in {location}", text::short(id)));
    match key_file {
        Some(file) => {
            out.note(&format!("key file {} written", file.display()));
            out.note("keep a copy of it elsewhere: without it nothing can be restored, by nobody");
        }
        None => out.note("remember the password: without it nothing can be restored, by nobody"),
    }
    let capabilities = probe_remote(context, &location, id);
    if let (Distance::Remote, Some(file)) = (storage::distance(&location), key_file) {
        open_once(context, &location, file);
    }
    out.summary(json!({
        "repository": id.to_string(),
        "location": location.to_string(),
        "key_file": key_file.map(|file| file.to_string_lossy()),
        "storage": capabilities.as_ref().map(capability::json),
    }));
    Ok(Done::Complete)
}

/// A remote storage is tried before anybody relies on it. The repository is there, so nothing that goes wrong here ends the
/// command: the first backup tries again.
fn probe_remote(context: &Context, location: &Location, id: RepositoryId) -> Option<Capabilities> {
    if storage::distance(location) == Distance::Local {
        return None;
    }
    let probed = || {
        let backend = storage::backend(&context.global, location, Access::Open)?;
        let capabilities = probe(&*backend)?;
        let known = Known { capabilities: capabilities.clone(), probed: time::now_seconds() };
        remember(&repository::folders(&context.global)?.state.join(id.to_string()), &backend.location(), &known)?;
        Ok::<_, Failure>(capabilities)
    };
    match probed() {
        Ok(capabilities) => {
            context.output.note(&format!("storage    {}", capability::sentence(capabilities.allows())));
            for (_, why) in capabilities.why() {
                context.output.warn(&format!("{location}: {why}"));
            }
            Some(capabilities)
        }
        Err(failure) => {
            context.output.warn(&format!("the storage could not be probed: {}", failure.message()));
            None
        }
    }
}

/// Opens what was just made: shows that it can be, and the first backup finds what it needs on this machine.
fn open_once(context: &Context, location: &Location, file: &Path) {
    let opened = || {
        let credential = Credential::KeyFile(read_key_file(file)?);
        let backend = storage::backend(&context.global, location, Access::Open)?;
        let found = Found::locate(backend)?.at(Distance::Remote);
        found.open(&credential, &repository::folders(&context.global)?)?.history()?;
        Ok::<_, Failure>(())
    };
    if let Err(failure) = opened() {
        context.output.warn(&format!("the new repository could not be opened: {}", failure.message()));
    }
}

fn parameters(shape: &ShapeArgs) -> Result<Parameters, Failure> {
    let mut parameters = Parameters::default();
    let sizes = [
        (&shape.chunk_min, &mut parameters.chunker.min),
        (&shape.chunk_average, &mut parameters.chunker.avg),
        (&shape.chunk_max, &mut parameters.chunker.max),
        (&shape.data_segment, &mut parameters.data_segment),
        (&shape.tree_segment, &mut parameters.tree_segment),
        (&shape.pack_size, &mut parameters.pack_size),
    ];
    for (typed, parameter) in sizes {
        if let Some(typed) = typed {
            *parameter = size::parse_u32(typed)?;
        }
    }
    parameters.chunker.normalization = shape.chunk_normalization.unwrap_or(parameters.chunker.normalization);
    parameters.leaf_target = shape.leaf_target.unwrap_or(parameters.leaf_target);
    Ok(parameters)
}
