// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a prune found, chose and did. For the cli, and for whoever asks why something stays.

use keepfast_repo_format::id::PackId;

use super::mark::Marked;
use super::orphans::OrphanPacks;
use super::plan::Plan;
use super::sessions::OpenSession;
use super::usage::Usage;
use super::view::View;

/// What a prune found, chose and did. Bytes are stored ones; those of parts of packs are estimates.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Visible snapshots.
    pub snapshots: u64,
    /// Tree nodes that they reach.
    pub nodes: u64,
    /// Visible packs that are neither condemned nor lost.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Bytes in them that no snapshot needs.
    pub unused_bytes: u64,
    /// Packs without anything live.
    pub dead_packs: u64,
    /// Their bytes.
    pub dead_bytes: u64,
    /// Packs that sessions have left which came to nothing.
    pub orphan_packs: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
    /// Packs whose live parts are copied so that the pack can go.
    pub repack_packs: u64,
    /// Bytes to be written anew for that.
    pub repack_bytes: u64,
    /// Forgotten snapshots whose manifests go.
    pub forgotten_snapshots: u64,
    /// Unused bytes that stay, because giving them back costs more than the options allow.
    pub unused_kept_bytes: u64,
    /// Packs that nothing visible names and whose session may be at work.
    pub at_work_packs: u64,
    /// Packs that nothing visible names and of which nobody can tell whose they are: they stay.
    pub unknown_packs: Vec<PackId>,
    /// Condemn lists of earlier prunes that this one finishes.
    pub leftover_lists: u64,
    /// Condemn lists of other collectors that are at work.
    pub foreign_lists: u64,
    /// Live chunks that are in no pack, and were passed by.
    pub missing_chunks: u64,
    /// Log slots, snapshots and tree nodes that could not be read, and live chunks that could not be copied, and were passed by.
    pub unreadable: u64,
    /// Names of visible index objects, or of the newest generation, that could not be read: what they told is written anew from the packs.
    pub lost_index: Vec<String>,
    /// Rounds that were carried out.
    pub rounds: u64,
    /// Packs deleted.
    pub packs_deleted: u64,
    /// Their bytes.
    pub bytes_freed: u64,
    /// Packs written.
    pub packs_written: u64,
    /// Their bytes.
    pub bytes_written: u64,
    /// Manifests deleted.
    pub manifests_deleted: u64,
    /// Index objects written.
    pub index_objects_written: u64,
    /// Index objects deleted.
    pub index_objects_deleted: u64,
    /// Objects that the storage refused to delete; the next prune tries again.
    pub refused: u64,
    /// Sessions that were ended because they were too old.
    pub sessions_voided: u64,
    /// Sessions that are still open: what was condemned goes with the next prune after they have ended.
    pub open_sessions: Vec<OpenSession>,
    /// The time was over before everything that was chosen was done.
    pub out_of_time: bool,
    /// Nothing that was chosen is left to do.
    pub finished: bool,
}

impl Report {
    pub(super) fn found(&mut self, view: &View, marked: &Marked<'_>, usage: &Usage, orphans: &OrphanPacks) {
        self.snapshots = view.history.snapshot_ids().count() as u64;
        self.nodes = marked.nodes();
        self.packs = usage.packs.len() as u64;
        self.pack_bytes = usage.packs.iter().map(|pack| pack.length).sum();
        self.unused_bytes = usage.packs.iter().map(|pack| pack.unused).sum();
        self.missing_chunks = usage.missing;
        self.unreadable = marked.passed_by;
        self.at_work_packs = orphans.at_work;
        self.unknown_packs.clone_from(&orphans.unknown);
        self.leftover_lists = view.finishable().count() as u64;
        self.foreign_lists = view.lists.len() as u64 - self.leftover_lists;
    }

    pub(super) fn planned(&mut self, plan: &Plan) {
        self.dead_packs = plan.dead.len() as u64;
        self.dead_bytes = plan.dead.iter().map(|pack| pack.length).sum();
        self.orphan_packs = plan.orphans.len() as u64;
        self.orphan_bytes = plan.orphan_bytes;
        self.repack_packs = plan.repack.len() as u64;
        self.repack_bytes = plan.repack.iter().map(|pack| pack.to_copy).sum();
        self.forgotten_snapshots = plan.snapshots.len() as u64;
        self.unused_kept_bytes = plan.unused_bytes;
    }
}
