// SPDX-License-Identifier: MIT OR Apache-2.0
//! A simulated store with two machines, and what they were promised: for the prune tests. Its assertions are the two sides of the
//! promise: everything visible is whole, and nothing is there that nobody needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_engine::prune::{PruneOptions, Report};
use keepfast_engine::repository::Repository;
use keepfast_repo_format::directory::Located;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::layout;
use keepfast_storage::testing::{Image, SimBackend};
use tempfile::TempDir;

use super::collector::{Raw, forget, live, prune_on, raw, with_bases};
use super::history_script::{
    Contents, Machine, in_snapshot, init_small, on_disk, open_bare, random_bytes, scratch, write_files,
};
use super::random::Random;

/// Every chunk is needed by a visible snapshot, or is the base of one that is; it is stored as it is once, or else as deltas, of which
/// no prune knows which one will last. No pack holds two deltas of a chunk against the same chunks.
pub fn assert_no_chunk_too_many(repository: &Repository, raw: &Raw) {
    let mut distinct = BTreeSet::new();
    let plain = raw.chunks().filter(|(_, is_delta)| !is_delta).map(|(id, _)| id);
    let twice: Vec<_> = plain.filter(|id| !distinct.insert(*id)).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
    for (pack, record) in &raw.visible {
        let mut copies = BTreeSet::new();
        let copy = |place: Located| (place.chunk.id, record.directory.edges_of(place.segment));
        let twice: Vec<_> = record.directory.locate().map(copy).filter(|copy| !copies.insert(*copy)).collect();
        assert!(twice.is_empty(), "{pack} holds twice: {twice:?}");
    }
    let deltas: BTreeSet<_> = raw.chunks().filter(|(_, is_delta)| *is_delta).map(|(id, _)| id).collect();
    let both: Vec<_> = deltas.intersection(&distinct).collect();
    assert!(both.is_empty(), "stored as deltas and as they are: {both:?}");
    distinct.extend(deltas);
    assert!(distinct == with_bases(live(repository), &raw.visible), "chunks are stored that nobody needs");
}

/// A repository in memory, two machines, a source each; after a crash the sources stay where they are.
pub struct Place {
    pub base: TempDir,
    sources: PathBuf,
    pub disk: Arc<SimBackend>,
    pub key: KeyFile,
    pub machines: [Machine; 2],
    pub promised: BTreeMap<SnapshotId, Contents>,
}

impl Place {
    pub fn new() -> Self {
        let base = scratch();
        let disk = Arc::new(SimBackend::new());
        let key = init_small(disk.as_ref()).unwrap();
        let machines = ["alpha", "beta"].map(|name| Machine::new(name, base.path()));
        let sources = base.path().to_path_buf();
        let place = Self { base, sources, disk, key, machines, promised: BTreeMap::new() };
        for who in 0..2 {
            write_files(&place.source(who)[0], 24, 1000 * who as u64);
        }
        place
    }

    /// The same place after a crash: other storage, and machines that may have lost what they kept.
    pub fn after(&self, image: Image, base: &std::path::Path) -> Self {
        let machines = self.machines.each_ref().map(|machine| machine.copy(base));
        let folder = TempDir::new_in(base).unwrap();
        let disk = Arc::new(SimBackend::from_image(image));
        let (sources, key, promised) = (self.sources.clone(), self.key.clone(), self.promised.clone());
        Self { base: folder, sources, disk, key, machines, promised }
    }

    pub fn source(&self, who: usize) -> [PathBuf; 1] {
        [self.sources.join(format!("source-{who}"))]
    }

    pub fn open(&self, who: usize) -> Repository {
        self.machines[who].open(self.disk.clone(), &self.key).unwrap()
    }

    pub fn back_up(&mut self, who: usize) -> SnapshotId {
        let source = self.source(who);
        let id = self.machines[who].back_up(self.disk.clone(), &self.key, &source).unwrap().snapshot.unwrap();
        self.promised.insert(id, on_disk(&source));
        id
    }

    pub fn forget(&mut self, who: usize, ids: &[SnapshotId]) {
        forget(&self.open(who), &self.machines[who], ids).unwrap();
        ids.iter().for_each(|id| drop(self.promised.remove(id)));
    }

    pub fn prune(&self, who: usize, options: &PruneOptions) -> Report {
        prune_on(&self.open(who), &self.machines[who], options).unwrap()
    }

    /// Without any cache: what is promised is there, byte for byte, and nothing else is visible; every row has its pack.
    pub fn assert_whole(&self) {
        let bare = open_bare(self.disk.clone(), &self.key, &self.base.path().join("bare")).unwrap();
        let (snapshots, damaged) = bare.history().unwrap().snapshots(&bare).unwrap();
        assert!(damaged.is_empty(), "{damaged:?}");
        let visible: BTreeSet<SnapshotId> = snapshots.iter().map(|snapshot| snapshot.id).collect();
        assert_eq!(visible, self.promised.keys().copied().collect());
        for snapshot in &snapshots {
            assert!(in_snapshot(&bare, snapshot).unwrap() == self.promised[&snapshot.id], "{} changed", snapshot.id);
        }
        let report = check(&bare, ReadData::All, 1, &Silent).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let raw = raw(&bare, &self.disk.image());
        assert!(raw.visible.keys().all(|id| raw.stored.contains(id)), "I3: a row without its pack");
    }

    /// Nothing is there that nobody needs.
    pub fn assert_minimal(&self) {
        let bare = open_bare(self.disk.clone(), &self.key, &self.base.path().join("bare")).unwrap();
        let image = self.disk.image();
        let raw = raw(&bare, &image);
        assert_no_chunk_too_many(&bare, &raw);
        assert_eq!(raw.stored, raw.visible.keys().copied().collect(), "packs");
        assert_eq!(image.names(layout::INDEX_FOLDER).len(), raw.index_objects.len(), "index objects");
        assert_eq!(image.names(layout::SNAPSHOTS_FOLDER).len(), self.promised.len(), "manifests");
        assert!(image.names(layout::GENERATIONS_FOLDER).len() <= 2, "generations");
        assert!(image.names(layout::CONDEMNED_FOLDER).is_empty(), "condemn lists");
        assert!(image.names(layout::SESSIONS_FOLDER).is_empty(), "sessions");
    }

    /// What the raw objects say now.
    pub fn raw(&self) -> Raw {
        let bare = open_bare(self.disk.clone(), &self.key, &self.base.path().join("bare")).unwrap();
        raw(&bare, &self.disk.image())
    }

    /// Chunks that are stored as deltas.
    pub fn deltas(&self) -> usize {
        self.raw().chunks().filter(|(_, is_delta)| *is_delta).count()
    }

    /// Changes some bytes in the middle of larger files: what is new there is stored as a delta.
    pub fn nibble(&self, who: usize, random: &mut Random) {
        for number in 0..4 {
            let path = self.source(who)[0].join(format!("large{number}"));
            // The machines have the same files at first.
            let mut bytes = fs::read(&path).unwrap_or_else(|_| random_bytes(700 + number, 12_000));
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 + random.below(255) as u8;
            }
            fs::write(path, bytes).unwrap();
        }
    }

    /// Changes some of the files of a machine.
    pub fn change(&self, who: usize, random: &mut Random) {
        for _ in 0..=random.below(6) {
            let path = self.source(who)[0].join(format!("d{}", random.below(4))).join(format!("f{}", random.below(40)));
            if random.chance(20) {
                let _ = fs::remove_file(path);
            } else {
                // Some contents come again, on both machines.
                fs::write(path, random_bytes(random.below(60) as u64, random.below(9000))).unwrap();
            }
        }
    }
}
