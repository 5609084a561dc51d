// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of the commands that only read: `snapshots ls dump mount check stats cat`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::{RedactArgs, ScopeArgs};

/// Arguments of `snapshots`.
#[derive(Clone, Debug, Args)]
pub struct SnapshotsArgs {
    /// Only these snapshots
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// Only the newest N of each host and set of paths
    #[arg(long, value_name = "N")]
    pub latest: Option<usize>,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `ls`.
#[derive(Clone, Debug, Args)]
pub struct LsArgs {
    /// The snapshot, or a folder or file in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,
    /// Show mode, owner, size and time
    #[arg(short, long)]
    pub long: bool,
    /// Go into folders below PATH; without PATH everything is listed
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Which snapshots `latest` and `tag:` look at.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `dump`.
#[derive(Clone, Debug, Args)]
pub struct DumpArgs {
    /// The snapshot, or a folder or file in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,
    /// The folder or file
    #[arg(value_name = "PATH")]
    pub inside: Option<PathBuf>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What is hidden and left out.
    #[command(flatten)]
    pub redact: RedactArgs,
    /// Which snapshots `latest` and `tag:` look at.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `mount`.
#[derive(Clone, Debug, Args)]
pub struct MountArgs {
    /// An empty folder to mount at
    #[arg(value_name = "MOUNTPOINT")]
    pub mountpoint: PathBuf,
    /// Let other users look, too, at what modes and owners of the files allow
    #[arg(long)]
    pub allow_other: bool,
    /// Show owners by the recorded numbers, not by the numbers that their names have here
    #[arg(long)]
    pub numeric_ids: bool,
    /// Which snapshots are shown.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Read and verify every byte
    #[arg(long, conflicts_with = "read_data_subset")]
    pub read_data: bool,
    /// Read and verify a part: `2/5` the second of five parts, `10%` or `50G` chosen at random
    #[arg(long, value_name = "PART")]
    pub read_data_subset: Option<String>,
}

/// Arguments of `stats`.
#[derive(Clone, Debug, Args)]
pub struct StatsArgs {
    /// Only these snapshots
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// Where the bytes of files went: what dedup, compression and delta saved, and what is stored
    #[arg(long)]
    pub savings: bool,
    /// For each path: files and folders whose first DEPTH names are the same are one row (2 if nothing is said)
    #[arg(long, value_name = "DEPTH", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          requires = "savings", value_parser = clap::value_parser!(u16).range(1..))]
    pub by_path: Option<u16>,
    /// How many paths are rows of their own, those that take most first
    #[arg(long, value_name = "N", requires = "by_path", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub top: u32,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `cat`.
#[derive(Clone, Debug, Args)]
pub struct CatArgs {
    /// What to print.
    #[command(subcommand)]
    pub what: CatCommand,
}

/// What `cat` prints.
#[derive(Clone, Debug, Subcommand)]
pub enum CatCommand {
    /// Parameters of the repository
    Config,
    /// What a snapshot says of itself
    Snapshot {
        /// The snapshot
        #[arg(value_name = "SNAPSHOT")]
        snapshot: String,
    },
    /// An index object
    Index {
        /// Its id; without it the ids of all that are visible
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
    /// A slot of the log
    Log {
        /// Writer and number; without it the last slot of each writer
        #[arg(value_name = "WRITER/NUMBER")]
        slot: Option<String>,
    },
    /// A condemn list: what a prune is about to delete
    Condemned {
        /// Its name, or writer and number; without it the names of all that stand
        #[arg(value_name = "gc/WRITER/NUMBER")]
        list: Option<String>,
    },
    /// Entries of a snapshot with everything that is stored of them
    Tree {
        /// The snapshot, or a folder or file in it
        #[arg(value_name = "SNAPSHOT[:PATH]")]
        snapshot: String,
    },
    /// The directory of a pack
    PackDirectory {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
    },
}
