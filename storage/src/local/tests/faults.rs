// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local backend when the system calls under it fail: other file systems, full disks, broken flushes, repeated NFS
//! requests.

use std::collections::HashMap;
use std::io::{IoSlice, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

/// What a call does instead of its work.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// Fails without effect.
    Fails(Errno),
    /// Has its effect, then says it failed.
    WorksThenFails(Errno),
    /// Works on at most so many bytes.
    Short(usize),
    /// Works, but takes its time.
    Slow,
    /// Removes the first path, as a sweep elsewhere would, then fails.
    LosesFile,
}

#[derive(Default)]
struct State {
    /// Answers to the next calls, then the last one for ever.
    answers: HashMap<&'static str, Vec<Answer>>,
    calls: Vec<&'static str>,
    slow_done: usize,
}

/// The system's calls, except for the answers that a test planned.
#[derive(Clone, Default)]
pub(super) struct Planned(Arc<Mutex<State>>);

impl Planned {
    pub(super) fn always(self, call: &'static str, answer: Answer) -> Self {
        self.0.lock().unwrap().answers.insert(call, vec![answer]);
        self
    }

    pub(super) fn once(self, call: &'static str, answer: Answer) -> Self {
        self.0.lock().unwrap().answers.insert(call, vec![answer, Answer::Short(usize::MAX)]);
        self
    }

    /// As `once`, for a backend that is at work.
    pub(super) fn once_more(&self, call: &'static str, answer: Answer) {
        self.0.lock().unwrap().answers.insert(call, vec![answer, Answer::Short(usize::MAX)]);
    }

    /// As `always`, for a backend that is at work.
    pub(super) fn plan(&self, call: &'static str, answer: Answer) {
        self.0.lock().unwrap().answers.insert(call, vec![answer]);
    }

    pub(super) fn count(&self, call: &str) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|made| **made == call).count()
    }

    fn answer(&self, call: &'static str) -> Option<Answer> {
        let mut state = self.0.lock().unwrap();
        state.calls.push(call);
        let answers = state.answers.get_mut(call)?;
        Some(if answers.len() > 1 { answers.remove(0) } else { answers[0] })
    }

    fn run<T>(&self, call: &'static str, lose: impl Fn(), work: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match self.answer(call) {
            None | Some(Answer::Short(_)) => work(),
            Some(Answer::Fails(errno)) => Err(errno.into()),
            Some(Answer::WorksThenFails(errno)) => work().and(Err(errno.into())),
            Some(Answer::Slow) => {
                std::thread::sleep(Duration::from_millis(100));
                let done = work();
                self.0.lock().unwrap().slow_done += 1;
                done
            }
            Some(Answer::LosesFile) => {
                lose();
                Err(Errno::NOENT.into())
            }
        }
    }
}

fn unlink(root: BorrowedFd<'_>, path: &str) {
    rustix::fs::unlinkat(root, path, AtFlags::empty()).unwrap();
}

impl Calls for Planned {
    fn write(&self, mut file: &File, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.answer("write") {
            Some(Answer::Short(most)) => {
                let part = parts.iter().find(|part| !part.is_empty()).expect("nothing to write is not written");
                file.write(&part[..most.min(part.len())])
            }
            Some(Answer::Fails(errno)) => Err(errno.into()),
            _ => System.write(file, parts),
        }
    }
    fn read(&self, file: &File, bytes: &mut Vec<u8>, offset: u64) -> io::Result<usize> {
        let bytes = RefCell::new(bytes);
        self.run("read", || {}, || System.read(file, *bytes.borrow_mut(), offset))
    }
    fn open_folder(&self, root: BorrowedFd<'_>, path: &str) -> io::Result<File> {
        self.run("open_folder", || {}, || System.open_folder(root, path))
    }
    fn sync_file(&self, file: &File) -> io::Result<()> {
        self.run("sync_file", || {}, || System.sync_file(file))
    }
    fn sync_folder(&self, folder: &File) -> io::Result<()> {
        self.run("sync_folder", || {}, || System.sync_folder(folder))
    }
    fn rename_no_replace(&self, root: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        self.run("rename", || unlink(root, from), || System.rename_no_replace(root, from, to))
    }
    fn link(&self, root: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
        self.run("link", || unlink(root, from), || System.link(root, from, to))
    }
}

pub(super) fn backend(planned: &Planned) -> (TempDir, LocalBackend) {
    let folder = TempDir::new().unwrap();
    let backend = LocalBackend { calls: Box::new(planned.clone()), ..LocalBackend::create(folder.path()).unwrap() };
    (folder, backend)
}

pub(super) fn local_error(error: &StorageError) -> Option<LocalError> {
    error.source.get_ref()?.downcast_ref().copied()
}

#[test]
fn short_and_interrupted_writes_go_on() {
    let parts: [&[u8]; 5] = [b"", b"one", b"", b"two", b"three"];
    for planned in [
        Planned::default().always("write", Answer::Short(1)),
        Planned::default().always("write", Answer::Short(2)),
        Planned::default().once("write", Answer::Fails(Errno::INTR)),
    ] {
        let (_folder, backend) = backend(&planned);
        backend.put_if_absent(&name("a"), &parts).unwrap();
        assert_eq!(backend.get(&name("a"), None).unwrap(), b"onetwothree");
    }
}

#[test]
fn a_failed_write_or_flush_creates_nothing_and_is_not_repeated() {
    let cases = [
        (Errno::NOSPC, ErrorKind::Full),
        (Errno::DQUOT, ErrorKind::Full),
        (Errno::IO, ErrorKind::Other),
        (Errno::STALE, ErrorKind::Other),
        (Errno::ROFS, ErrorKind::Denied),
        (Errno::INVAL, ErrorKind::Other),
        (Errno::TIMEDOUT, ErrorKind::Transient),
    ];
    for (errno, kind) in cases {
        for call in ["write", "sync_file"] {
            let planned = Planned::default().once(call, Answer::Fails(errno));
            let (folder, backend) = backend(&planned);
            let error = backend.put_if_absent(&name("packs/00/a"), &[b"bytes"]).unwrap_err();
            assert_eq!((error.kind, planned.count(call)), (kind, 1), "{call} {errno}");
            assert_eq!(error.operation, "write");
            assert_eq!(files(folder.path()), ["00", "packs"]);
            assert_eq!(planned.count("rename"), 0);
            put(&backend, "packs/00/a", b"bytes");
        }
    }
}

#[test]
fn a_write_that_makes_no_progress_is_an_error() {
    let (folder, backend) = backend(&Planned::default().always("write", Answer::Short(0)));
    assert_eq!(backend.put_if_absent(&name("a"), &[b"x"]).unwrap_err().source.kind(), io::ErrorKind::WriteZero);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_barrier_flushes_each_touched_folder_once_and_new_folders_parents() {
    let planned = Planned::default();
    let (_folder, backend) = backend(&planned);
    let flushes = || {
        let before = planned.count("sync_folder");
        backend.barrier().unwrap();
        planned.count("sync_folder") - before
    };
    assert_eq!(flushes(), 0);
    put(&backend, "packs/00/a", b"");
    put(&backend, "packs/00/b", b"");
    // The root (for packs), packs (for 00), packs/00.
    assert_eq!(flushes(), 3);
    assert_eq!(flushes(), 0);
    put(&backend, "packs/00/c", b"");
    assert_eq!(flushes(), 1);
    put(&backend, "packs/01/a", b"");
    put(&backend, "readme.txt", b"");
    // packs (for 01), packs/01, the root.
    assert_eq!(flushes(), 3);
    backend.delete(&name("packs/00/c")).unwrap();
    assert_eq!(flushes(), 1);
    backend.delete(&name("packs/00/c")).unwrap();
    backend.get(&name("packs/00/a"), None).unwrap();
    assert_eq!(flushes(), 0);
    assert_eq!(planned.count("sync_file"), 5);
}

#[test]
fn what_is_relied_upon_is_flushed_as_if_it_had_been_put() {
    let planned = Planned::default();
    let (folder, backend) = backend(&planned);
    put(&LocalBackend::open(folder.path()).unwrap(), "packs/00/a", b"");
    backend.rely_on(&name("packs/00/a")).unwrap();
    backend.barrier().unwrap();
    // The root (for packs), packs (for 00), packs/00; and not one byte of the object.
    assert_eq!((planned.count("sync_folder"), planned.count("sync_file"), planned.count("write")), (3, 0, 0));
}

#[test]
fn what_another_program_made_is_flushed_too() {
    let planned = Planned::default();
    let (folder, backend) = backend(&planned);
    put(&LocalBackend::open(folder.path()).unwrap(), "packs/00/a", b"");
    assert_eq!(backend.put_if_absent(&name("packs/00/a"), &[]).unwrap(), Put::Exists);
    backend.barrier().unwrap();
    assert_eq!(planned.count("sync_folder"), 3);
}

#[test]
fn file_systems_that_can_not_flush_folders_are_tolerated_and_known() {
    for errno in [Errno::INVAL, Errno::NOTSUP, Errno::NOENT, Errno::BADF, Errno::ISDIR] {
        let (_folder, backend) = backend(&Planned::default().always("sync_folder", Answer::Fails(errno)));
        put(&backend, "a", b"");
        assert_eq!(backend.folder_sync(), FolderSync::Synced);
        backend.barrier().unwrap();
        assert_eq!(backend.folder_sync(), FolderSync::LeftToServer);
    }
}

#[test]
fn after_a_failed_flush_no_barrier_of_the_handle_succeeds() {
    let planned = Planned::default().once("sync_folder", Answer::Fails(Errno::IO));
    let (folder, backend) = backend(&planned);
    put(&backend, "packs/00/a", b"");
    for _ in 0..3 {
        let error = backend.barrier().unwrap_err();
        assert_eq!((error.kind, error.operation), (ErrorKind::Other, "sync"));
    }
    assert_eq!(planned.count("sync_folder"), 1);
    LocalBackend::open(folder.path()).unwrap().barrier().unwrap();
}

#[test]
fn a_touched_folder_that_is_gone_fails_the_barrier_and_stays_noted() {
    let planned = Planned::default();
    let (folder, backend) = backend(&planned);
    put(&backend, "packs/00/a", b"");
    fs::rename(folder.path().join("packs"), folder.path().join("elsewhere")).unwrap();
    for _ in 0..2 {
        assert_eq!(backend.barrier().unwrap_err().name, "packs");
    }
    fs::rename(folder.path().join("elsewhere"), folder.path().join("packs")).unwrap();
    backend.barrier().unwrap();
    assert_eq!(planned.count("sync_folder"), 3);
}

#[test]
fn barriers_of_many_threads_flush_all_that_their_threads_put() {
    let planned = Planned::default();
    let (_folder, backend) = backend(&planned);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let backend = &backend;
            scope.spawn(move || {
                for i in 0..20 {
                    put(backend, &format!("packs/{writer}/{i}"), b"");
                    backend.barrier().unwrap();
                }
            });
        }
    });
    let before = planned.count("sync_folder");
    backend.barrier().unwrap();
    assert_eq!(planned.count("sync_folder"), before);
}

#[test]
fn a_barrier_does_not_return_while_another_still_flushes() {
    let planned = Planned::default().always("sync_folder", Answer::Slow);
    let (_folder, backend) = backend(&planned);
    put(&backend, "a", b"");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                backend.barrier().unwrap();
                assert_eq!(planned.0.lock().unwrap().slow_done, 1);
            });
        }
    });
}
