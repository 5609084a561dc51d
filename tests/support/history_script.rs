// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small repository with a known history: machines with state and cache folders, sources on disk, and what a snapshot holds,
//! read back into memory. For the crash tests, which build it hundreds of times. It asserts nothing about keepfast.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use keepfast_engine::backup::{Archives, BackupOptions, Compression, DeltaLimits, Mode, Parent, Summary, backup};
use keepfast_engine::error::Result;
use keepfast_engine::events::Silent;
use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::{
    Credential, FirstKey, Found, InitOptions, LocalFolders, Parameters, Repository, init,
};
use keepfast_engine::session::Client;
use keepfast_engine::source::{Excludes, OneFileSystem, SourceOptions};
use keepfast_engine::tree::{ContentItems, Cursor, Direction, Root};
use keepfast_repo_format::config::ChunkerParams;
use keepfast_repo_format::key_slot::{KdfParams, KeyFile};
use keepfast_repo_format::tree::entry::{FileType, Timestamp};
use keepfast_storage::Backend;
use tempfile::TempDir;

/// Paths with their contents; folders end with `/`.
pub type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// A computer: its name, and the folders it keeps beside the repository.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Host name.
    pub name: &'static str,
    /// Holds `state` and `cache`.
    pub folder: PathBuf,
}

impl Machine {
    /// A machine that has never seen the repository.
    pub fn new(name: &'static str, base: &Path) -> Self {
        let folder = base.join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { name, folder }
    }

    /// The same machine as it is now, in another place.
    pub fn copy(&self, base: &Path) -> Self {
        let copy = Self { name: self.name, folder: base.join(self.name) };
        copy_folder(&self.folder, &copy.folder);
        copy
    }

    /// Forgets the identity.
    pub fn lose_state(&self) {
        let _ = fs::remove_dir_all(self.folder.join("state"));
    }

    /// Forgets the local index.
    pub fn lose_cache(&self) {
        let _ = fs::remove_dir_all(self.folder.join("cache"));
    }

    /// Opens the repository.
    pub fn open(&self, backend: Arc<dyn Backend>, key: &KeyFile) -> Result<Repository> {
        let folders = LocalFolders { cache: Some(self.folder.join("cache")), state: self.folder.join("state") };
        Found::locate(backend)?.open(&Credential::KeyFile(key.clone()), &folders)
    }

    /// Opens the repository and backs up.
    pub fn back_up(&self, backend: Arc<dyn Backend>, key: &KeyFile, paths: &[PathBuf]) -> Result<Summary> {
        backup(&self.open(backend, key)?, &self.client(), &options(paths), &Silent)
    }

    /// Who runs the program.
    pub fn client(&self) -> Client {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Client { host: self.name.into(), user: "tester".into(), process: 1, program: "keepfast test".into(), now }
    }
}

/// Opens the repository without any local folder but an empty state.
pub fn open_bare(backend: Arc<dyn Backend>, key: &KeyFile, state: &Path) -> Result<Repository> {
    let folders = LocalFolders { cache: None, state: state.to_path_buf() };
    Found::locate(backend)?.open(&Credential::KeyFile(key.clone()), &folders)
}

/// Options of a backup of `paths`.
pub fn options(paths: &[PathBuf]) -> BackupOptions {
    BackupOptions {
        source: SourceOptions {
            working_directory: std::env::current_dir().expect("the tests run in a folder"),
            paths: paths.to_vec(),
            excludes: Excludes::builder().build().expect("no pattern can be wrong"),
            one_file_system: OneFileSystem::Cross,
            threads: 0,
        },
        streams: Vec::new(),
        missing: Vec::new(),
        paths: paths.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect(),
        parent: Parent::Newest,
        tags: vec!["script".into()],
        description: String::new(),
        archives: Archives::none(),
        compression: Compression::Level(1),
        deltas: DeltaLimits::default(),
        threads: 2,
        mode: Mode::Commit,
        clock: now,
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp { seconds: now.as_secs().try_into().unwrap(), nanos: now.subsec_nanos() }
}

/// Makes a repository so small in its parameters that little data gives many chunks, segments, nodes and packs.
pub fn init_small(backend: &dyn Backend) -> Result<KeyFile> {
    Ok(init_with(backend, &FirstKey::KeyFile)?.expect("a key file was asked for"))
}

/// The same with any first key.
pub fn init_with(backend: &dyn Backend, key: &FirstKey) -> Result<Option<KeyFile>> {
    Ok(init(backend, &small_options(), key)?.1)
}

/// What it is made with.
pub fn small_options() -> InitOptions {
    let parameters = Parameters {
        chunker: ChunkerParams { min: 256, avg: 1024, max: 8192, normalization: 1 },
        data_segment: 16 << 10,
        tree_segment: 4 << 10,
        pack_size: 1 << 20,
        leaf_target: 8,
    };
    let kdf = KdfParams::new(8 << 10, 1, 1).unwrap();
    InitOptions { parameters, kdf, label: "script".into(), now: 1_700_000_000 }
}

/// A folder for a test: in memory where the system has such a place, because these tests wait for thousands of flushes.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// Writes `count` files of different lengths below `folder`; another seed gives other contents.
pub fn write_files(folder: &Path, count: usize, seed: u64) {
    for number in 0..count {
        let below = folder.join(format!("d{}", number % 4));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("f{number}")), random_bytes(seed + number as u64, 37 * (number * number % 97)))
            .unwrap();
    }
}

/// Bytes that do not compress, the same for the same seed.
pub fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// What a backup of `paths` has to hold, read from the disk.
pub fn on_disk(paths: &[PathBuf]) -> Contents {
    let mut contents = Contents::new();
    let mut pending = paths.to_vec();
    while let Some(path) = pending.pop() {
        let mut name = path.as_os_str().as_bytes()[1..].to_vec();
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            name.push(b'/');
            contents.insert(name, Vec::new());
        } else {
            contents.insert(name, fs::read(&path).unwrap());
        }
    }
    contents
}

/// What a snapshot holds, every chunk read and verified; without the folders above the paths that were named.
pub fn in_snapshot(repository: &Repository, snapshot: &Snapshot) -> Result<Contents> {
    let reader = repository.reader();
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let mut contents = Contents::new();
    for entry in Cursor::new(reader.clone(), root, Direction::Forward) {
        let entry = entry?;
        let mut path = entry.path();
        if entry.metadata.file_type == FileType::Directory {
            path.push(b'/');
            let is_above = |named: &Vec<u8>| named[1..].starts_with(&path) && named.len() > path.len();
            if path != b"/" && !snapshot.manifest.paths.iter().any(is_above) {
                contents.insert(path, Vec::new());
            }
            continue;
        }
        let mut bytes = Vec::new();
        assert!(entry.layers.is_empty(), "no archive is looked into here");
        for item in ContentItems::new(&reader, &entry.content) {
            let item = item?;
            match item.id {
                Some(id) => bytes.extend_from_slice(&reader.data_chunk(&id)?),
                None => bytes.resize(bytes.len() + usize::try_from(item.length).unwrap(), 0),
            }
        }
        contents.insert(path, bytes);
    }
    Ok(contents)
}

/// Copies a folder of plain files and folders.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
