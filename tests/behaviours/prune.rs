// SPDX-License-Identifier: MIT OR Apache-2.0
//! "Prune deletes what nobody needs, and nothing else": random histories of backups, forgets and prunes against a naive model that
//! keeps every id in a set, and what single options and states promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_engine::check::{ReadData, check};
use keepfast_engine::events::Silent;
use keepfast_engine::prune::{MaxUnused, Mode, OnDamage, PruneError, PruneOptions};
use keepfast_engine::repository::Repository;
use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::layout;
use keepfast_storage::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation, SimBackend};
use keepfast_storage::{Backend, ErrorKind, Name};
use tempfile::TempDir;

use crate::support::collector::{all_of_it, forget, live, prune_on, raw, undelete};
use crate::support::history_script::{
    Contents, Machine, in_snapshot, init_small, on_disk, open_bare, random_bytes, scratch, write_files,
};
use crate::support::random::Random;

/// A repository in memory, two machines, a source each.
struct Place {
    base: TempDir,
    disk: Arc<SimBackend>,
    key: KeyFile,
    machines: [Machine; 2],
    promised: BTreeMap<SnapshotId, Contents>,
}

impl Place {
    fn new() -> Self {
        let base = scratch();
        let disk = Arc::new(SimBackend::new());
        let key = init_small(disk.as_ref()).unwrap();
        let machines = ["alpha", "beta"].map(|name| Machine::new(name, base.path()));
        let place = Self { base, disk, key, machines, promised: BTreeMap::new() };
        for who in 0..2 {
            write_files(&place.source(who)[0], 24, 1000 * who as u64);
        }
        place
    }

    fn source(&self, who: usize) -> [PathBuf; 1] {
        [self.base.path().join(format!("source-{who}"))]
    }

    fn open(&self, who: usize) -> Repository {
        self.machines[who].open(self.disk.clone(), &self.key).unwrap()
    }

    fn back_up(&mut self, who: usize) -> SnapshotId {
        let source = self.source(who);
        let id = self.machines[who].back_up(self.disk.clone(), &self.key, &source).unwrap().snapshot.unwrap();
        self.promised.insert(id, on_disk(&source));
        id
    }

    fn forget(&mut self, who: usize, ids: &[SnapshotId]) {
        forget(&self.open(who), &self.machines[who], ids).unwrap();
        ids.iter().for_each(|id| drop(self.promised.remove(id)));
    }

    fn prune(&self, who: usize, options: &PruneOptions) -> keepfast_engine::prune::Report {
        prune_on(&self.open(who), &self.machines[who], options).unwrap()
    }

    /// Without any cache: what is promised is there, byte for byte, and nothing else is visible; every row has its pack.
    fn assert_whole(&self) {
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
    fn assert_minimal(&self) {
        let bare = open_bare(self.disk.clone(), &self.key, &self.base.path().join("bare")).unwrap();
        let image = self.disk.image();
        let raw = raw(&bare, &image);
        let stored: Vec<_> = raw.visible.values().flat_map(|pack| &pack.directory.chunks).map(|row| row.id).collect();
        let distinct: BTreeSet<_> = stored.iter().copied().collect();
        assert_eq!(stored.len(), distinct.len(), "a chunk is stored twice");
        assert!(distinct == live(&bare), "chunks are stored that nobody needs");
        assert_eq!(raw.stored, raw.visible.keys().copied().collect(), "packs");
        assert_eq!(image.names(layout::INDEX_FOLDER).len(), raw.index_objects.len(), "index objects");
        assert_eq!(image.names(layout::SNAPSHOTS_FOLDER).len(), self.promised.len(), "manifests");
        assert!(image.names(layout::GENERATIONS_FOLDER).len() <= 2, "generations");
        assert!(image.names(layout::CONDEMNED_FOLDER).is_empty(), "condemn lists");
        assert!(image.names(layout::SESSIONS_FOLDER).is_empty(), "sessions");
    }

    /// Changes some of the files of a machine.
    fn change(&self, who: usize, random: &mut Random) {
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

fn random_history(seed: u64) {
    let mut random = Random::new(seed);
    let mut place = Place::new();
    for _ in 0..14 {
        let who = random.below(2);
        match random.below(10) {
            0..5 => {
                place.change(who, &mut random);
                place.back_up(who);
            }
            5..7 => {
                let ids: Vec<SnapshotId> = place.promised.keys().copied().filter(|_| random.chance(40)).collect();
                place.forget(who, &ids);
            }
            7 => {
                let report = place.prune(who, &PruneOptions { max_unused: MaxUnused::Percent(30.0), ..all_of_it() });
                assert!(report.finished);
            }
            8 => {
                let report = place.prune(who, &PruneOptions { max_unused: MaxUnused::Unlimited, ..all_of_it() });
                assert!(report.finished);
                assert_eq!(report.packs_written, 0, "packs with something live are left alone");
            }
            _ => {
                place.prune(who, &all_of_it());
                place.assert_minimal();
            }
        }
        place.assert_whole();
    }
    let report = place.prune(0, &all_of_it());
    assert!(report.finished, "{report:?}");
    place.assert_whole();
    place.assert_minimal();
    let operations = place.disk.operations();
    let again = place.prune(1, &all_of_it());
    assert_eq!(place.disk.operations(), operations, "a prune after a prune wrote something: {again:?}");
}

#[test]
fn what_is_visible_stays_and_what_is_dead_goes_whatever_happened_before() {
    for seed in 0..8 {
        random_history(seed);
    }
}
