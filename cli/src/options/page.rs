// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a page goes: to a new file that is there when it is whole, or to standard output.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use crate::args::PageArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::new_file::{self, BUFFER_BYTES, IfThere};
use crate::render::page::Limits;

/// Whether the page goes to standard output.
pub fn is_stdout(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// How much stands in it.
pub fn limits(args: &PageArgs) -> Limits {
    Limits { lines: args.max_lines, files: args.max_files }
}

/// Refuses a page that nobody could read where it would go; before any work.
///
/// # Errors
/// It would go to a terminal, or among JSON.
pub fn check(context: &Context, args: &PageArgs) -> Result<(), Failure> {
    if !args.html.as_deref().is_some_and(is_stdout) {
        return Ok(());
    }
    if context.output.is_json() {
        return Err(Failure::Usage("--json and the page can not both go to standard output".to_string()));
    }
    if io::stdout().is_terminal() {
        return Err(Failure::Usage("a page is not for a terminal: name a file, or use a pipe".to_string()));
    }
    Ok(())
}

/// Lets `fill` write the page.
///
/// # Errors
/// What `fill` says; the file is there already; it can not be written.
pub fn write<T>(
    file: &Path,
    args: &PageArgs,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if is_stdout(file) {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, io::stdout());
        let filled = fill(&mut output)?;
        output.flush().map_err(Failure::Output)?;
        return Ok(filled);
    }
    let if_there = if args.force { IfThere::Replace } else { IfThere::Refuse };
    new_file::write(file, if_there, fill).map_err(|failure| match failure {
        Failure::Output(error) => Failure::other(format!("can not write {}: {error}", file.display())),
        other => other,
    })
}
