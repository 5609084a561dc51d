// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which writer this machine is to a repository. The id lives in the state folder, and a file lock makes sure that one
//! process at a time uses it; further processes on the machine get writers of their own.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keepfast_repo_format::crypto;
use keepfast_repo_format::id::{SessionId, WriterId};
use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

/// How many writers a machine may have at once; more parallel backups of one machine into one repository are refused.
const MAX_WRITERS: usize = 64;

/// A writer id, held exclusively as long as this value lives.
pub struct Identity {
    /// The writer.
    pub writer: WriterId,
    /// Sessions that this writer opened and did not see the end of: if one is still open, it is ours and dead.
    pub unfinished: Vec<SessionId>,
    /// Made just now: nothing of it can be in any repository.
    pub is_new: bool,
    file: File,
    path: PathBuf,
}

impl Identity {
    /// Takes the first free writer of `folder`, or makes a new one.
    pub fn take(folder: &Path) -> Result<Self> {
        let fail = |path: &Path, operation| {
            let path = path.to_path_buf();
            move |source| Error::State { operation, path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail(folder, "create"))?;
        for number in 0..MAX_WRITERS {
            let path = folder.join(format!("writer-{number}"));
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
            let mut file = file.map_err(fail(&path, "open"))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => continue,
                Err(error) => return Err(fail(&path, "lock")(error.into())),
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(fail(&path, "read"))?;
            let mut identity = match str::from_utf8(&bytes).ok().and_then(parse) {
                Some((writer, unfinished)) => Self { writer, unfinished, is_new: false, file, path },
                None => Self { writer: WriterId(crypto::random()), unfinished: Vec::new(), is_new: true, file, path },
            };
            identity.save()?;
            return Ok(identity);
        }
        let source = io::Error::other(format!("all {MAX_WRITERS} writers of this machine are in use"));
        Err(fail(folder, "lock")(source))
    }

    /// Where packs are noted that this writer has put and not made visible.
    pub fn ledger(&self) -> PathBuf {
        self.path.with_extension("packs")
    }

    /// Writes down that `session` is about to be opened.
    pub fn remember(&mut self, session: SessionId) -> Result<()> {
        self.unfinished.push(session);
        self.save()
    }

    /// Writes down that every session of this writer has its end in the log.
    pub fn settle(&mut self) -> Result<()> {
        self.unfinished.clear();
        self.save()
    }

    /// Leaves this writer for good: its place in the repository is used by somebody else (a cloned machine).
    pub fn renew(&mut self) -> Result<()> {
        self.writer = WriterId(crypto::random());
        self.is_new = true;
        self.unfinished.clear();
        // Of the writer that was left; without it they are uploaded again.
        let _ = std::fs::remove_file(self.ledger());
        self.save()
    }

    /// Overwrites in place, so that the lock stays with the file; what is torn or damaged fails to parse and gives a new writer.
    fn save(&mut self) -> Result<()> {
        let sessions: String = self.unfinished.iter().map(|session| format!("session {session}\n")).collect();
        let text = format!("writer {}\n{sessions}end\n", self.writer);
        let file = &mut self.file;
        let written = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.set_len(0))
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_data());
        written.map_err(|source| Error::State { operation: "write", path: self.path.clone(), source })
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is just starting has the lock, too, until it is another program.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn parse(text: &str) -> Option<(WriterId, Vec<SessionId>)> {
    let (first, rest) = text.strip_suffix("end\n")?.split_once('\n')?;
    let writer = WriterId::from_hex(first.strip_prefix("writer ")?)?;
    let sessions = rest.lines().map(|line| SessionId::from_hex(line.strip_prefix("session ")?));
    Some((writer, sessions.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_was_given_up_is_free_although_a_child_has_its_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::take(folder.path()).unwrap();
        let (writer, _of_a_child) = (first.writer, first.file.try_clone().unwrap());
        assert_ne!(Identity::take(folder.path()).unwrap().writer, writer);
        drop(first);
        assert_eq!(Identity::take(folder.path()).unwrap().writer, writer);
    }

    #[test]
    fn a_file_that_is_damaged_costs_a_new_writer_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::take(folder.path()).unwrap().writer;
        assert_eq!(Identity::take(folder.path()).unwrap().writer, first);
        for bytes in [&b""[..], b"writer", &[0xff; 100], &[0; 44]] {
            std::fs::write(folder.path().join("writer-0"), bytes).unwrap();
            let taken = Identity::take(folder.path()).unwrap();
            assert!(taken.is_new && taken.writer != first, "{bytes:?}");
            let new = taken.writer;
            drop(taken);
            assert_eq!(Identity::take(folder.path()).unwrap().writer, new);
        }
    }
}
