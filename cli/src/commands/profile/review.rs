// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks through profiles, and prints what is wrong with them.

use std::path::Path;

use keepfast_engine::profile::{Finding, Library, ProfileError, review};
use serde_json::json;

use crate::args::ProfilesArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::profiles;
use crate::render::text;

/// Looks through one, or all.
pub fn run(context: &Context, args: &ProfilesArgs, which: Option<&str>) -> Result<Done, Failure> {
    let library = profiles::library(args)?;
    let names = match which {
        Some(file) if file.contains('/') || Path::new(file).extension().is_some_and(|end| end == "toml") => {
            return of_file(context, args, Path::new(file));
        }
        Some(name) => vec![name.to_string()],
        None => library.list().map_err(Failure::Profile)?.into_iter().map(|listed| listed.name).collect(),
    };
    let mut found = 0;
    for name in &names {
        found += one(context, &library, name, which.is_some())?;
    }
    Ok(finish(context, names.len(), found))
}

/// A file anywhere. What it inherits from may lie beside it.
fn of_file(context: &Context, args: &ProfilesArgs, file: &Path) -> Result<Done, Failure> {
    let refused = |why: &str| Failure::Usage(format!("{}: {why}", file.display()));
    let name = file.file_stem().and_then(|name| name.to_str()).ok_or_else(|| refused("it has no name"))?;
    if file.extension().is_none_or(|end| end != "toml") {
        return Err(refused("the file of a profile ends in .toml"));
    }
    if let Err(source) = std::fs::File::open(file) {
        return Err(Failure::Profile(ProfileError::Read { path: file.to_path_buf(), source }));
    }
    let beside = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let library = Library::new(vec![beside.to_path_buf(), profiles::own_folder(args)?]);
    let found = one(context, &library, name, true)?;
    Ok(finish(context, 1, found))
}

/// How much is wrong with a profile; everything is printed.
pub fn one(context: &Context, library: &Library, name: &str, is_named: bool) -> Result<usize, Failure> {
    let findings = match library.find(name) {
        Ok(profile) => review(&profile),
        // Of one that was named and is not there nothing can be found.
        Err(error @ (ProfileError::Unknown { .. } | ProfileError::Read { .. })) if is_named => {
            return Err(Failure::Profile(error));
        }
        Err(error) => vec![Finding { place: String::new(), what: error.to_string() }],
    };
    for finding in &findings {
        let place = if finding.place.is_empty() { String::new() } else { format!("{}: ", finding.place) };
        let what: Vec<String> = finding.what.lines().map(text::plain).collect();
        context.output.line(&format!("{}: {}{}", text::plain(name), text::plain(&place), what.join("\n    ")));
        context.output.object(json!({ "profile": name, "place": finding.place, "what": finding.what }));
    }
    Ok(findings.len())
}

fn finish(context: &Context, profiles: usize, found: usize) -> Done {
    let out = &context.output;
    out.note(&match found {
        0 => format!("nothing is wrong with {}", text::counted(profiles as u64, "profile")),
        found => format!("{} in {}", text::counted(found as u64, "finding"), text::counted(profiles as u64, "profile")),
    });
    out.summary(json!({ "profiles": profiles, "findings": found }));
    if found == 0 { Done::Complete } else { Done::Differs }
}
