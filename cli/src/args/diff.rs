// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of `diff`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use crate::args::{ExcludeArgs, PageArgs, ScopeArgs};

/// Arguments of `diff`.
#[derive(Clone, Debug, Args)]
#[command(
    group = ArgGroup::new("contents").args(["patch", "html"]).multiple(true),
    override_usage = "keepfast diff [OPTIONS] A[:PATH] B[:PATH] [PATH]...\n       keepfast diff [OPTIONS] --since AGE [PATH]...\n       keepfast diff [OPTIONS] --live A[:PATH] [PATH]..."
)]
pub struct DiffArgs {
    /// The earlier snapshot, the later one, and paths to look at and below; with --since only paths, with --live one snapshot and paths.
    /// `A:PATH B:PATH` with different paths compares these with each other, of one snapshot too
    #[arg(value_name = "A[:PATH] B[:PATH] [PATH]", required_unless_present = "since")]
    pub what: Vec<PathBuf>,
    /// The newest snapshot against the newest that is this much older, of the same host and paths: 12h, 7d, 2w, 1m
    #[arg(long, value_name = "AGE")]
    pub since: Option<String>,
    /// Compare the snapshot with the files as they are now; give the same --exclude and --one-file-system as to the backup, snapshots do not
    /// tell them
    #[arg(long, conflicts_with = "since")]
    pub live: bool,
    /// With --live: the folder in which the files stand as in the snapshot, such as the target of a restore. A snapshot of another host
    /// needs it; `--root /` compares it with this machine
    #[arg(long, value_name = "DIR", requires = "live")]
    pub root: Option<PathBuf>,
    /// Show what changed inside: keys of documents, rows of database dumps, members of archives, lines of texts
    #[arg(long)]
    pub patch: bool,
    /// With --patch or --html: lines only, so that `patch -p1` can apply what --patch --reveal prints
    #[arg(long, requires = "contents")]
    pub text: bool,
    /// With --patch or --html: so many equal lines around a change
    #[arg(short = 'U', long, value_name = "N", requires = "contents", default_value_t = 3)]
    pub unified: u16,
    /// Show passwords, keys and tokens, which else appear as fingerprints
    #[arg(long, requires = "contents")]
    pub reveal: bool,
    /// Show only the kind of change and the path
    #[arg(long, conflicts_with = "contents")]
    pub name_status: bool,
    /// Do not look for files that only have another path now
    #[arg(long)]
    pub no_renames: bool,
    /// Look for what new files are copies of among all files of the earlier snapshot, which reads its whole tree
    #[arg(long, conflicts_with = "no_renames")]
    pub copies: bool,
    /// Show paths of which only metadata differs, too
    #[arg(long)]
    pub metadata: bool,
    /// End with 1 if there are differences
    #[arg(long)]
    pub exit_code: bool,
    /// Use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
    /// Do not show it page by page
    #[arg(long)]
    pub no_pager: bool,
    /// A page instead.
    #[command(flatten)]
    pub page: PageArgs,
    /// Which snapshots `latest` and `tag:` look at.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// What to leave out of the live side.
    #[command(flatten)]
    pub exclude: ExcludeArgs,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
