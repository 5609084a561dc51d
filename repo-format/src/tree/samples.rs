// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generated entries, children and items for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::entry::{Content, ContentItem, Entry, FileType, Layer, Marks, Metadata, Owner, Timestamp, Xattrs};
use super::inner::Child;
use super::order;
use crate::id::ChunkId;

pub(crate) fn chunk_id() -> impl Strategy<Value = ChunkId> {
    any::<[u8; 32]>().prop_map(ChunkId)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(select(&b"abc.- \xff\x01"[..]), 1..12),
        1 => vec(any::<u8>(), 1..=255),
    ]
    .prop_filter("not a name", |name| order::valid_name(name))
}

fn directory() -> impl Strategy<Value = Vec<u8>> {
    vec(name(), 0..5).prop_map(|names| names.join(&b'/'))
}

/// Numbers of every size; uniform ones would nearly always be long.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(raw, shift)| raw >> shift)
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![1_700_000_000_i64..1_800_000_000, any::<i64>()];
    (seconds, 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn owner() -> impl Strategy<Value = Arc<Owner>> {
    let owner = (any::<u32>(), any::<u32>(), vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..=255));
    let any = owner.prop_map(|(uid, gid, user, group)| Arc::new(Owner { uid, gid, user, group }));
    let root = Owner { uid: 0, gid: 0, user: b"root".to_vec(), group: b"root".to_vec() };
    prop_oneof![3 => Just(Arc::new(root)), 1 => Just(Arc::new(Owner::default())), 1 => any]
}

fn xattrs() -> impl Strategy<Value = Arc<Xattrs>> {
    let few = btree_map(select(vec!["a", "b", "user.c"]), vec(any::<u8>(), 0..3), 0..3);
    let any = btree_map(vec(any::<u8>(), 1..20), vec(any::<u8>(), 0..300), 0..4);
    prop_oneof![
        5 => Just(Xattrs::new()),
        3 => few.prop_map(|set| set.into_iter().map(|(name, value)| (name.into(), value)).collect()),
        1 => any.prop_map(|set: BTreeMap<_, _>| set.into_iter().collect::<Xattrs>()),
    ]
    .prop_map(Arc::new)
}

/// Items as they may stand at `height`.
pub(crate) fn items(height: u8, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<ContentItem>> {
    let longest = if height == 0 { 16_u64 << 20 } else { 1 << 40 };
    let item = (1..=longest, number(), proptest::option::weighted(0.8, chunk_id()));
    let item = item.prop_map(move |(length, hole, id)| match id {
        None if height == 0 => ContentItem { length: (hole >> 20).max(1), id: None },
        id => ContentItem { length, id: Some(id.unwrap_or(ChunkId([9; 32]))) },
    });
    vec(item, count)
}

fn content() -> impl Strategy<Value = Content> {
    let items = |height: u8, least| items(height, least..Content::MAX_INLINE + 1);
    prop_oneof![
        Just(Content::default()),
        items(0, 0).prop_map(|items| Content { height: 0, items }),
        items(1, 1).prop_map(|items| Content { height: 1, items }),
        items(15, 1).prop_map(|items| Content { height: 15, items }),
    ]
}

/// Of a wrapped file now and then.
fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let recipe = (0..=1_u8).prop_flat_map(|height| {
        items(height, 1..4).prop_map(move |mut items| {
            items.iter_mut().for_each(|item| {
                item.length = item.length.min(16 << 20);
                item.id.get_or_insert(ChunkId([7; 32]));
            });
            Content { height, items }
        })
    });
    let layer = (number(), recipe).prop_map(|(length, recipe)| Layer { length: length >> 1, recipe });
    prop_oneof![4 => Just(Vec::new()), 1 => vec(layer, 1..=Layer::MAX)]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let file_type = select(&[1_u8, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7][..]);
    let times = (timestamp(), timestamp(), proptest::option::of(timestamp()));
    let numbers = (number(), proptest::option::weighted(0.1, any::<u64>()), any::<u32>(), any::<(u32, u32)>());
    let target = vec(any::<u8>(), 0..40);
    (file_type, 0..=0o7777_u32, owner(), times, numbers, target, xattrs()).prop_map(
        |(file_type, mode, owner, (modified, changed, born), (inode, link_group, flags, device), target, xattrs)| {
            let file_type = FileType::from_stored(file_type).unwrap();
            Metadata {
                file_type,
                mode,
                owner,
                modified,
                changed,
                born,
                inode,
                link_group,
                inode_flags: flags,
                device: file_type.is_device().then_some(device),
                target: if file_type == FileType::Symlink { target } else { Vec::new() },
                xattrs,
                size: 0,
            }
        },
    )
}

/// Valid entries in order: what a leaf can hold.
pub(crate) fn entries(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Entry>> {
    let marks = select(&[0_u8, 0, 0, 1, 2, 3, 32, 35][..]);
    let rest = (metadata(), marks, content(), layers());
    let directories = vec(directory(), 1..6);
    (directories, vec((any::<prop::sample::Index>(), name(), rest), count)).prop_map(|(directories, entries)| {
        let directories: Vec<Arc<[u8]>> = directories.into_iter().map(Arc::from).collect();
        let made = entries.into_iter().map(|(directory, name, (mut metadata, marks, content, mut layers))| {
            let is_file = metadata.file_type == FileType::File;
            let content = if is_file { content } else { Content::default() };
            let covered = content.items.iter().map(|item| item.length).sum();
            match layers.last_mut().filter(|_| is_file) {
                Some(innermost) => {
                    metadata.size = innermost.length;
                    innermost.length = covered;
                }
                None => {
                    layers.clear();
                    metadata.size = covered;
                }
            }
            let directory = Arc::clone(directory.get(&directories));
            Entry { directory, name, metadata, marks: Marks(marks), content, layers }
        });
        in_order(made.collect())
    })
}

fn in_order(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| order::compare(&a.directory, &a.name, &b.directory, &b.name));
    entries.dedup_by(|a, b| a.directory == b.directory && a.name == b.name);
    entries
}

/// Valid children in order: what an inner node can hold.
pub(crate) fn children(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Child>> {
    let child = (directory(), name(), 1..1_u64 << 40, number(), chunk_id());
    vec(child, count).prop_map(|children| {
        let made = children.into_iter().map(|(last_directory, last_name, entries, bytes, id)| Child {
            last_directory,
            last_name,
            entries,
            bytes,
            id,
        });
        let mut children: Vec<Child> = made.collect();
        let key = |child: &Child| (child.last_directory.clone(), child.last_name.clone());
        children.sort_by(|a, b| order::compare(&a.last_directory, &a.last_name, &b.last_directory, &b.last_name));
        children.dedup_by(|a, b| key(a) == key(b));
        children
    })
}
