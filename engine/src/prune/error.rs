// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a collector deletes nothing. Facts for the engine; the cli knows what might help.

/// Why nothing is deleted: the repository does not show everything that it once held, so what looks dead may be needed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// A log slot does not open: it may be the one that made a snapshot visible.
    #[error("nothing is deleted: {slot} is damaged ({why})")]
    DamagedSlot {
        /// Its name.
        slot: String,
        /// What is wrong with it.
        why: String,
    },
    /// A slot is missing or was exchanged: others quote it, the generation has absorbed it, or this machine has seen it.
    #[error("nothing is deleted: {slot} was seen once and is not there any more, {count} such slots in all")]
    LostSlots {
        /// The first of them.
        slot: String,
        /// How many.
        count: usize,
    },
    /// A visible snapshot can not be read.
    #[error("nothing is deleted: snapshot {snapshot} can not be read whole: {why}")]
    UnreadableSnapshot {
        /// The snapshot's id.
        snapshot: String,
        /// What is wrong.
        why: String,
    },
    /// Snapshots refer to chunks that are in no pack, or only in deltas that lack a base.
    #[error(
        "nothing is deleted: {count} chunks that snapshots need are in no pack, or only in deltas without their base; the first id begins with {first}"
    )]
    MissingChunks {
        /// How many.
        count: u64,
        /// The first 8 bytes of the first id, in hex.
        first: String,
    },
    /// A live chunk of a condemned pack can not be read from anywhere.
    #[error("{pack} stays: chunk {id}, which snapshots need, can not be copied out of it: {why}")]
    UnreadableChunk {
        /// The pack's name.
        pack: String,
        /// The chunk.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// There is no space for copies.
    #[error("no space for copies of what is still needed; nothing is lost, and {freed_bytes} bytes were freed before")]
    Full {
        /// Bytes of deleted packs.
        freed_bytes: u64,
        /// What the storage said.
        source: keepfast_storage::StorageError,
    },
    /// A new index object does not hold what went in: bad memory.
    #[error("a new index object does not read back as what was written: memory is faulty")]
    SelfCheck,
}
