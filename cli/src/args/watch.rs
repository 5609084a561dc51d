// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of `watch-diff`.

use clap::Args;

use crate::args::ScopeArgs;

/// Arguments of `watch-diff`.
#[derive(Clone, Debug, Args)]
pub struct WatchDiffArgs {
    /// Compare the newest snapshot of each host with its newest from before this age, such as 1d or 12h; by default with the one before it
    #[arg(long, value_name = "AGE")]
    pub since: Option<String>,
    /// Name hosts whose newest snapshot is older than this
    #[arg(long, value_name = "AGE", default_value = "3d")]
    pub missing_after: String,
    /// Tell when a certificate comes within so many days of its expiry, within 7 days, and when it expires; 0 looks at none
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub expiring: u16,
    /// Show at most so many lines of a file
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub lines: u16,
    /// End with 1 if there is anything to tell
    #[arg(long)]
    pub exit_code: bool,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}
