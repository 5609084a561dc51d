// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast trees are written, read, and walked beside a listing: what a backup does for each path when nothing has changed.

mod generated;

use std::cmp::Ordering;
use std::collections::HashMap;

use criterion::{Criterion, Throughput};
use keepfast_engine::Result;
use keepfast_engine::tree::{NodeSink, Root, TreeWriter};
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::keys::Keys;
use keepfast_repo_format::tree::entry::Entry;
use keepfast_repo_format::tree::{inner, leaf, order};

/// Entries of the tree: the size of a large configuration repository, or a kernel source.
const ENTRIES: u64 = 64_000;
/// Entries of the single leaf.
const LEAF_ENTRIES: u64 = 64;

struct Nodes {
    keys: Keys,
    stored: HashMap<ChunkId, Vec<u8>>,
}

impl NodeSink for Nodes {
    fn put_node(&mut self, node: Vec<u8>, _: &mut dyn FnMut() -> Result<Vec<ChunkId>>) -> Result<ChunkId> {
        let id = self.keys.tree_chunk_id(&node);
        self.stored.insert(id, node);
        Ok(id)
    }
}

fn write(entries: &[Entry]) -> (Nodes, Root) {
    let mut nodes = Nodes { keys: generated::keys(), stored: HashMap::new() };
    let mut tree = TreeWriter::new(nodes.keys.boundary(), generated::LEAF_TARGET);
    for entry in entries {
        tree.push(entry.clone(), &mut nodes).expect("the sink takes everything");
    }
    let root = tree.finish(&mut nodes).expect("the sink takes everything").expect("there are entries");
    (nodes, root)
}

/// Calls `visit` with every entry below the node, in tree order.
fn walk(nodes: &Nodes, id: &ChunkId, level: u8, visit: &mut impl FnMut(&Entry)) {
    let node = &nodes.stored[id];
    if level == 0 {
        leaf::decode(node).expect("just encoded").iter().for_each(visit);
        return;
    }
    let (_, children) = inner::decode(node).expect("just encoded");
    children.iter().for_each(|child| walk(nodes, &child.id, level - 1, visit));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("tree");
    let entries = generated::entries(ENTRIES);

    let few = &entries[..LEAF_ENTRIES as usize];
    let node = leaf::encode(few);
    group.throughput(Throughput::Elements(LEAF_ENTRIES));
    group.bench_function("encode a leaf", |bencher| bencher.iter(|| leaf::encode(few)));
    group.bench_function("decode a leaf", |bencher| bencher.iter(|| leaf::decode(&node)));

    group.sample_size(20).throughput(Throughput::Elements(ENTRIES));
    group.bench_function("write a tree", |bencher| bencher.iter(|| write(&entries).1));
    let (nodes, root) = write(&entries);
    group.bench_function("walk a tree", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            walk(&nodes, &root.id, root.level, &mut |entry| bytes += entry.metadata.size);
            bytes
        });
    });
    group.bench_function("merge a tree with an equal listing", |bencher| {
        bencher.iter(|| {
            let (mut listing, mut unchanged) = (entries.iter(), 0u64);
            walk(&nodes, &root.id, root.level, &mut |old| {
                let new = listing.next().expect("both have the same length");
                let same_path = order::compare(&old.directory, &old.name, &new.directory, &new.name) == Ordering::Equal;
                unchanged += u64::from(same_path && old.metadata.changed == new.metadata.changed);
            });
            assert_eq!(unchanged, ENTRIES);
        });
    });
    group.finish();
    criterion.final_summary();
}
