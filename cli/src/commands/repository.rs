// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast repository`: looks at the storage itself, and sets space aside in it. Needs no key.

use keepfast_engine::Error;
use keepfast_engine::capability::{Known, remember};
use keepfast_engine::repository::Found;
use keepfast_engine::storage::location::Location;
use keepfast_engine::storage::probe::{Capabilities, Finding, Guarantee, Use, probe};
use keepfast_engine::storage::reserve::{MAX_PIECES, PIECE_BYTES, reserved, set_aside};
use serde_json::json;

use crate::args::{RepositoryArgs, RepositoryCommand};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::storage::{self, Access};
use crate::options::{repository, size, time};
use crate::render::table::{Side, Table};
use crate::render::{capability, text};

/// Probes.
pub fn run(context: &Context, args: &RepositoryArgs) -> Result<Done, Failure> {
    match &args.action {
        RepositoryCommand::Probe => run_probe(context),
        RepositoryCommand::Reserve { size } => run_reserve(context, size.as_deref()),
    }
}

fn run_reserve(context: &Context, size: Option<&str>) -> Result<Done, Failure> {
    let location = storage::location(&context.global)?;
    if let Location::Cloud(_) = location {
        return Err(Failure::Usage(
            "an object store needs no reserve: it is not full before its owner says so".to_string(),
        ));
    }
    let backend = storage::backend(&context.global, &location, Access::Open)?;
    Found::locate(backend.clone())?;
    let most = MAX_PIECES * PIECE_BYTES;
    let bytes = match size.map(size::parse).transpose()? {
        None => reserved(&*backend)?,
        Some(bytes) if bytes > most => {
            return Err(Failure::Usage(format!("a reserve has at most {}", text::size(most))));
        }
        Some(bytes) => set_aside(&*backend, bytes)?,
    };
    context.output.line(&match bytes {
        0 => "nothing is set aside".to_string(),
        bytes => format!("{} are set aside for forget and prune", text::size(bytes)),
    });
    context.output.summary(json!({ "location": backend.location(), "reserve_bytes": bytes }));
    Ok(Done::Complete)
}

fn run_probe(context: &Context) -> Result<Done, Failure> {
    let location = storage::location(&context.global)?;
    let backend = storage::backend(&context.global, &location, Access::Open)?;
    let capabilities = probe(&*backend)?;
    // The result is kept for the repository that is there; a place may also be probed before there is one.
    let repository = match Found::locate(backend.clone()) {
        Ok(found) => Some(found.id()),
        Err(Error::NoRepository { .. } | Error::NotARepository { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(id) = repository {
        let state = repository::folders(&context.global)?.state.join(id.to_string());
        let known = Known { capabilities: capabilities.clone(), probed: time::now_seconds() };
        remember(&state, &backend.location(), &known)?;
    }
    print(context, &capabilities);
    let mut summary = capability::json(&capabilities);
    summary["location"] = json!(backend.location());
    summary["repository"] = json!(repository.map(|id| id.to_string()));
    context.output.summary(summary);
    Ok(if capabilities.allows() == Use::Nothing { Done::Incomplete } else { Done::Complete })
}

fn print(context: &Context, capabilities: &Capabilities) {
    let out = &context.output;
    let mut table = Table::new(&[("guarantee", Side::Left), ("holds", Side::Left), ("seen", Side::Left)]);
    for guarantee in Guarantee::ALL {
        let (holds, seen) = match capabilities.of(guarantee) {
            Finding::Holds => ("yes", ""),
            Finding::Fails(why) => ("no", why.as_str()),
        };
        table.row(vec![capability::label(guarantee).to_string(), holds.to_string(), seen.to_string()]);
    }
    if !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
        out.line("");
        out.line(capability::sentence(capabilities.allows()));
    }
}
