// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options that say which snapshots a command looks at.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Which snapshots are looked at.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which snapshots")]
pub struct ScopeArgs {
    /// Only snapshots of this host; may be repeated
    #[arg(short = 'H', long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub host: Vec<String>,
    /// Only snapshots with this tag; repeated or with commas: with all of them
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub tag: Vec<String>,
    /// Only snapshots of this path
    #[arg(long, value_name = "PATH")]
    pub path: Vec<PathBuf>,
    /// Only snapshots not younger than this, such as 2026-11-01T03:00 (local time), 2026-11-01 (to its end) or
    /// 2026-11-01T03:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}
