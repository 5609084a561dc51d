// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a profile takes from a host, as streams of a backup: outputs of commands, and files that a host sends by ssh.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;

use keepfast_repo_format::manifest::{Problem, ProblemCode};
use keepfast_repo_format::tree::entry::FileType;
use keepfast_repo_format::tree::order;

use super::{Stream, StreamInput};
use crate::archive::{Spool, Spooled};
use crate::error::{Error, Result};
use crate::runbook::{HostCapture, Place};

/// The commands of a host. `secrets` are the values of those that they read.
///
/// # Errors
/// A secret has no value, or is none for a line.
pub fn commands_of_host(host: &HostCapture, secrets: &BTreeMap<String, String>) -> Result<Vec<Stream>> {
    let stream = |wanted: &crate::runbook::WantedStream| {
        let words = host.place.words(&wanted.command).into_iter().map(OsString::from).collect();
        let reads = wanted
            .command
            .reads(secrets)
            .map_err(|error| Error::Invalid(format!("{}: {error}", wanted.path)))?
            .into_bytes();
        let input =
            if reads.is_empty() { StreamInput::Command(words) } else { StreamInput::CommandReading(words, reads) };
        let (may_be_empty, limit) = (wanted.may_be_empty, wanted.limit);
        let secrets = Some(secrets.clone());
        Ok(Stream { may_be_empty, limit, secrets, ..Stream::new(wanted.path.clone().into_bytes(), input) })
    };
    host.streams.iter().map(stream).collect()
}

/// Lets a host send files; they wait in `folder`, in a file without a name. Also what could not be sent as it is.
///
/// # Errors
/// It could not send them all: none is taken.
pub fn files_of_host(host: &HostCapture, paths: &[String], folder: &Path) -> Result<(Vec<Stream>, Vec<Problem>)> {
    if paths.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let words = host.place.words(&host.send(paths));
    let mut process = std::process::Command::new(&words[0]);
    process.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let failed = |why: String| failed(&host.place, &why);
    let mut child = process.spawn().map_err(|error| failed(format!("can not run {}: {error}", words[0])))?;
    let output = child.stdout.take().ok_or_else(|| failed("it has no output".to_string()))?;
    let spool = Spool::take(output, folder);
    let status = child.wait().map_err(|error: io::Error| failed(error.to_string()))?;
    // GNU tar ends with 1 if a file changed while it was read: what it sent is whole.
    if !status.success() && status.code() != Some(1) {
        return Err(failed(format!("tar there ended with {status}")));
    }
    let spool = spool?;
    let mut problems: Vec<Problem> = spool.problems.into_iter().map(|(path, text)| problem(path, text)).collect();
    if !status.success() {
        problems.push(problem(Vec::new(), format!("files of {} changed while they were read", host.place.name)));
    }
    let firsts = first_names(&spool.members);
    let stream = |(path, member): (Vec<u8>, Spooled)| {
        let input = StreamInput::Reader(Mutex::new(Some(member.content())));
        let first_name = firsts.get(&member.file_number).cloned();
        Stream { entry: Some(Box::new(member.entry)), first_name, ..Stream::new(path, input) }
    };
    // The top has no name.
    let members = spool.members.into_iter().filter(|(path, _)| !path.is_empty());
    Ok((members.map(stream).collect(), problems))
}

/// Of each file with several names the first one in the tree.
fn first_names(members: &BTreeMap<Vec<u8>, Spooled>) -> HashMap<u64, Vec<u8>> {
    let mut names: HashMap<u64, Vec<&[u8]>> = HashMap::new();
    for (path, member) in members.iter().filter(|(_, member)| member.entry.metadata.file_type == FileType::File) {
        names.entry(member.file_number).or_default().push(path);
    }
    let several = names.into_iter().filter(|(_, names)| names.len() > 1);
    let in_tree = |a: &&[u8], b: &&[u8]| {
        let ((folder, name), (other, other_name)) = (order::split(a), order::split(b));
        order::compare(folder, name, other, other_name)
    };
    several.filter_map(|(number, names)| Some((number, names.into_iter().min_by(in_tree)?.to_vec()))).collect()
}

fn problem(path: Vec<u8>, text: String) -> Problem {
    Problem { path, code: ProblemCode::Unreadable, text }
}

fn failed(place: &Place, why: &str) -> Error {
    Error::Invalid(format!("{} did not send its files: {why}", place.name))
}
