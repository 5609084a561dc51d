// SPDX-License-Identifier: MIT OR Apache-2.0
//! The further repositories of a backup: each with the global options as they would be typed for it alone.

use crate::args::{AlsoArgs, GlobalArgs, Whose};
use crate::exit::Failure;
use crate::render::text;

/// The global options of each further repository.
///
/// # Errors
/// Not as many key or password files as repositories.
pub fn globals(global: &GlobalArgs, args: &AlsoArgs) -> Result<Vec<GlobalArgs>, Failure> {
    for (option, files) in
        [("--also-key-file", &args.also_key_file), ("--also-password-file", &args.also_password_file)]
    {
        if !files.is_empty() && files.len() != args.also.len() {
            let [files, places] = [files.len(), args.also.len()].map(|count| text::counted(count as u64, "time"));
            return Err(Failure::Usage(format!("{option} is given {files}, --also {places}")));
        }
    }
    let of = |(number, place): (usize, &std::path::PathBuf)| GlobalArgs {
        repository: Some(place.clone()),
        key_file: args.also_key_file.get(number).cloned(),
        password_file: args.also_password_file.get(number).cloned(),
        password_command: None,
        whose: Whose::Also,
        ..global.clone()
    };
    Ok(args.also.iter().enumerate().map(of).collect())
}
