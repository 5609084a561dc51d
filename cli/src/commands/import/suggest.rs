// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that is imported as any other one, and is an archive of a system that keepfast knows: it is said.

use keepfast_engine::profile::{BUILT_IN, Library};

use super::Source;
use super::vendor::reader;
use crate::args::ImportArgs;
use crate::context::Context;
use crate::options::vendor::fits;
use crate::progress::Progress;
use crate::render::text;

/// The built-in profile whose archive the file is by name and content, if it is exactly one's. Whatever can not be told is no reason to
/// fail: the import is done.
pub(super) fn suggest(context: &Context, args: &ImportArgs, source: &Source) -> Option<String> {
    let Source::File(file) = source else { return None };
    let name = args.file.file_name()?.to_str()?;
    let library = Library::default();
    let mut fitting = Vec::new();
    for (built_in, _) in BUILT_IN {
        let profile = library.find(built_in).ok()?;
        for vendor in &profile.vendor {
            if vendor.named(built_in, name).ok()?.is_none() {
                continue;
            }
            let progress = Progress::start(context);
            if let Ok(Ok(_)) = fits(&profile, vendor, &|| reader(file), &progress) {
                fitting.push((built_in, vendor.id.clone()));
            }
        }
    }
    let [(profile, id)] = &fitting[..] else { return None };
    context.output.note(&format!(
        "{} is an archive of {profile} ({id})\n  by name and content: `--profile {profile}` makes one of it that `recover` finds",
        text::plain(name)
    ));
    Some((*profile).to_string())
}
