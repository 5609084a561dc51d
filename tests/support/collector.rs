// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the prune tests share: forgetting, pruning with the options of a test, and a naive model of what is live: every id of every
//! tree in a set, every object of the storage in a list. It asserts nothing about keepfast.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keepfast_engine::Result;
use keepfast_engine::backup::Compression;
use keepfast_engine::events::Silent;
use keepfast_engine::prune::{MaxUnused, Mode, OnDamage, PruneOptions, Report, SmallPacks, prune};
use keepfast_engine::repository::Repository;
use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::id::{ChunkId, IndexId, PackId, SnapshotId};
use keepfast_repo_format::log::{LogBody, LogSlot};
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;
use keepfast_repo_format::tree::entry::{Content, Entry, FileType};
use keepfast_repo_format::tree::{inner, leaf, list};
use keepfast_repo_format::{index, layout, record};
use keepfast_storage::Name;
use keepfast_storage::testing::Image;

use super::history_script::Machine;

/// Everything that is dead goes, nothing is waited for.
pub fn all_of_it() -> PruneOptions {
    PruneOptions {
        max_unused: MaxUnused::Percent(0.0),
        max_repack_bytes: None,
        small_packs: SmallPacks::Keep,
        max_time: None,
        wait: Duration::ZERO,
        void_after: None,
        on_damage: OnDamage::Refuse,
        mode: Mode::Commit,
        compression: Compression::Level(1),
    }
}

pub fn prune_on(repository: &Repository, machine: &Machine, options: &PruneOptions) -> Result<Report> {
    prune(repository, &machine.client(), options, &Silent)
}

pub fn forget(repository: &Repository, machine: &Machine, snapshots: &[SnapshotId]) -> Result<()> {
    let session = Session::open(repository, machine.client(), Role::Writer)?;
    session.record(LogBody::Forget { snapshots: snapshots.to_vec() })
}

/// Makes a snapshot visible again, unless somebody has condemned it; whether it did.
pub fn undelete(repository: &Repository, machine: &Machine, snapshot: SnapshotId) -> Result<bool> {
    let session = Session::open(repository, machine.client(), Role::Writer)?;
    let is_condemned = session.condemned.iter().any(|list| list.snapshots.contains(&snapshot));
    let is_forgotten = session.history.forgotten_ids().any(|id| id == snapshot);
    let stands = repository.backend.length(&Name::new(layout::snapshot(&snapshot)).unwrap()).is_ok();
    if is_condemned || !is_forgotten || !stands {
        session.abandon()?;
        return Ok(false);
    }
    session.record(LogBody::Undelete { snapshots: vec![snapshot] })?;
    Ok(true)
}

/// Every chunk that visible snapshots reach.
pub fn live(repository: &Repository) -> BTreeSet<ChunkId> {
    let history = repository.history().unwrap();
    let (snapshots, damaged) = history.snapshots(repository).unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    let reader = repository.reader();
    let mut live = BTreeSet::new();
    let mut nodes: Vec<(ChunkId, u8)> =
        snapshots.iter().map(|snapshot| (snapshot.manifest.root, snapshot.manifest.root_level)).collect();
    let mut contents: Vec<Content> = Vec::new();
    while let Some((id, level)) = nodes.pop() {
        if !live.insert(id) {
            continue;
        }
        let node = reader.tree_chunk(&id).unwrap();
        if level > 0 {
            nodes.extend(inner::decode(&node).unwrap().1.iter().map(|child| (child.id, level - 1)));
            continue;
        }
        let files = leaf::decode(&node).unwrap().into_iter();
        let files = files.filter(|entry| entry.metadata.file_type == FileType::File);
        contents.extend(files.flat_map(Entry::into_contents));
    }
    while let Some(content) = contents.pop() {
        for id in content.items.iter().filter_map(|item| item.id) {
            if live.insert(id) && content.height > 0 {
                let (height, items) = list::decode(&reader.tree_chunk(&id).unwrap()).unwrap();
                contents.push(Content { height, items });
            }
        }
    }
    live
}

/// `live`, and whatever the deltas of it need, all the way down.
pub fn with_bases(mut live: BTreeSet<ChunkId>, packs: &BTreeMap<PackId, PackRecord>) -> BTreeSet<ChunkId> {
    loop {
        let mut bases = BTreeSet::new();
        for directory in packs.values().map(|pack| &pack.directory) {
            for place in directory.locate().filter(|place| live.contains(&place.chunk.id)) {
                bases.extend(directory.edges_of(place.segment));
            }
        }
        if bases.is_subset(&live) {
            return live;
        }
        live.extend(bases);
    }
}

/// What the raw objects say.
pub struct Raw {
    /// Visible packs.
    pub visible: BTreeMap<PackId, PackRecord>,
    /// Index objects that count.
    pub index_objects: BTreeSet<IndexId>,
    /// Packs that are stored.
    pub stored: BTreeSet<PackId>,
}

impl Raw {
    /// Every chunk of every visible pack, and whether it is a delta there.
    pub fn chunks(&self) -> impl Iterator<Item = (ChunkId, bool)> + '_ {
        self.visible.values().flat_map(|pack| {
            let is_delta = |segment: usize| pack.directory.segments[segment].codec == Codec::Delta;
            pack.directory.locate().map(move |place| (place.chunk.id, is_delta(place.segment)))
        })
    }
}

/// Reads newest generation and log by the rules of the format page, past the engine's history and index.
pub fn raw(repository: &Repository, image: &Image) -> Raw {
    let keys = &repository.keys;
    let newest = image.names(layout::GENERATIONS_FOLDER).into_iter().max().expect("there is a generation");
    let number = layout::parse_generation(newest.as_str()).unwrap();
    let generation = Generation::open(keys, number, image.get(&newest).unwrap()).unwrap();
    let mut index_objects: BTreeSet<IndexId> = generation.base.iter().copied().collect();
    for name in image.names(layout::LOG_FOLDER) {
        let (writer, sequence) = layout::parse_log(name.as_str()).unwrap();
        let absorbed = generation.absorbed.iter().any(|last| last.writer == writer && sequence <= last.sequence);
        match LogSlot::open(keys, writer, sequence, image.get(&name).unwrap()).unwrap().body {
            LogBody::Commit { indexes, .. } | LogBody::Collect { indexes, .. } if !absorbed => {
                index_objects.extend(indexes)
            }
            _ => {}
        }
    }
    let mut visible = BTreeMap::new();
    for id in &index_objects {
        let name = Name::new(layout::index(id)).unwrap();
        let object = image.get(&name).unwrap_or_else(|| panic!("{name} counts and is not there"));
        let plain = record::open_structure(keys, Kind::Index, object).unwrap();
        visible.extend(index::decode(&plain).unwrap().into_iter().map(|pack| (pack.id, pack)));
    }
    let stored =
        image.names(layout::PACKS_FOLDER).iter().map(|name| layout::parse_pack(name.as_str()).unwrap()).collect();
    Raw { visible, index_objects, stored }
}
