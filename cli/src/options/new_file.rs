// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a file that exists only when it is whole: beside its place, and renamed at the end.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::exit::Failure;

/// Larger pieces than a pipe takes at once gain nothing.
pub const BUFFER_BYTES: usize = 1 << 20;

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfThere {
    /// The new one takes its place.
    Replace,
    /// Nothing is written.
    Refuse,
}

/// Lets `fill` write the file. It may hold secrets, so it is its owner's alone. A device or a pipe can only be written where it is.
///
/// # Errors
/// What `fill` says; the file is there already; it can not be written.
pub fn write<T>(
    file: &Path,
    if_there: IfThere,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed = |error: io::Error| Failure::other(format!("can not write {}: {error}", file.display()));
    if fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        let mut output = OpenOptions::new().write(true).open(file).map_err(failed)?;
        return fill(&mut output);
    }
    // A link that leads nowhere is also there.
    if if_there == IfThere::Refuse && fs::symlink_metadata(file).is_ok() {
        return Err(refusal(file));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut made = tempfile::Builder::new();
    let options = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut temporary = made.prefix(".keepfast-").make_in(folder, options).map_err(failed)?;
    let mut output = BufWriter::with_capacity(BUFFER_BYTES, temporary.as_file_mut());
    let result = fill(&mut output)?;
    output.flush().map_err(failed)?;
    drop(output);
    temporary.as_file().sync_all().map_err(failed)?;
    match if_there {
        IfThere::Replace => temporary.persist(file),
        IfThere::Refuse => temporary.persist_noclobber(file),
    }
    .map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => refusal(file),
        _ => failed(error.error),
    })?;
    Ok(result)
}

fn refusal(file: &Path) -> Failure {
    Failure::Other { message: format!("{} is there already", file.display()), hint: "--force replaces it".to_string() }
}
