// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where hostile snapshots are let loose: a target, and beside it a folder that nothing may ever touch.
//! It puts a snapshot through everything that reads one and says what came of it; what should have come stands in `behaviours`.

use std::fs;
use std::io;
use std::path::PathBuf;

use keepfast_engine::check::{Finding, ReadData, check};
use keepfast_engine::diff::diff;
use keepfast_engine::dump::dump;
use keepfast_engine::events::Silent;
use keepfast_engine::redact::Selection;
use keepfast_engine::repository::Repository;
use keepfast_engine::restore::{Extras, Mode, RestoreOptions, Summary, restore};
use keepfast_engine::tree::{Root, below};
use keepfast_engine::{Error, Result};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::FileType;
use tempfile::TempDir;

use super::capture::{Capture, assert_same, capture};
use super::forge::{Forge, Node, entry};
use super::sandbox::{Sandbox, restore_options, root};

/// A dump of a file may be longer than all disks; nobody reads more of one here.
const DUMP_BYTES: u64 = 64 << 20;
/// `ls` of a hostile tree may name so many damaged nodes; more is no bounded work any more.
const MAX_ERRORS: usize = 10_000;

pub struct Scene {
    pub sandbox: Sandbox,
    around: TempDir,
    innocent: SnapshotId,
}

/// How often a snapshot is restored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Restores {
    One,
    All,
}

/// What came of a snapshot.
pub struct Outcome {
    /// The first restore, into a new folder.
    pub restored: Result<Summary>,
    /// What it left there.
    pub found: Capture,
    /// The paths that a listing gave, and how often it met damage.
    pub listed: Vec<Vec<u8>>,
    pub list_errors: usize,
    pub tar: Result<()>,
    pub findings: Vec<Finding>,
}

impl Scene {
    pub fn new() -> Self {
        let sandbox = Sandbox::new();
        let mut forge = Forge::new(&sandbox);
        let leaf = forge.leaf(&[entry(b"", b"before", FileType::Fifo)]);
        let innocent = forge.commit(&leaf);
        let around = tempfile::tempdir().unwrap();
        fs::create_dir_all(around.path().join("outside/folder")).unwrap();
        fs::write(around.path().join("outside/secret"), "as it was").unwrap();
        fs::write(around.path().join("outside/folder/inner"), "as it was").unwrap();
        Self { sandbox, around, innocent }
    }

    pub fn forge(&self) -> Forge<'_> {
        Forge::new(&self.sandbox)
    }

    /// The folder that must stay as it is.
    pub fn outside(&self) -> PathBuf {
        self.around.path().join("outside")
    }

    pub fn target(&self) -> PathBuf {
        self.around.path().join("target")
    }

    /// Commits the snapshot and puts it through everything.
    pub fn attack(&self, forge: Forge, root: &Node) -> Outcome {
        self.attack_with(forge.commit(root))
    }

    /// Commits a large snapshot and puts it through everything, but restores it only once.
    pub fn attack_once(&self, forge: Forge, root: &Node) -> Outcome {
        self.judge(forge.commit(root), Restores::One)
    }

    /// Puts the snapshot through everything: no panic, no error that is not typed, nothing outside the target.
    pub fn attack_with(&self, snapshot: SnapshotId) -> Outcome {
        self.judge(snapshot, Restores::All)
    }

    fn judge(&self, snapshot: SnapshotId, restores: Restores) -> Outcome {
        let before = self.all_but_target();
        let repository = self.sandbox.open();
        let root = self.root(&repository, snapshot);
        let restored = self.restore(&repository, root, |_| {});
        let found = if self.target().exists() { capture(&self.target()) } else { Capture::new() };
        // Over what the first one left, with deleting, and without writing.
        let others: [fn(&mut RestoreOptions); 3] =
            [|_| {}, |options| options.extras = Extras::Delete, |options| options.mode = Mode::DryRun];
        for other in others.into_iter().filter(|_| restores == Restores::All) {
            let outcome = self.restore(&repository, root, other);
            assert_eq!(outcome.is_ok(), restored.is_ok(), "{outcome:?} after {restored:?}");
        }
        assert_same(&before, &self.all_but_target(), "outside of the target");

        let (listed, list_errors) = list(&repository, root);
        let tar = dump(&repository.reader(), root, b"", &Selection::everything(), &mut Limited(DUMP_BYTES), &Silent);
        for path in listed.iter().take(20) {
            let file =
                dump(&repository.reader(), root, path, &Selection::everything(), &mut Limited(DUMP_BYTES), &Silent);
            assert_typed(file.as_ref().err());
        }
        let innocent = self.root(&repository, self.innocent);
        for sides in [(innocent, root), (root, innocent)] {
            let compared = diff(&repository.reader(), sides.0, sides.1, b"", &Silent, &mut |_, _, _| {});
            assert_typed(compared.as_ref().err());
        }
        let report = check(&repository, ReadData::All, 2, &Silent).unwrap();
        assert_typed(restored.as_ref().err());
        assert_typed(tar.as_ref().err());
        Outcome { restored, found, listed, list_errors, tar: tar.map(drop), findings: report.findings }
    }

    fn root(&self, repository: &Repository, snapshot: SnapshotId) -> Root {
        let (snapshots, _) = repository.history().unwrap().snapshots(repository).unwrap();
        root(snapshots.iter().find(|found| found.id == snapshot).unwrap())
    }

    fn restore(
        &self,
        repository: &Repository,
        root: Root,
        change: impl FnOnce(&mut RestoreOptions),
    ) -> Result<Summary> {
        let mut options = restore_options(&self.target());
        change(&mut options);
        restore(repository.reader(), root, &options, &Silent, &|_, _| {})
    }

    fn all_but_target(&self) -> Capture {
        let mut all = capture(self.around.path());
        all.retain(|path, _| !path.is_empty() && path != b"target" && !path.starts_with(b"target/"));
        all
    }
}

impl Outcome {
    /// How many problems the restore named.
    pub fn problems(&self) -> usize {
        self.restored.as_ref().unwrap().problems.len()
    }

    /// Whether the file came back with these bytes.
    pub fn has_file(&self, path: &str, content: &[u8]) -> bool {
        use super::capture::Content;
        let wanted = blake3::hash(content).to_hex()[..16].to_string();
        let is_same = |found: &Content| matches!(found, Content::File { hash, .. } if *hash == wanted);
        self.found.get(path.as_bytes()).is_some_and(|facts| is_same(&facts.content))
    }
}

fn list(repository: &Repository, root: Root) -> (Vec<Vec<u8>>, usize) {
    let (mut listed, mut errors) = (Vec::new(), 0);
    for found in below(&repository.reader(), root, b"").unwrap() {
        match found {
            Ok(entry) => listed.push(entry.path()),
            Err(error) => {
                assert_typed(Some(&error));
                errors += 1;
                assert!(errors < MAX_ERRORS, "a few nodes can keep a reader busy for ever");
            }
        }
    }
    (listed, errors)
}

#[track_caller]
fn assert_typed(error: Option<&Error>) {
    let is_typed = |error: &Error| error.is_damage() || matches!(error, Error::Output(_) | Error::WrongType { .. });
    assert!(error.is_none_or(is_typed), "{error:?}");
}

/// Takes so many bytes and then no more, as a full disk would.
struct Limited(u64);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
