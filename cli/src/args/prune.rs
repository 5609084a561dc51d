// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of `prune`.

use clap::Args;

/// Arguments of `prune`.
#[derive(Clone, Debug, Args)]
pub struct PruneArgs {
    /// How much may stay unused in packs that are also used: 5%, 200M or `unlimited`
    #[arg(long, value_name = "LIMIT", default_value = "5%")]
    pub max_unused: String,
    /// Write no more than this anew
    #[arg(long, value_name = "SIZE")]
    pub max_repack_size: Option<String>,
    /// Write packs that are small anew where that makes them fewer: what many small backups have left
    #[arg(long)]
    pub repack_small: bool,
    /// Begin nothing new after this time, e.g. 30m
    #[arg(long, value_name = "DURATION")]
    pub max_time: Option<String>,
    /// How long to wait for backups that are running; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub wait: String,
    /// End sessions that are older, so that they can not commit any more; `never` leaves them alone
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    pub void_after: String,
    /// Go on although index, log slots, snapshots, tree nodes or chunks are damaged or missing: a lost index is written anew from the packs, and what only the others lead to is lost. A damaged condemn list stops it all the same
    #[arg(long)]
    pub ignore_damage: bool,
    /// Change nothing, and tell what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
