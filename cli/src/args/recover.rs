// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast recover`, `drill`, `status` and `schedule`: bringing whole systems back, and proving before that it works.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use crate::args::profile::ProfilesArgs;

/// Arguments of `recover`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("existing").args(["resume", "undo", "abandon", "runs"])
    .conflicts_with_all(["snapshot", "at", "runbook", "var", "one", "dry_run", "root"]))]
pub struct RecoverArgs {
    /// The profile that describes the system
    #[arg(value_name = "PROFILE")]
    pub profile: String,
    /// What it is brought back from; by default the newest complete one of the profile
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: Option<String>,
    /// From what there was then: not younger than this, such as 2026-11-01T03:00 (local time)
    #[arg(long, value_name = "TIME", conflicts_with = "snapshot")]
    pub at: Option<String>,
    /// Which of the profile's runbooks is carried out
    #[arg(long, value_name = "NAME", default_value = "restore")]
    pub runbook: String,
    /// Give a variable of the profile this value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// Which host a step takes that runs on one host of a role; may be repeated
    #[arg(long, value_name = "ROLE=HOST")]
    pub one: Vec<String>,
    /// Print the exact commands for each host, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Agree to everything that would be asked
    #[arg(short, long)]
    pub yes: bool,
    /// Go on with a run where it stopped
    #[arg(long, value_name = "RUN")]
    pub resume: Option<String>,
    /// Undo what a run has done, the last step first
    #[arg(long, value_name = "RUN")]
    pub undo: Option<String>,
    /// Give a run up as it is, so that another may begin
    #[arg(long, value_name = "RUN")]
    pub abandon: Option<String>,
    /// List the runs of the profile
    #[arg(long)]
    pub runs: bool,
    /// Folder below which the system lies, on each host
    #[arg(long, value_name = "DIR")]
    pub root: Option<String>,
    /// Where profiles are.
    #[command(flatten)]
    pub profiles: ProfilesArgs,
}

/// Arguments of `drill`.
#[derive(Clone, Debug, Args)]
pub struct DrillArgs {
    /// The profile that describes the system
    #[arg(value_name = "PROFILE")]
    pub profile: String,
    /// What is brought back; by default the newest complete one of the profile
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: Option<String>,
    /// Give a variable of the profile this value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// Folder in which a new folder is made for it; by default the cache folder
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Leave what was brought back
    #[arg(long)]
    pub keep: bool,
    /// Where profiles are.
    #[command(flatten)]
    pub profiles: ProfilesArgs,
}

/// Arguments of `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Of this profile only
    #[arg(value_name = "PROFILE")]
    pub profile: Option<String>,
    /// End with exit code 1 if a profile has no complete snapshot younger than this, such as 26h or 2d
    #[arg(long, value_name = "SPAN")]
    pub older_than: Option<String>,
    /// The same for a drill that went well
    #[arg(long, value_name = "SPAN")]
    pub drill_older_than: Option<String>,
    /// Where profiles are.
    #[command(flatten)]
    pub profiles: ProfilesArgs,
}

/// Arguments of `schedule`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ScheduleArgs {
    /// What to do with schedules that there are.
    #[command(subcommand)]
    pub action: Option<ScheduleCommand>,
    /// The profile that describes the system
    #[arg(value_name = "PROFILE", required = true)]
    pub profile: Option<String>,
    /// When it is backed up: `hourly`, `daily 03:00`, `weekly Sun 03:00`, `monthly 1 03:00`
    #[arg(long, value_name = "WHEN")]
    pub backup: Option<String>,
    /// When a drill is held
    #[arg(long, value_name = "WHEN")]
    pub drill: Option<String>,
    /// Write the units into this folder; without it they are printed
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Replace units that are there
    #[arg(long)]
    pub force: bool,
    /// Where profiles are.
    #[command(flatten)]
    pub profiles: ProfilesArgs,
}

/// What `schedule` does with those that there are.
#[derive(Clone, Debug, Subcommand)]
pub enum ScheduleCommand {
    /// List the schedules that were written
    List {
        /// Where the units are
        #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
        directory: PathBuf,
    },
    /// Remove the units of a profile
    Remove {
        /// The profile
        #[arg(value_name = "PROFILE")]
        profile: String,
        /// Where the units are
        #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
        directory: PathBuf,
    },
}
