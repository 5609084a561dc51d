// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes a large repository quickly: `cargo run --release -p keepfast-benches --example large_repository -- DIR CHUNKS`. For measuring
//! what grows with the size of a repository. Trees, index objects, manifests and log are real; data packs are holes of the right length
//! under names that nothing hashes to, so whatever reads content (restore, `check --read-data`, repacking) calls them damaged.
//!
//! Two snapshots share half of their chunks: of three equal parts the first is only in the first, the last only in the second, and no
//! pack belongs to two parts. Its own memory does not grow with CHUNKS, but for the ids of packs and tree nodes.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::collections::HashSet;
use std::error::Error;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::repository::{
    Credential, FirstKey, Found, InitOptions, LocalFolders, Parameters, Repository, init,
};
use keepfast_engine::tree::{NodeSink, TreeWriter};
use keepfast_repo_format::directory::{ChunkRow, Directory, SegmentRow};
use keepfast_repo_format::envelope::{HEADER_LEN, Kind};
use keepfast_repo_format::id::{ChunkId, IndexId, LogHash, PackId, SessionId, SnapshotId, WriterId};
use keepfast_repo_format::key_slot::KdfParams;
use keepfast_repo_format::keys::{Keys, SessionKey};
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::manifest::{Completeness, Manifest, Totals, packs_digest, snapshot_id};
use keepfast_repo_format::pack::{PackBuilder, PackRecord, Padding};
use keepfast_repo_format::segment::{Codec, Compressor, seal};
use keepfast_repo_format::tree::entry::{Content, ContentItem, Entry, FileType, Marks, Metadata, Owner, Timestamp};
use keepfast_repo_format::{crypto, index, layout, record};
use keepfast_storage::Name;
use keepfast_storage::local::LocalBackend;

/// Bytes of a chunk: the average of a new repository.
const CHUNK_BYTES: u32 = 32 << 10;
/// Chunks of a file: 256 KiB.
const FILE_CHUNKS: u64 = 8;
/// Files of a folder.
const FOLDER_FILES: u64 = 1000;
/// Chunks of a segment: 1 MiB.
const SEGMENT_CHUNKS: u64 = 32;
/// Bytes of a stored segment: about half, as of text and programs. 32 of them fill a pack.
const SEGMENT_STORED: u32 = 500_000;
const PACK_CHUNKS: u64 = 32 * SEGMENT_CHUNKS;
/// Bytes of tree nodes that are sealed together.
const TREE_SEGMENT_BYTES: usize = 1 << 20;
/// Plain bytes of pack records in one index object, as a session of the engine does it.
const INDEX_OBJECT_BYTES: u64 = 12 << 20;
/// All times: 2023.
const NOW: i64 = 1_700_000_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(chunks), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: large_repository DIR CHUNKS".into());
    };
    let (folder, chunks) = (PathBuf::from(folder), chunks.parse::<u64>()?);
    let key = folder.with_extension("key");
    let mut maker = Maker::new(&folder, &key)?;
    // Thirds in whole files.
    let third = (chunks / 3 / FILE_CHUNKS).max(1);
    let shared = maker.data(third..2 * third)?;
    let old = maker.data(0..third)?;
    let first = maker.snapshot(0..2 * third, old + shared)?;
    let new = maker.data(2 * third..3 * third)?;
    let second = maker.snapshot(third..3 * third, new)?;
    println!("repository  {}", folder.display());
    println!("key file    {}", key.display());
    println!("chunks      {}, in {} data packs", 3 * third * FILE_CHUNKS, old + shared + new);
    println!("snapshots   {first}, {second}");
    Ok(())
}

/// Number and chunk: any number is an id that looks random.
fn chunk_id(number: u64) -> ChunkId {
    ChunkId(crypto::object_hash(&number.to_le_bytes()))
}

struct Maker {
    folder: PathBuf,
    repository: Repository,
    writer: WriterId,
    previous: Option<(u64, LogHash)>,
    session: SessionId,
    data_key: SessionKey,
    tree: Trees,
    /// What the next index object will list.
    records: Vec<PackRecord>,
    record_bytes: u64,
    indexes: Vec<IndexId>,
    packs: Vec<PackId>,
    pack_bytes: u64,
}

/// Tree nodes on their way into packs.
struct Trees {
    keys: Arc<Keys>,
    session: SessionId,
    key: SessionKey,
    builder: PackBuilder,
    compressor: Compressor,
    known: HashSet<ChunkId>,
    plain: Vec<u8>,
    rows: Vec<ChunkRow>,
    segments: u32,
}

impl Maker {
    fn new(folder: &Path, key: &Path) -> Outcome<Self> {
        let backend = LocalBackend::create(folder)?;
        let kdf = KdfParams::new(8 << 10, 1, 1)?;
        let options = InitOptions { parameters: Parameters::default(), kdf, label: "bench".into(), now: NOW as u64 };
        let (_, file) = init(&backend, &options, &FirstKey::KeyFile)?;
        let file = file.ok_or("a key file was asked for")?;
        fs::write(key, file.to_text().as_bytes())?;
        let state = tempfile::tempdir()?;
        let folders = LocalFolders { cache: None, state: state.path().to_path_buf() };
        let repository = Found::locate(Arc::new(backend))?.open(&Credential::KeyFile(file), &folders)?;
        let session = SessionId(crypto::random());
        let data_key = SessionKey::create(&repository.keys, Kind::DataPack);
        let tree = Trees::new(&repository.keys, session, HashSet::new());
        let (writer, previous) = (WriterId(crypto::random()), None);
        let (records, indexes, packs) = (Vec::new(), Vec::new(), Vec::new());
        let folder = folder.to_path_buf();
        let (record_bytes, pack_bytes) = (0, 0);
        Ok(Self {
            folder,
            repository,
            writer,
            previous,
            session,
            data_key,
            tree,
            records,
            record_bytes,
            indexes,
            packs,
            pack_bytes,
        })
    }

    fn put(&self, name: &str, parts: &[&[u8]]) -> Outcome<()> {
        let name = Name::new(name).ok_or("a name of the format")?;
        self.repository.backend.put_if_absent(&name, parts)?;
        Ok(())
    }

    /// Holes in place of the content of these files; returns how many packs.
    fn data(&mut self, files: Range<u64>) -> Outcome<u64> {
        let (mut next, end) = (files.start * FILE_CHUNKS, files.end * FILE_CHUNKS);
        let mut packs = 0;
        while next < end {
            let chunks = next..end.min(next + PACK_CHUNKS);
            next = chunks.end;
            let id = PackId(crypto::object_hash(&[b"pack".as_slice(), &chunks.start.to_le_bytes()].concat()));
            let length = u64::from(self.repository.config.pack_size);
            let path = self.folder.join(layout::pack(&id));
            fs::create_dir_all(path.parent().ok_or("packs lie in folders")?)?;
            File::create(path)?.set_len(length)?;
            let (session, keys) = (self.session, vec![self.data_key.key_row()]);
            let directory = directory(chunks);
            self.list(PackRecord { id, length, kind: Kind::DataPack, session, keys, directory })?;
            packs += 1;
        }
        Ok(packs)
    }

    /// Adds a pack to the index.
    fn list(&mut self, record: PackRecord) -> Outcome<()> {
        let bytes = index::encoded_len(&record);
        if self.record_bytes + bytes > INDEX_OBJECT_BYTES {
            self.put_index()?;
        }
        self.record_bytes += bytes;
        self.packs.push(record.id);
        self.pack_bytes += record.length;
        self.records.push(record);
        Ok(())
    }

    fn put_index(&mut self) -> Outcome<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let table = index::encode(&std::mem::take(&mut self.records));
        let object = record::seal_structure(&self.repository.keys, Kind::Index, &table);
        let id = IndexId(crypto::object_hash(&object));
        self.put(&layout::index(&id), &[&object])?;
        self.indexes.push(id);
        self.record_bytes = 0;
        Ok(())
    }

    /// Writes the tree of these files and commits it with everything since the last snapshot.
    fn snapshot(&mut self, files: Range<u64>, data_packs: u64) -> Outcome<SnapshotId> {
        let keys = self.repository.keys.clone();
        let mut tree = TreeWriter::new(keys.boundary(), self.repository.config.leaf_target);
        let folders = files.start / FOLDER_FILES..files.end.div_ceil(FOLDER_FILES);
        for folder in folders {
            tree.push(entry(b"", &folder_name(folder), FileType::Directory, folder), &mut self.tree)?;
        }
        for file in files.clone() {
            tree.push(file_entry(file), &mut self.tree)?;
            if self.tree.is_full(u64::from(self.repository.config.pack_size)) {
                self.put_tree_pack()?;
            }
        }
        let root = tree.finish(&mut self.tree)?.ok_or("a snapshot has files")?;
        self.tree.close_segment();
        self.put_tree_pack()?;
        self.put_index()?;
        let sequence = self.previous.map_or(0, |(sequence, _)| sequence + 1);
        let manifest = self.manifest((root.id, root.level), sequence, &files, data_packs);
        let object = manifest.seal(&keys);
        let snapshot = snapshot_id(&object);
        self.put(&layout::snapshot(&snapshot), &[&object])?;
        self.commit(sequence, snapshot)?;
        Ok(snapshot)
    }

    fn put_tree_pack(&mut self) -> Outcome<()> {
        let Some(builder) = self.tree.take_pack() else { return Ok(()) };
        let pack = builder.finish(Padding::Padme, &self.repository.keys);
        let parts: Vec<&[u8]> = pack.parts.iter().map(Vec::as_slice).collect();
        self.put(&layout::pack(&pack.id), &parts)?;
        self.list(pack.record)
    }

    fn manifest(&self, root: (ChunkId, u8), sequence: u64, files: &Range<u64>, data_packs: u64) -> Manifest {
        let count = files.end - files.start;
        let started = (NOW + sequence as i64 * 86_400) * 1_000_000_000;
        let bytes = count * FILE_CHUNKS * u64::from(CHUNK_BYTES);
        Manifest {
            writer: self.writer,
            sequence,
            session: self.session,
            parent: None,
            root: root.0,
            root_level: root.1,
            paths: vec![b"/large".to_vec()],
            host: "bench".into(),
            user: "bench".into(),
            tags: Vec::new(),
            started,
            finished: started,
            program: "large_repository".into(),
            description: format!("{data_packs} data packs are holes"),
            config_generation: 0,
            totals: Totals { files: count, directories: count.div_ceil(FOLDER_FILES), bytes, ..Totals::default() },
            problems: Vec::new(),
            completeness: Completeness::Complete,
            pack_count: self.packs.len() as u64,
            pack_bytes: self.pack_bytes,
            packs_digest: packs_digest(&self.packs),
        }
    }

    fn commit(&mut self, sequence: u64, snapshot: SnapshotId) -> Outcome<()> {
        let slot = LogSlot {
            writer: self.writer,
            sequence,
            previous: self.previous.map(|(_, hash)| hash),
            clock: sequence + 1,
            heads: Vec::new(),
            time: NOW as u64,
            config_generation: 0,
            body: LogBody::Commit { session: self.session, snapshot, indexes: std::mem::take(&mut self.indexes) },
        };
        let object = slot.seal(&self.repository.keys);
        self.put(&layout::log(&self.writer, sequence), &[&object])?;
        self.previous = Some((sequence, LogHash(crypto::object_hash(&object))));
        // The next snapshot is another session's.
        self.session = SessionId(crypto::random());
        self.data_key = SessionKey::create(&self.repository.keys, Kind::DataPack);
        let known = std::mem::take(&mut self.tree.known);
        self.tree = Trees::new(&self.repository.keys, self.session, known);
        (self.packs, self.pack_bytes) = (Vec::new(), 0);
        Ok(())
    }
}

impl Trees {
    fn new(keys: &Arc<Keys>, session: SessionId, known: HashSet<ChunkId>) -> Self {
        let key = SessionKey::create(keys, Kind::TreePack);
        let builder = PackBuilder::new(keys, session, Kind::TreePack);
        let (compressor, plain, rows) = (Compressor::new(3), Vec::new(), Vec::new());
        Self { keys: keys.clone(), session, key, builder, compressor, known, plain, rows, segments: 0 }
    }

    fn is_full(&self, pack_size: u64) -> bool {
        let room = self.builder.room(pack_size, self.rows.len() + 4096, 0);
        room.is_none_or(|room| room < 2 * TREE_SEGMENT_BYTES as u64)
    }

    fn close_segment(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let payload = self.compressor.compress(&self.plain);
        let ids: Vec<ChunkId> = self.rows.iter().map(|row| row.id).collect();
        let sealed = seal(&self.key, &self.keys.repository(), self.segments, payload, &ids);
        let row = self.builder.add_key(self.key.key_row());
        self.builder.push(sealed, row, &self.rows, &[]);
        self.segments += 1;
        self.plain.clear();
        self.rows.clear();
    }

    fn take_pack(&mut self) -> Option<PackBuilder> {
        let fresh = PackBuilder::new(&self.keys, self.session, Kind::TreePack);
        Some(std::mem::replace(&mut self.builder, fresh)).filter(|builder| !builder.is_empty())
    }
}

impl NodeSink for Trees {
    fn put_node(
        &mut self,
        node: Vec<u8>,
        _: &mut dyn FnMut() -> keepfast_engine::Result<Vec<ChunkId>>,
    ) -> keepfast_engine::Result<ChunkId> {
        let id = self.keys.tree_chunk_id(&node);
        if self.known.insert(id) {
            self.rows.push(ChunkRow { id, length: node.len() as u32 });
            self.plain.extend_from_slice(&node);
            if self.plain.len() >= TREE_SEGMENT_BYTES {
                self.close_segment();
            }
        }
        Ok(id)
    }
}

fn directory(chunks: Range<u64>) -> Directory {
    let mut directory = Directory::default();
    let mut next = chunks.start;
    while next < chunks.end {
        let count = SEGMENT_CHUNKS.min(chunks.end - next) as u32;
        directory.segments.push(SegmentRow {
            offset: HEADER_LEN as u32 + directory.segments.len() as u32 * SEGMENT_STORED,
            // The last one may be short; compressed is less than plain.
            stored_len: SEGMENT_STORED.min(count * CHUNK_BYTES / 2),
            plain_len: count * CHUNK_BYTES,
            codec: Codec::Zstd,
            key_row: 0,
            chunks: count,
            edges: 0,
        });
        next += u64::from(count);
    }
    directory.chunks = chunks.map(|number| ChunkRow { id: chunk_id(number), length: CHUNK_BYTES }).collect();
    directory
}

fn folder_name(number: u64) -> Vec<u8> {
    format!("folder-{number:08}").into_bytes()
}

fn file_entry(number: u64) -> Entry {
    let name = format!("file-{:04}.dat", number % FOLDER_FILES);
    let mut file = entry(&folder_name(number / FOLDER_FILES), name.as_bytes(), FileType::File, number);
    let chunks = number * FILE_CHUNKS..(number + 1) * FILE_CHUNKS;
    let item = |number| ContentItem { length: u64::from(CHUNK_BYTES), id: Some(chunk_id(number)) };
    file.content = Content { height: 0, items: chunks.map(item).collect() };
    file.metadata.size = FILE_CHUNKS * u64::from(CHUNK_BYTES);
    file
}

fn entry(directory: &[u8], name: &[u8], file_type: FileType, number: u64) -> Entry {
    let time = Timestamp { seconds: NOW - (number % 1_000_000) as i64, nanos: 0 };
    let metadata = Metadata {
        mode: if file_type == FileType::Directory { 0o755 } else { 0o644 },
        owner: Arc::new(Owner { uid: 1000, gid: 1000, user: b"user".to_vec(), group: b"user".to_vec() }),
        modified: time,
        changed: time,
        inode: number + 2,
        ..Metadata::of(file_type)
    };
    Entry {
        directory: Arc::from(directory),
        name: name.to_vec(),
        metadata,
        marks: Marks(0),
        content: Content::default(),
        layers: Vec::new(),
    }
}
