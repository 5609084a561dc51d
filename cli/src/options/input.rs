// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input as something to save, or a list of it. The standard library's own takes a descriptor that can not be read for an
//! empty one, and puts `/dev/null` where none was given.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use crate::exit::Failure;

/// Standard input, if somebody has connected it to something.
///
/// # Errors
/// It is closed, or `/dev/null`, as for jobs of cron and systemd: saved, that would be an empty file in place of the data.
pub fn standard_input() -> Result<File, Failure> {
    let failed = |error: io::Error| Failure::other(format!("can not read standard input: {error}"));
    let input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    let metadata = input.metadata().map_err(failed)?;
    let null = fs::metadata("/dev/null").map_or(0, |null| null.rdev());
    if metadata.file_type().is_char_device() && metadata.rdev() == null {
        return Err(Failure::Other {
            message: "standard input is closed or /dev/null".to_string(),
            hint:
                "it comes from a pipe or a file; `keepfast backup --command NAME=COMMAND` runs a command itself, and \
                   notices when that fails"
                    .to_string(),
        });
    }
    Ok(input)
}
