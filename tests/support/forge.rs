// SPDX-License-Identifier: MIT OR Apache-2.0
//! A forger who holds the keys: puts snapshots into a repository that no backup would make, sealed and signed as they should be.
//! For tests of what a hostile repository can do. Checks nothing: whatever it is given stands in the repository afterwards.

use std::sync::Arc;

use keepfast_repo_format::directory::ChunkRow;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, IndexId, SessionId, SnapshotId, WriterId};
use keepfast_repo_format::keys::{Keys, SessionKey};
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::manifest::{Completeness, Manifest, Totals, packs_digest, snapshot_id};
use keepfast_repo_format::pack::{PackBuilder, Padding};
use keepfast_repo_format::segment::{Compressor, Sealed, seal};
use keepfast_repo_format::tree::entry::{Content, ContentItem, Entry, FileType, Marks, Metadata, Owner, Timestamp};
use keepfast_repo_format::tree::inner::{self, Child};
use keepfast_repo_format::tree::{leaf, list};
use keepfast_repo_format::{crypto, index, layout, record};
use keepfast_storage::{Backend, Name};

use super::sandbox::Sandbox;

/// One kind of pack that is being filled.
struct Filling {
    builder: PackBuilder,
    key: SessionKey,
}

/// A snapshot in the making.
pub struct Forge<'a> {
    sandbox: &'a Sandbox,
    keys: Arc<Keys>,
    session: SessionId,
    tree: Filling,
    data: Filling,
    segments: u32,
    compressor: Compressor,
}

/// A node with what its parent has to say of it.
#[derive(Clone, Debug)]
pub struct Node {
    pub id: ChunkId,
    pub level: u8,
    pub last: (Vec<u8>, Vec<u8>),
    pub entries: u64,
    pub bytes: u64,
}

impl Node {
    /// The truth about the node, for its parent.
    pub fn child(&self) -> Child {
        let (last_directory, last_name) = self.last.clone();
        Child { last_directory, last_name, entries: self.entries, bytes: self.bytes, id: self.id }
    }

    /// The node under another last key.
    pub fn child_up_to(&self, directory: &[u8], name: &[u8]) -> Child {
        Child { last_directory: directory.to_vec(), last_name: name.to_vec(), ..self.child() }
    }
}

impl<'a> Forge<'a> {
    pub fn new(sandbox: &'a Sandbox) -> Self {
        let keys = sandbox.open().keys.clone();
        let session = SessionId(crypto::random());
        let filling =
            |kind| Filling { builder: PackBuilder::new(&keys, session, kind), key: SessionKey::create(&keys, kind) };
        let (tree, data) = (filling(Kind::TreePack), filling(Kind::DataPack));
        Self { sandbox, keys: keys.clone(), session, tree, data, segments: 0, compressor: Compressor::new(1) }
    }

    /// Stores any bytes as a chunk of the tree.
    pub fn tree_chunk(&mut self, bytes: &[u8]) -> ChunkId {
        let id = self.keys.tree_chunk_id(bytes);
        self.chunk_as(Kind::TreePack, bytes, id, |_| {});
        id
    }

    /// Stores content.
    pub fn data_chunk(&mut self, bytes: &[u8]) -> ChunkId {
        let id = self.keys.data_chunk_id(bytes);
        self.chunk_as(Kind::DataPack, bytes, id, |_| {});
        id
    }

    /// Stores bytes under any id, in a segment that lies as it likes.
    pub fn chunk_as(&mut self, kind: Kind, bytes: &[u8], id: ChunkId, lie: impl FnOnce(&mut Sealed)) {
        let payload = self.compressor.compress(bytes);
        let filling = if kind == Kind::TreePack { &mut self.tree } else { &mut self.data };
        let mut sealed = seal(&filling.key, &self.keys.repository(), self.segments, payload, &[id]);
        self.segments += 1;
        lie(&mut sealed);
        let row = filling.builder.add_key(filling.key.key_row());
        let length = sealed.plain_len;
        filling.builder.push(sealed, row, &[ChunkRow { id, length }], &[]);
    }

    /// Stores content as a delta against `prefix`, which it says are these chunks.
    pub fn delta_chunk(&mut self, bytes: &[u8], prefix: &[u8], edges: &[ChunkId]) -> ChunkId {
        self.delta_chunks(&[bytes], prefix, edges)[0]
    }

    /// Stores contents in one segment, as a delta against `prefix`, which it says are these chunks.
    pub fn delta_chunks(&mut self, contents: &[&[u8]], prefix: &[u8], edges: &[ChunkId]) -> Vec<ChunkId> {
        let ids: Vec<ChunkId> = contents.iter().map(|bytes| self.keys.data_chunk_id(bytes)).collect();
        let lengths = contents.iter().map(|bytes| bytes.len() as u32);
        let rows: Vec<ChunkRow> = ids.iter().zip(lengths).map(|(id, length)| ChunkRow { id: *id, length }).collect();
        let payload = self.compressor.compress_delta(&contents.concat(), prefix).expect("it resembles its prefix");
        let filling = &mut self.data;
        let sealed = seal(&filling.key, &self.keys.repository(), self.segments, payload, &ids);
        self.segments += 1;
        let row = filling.builder.add_key(filling.key.key_row());
        filling.builder.push(sealed, row, &rows, edges);
        ids
    }

    /// The id that content has, stored or not.
    pub fn data_id(&self, bytes: &[u8]) -> ChunkId {
        self.keys.data_chunk_id(bytes)
    }

    /// A leaf with these entries, whatever they are.
    pub fn leaf(&mut self, entries: &[Entry]) -> Node {
        self.leaf_of_bytes(entries, &leaf::encode(entries))
    }

    /// A leaf of any bytes, for which its parent says what these entries are.
    pub fn leaf_of_bytes(&mut self, entries: &[Entry], bytes: &[u8]) -> Node {
        let last = entries.last().map(|entry| (entry.directory.to_vec(), entry.name.clone())).unwrap();
        let size = entries.iter().map(|entry| entry.metadata.size).fold(0, u64::saturating_add);
        Node { id: self.tree_chunk(bytes), level: 0, last, entries: entries.len() as u64, bytes: size }
    }

    /// A node above these children.
    pub fn inner(&mut self, level: u8, children: &[Child]) -> Node {
        let id = self.tree_chunk(&inner::encode(level, children));
        let last = children.last().map(|child| (child.last_directory.clone(), child.last_name.clone())).unwrap();
        let entries = children.iter().map(|child| child.entries).fold(0, u64::saturating_add);
        let bytes = children.iter().map(|child| child.bytes).fold(0, u64::saturating_add);
        Node { id, level, last, entries, bytes }
    }

    /// A node above these, with the truth about them.
    pub fn above(&mut self, nodes: &[&Node]) -> Node {
        let children: Vec<Child> = nodes.iter().map(|node| node.child()).collect();
        self.inner(nodes[0].level + 1, &children)
    }

    /// A list node, as the item that its parent has of it.
    pub fn list(&mut self, level: u8, items: &[ContentItem]) -> ContentItem {
        let id = self.tree_chunk(&list::encode(level, items));
        ContentItem { length: items.iter().map(|item| item.length).sum(), id: Some(id) }
    }

    /// A file with this content, and the chunk that holds it.
    pub fn file(&mut self, directory: &[u8], name: &[u8], content: &[u8]) -> Entry {
        let item = ContentItem { length: content.len() as u64, id: Some(self.data_chunk(content)) };
        file_of(directory, name, Content { height: 0, items: vec![item] }, content.len() as u64)
    }

    /// Puts everything and commits it as the first snapshot of a new writer.
    pub fn commit(self, root: &Node) -> SnapshotId {
        self.commit_as(root.id, root.level)
    }

    /// The same with any root.
    pub fn commit_as(self, root: ChunkId, root_level: u8) -> SnapshotId {
        let Self { sandbox, keys, session, tree, data, .. } = self;
        let mut records = Vec::new();
        for filling in [tree, data] {
            if !filling.builder.is_empty() {
                let pack = filling.builder.finish(Padding::Padme, &keys);
                put(sandbox, &layout::pack(&pack.id), &pack.parts.concat());
                records.push(pack.record);
            }
        }
        let object = record::seal_structure(&keys, Kind::Index, &index::encode(&records));
        let index = IndexId(crypto::object_hash(&object));
        put(sandbox, &layout::index(&index), &object);
        let writer = WriterId(crypto::random());
        let packs: Vec<_> = records.iter().map(|record| record.id).collect();
        let manifest = Manifest {
            pack_count: packs.len() as u64,
            pack_bytes: records.iter().map(|record| record.length).sum(),
            packs_digest: packs_digest(&packs),
            ..manifest(writer, session, root, root_level)
        };
        let object = manifest.seal(&keys);
        let snapshot = snapshot_id(&object);
        put(sandbox, &layout::snapshot(&snapshot), &object);
        let slot = LogSlot {
            writer,
            sequence: 0,
            previous: None,
            clock: 1,
            heads: Vec::new(),
            time: 1_700_000_000,
            config_generation: 0,
            body: LogBody::Commit { session, snapshot, indexes: vec![index] },
        };
        put(sandbox, &layout::log(&writer, 0), &slot.seal(&keys));
        snapshot
    }
}

fn put(sandbox: &Sandbox, name: &str, bytes: &[u8]) {
    sandbox.objects.put_if_absent(&Name::new(name).unwrap(), &[bytes]).unwrap();
}

fn manifest(writer: WriterId, session: SessionId, root: ChunkId, root_level: u8) -> Manifest {
    Manifest {
        writer,
        sequence: 0,
        session,
        parent: None,
        root,
        root_level,
        paths: vec![b"/".to_vec()],
        host: "forger".into(),
        user: "forger".into(),
        tags: Vec::new(),
        started: 1_700_000_000_000_000_000,
        finished: 1_700_000_000_000_000_000,
        program: "forge".into(),
        description: String::new(),
        config_generation: 0,
        totals: Totals::default(),
        problems: Vec::new(),
        completeness: Completeness::Complete,
        pack_count: 0,
        pack_bytes: 0,
        packs_digest: [0; 32],
    }
}

/// An entry of this type, without content.
pub fn entry(directory: &[u8], name: &[u8], file_type: FileType) -> Entry {
    let time = Timestamp { seconds: 1_600_000_000, nanos: 1 };
    // Whoever runs the tests may own it.
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let metadata = Metadata {
        mode: if file_type == FileType::Directory { 0o755 } else { 0o644 },
        owner: Arc::new(Owner { uid, gid, user: Vec::new(), group: Vec::new() }),
        modified: time,
        changed: time,
        inode: 1,
        device: file_type.is_device().then_some((1, 3)),
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

/// A file of one chunk, stored or not, so long.
pub fn file_of_chunk(name: &[u8], id: ChunkId, length: usize) -> Entry {
    let item = ContentItem { length: length as u64, id: Some(id) };
    file_of(b"", name, Content { height: 0, items: vec![item] }, length as u64)
}

/// A file with any content and any size.
pub fn file_of(directory: &[u8], name: &[u8], content: Content, size: u64) -> Entry {
    let mut file = entry(directory, name, FileType::File);
    file.metadata.size = size;
    file.content = content;
    file
}

/// A symlink to anywhere.
pub fn symlink(directory: &[u8], name: &[u8], target: &[u8]) -> Entry {
    let mut link = entry(directory, name, FileType::Symlink);
    link.metadata.target = target.to_vec();
    link
}
