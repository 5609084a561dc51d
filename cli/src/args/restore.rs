// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast restore`: what to bring back, and what may happen to what is there.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::ScopeArgs;

/// Arguments of `restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The snapshot, or a folder or file in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,
    /// Folder to restore into; made if missing
    #[arg(short, long, value_name = "PATH")]
    pub target: PathBuf,
    /// Restore only what fits the pattern; may be repeated
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub include: Vec<String>,
    /// Leave out what fits the pattern; may be repeated
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// Delete what is in the target and not in the snapshot, but nothing that could not be read when it was made, nothing in
    /// other file systems where the snapshot has an empty folder, and nothing that this run itself needs
    #[arg(long)]
    pub delete: bool,
    /// Read every file back and compare
    #[arg(long)]
    pub verify: bool,
    /// Write nothing, and tell what would be done (each path with -v)
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Which existing files are looked into: all, or those of another size or time
    #[arg(long, value_enum, default_value_t = Overwrite::Always, value_name = "WHEN")]
    pub overwrite: Overwrite,
    /// How owners are restored
    #[arg(long, value_enum, default_value_t = OwnershipArg::ByName, value_name = "HOW")]
    pub ownership: OwnershipArg,
    /// The same as --ownership skip
    #[arg(long, conflicts_with_all = ["ownership", "numeric_ids"])]
    pub no_ownership: bool,
    /// The same as --ownership numeric
    #[arg(long, conflicts_with = "ownership")]
    pub numeric_ids: bool,
    /// Which snapshots `latest` and `tag:` look at.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Which existing files are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Overwrite {
    /// Every file is read; what differs is written
    Always,
    /// Files of the same size and modification time are taken as equal
    IfChanged,
}

/// How owners are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OwnershipArg {
    /// By name, by number where the name is unknown
    ByName,
    /// By number
    Numeric,
    /// Not at all
    Skip,
}
