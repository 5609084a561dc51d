// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast profile`: which systems are described, how, and whether a description holds.

mod edit;
mod review;
mod show;

use keepfast_engine::profile::{Library, Origin};
use serde_json::json;

use crate::args::{ProfileArgs, ProfileCommand};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::profiles;
use crate::render::table::{Side, Table};
use crate::render::text;

/// Lists, shows, edits, checks.
pub fn run(context: &Context, args: &ProfileArgs) -> Result<Done, Failure> {
    match &args.action {
        ProfileCommand::List { profiles } => list(context, &profiles::library(profiles)?),
        ProfileCommand::Show { name, source, profiles } => {
            let library = profiles::library(profiles)?;
            if *source { show::source(context, &library, name) } else { show::run(context, &library, name) }
        }
        ProfileCommand::Edit { name, inherits, profiles } => edit::run(context, profiles, name, inherits.as_deref()),
        ProfileCommand::Check { which, profiles } => review::run(context, profiles, which.as_deref()),
    }
}

/// Where a profile comes from, for people.
fn origin(origin: &Origin) -> String {
    match origin {
        Origin::BuiltIn => "built in".to_string(),
        Origin::File(path) => text::plain(&path.to_string_lossy()),
    }
}

fn list(context: &Context, library: &Library) -> Result<Done, Failure> {
    let out = &context.output;
    let listed = library.list().map_err(Failure::Profile)?;
    let mut table = Table::new(&[("profile", Side::Left), ("system", Side::Left), ("from", Side::Left)]);
    let mut invalid = 0;
    for profile in &listed {
        let found = library.find(&profile.name);
        let title = match &found {
            Ok(found) => text::plain(&found.title),
            Err(_) => "(can not be used: see `profile check`)".to_string(),
        };
        invalid += usize::from(found.is_err());
        out.object(json!({
            "name": profile.name,
            "title": found.as_ref().ok().map(|found| &found.title),
            "document": found.as_ref().ok().map(|found| &found.document),
            "inherits": found.as_ref().ok().and_then(|found| found.inherits.as_ref()),
            "built_in": profile.origin == Origin::BuiltIn,
            "file": match &profile.origin {
                Origin::BuiltIn => None,
                Origin::File(path) => Some(path.to_string_lossy()),
            },
            "error": found.as_ref().err().map(ToString::to_string),
        }));
        table.row(vec![text::plain(&profile.name), title, origin(&profile.origin)]);
    }
    if !out.is_json() {
        table.lines(out.columns()).iter().for_each(|line| out.line(line));
    }
    out.summary(json!({ "profiles": listed.len(), "invalid": invalid }));
    Ok(Done::Complete)
}
