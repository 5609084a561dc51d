// SPDX-License-Identifier: MIT OR Apache-2.0
//! A repository and a source folder to play with: small chunks, segments and packs, so that a few kilobytes go through
//! everything that gigabytes go through. Objects are in memory, where a test can count, damage and fail them.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keepfast_engine::Result;
use keepfast_engine::backup::{self, Archives, BackupOptions, Compression, DeltaLimits, Parent, backup};
use keepfast_engine::check::{ReadData, Report, check};
use keepfast_engine::events::Silent;
use keepfast_engine::filter::Filter;
use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::{
    Credential, FirstKey, Found, InitOptions, LocalFolders, Parameters, Repository, init,
};
use keepfast_engine::restore::{self, Change, Compare, Extras, RestoreOptions, Spared, Verify, restore};
use keepfast_engine::session::Client;
use keepfast_engine::source::{Excludes, OneFileSystem, SourceOptions};
use keepfast_engine::target::OwnershipMode;
use keepfast_engine::tree::Root;
use keepfast_repo_format::config::ChunkerParams;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::key_slot::{KdfParams, KeyFile};
use keepfast_repo_format::tree::entry::Timestamp;
use keepfast_storage::Backend;
use keepfast_storage::testing::MemBackend;
use tempfile::TempDir;

/// Cheapest that the format permits: tests are not about guessing.
pub fn cheap_kdf() -> KdfParams {
    KdfParams::new(8 << 10, 1, 1).unwrap()
}

/// A repository, its key, and folders for source, targets and local state.
pub struct Sandbox {
    folder: TempDir,
    pub objects: Arc<MemBackend>,
    pub key: KeyFile,
}

impl Sandbox {
    /// An empty repository and an empty source.
    pub fn new() -> Self {
        let objects = Arc::new(MemBackend::new());
        let key = initialise(objects.as_ref());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("source")).unwrap();
        Self { folder, objects, key }
    }

    /// Another client of the same repository and source: its own objects from now on, no local state.
    pub fn copy(&self, objects: MemBackend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(self.source(), folder.path().join("source")).unwrap();
        Self { folder, objects: Arc::new(objects), key: self.key.clone() }
    }

    pub fn source(&self) -> PathBuf {
        std::fs::canonicalize(self.folder.path().join("source")).unwrap()
    }

    /// A path of the sandbox for anything else.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn credential(&self) -> Credential {
        Credential::KeyFile(self.key.clone())
    }

    /// Opens with the index in memory: every run sees the repository alone.
    pub fn open_on(&self, backend: Arc<dyn Backend>) -> Result<Repository> {
        let folders = LocalFolders { cache: None, state: self.path("state") };
        Found::locate(backend)?.open(&self.credential(), &folders)
    }

    pub fn open(&self) -> Repository {
        self.open_on(self.objects.clone()).unwrap()
    }

    /// Opens with the index on disk, where the run before left it.
    pub fn open_cached_on(&self, backend: Arc<dyn Backend>) -> Result<Repository> {
        let folders = LocalFolders { cache: Some(self.path("cache")), state: self.path("state") };
        Found::locate(backend)?.open(&self.credential(), &folders)
    }

    pub fn options(&self) -> BackupOptions {
        backup_options(&[self.source()])
    }

    /// The source as the top of the snapshot: no folder above it, which others change, counts.
    pub fn options_at_top(&self) -> BackupOptions {
        let mut options = backup_options(&[".".into()]);
        options.source.working_directory = self.source();
        options
    }

    /// Backs the source up on any backend, whatever comes.
    pub fn try_backup_on(&self, backend: Arc<dyn Backend>) -> Result<backup::Summary> {
        backup(&self.open_on(backend)?, &client(), &self.options(), &Silent)
    }

    pub fn backup_with(&self, options: &BackupOptions) -> backup::Summary {
        backup(&self.open(), &client(), options, &Silent).unwrap()
    }

    /// Backs the source up, which must leave no problem behind.
    pub fn backup(&self) -> SnapshotId {
        let summary = self.backup_with(&self.options());
        assert_eq!(summary.problems, []);
        summary.snapshot.unwrap()
    }

    pub fn snapshots(&self) -> Vec<Snapshot> {
        let repository = self.open();
        let (snapshots, damaged) = repository.history().unwrap().snapshots(&repository).unwrap();
        assert!(damaged.is_empty(), "{damaged:?}");
        snapshots
    }

    /// The source's place in a snapshot.
    pub fn subtree(&self) -> Vec<u8> {
        stored(&self.source())
    }

    /// Restores the source's folder of the snapshot into `target`, which need not exist.
    pub fn options_to(&self, target: &Path) -> RestoreOptions {
        RestoreOptions { subtree: self.subtree(), ..restore_options(target) }
    }

    /// Restores into a new folder, which must leave no problem behind, and returns the folder.
    pub fn restore(&self, snapshot: SnapshotId) -> PathBuf {
        let target = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let (summary, _) = self.restore_with(snapshot, &self.options_to(&target)).unwrap();
        assert_eq!(summary.problems, []);
        target
    }

    pub fn restore_with(&self, snapshot: SnapshotId, options: &RestoreOptions) -> Result<Restored> {
        restore_from(&self.open(), snapshot, options)
    }

    /// Checks everything and reads all data.
    pub fn check(&self) -> Report {
        check(&self.open(), ReadData::All, 2, &Silent).unwrap()
    }
}

/// What a restore said in the end, and of each path.
pub type Restored = (restore::Summary, BTreeMap<String, Change>);

/// Restores from an opened repository.
pub fn restore_from(repository: &Repository, snapshot: SnapshotId, options: &RestoreOptions) -> Result<Restored> {
    let history = repository.history()?;
    let (snapshots, mut damaged) = history.snapshots(repository)?;
    let Some(snapshot) = snapshots.iter().find(|found| found.id == snapshot) else {
        return Err(damaged.pop().unwrap_or(keepfast_engine::Error::NoSnapshot { selector: snapshot.to_string() }));
    };
    let changes = Mutex::new(BTreeMap::new());
    let note = |path: &[u8], change| {
        let path = path.escape_ascii().to_string();
        let before = changes.lock().unwrap().insert(path.clone(), change);
        assert_eq!(before, None, "{path} was told twice");
    };
    let summary = restore(repository.reader(), root(snapshot), options, &Silent, &note)?;
    Ok((summary, changes.into_inner().unwrap()))
}

pub fn root(snapshot: &Snapshot) -> Root {
    Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level }
}

/// An absolute path as it stands in a snapshot.
pub fn stored(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().strip_prefix(b"/").unwrap().to_vec()
}

/// Makes a repository and returns its first key file.
pub fn initialise(backend: &dyn Backend) -> KeyFile {
    let (_, file) = init(backend, &init_options(), &FirstKey::KeyFile).unwrap();
    file.unwrap()
}

pub fn init_options() -> InitOptions {
    let parameters = Parameters {
        chunker: ChunkerParams { min: 256, avg: 1024, max: 8192, normalization: 1 },
        data_segment: 16 << 10,
        tree_segment: 16 << 10,
        pack_size: 1 << 20,
        leaf_target: 8,
    };
    InitOptions { parameters, kdf: cheap_kdf(), label: "first".into(), now: 1_700_000_000 }
}

pub fn client() -> Client {
    Client {
        host: "host".into(),
        user: "user".into(),
        process: 1,
        program: "keepfast tests".into(),
        now: 1_700_000_000,
    }
}

pub fn backup_options(paths: &[PathBuf]) -> BackupOptions {
    BackupOptions {
        source: SourceOptions {
            working_directory: std::env::current_dir().expect("the tests run in a folder"),
            paths: paths.to_vec(),
            excludes: Excludes::default(),
            one_file_system: OneFileSystem::Cross,
            threads: 1,
        },
        streams: Vec::new(),
        missing: Vec::new(),
        paths: paths.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect(),
        parent: Parent::Newest,
        tags: Vec::new(),
        description: String::new(),
        archives: Archives::up_to(u64::MAX, &[]).unwrap(),
        compression: Compression::Level(1),
        deltas: DeltaLimits::default(),
        threads: 2,
        mode: backup::Mode::Commit,
        clock,
    }
}

pub fn restore_options(target: &Path) -> RestoreOptions {
    RestoreOptions {
        target: target.to_path_buf(),
        subtree: Vec::new(),
        filter: Filter::default(),
        extras: Extras::Keep,
        spared: Spared::default(),
        compare: Compare::Content,
        ownership: OwnershipMode::Numeric,
        mode: restore::Mode::Write,
        verify: Verify::No,
        threads: 2,
    }
}

/// The real time: whether a file changed too shortly before it was read can not be made up.
pub fn clock() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp { seconds: now.as_secs() as i64, nanos: now.subsec_nanos() }
}

/// Lets so much time pass that nothing changed shortly before the next backup: it may trust every time stamp.
pub fn let_time_pass() {
    std::thread::sleep(Duration::from_millis(40));
}
