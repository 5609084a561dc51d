// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes whose bytes stand in `docs/vectors/tree.json`: they are the same for ever, here and in every other reader.

use std::sync::Arc;

use crate::id::ChunkId;
use crate::tree::entry::{Content, ContentItem, Entry, FileType, Marks, Metadata, Owner, Timestamp};
use crate::tree::inner::Child;
use crate::tree::{inner, leaf, list};
use crate::vectors::Vectors;

const FILE: &str = include_str!("../../../../docs/vectors/tree.json");

/// Entries like those of a source tree: `per_folder` files of one chunk in each folder, one owner, times in a row.
pub(super) fn typical(count: usize, per_folder: usize) -> Vec<Entry> {
    let owner = Arc::new(Owner { uid: 1000, gid: 100, user: b"builder".to_vec(), group: b"users".to_vec() });
    let folder = |number: usize| Arc::from(format!("drivers/net/vendor/folder-{number:04}").into_bytes());
    let folders: Vec<Arc<[u8]>> = (0..=count / per_folder).map(folder).collect();
    let entry = |number: usize| {
        let seconds = 1_750_000_000 + (number * 7919 % 100_000) as i64;
        let time = Timestamp { seconds, nanos: (number * 104_729 % 1_000_000) as u32 * 1000 };
        let size = 1 + (number * 6151 % 60_000) as u64;
        let metadata = Metadata {
            modified: time,
            changed: time,
            inode: 1_000_000 + number as u64,
            size,
            ..metadata(FileType::File, &owner)
        };
        let id = *blake3::hash(&number.to_le_bytes()).as_bytes();
        let content = Content { height: 0, items: vec![ContentItem { length: size, id: Some(ChunkId(id)) }] };
        let name = format!("source_file_{number:06}.c").into_bytes();
        Entry {
            directory: Arc::clone(&folders[number / per_folder]),
            name,
            metadata,
            marks: Marks(0),
            content,
            layers: Vec::new(),
        }
    };
    (0..count).map(entry).collect()
}

fn metadata(file_type: FileType, owner: &Arc<Owner>) -> Metadata {
    Metadata {
        file_type,
        mode: 0o644,
        owner: Arc::clone(owner),
        modified: Timestamp { seconds: 1_790_000_000, nanos: 123_456_789 },
        changed: Timestamp { seconds: 1_790_000_001, nanos: 5 },
        born: None,
        inode: 0,
        link_group: None,
        inode_flags: 0,
        device: None,
        target: Vec::new(),
        xattrs: Arc::default(),
        size: 0,
    }
}

fn content(height: u8, items: &[(u64, Option<u8>)]) -> Content {
    let item = |&(length, id): &(u64, Option<u8>)| ContentItem { length, id: id.map(|byte| ChunkId([byte; 32])) };
    Content { height, items: items.iter().map(item).collect() }
}

/// One entry of every type, with everything that an entry can have somewhere among them.
fn every_type() -> Vec<Entry> {
    let root = Arc::new(Owner { uid: 0, gid: 0, user: b"root".to_vec(), group: b"root".to_vec() });
    let other = Arc::new(Owner { uid: 4_000_000_000, gid: 7, user: Vec::new(), group: b"g\xff".to_vec() });
    let xattrs = Arc::new(vec![(b"security.capability".to_vec(), vec![1, 0, 0, 2]), (b"user.x".to_vec(), Vec::new())]);
    let entry = |directory: &[u8], name: &[u8], metadata: Metadata, marks: u8, content: Content| Entry {
        directory: Arc::from(directory),
        name: name.to_vec(),
        metadata: Metadata { size: content.items.iter().map(|item| item.length).sum(), ..metadata },
        marks: Marks(marks),
        content,
        layers: Vec::new(),
    };
    let of = |file_type| metadata(file_type, &root);
    let born = Some(Timestamp { seconds: -1, nanos: 999_999_999 });
    let top = Metadata { mode: 0o1777, inode: 2, ..of(FileType::Directory) };
    let etc = Metadata { mode: 0o755, inode: u64::MAX, born, ..of(FileType::Directory) };
    let sda = Metadata { device: Some((8, 0)), mode: 0o660, ..of(FileType::BlockDevice) };
    let null = Metadata { device: Some((1, u32::MAX)), ..of(FileType::CharDevice) };
    let link = Metadata { target: b"../x/\xfe".to_vec(), mode: 0o777, ..of(FileType::Symlink) };
    let hard = Metadata { link_group: Some(0x0102_0304_0506_0708), xattrs: Arc::clone(&xattrs), ..of(FileType::File) };
    let old = Timestamp { seconds: i64::MIN, nanos: 0 };
    let odd = Metadata { inode_flags: 0x10, modified: old, mode: 0o4755, ..metadata(FileType::File, &other) };
    let large = Metadata { xattrs, ..of(FileType::File) };
    vec![
        entry(b"", b"", top, 0, Content::default()),
        entry(b"", b"etc", etc, 0, Content::default()),
        entry(b"etc", b"a-block", sda, 0, Content::default()),
        entry(b"etc", b"b-char", null, 0, Content::default()),
        entry(b"etc", b"c-fifo", of(FileType::Fifo), 2, Content::default()),
        entry(b"etc", b"d-link", link, 0, Content::default()),
        entry(b"etc", b"e-hard", hard, 0, content(0, &[(100, Some(1)), (1 << 40, None), (3, Some(2))])),
        entry(b"etc", b"f-empty", odd, 32, Content::default()),
        entry(b"etc", b"g-socket", of(FileType::Socket), 0, Content::default()),
        entry(b"etc/sub", b"large", large, 1, content(2, &[(1 << 33, Some(3)), (77, Some(4))])),
        entry(b"etc-", b"\x01", of(FileType::File), 0, content(0, &[(1, Some(5))])),
    ]
}

fn two_children() -> Vec<Child> {
    let child = |directory: &[u8], name: &[u8], entries, bytes, byte| Child {
        last_directory: directory.to_vec(),
        last_name: name.to_vec(),
        entries,
        bytes,
        id: ChunkId([byte; 32]),
    };
    vec![child(b"", b"etc", 2, 0, 0xaa), child(b"etc/sub", b"large", 300, u64::MAX, 0xbb)]
}

#[test]
fn nodes_have_the_bytes_of_the_vectors() {
    let mut vectors = Vectors::open("tree", FILE);
    let entries = every_type();
    vectors.check("leaf with every type", &leaf::encode(&entries));
    assert_eq!(leaf::decode(&vectors.bytes("leaf with every type")).unwrap(), entries);

    let entries = typical(5, 2);
    vectors.check("leaf of a source tree", &leaf::encode(&entries));
    assert_eq!(leaf::decode(&vectors.bytes("leaf of a source tree")).unwrap(), entries);

    vectors.check("inner node", &inner::encode(3, &two_children()));
    assert_eq!(inner::decode(&vectors.bytes("inner node")).unwrap(), (3, two_children()));

    let bottom = content(0, &[(16 << 20, Some(6)), (5, None), (1, Some(7))]).items;
    vectors.check("list node of chunks", &list::encode(0, &bottom));
    assert_eq!(list::decode(&vectors.bytes("list node of chunks")).unwrap(), (0, bottom));

    let above = content(1, &[(1 << 40, Some(8)), (1, Some(9))]).items;
    vectors.check("list node of lists", &list::encode(1, &above));
    assert_eq!(list::decode(&vectors.bytes("list node of lists")).unwrap(), (1, above));
    vectors.finish();
}
