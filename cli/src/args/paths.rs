// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of the commands that ask about paths over all snapshots: `history blame find show`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use crate::args::{PageArgs, ScopeArgs};

/// Arguments of `history`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("contents").args(["patch", "html"]).multiple(true))]
pub struct HistoryArgs {
    /// The file or folder, as it stands in snapshots
    #[arg(value_name = "PATH")]
    pub inside: PathBuf,
    /// Show every snapshot, also those that changed nothing
    #[arg(short, long)]
    pub all: bool,
    /// Show what changed in the text
    #[arg(short = 'P', long)]
    pub patch: bool,
    /// Show passwords, keys and tokens, which else appear as fingerprints
    #[arg(long, requires = "contents")]
    pub reveal: bool,
    /// A page instead.
    #[command(flatten)]
    pub page: PageArgs,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `blame`.
#[derive(Clone, Debug, Args)]
pub struct BlameArgs {
    /// The file, as it stands in snapshots
    #[arg(value_name = "PATH")]
    pub inside: PathBuf,
    /// The file as it is in this snapshot, instead of the newest one that has it
    #[arg(long, value_name = "SNAPSHOT")]
    pub snapshot: Option<String>,
    /// Show passwords, keys and tokens, which else appear as fingerprints
    #[arg(long)]
    pub reveal: bool,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The snapshot, and a file or folder in it
    #[arg(value_name = "SNAPSHOT:PATH")]
    pub snapshot: OsString,
    /// Show passwords, keys and tokens, which else appear as fingerprints
    #[arg(long)]
    pub reveal: bool,
    /// Which snapshots `latest` and `tag:` look at.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `find`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit code 0 also when nothing is found: --json tells how many.")]
pub struct FindArgs {
    /// Names such as `*.conf`; with a slash, paths from the top such as `/etc/**/*.conf`
    #[arg(value_name = "PATTERN", required_unless_present_any = ["size", "newer", "older", "types", "content"])]
    pub patterns: Vec<String>,
    /// Upper and lower case are the same
    #[arg(short, long)]
    pub ignore_case: bool,
    /// Files of more (+10M), less (-1K) or exactly (0) that many bytes; may be given twice
    #[arg(long, value_name = "[+-]SIZE", allow_hyphen_values = true)]
    pub size: Vec<String>,
    /// Modified at this time or later, such as 2026-11-01T03:00 (local time) or 2026-11-01 (from its beginning)
    #[arg(long, value_name = "TIME")]
    pub newer: Option<String>,
    /// Modified before this time
    #[arg(long, value_name = "TIME")]
    pub older: Option<String>,
    /// Of this type; several with commas
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub types: Vec<TypeArg>,
    /// With this content: the content id that `show` and --json print, or its beginning; the id of a chunk that is a whole file
    #[arg(long, value_name = "ID")]
    pub content: Option<String>,
    /// Only in this snapshot; may be repeated
    #[arg(long = "snapshot", value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// Show every version of a path, not only the last one
    #[arg(short, long)]
    pub all: bool,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// A type of path, by the letters of find(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TypeArg {
    /// A file
    #[value(name = "f")]
    File,
    /// A folder
    #[value(name = "d")]
    Folder,
    /// A symbolic link
    #[value(name = "l")]
    Symlink,
    /// A named pipe
    #[value(name = "p")]
    Fifo,
    /// A socket
    #[value(name = "s")]
    Socket,
    /// A character device
    #[value(name = "c")]
    CharDevice,
    /// A block device
    #[value(name = "b")]
    BlockDevice,
}
