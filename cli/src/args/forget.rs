// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of the commands that make snapshots invisible and visible again: `forget undelete`.

use clap::Args;

use crate::args::ScopeArgs;

/// Arguments of `forget`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "keepfast forget [OPTIONS] [SNAPSHOT]...")]
pub struct ForgetArgs {
    /// The snapshots to forget; without any, those that no --keep rule keeps
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// Snapshots that are equal in these compete with each other: host, path, tag with commas; empty for one group
    #[arg(short, long, value_name = "LIST", default_value = "host,path")]
    pub group_by: String,
    /// Free the space as well, with `prune`
    #[arg(long)]
    pub prune: bool,
    /// One line for each group
    #[arg(short, long)]
    pub compact: bool,
    /// Change nothing, and tell what would be forgotten
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// What is kept.
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// What is kept. Times are local (the variable TZ); a snapshot stays if any rule keeps it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What is kept (N is a number or `unlimited`, SPAN is like 1y5m7d2h)")]
pub struct KeepArgs {
    /// The newest N
    #[arg(short = 'l', long, value_name = "N", allow_negative_numbers = true)]
    pub keep_last: Option<String>,
    /// The last of each of N hours that have one
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub keep_hourly: Option<String>,
    /// The last of each of N days
    #[arg(short = 'd', long, value_name = "N", allow_negative_numbers = true)]
    pub keep_daily: Option<String>,
    /// The last of each of N weeks, from Monday
    #[arg(short = 'w', long, value_name = "N", allow_negative_numbers = true)]
    pub keep_weekly: Option<String>,
    /// The last of each of N months
    #[arg(short = 'm', long, value_name = "N", allow_negative_numbers = true)]
    pub keep_monthly: Option<String>,
    /// The last of each of N quarters of a year
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub keep_quarterly: Option<String>,
    /// The last of each of N years
    #[arg(short = 'y', long, value_name = "N", allow_negative_numbers = true)]
    pub keep_yearly: Option<String>,
    /// All that are younger than SPAN before the newest
    #[arg(long, value_name = "SPAN")]
    pub keep_within: Option<String>,
    /// The last of each hour within SPAN
    #[arg(long, value_name = "SPAN")]
    pub keep_within_hourly: Option<String>,
    /// The last of each day within SPAN
    #[arg(long, value_name = "SPAN")]
    pub keep_within_daily: Option<String>,
    /// The last of each week within SPAN
    #[arg(long, value_name = "SPAN")]
    pub keep_within_weekly: Option<String>,
    /// The last of each month within SPAN
    #[arg(long, value_name = "SPAN")]
    pub keep_within_monthly: Option<String>,
    /// The last of each quarter within SPAN
    #[arg(long, value_name = "SPAN")]
    pub keep_within_quarterly: Option<String>,
    /// The last of each year within SPAN
    #[arg(long, value_name = "SPAN")]
    pub keep_within_yearly: Option<String>,
    /// All with this tag; with commas: with all of them; may be repeated
    #[arg(long, value_name = "TAG")]
    pub keep_tag: Vec<String>,
}

/// Arguments of `undelete`.
#[derive(Clone, Debug, Args)]
pub struct UndeleteArgs {
    /// The forgotten snapshots to bring back; without any, they are listed
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// List what was forgotten and can come back
    #[arg(long, conflicts_with = "snapshots")]
    pub list: bool,
    /// Change nothing, and tell whether they could come back
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}
