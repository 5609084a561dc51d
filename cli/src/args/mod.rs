// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the user typed, word for word. No side effect, no default that depends on the machine: that is `options`.
//!
//! One struct per command; what several commands share stands in `global` and `select`.

mod archive;
mod backup;
mod copy;
mod diff;
mod forget;
mod global;
mod manage;
mod page;
mod paths;
mod profile;
mod prune;
mod read;
mod recover;
mod redact;
mod restore;
mod select;
mod system;
mod watch;

use clap::{Parser, Subcommand};

pub use archive::{CodingArg, ExportArgs, ImportArgs, VendorArgs};
pub use backup::{AlsoArgs, BackupArgs, ExcludeArgs, UnwrapArgs};
pub use copy::CopyArgs;
pub use diff::{ColorArg, DiffArgs};
pub use forget::{ForgetArgs, KeepArgs, UndeleteArgs};
pub use global::{GlobalArgs, Whose};
pub use manage::{
    InitArgs, KeyArgs, KeyCommand, NewKeyArgs, QuickstartArgs, RepositoryArgs, RepositoryCommand, SessionsArgs,
    SessionsCommand, ShapeArgs, TagArgs, UnlockArgs,
};
pub use page::PageArgs;
pub use paths::{BlameArgs, FindArgs, HistoryArgs, ShowArgs, TypeArg};
pub use profile::{ProfileArgs, ProfileCommand, ProfilesArgs};
pub use prune::PruneArgs;
pub use read::{CatArgs, CatCommand, CheckArgs, DumpArgs, LsArgs, MountArgs, SnapshotsArgs, StatsArgs};
pub use recover::{DrillArgs, RecoverArgs, ScheduleArgs, ScheduleCommand, StatusArgs};
pub use redact::RedactArgs;
pub use restore::{Overwrite, OwnershipArg, RestoreArgs};
pub use select::ScopeArgs;
pub use system::SystemArgs;
pub use watch::WatchDiffArgs;

/// Encrypted, deduplicating backups.
#[derive(Debug, Parser)]
#[command(name = "keepfast", version, max_term_width = 80, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Shown below the help: scripts are written from it.
const EXIT_CODES: &str = "\
A snapshot is named by `latest`, `latest~3` (the third before it), the beginning
of its id, or `tag:NAME`; `SNAPSHOT:PATH` names a folder or file in it.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 done but incomplete,
10 no repository, 11 the session was closed by somebody else, 12 wrong password
or key, 130 cancelled.";

/// A verb.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a repository
    Init(InitArgs),
    /// Save files, folders and outputs of commands in a new snapshot
    #[command(visible_alias = "create")]
    Backup(Box<BackupArgs>),
    /// List snapshots
    Snapshots(SnapshotsArgs),
    /// List what is in a snapshot
    Ls(LsArgs),
    /// Bring files back
    #[command(visible_alias = "extract")]
    Restore(Box<RestoreArgs>),
    /// Write a file, or a folder as a tar archive, to standard output
    Dump(DumpArgs),
    /// Show snapshots as folders and files at a mountpoint
    Mount(Box<MountArgs>),
    /// Make a snapshot of an archive: as it is, or its members as files
    Import(Box<ImportArgs>),
    /// Write a snapshot, or a folder or file of it, as a tar archive
    Export(Box<ExportArgs>),
    /// Show what differs between two snapshots
    Diff(Box<DiffArgs>),
    /// Tell what changed on all hosts since the last time, what matters most first; for a nightly mail
    WatchDiff(Box<WatchDiffArgs>),
    /// Show which snapshots changed a file or folder, and how
    History(HistoryArgs),
    /// Show which snapshot brought each line of a text
    Blame(BlameArgs),
    /// Find paths in all snapshots by name, size, time, type or content
    Find(FindArgs),
    /// Show what a snapshot says of a path, and its text
    Show(ShowArgs),
    /// Check that everything in the repository is there and readable
    Check(CheckArgs),
    /// Free the space of what no snapshot needs
    Prune(PruneArgs),
    /// Count files and bytes of snapshots and repository
    #[command(visible_alias = "info")]
    Stats(StatsArgs),
    /// Change tags of snapshots
    Tag(TagArgs),
    /// Make snapshots invisible: named ones, or all but those to keep
    Forget(Box<ForgetArgs>),
    /// Bring back forgotten snapshots, or list them
    Undelete(UndeleteArgs),
    /// List who is at work, and end sessions whose program is gone
    Sessions(SessionsArgs),
    /// Nothing locks
    #[command(hide = true)]
    Unlock(UnlockArgs),
    /// Copy snapshots into another repository
    Copy(Box<CopyArgs>),
    /// List, add, remove passwords and key files
    Key(KeyArgs),
    /// Look at the storage of the repository
    Repository(RepositoryArgs),
    /// Look at profiles, which describe whole systems and how they are brought back
    Profile(ProfileArgs),
    /// Bring a whole system back, step by step, as its profile's runbook says
    Recover(Box<RecoverArgs>),
    /// Bring a system back into a scratch folder, to know that it works and how long it takes
    Drill(Box<DrillArgs>),
    /// Show how old the data of each profile is, and how the last drill went
    Status(StatusArgs),
    /// Write timers for backups and drills of a profile
    Schedule(Box<ScheduleArgs>),
    /// Print an object of the repository as JSON
    Cat(CatArgs),
    /// Print the version
    Version,
    /// Set everything up, back up a folder, restore it and compare
    Quickstart(QuickstartArgs),
}

impl Command {
    /// The verb, as it stands in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Backup(_) => "backup",
            Self::Snapshots(_) => "snapshots",
            Self::Ls(_) => "ls",
            Self::Restore(_) => "restore",
            Self::Dump(_) => "dump",
            Self::Mount(_) => "mount",
            Self::Import(_) => "import",
            Self::Export(_) => "export",
            Self::Diff(_) => "diff",
            Self::WatchDiff(_) => "watch-diff",
            Self::History(_) => "history",
            Self::Blame(_) => "blame",
            Self::Find(_) => "find",
            Self::Show(_) => "show",
            Self::Check(_) => "check",
            Self::Prune(_) => "prune",
            Self::Stats(_) => "stats",
            Self::Tag(_) => "tag",
            Self::Forget(_) => "forget",
            Self::Undelete(_) => "undelete",
            Self::Sessions(_) => "sessions",
            Self::Unlock(_) => "unlock",
            Self::Copy(_) => "copy",
            Self::Key(_) => "key",
            Self::Repository(_) => "repository",
            Self::Profile(_) => "profile",
            Self::Recover(_) => "recover",
            Self::Drill(_) => "drill",
            Self::Status(_) => "status",
            Self::Schedule(_) => "schedule",
            Self::Cat(_) => "cat",
            Self::Version => "version",
            Self::Quickstart(_) => "quickstart",
        }
    }
}

#[cfg(test)]
mod tests;
