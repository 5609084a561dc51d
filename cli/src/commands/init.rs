// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast init`: a new repository, opened by a password or by a key file that is made with it.

use keepfast_engine::repository::{FirstKey, Parameters, init};
use keepfast_engine::storage::local::LocalBackend;
use serde_json::json;

use crate::args::{InitArgs, ShapeArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::credential::Source;
use crate::options::{new_repository, repository, size};
use crate::render::text;

/// Creates the repository.
pub fn run(context: &Context, args: &InitArgs) -> Result<Done, Failure> {
    let path = repository::path(&context.global)?;
    let source = Source::find(&context.global)?;
    let options = new_repository::options(parameters(&args.shape)?, new_repository::kdf(args.kdf_memory)?);
    let (id, key_file) = match &source {
        Source::KeyFile(file) => (new_repository::with_key_file(&path, file, &options)?, Some(file)),
        other => {
            let key = FirstKey::Password(other.read_new_password()?);
            (init(&LocalBackend::create(&path)?, &options, &key)?.0, None)
        }
    };
    let out = &context.output;
    out.note(&format!("repository {} created in {}", text::short(id), path.display()));
    match key_file {
        Some(file) => {
            out.note(&format!("key file {} written", file.display()));
            out.note("keep a copy of it elsewhere: without it nothing can be restored, by nobody");
        }
        None => out.note("remember the password: without it nothing can be restored, by nobody"),
    }
    out.summary(json!({
        "repository": id.to_string(),
        "location": path.to_string_lossy(),
        "key_file": key_file.map(|file| file.to_string_lossy()),
    }));
    Ok(Done::Complete)
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
