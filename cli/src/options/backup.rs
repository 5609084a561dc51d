// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the arguments of `backup` to sources, streams and excludes of the engine.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use keepfast_engine::backup::{Archives, Stream, StreamInput};
use keepfast_engine::repository::Repository;
use keepfast_engine::source::{Case, ExcludeError, Excludes, ExcludesBuilder};

use crate::args::{BackupArgs, ExcludeArgs, GlobalArgs, UnwrapArgs};
use crate::exit::Failure;
use crate::options::input::standard_input;
use crate::options::scope::absolute;
use crate::options::{repository, size, storage};

/// Every path to be saved: from the command line, then from files.
///
/// # Errors
/// A list can not be read.
pub fn paths(args: &BackupArgs) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = args.paths.clone();
    let lists = [(&args.files_from, b'\n'), (&args.files_from_raw, b'\0')];
    for (files, separator) in lists {
        for file in files {
            let list = read_list(file)?;
            let names = list.split(|byte| *byte == separator).map(|name| match separator {
                b'\n' => name.strip_suffix(b"\r").unwrap_or(name),
                _ => name,
            });
            let names = names.filter(|name| !name.is_empty());
            paths.extend(names.map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))));
        }
    }
    Ok(paths)
}

fn read_list(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut list = Vec::new();
    let read = if file.as_os_str() == "-" {
        standard_input()?.read_to_end(&mut list).map(drop)
    } else {
        fs::read(file).map(|bytes| list = bytes)
    };
    read.map_err(|error| Failure::other(format!("can not read the list of files {}: {error}", file.display())))?;
    Ok(list)
}

/// Standard input and outputs of commands.
///
/// # Errors
/// A command without a name, or standard input is asked for twice.
pub fn streams(args: &BackupArgs) -> Result<Vec<Stream>, Failure> {
    let mut streams = Vec::new();
    if args.stdin {
        if args.files_from.iter().chain(&args.files_from_raw).any(|file| file.as_os_str() == "-") {
            return Err(Failure::Usage("standard input can not be saved and be a list of files".to_string()));
        }
        let reader: Box<dyn Read + Send> = Box::new(standard_input()?);
        let input = StreamInput::Reader(Mutex::new(Some(reader)));
        streams.push(Stream::new(stream_path(&args.stdin_filename)?, input));
    }
    for command in &args.command {
        let (name, shell) = command
            .split_once('=')
            .filter(|(name, shell)| !name.is_empty() && !shell.trim().is_empty())
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "{command:?} is not NAME=COMMAND; write it like --command db.sql='pg_dumpall --clean'"
                ))
            })?;
        let words = ["sh", "-c", shell].map(OsString::from).to_vec();
        streams.push(Stream::new(stream_path(name)?, StreamInput::Command(words)));
    }
    Ok(streams)
}

/// The path of a stream in a snapshot.
///
/// # Errors
/// It can be none.
pub fn stream_path(name: &str) -> Result<Vec<u8>, Failure> {
    let path = name.trim_start_matches('/');
    let is_plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_plain {
        Ok(path.as_bytes().to_vec())
    } else {
        Err(Failure::Usage(format!("{name:?} can not be a path in a snapshot")))
    }
}

/// Paths for the snapshot and for finding the one to compare with: absolute, so that `.` in another folder is another path.
///
/// # Errors
/// There is no working directory.
pub fn recorded_paths(paths: &[PathBuf], streams: &[Stream]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut recorded = paths.iter().map(|path| absolute(path)).collect::<Result<Vec<_>, _>>()?;
    recorded.extend(streams.iter().map(|stream| [b"/", &stream.path[..]].concat()));
    recorded.sort();
    recorded.dedup();
    Ok(recorded)
}

/// What is left out. `own` are folders of keepfast itself: a repository can not hold itself, and its index changes meanwhile.
///
/// # Errors
/// A pattern is not valid, or an exclude file can not be read.
pub fn excludes(exclude: &ExcludeArgs, own: &[PathBuf]) -> Result<Excludes, Failure> {
    let mut builder = Excludes::builder();
    let refused = |error: ExcludeError| Failure::Usage(error.to_string());
    for pattern in &exclude.exclude {
        builder.glob(pattern, Case::Sensitive).map_err(refused)?;
    }
    for pattern in &exclude.iexclude {
        builder.glob(pattern, Case::Insensitive).map_err(refused)?;
    }
    for file in &exclude.exclude_file {
        let text = fs::read_to_string(file);
        let text =
            text.map_err(|error| Failure::other(format!("can not read the exclude file {}: {error}", file.display())))?;
        builder.lines(text.lines(), Case::Sensitive).map_err(refused)?;
    }
    tags(&mut builder, exclude);
    if let Some(limit) = &exclude.exclude_larger_than {
        builder.larger_than(size::parse(limit)?);
    }
    for folder in own {
        builder.path(folder.as_os_str().as_bytes());
    }
    builder.build().map_err(refused)
}

/// Which archives are looked into.
///
/// # Errors
/// A size or a pattern that is none.
pub fn archives(args: &UnwrapArgs) -> Result<Archives, Failure> {
    if args.no_unwrap {
        return Ok(Archives::none());
    }
    let most = size::parse(&args.unwrap_max_size)?;
    Archives::up_to(most, &args.no_unwrap_path).map_err(|error| Failure::Usage(error.to_string()))
}

fn tags(builder: &mut ExcludesBuilder, exclude: &ExcludeArgs) {
    if exclude.exclude_caches {
        builder.caches();
    }
    for tag in &exclude.exclude_if_present {
        match tag.split_once(':') {
            Some((name, header)) => builder.if_present(name.as_bytes(), Some(header.as_bytes())),
            None => builder.if_present(tag.as_bytes(), None),
        };
    }
}

/// Keepfast's own folders, as far as this run uses them: repositories in folders, and what it keeps of the open ones on this machine.
///
/// # Errors
/// A location is none, or there is no folder for the state.
pub fn folders_in_use(
    global: &GlobalArgs,
    globals: &[GlobalArgs],
    open: &[&Repository],
) -> Result<Vec<PathBuf>, Failure> {
    let folders = repository::folders(global)?;
    let mut own = Vec::new();
    for global in globals {
        own.extend(storage::location(global)?.folder().map(PathBuf::from));
    }
    for id in open.iter().map(|repository| repository.id().to_string()) {
        own.push(folders.state.join(&id));
        own.extend(folders.cache.as_ref().map(|cache| cache.join(&id)));
    }
    Ok(own)
}

/// Those of keepfast's own folders that lie in one of the paths, as the walk meets them.
///
/// # Errors
/// There is no working directory.
pub fn own_folders(paths: &[PathBuf], folders: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut own = Vec::new();
    for source in paths {
        // A named path may lead through links; below it none is followed, so the rest of the way is the same.
        let Ok(real_source) = fs::canonicalize(source) else { continue };
        let named = PathBuf::from(OsString::from_vec(absolute(source)?));
        let real_folders = folders.iter().filter_map(|folder| canonical(folder));
        let below = real_folders.filter_map(|folder| folder.strip_prefix(&real_source).map(Path::to_path_buf).ok());
        own.extend(below.filter(|rest| !rest.as_os_str().is_empty()).map(|rest| named.join(rest)));
    }
    own.sort();
    own.dedup();
    Ok(own)
}

/// The real path of a folder, which may be made only later: as far as it exists, links are followed.
fn canonical(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    folder.ancestors().find_map(|existing| {
        let rest = folder.strip_prefix(existing).ok()?;
        let real = fs::canonicalize(existing).ok()?;
        // Joining nothing would add a slash at the end.
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    })
}

#[cfg(test)]
mod tests {
    use super::{own_folders, stream_path};

    #[test]
    fn streams_have_plain_paths() {
        assert_eq!(stream_path("/db/all.sql").unwrap(), b"db/all.sql");
        for bad in ["", "/", "a//b", "../x", "a/.", "a/"] {
            assert!(stream_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn own_folders_count_only_inside_the_sources() {
        let top = [std::env::temp_dir()];
        assert_eq!(own_folders(&["/".into()], &top).unwrap(), top);
        assert!(own_folders(&top, &top).unwrap().is_empty());
        assert!(own_folders(&["/proc".into()], &top).unwrap().is_empty());
    }
}
