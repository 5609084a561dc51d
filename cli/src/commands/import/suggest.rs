// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file that is imported as any other one, and is an archive of a system that keepfast knows: it is said.

use keepfast_engine::profile::{BUILT_IN, Library, Named, Vendor};

use super::Source;
use super::vendor::reader;
use crate::args::ImportArgs;
use crate::context::Context;
use crate::options::vendor::{filled, fits};
use crate::progress::Progress;
use crate::render::text;

/// The built-in profile whose archive the file is by name and content, if it is exactly one's. Whatever can not be told is no reason to
/// fail: the import is done.
pub(super) fn suggest(context: &Context, args: &ImportArgs, source: &Source) -> Option<String> {
    let Source::File(file) = source else { return None };
    let name = args.file.file_name()?.to_str()?;
    let mut fitting = Vec::new();
    for (built_in, _) in BUILT_IN {
        let profile = filled(Library::default().find(built_in).ok()?).ok()?;
        let progress = Progress::start(context);
        let is_one = |vendor: &&Vendor| {
            let named = vendor.named(built_in, name).ok().flatten();
            // A name that tells nothing is no sign, and not worth reading every archive once more.
            let is_sign = |named: &Named| *named != Named::default() || vendor.has.is_empty();
            named.is_some_and(|named| is_sign(&named))
                && matches!(fits(&profile, vendor, &|| reader(file), &progress), Ok(Ok(_)))
        };
        fitting.extend(profile.vendor.iter().find(is_one).map(|vendor| (built_in, vendor.id.clone())));
    }
    let [(profile, id)] = &fitting[..] else { return None };
    context.output.note(&format!(
        "{} is an archive of {profile} ({id})\n  by name and content: `--profile {profile}` makes one of it that `recover` finds",
        text::plain(name)
    ));
    Some((*profile).to_string())
}
