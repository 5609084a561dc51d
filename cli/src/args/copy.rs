// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of `copy`, which has two repositories: `-r` is read, `--to` is written.

use std::path::PathBuf;

use clap::Args;

use crate::args::ScopeArgs;

/// Arguments of `copy`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "keepfast copy [OPTIONS] --to <LOCATION> [SNAPSHOT]...")]
pub struct CopyArgs {
    /// The snapshots; without any, all that the filters take
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// Change nothing, and tell what would be copied
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Compress new data with this zstd level
    #[arg(long, value_name = "LEVEL", env = "KEEPFAST_COMPRESSION", hide_env_values = true,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    pub compression: Option<i32>,
    /// The repository to copy to.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// The repository to copy to, and what opens it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The repository to copy to")]
pub struct TargetArgs {
    /// Where it is; it must exist
    #[arg(long, env = "KEEPFAST_TO_REPOSITORY", hide_env_values = true, value_name = "LOCATION")]
    pub to: PathBuf,
    /// Read its password from the first line of this file [env: KEEPFAST_TO_PASSWORD_FILE]
    #[arg(long, value_name = "FILE")]
    pub to_password_file: Option<PathBuf>,
    /// Read its password from the output of this shell command [env: KEEPFAST_TO_PASSWORD_COMMAND]
    #[arg(long, value_name = "COMMAND")]
    pub to_password_command: Option<String>,
    /// Open it with this key file [env: KEEPFAST_TO_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub to_key_file: Option<PathBuf>,
}
