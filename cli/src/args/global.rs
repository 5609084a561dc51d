// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options that every command takes, before or behind the verb.
//!
//! Where the password comes from is decided in `options::credential`: clap can not tell a source on the command line from
//! one in the environment, and the first must win.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Folder of the repository, or s3://, gs://, azure://, sftp://
    #[arg(short, long, global = true, env = "KEEPFAST_REPOSITORY", hide_env_values = true, value_name = "LOCATION")]
    pub repository: Option<PathBuf>,
    /// Read the password from the first line of this file [env: KEEPFAST_PASSWORD_FILE]
    #[arg(short = 'p', long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Read the password from the output of this shell command [env: KEEPFAST_PASSWORD_COMMAND]
    #[arg(long, global = true, value_name = "COMMAND")]
    pub password_command: Option<String>,
    /// Open the repository with this key file [env: KEEPFAST_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Folder for the local index, which can be lost at any time [default: ~/.cache/keepfast]
    #[arg(long, global = true, env = "KEEPFAST_CACHE_DIR", hide_env_values = true, value_name = "PATH")]
    pub cache_dir: Option<PathBuf>,
    /// Keep the local index in memory only, whatever folder is named for it
    #[arg(long, global = true)]
    pub no_cache: bool,
    /// Upload no more KiB per second than this on average
    #[arg(long, global = true, value_name = "KIB")]
    pub limit_upload: Option<NonZeroU32>,
    /// Download no more KiB per second than this on average
    #[arg(long, global = true, value_name = "KIB")]
    pub limit_download: Option<NonZeroU32>,
    /// Tries after the first one, when a remote storage fails for a moment
    #[arg(long, global = true, value_name = "N", default_value_t = 10)]
    pub retries: u32,
    /// Requests to a remote storage at the same time
    #[arg(long, global = true, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub connections: u16,
    /// Give a request to a remote storage up when no byte has moved for so long, and try again [default: 60, with SFTP 120]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub idle_timeout: Option<u32>,
    /// Folder for this machine's identity as a writer [default: ~/.local/state/keepfast]
    #[arg(long, global = true, env = "KEEPFAST_STATE_DIR", hide_env_values = true, value_name = "PATH")]
    pub state_dir: Option<PathBuf>,
    /// Print JSON, one object a line, and nothing else, on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Print problems only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Worker threads; by default one for each processor
    #[arg(long, global = true, env = "KEEPFAST_THREADS", hide_env_values = true, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Which repository these speak of; no option.
    #[arg(skip)]
    pub whose: Whose,
}

/// Which repository options and variables speak of, in a command that has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// The one of every command: `--key-file`, `KEEPFAST_KEY_FILE`.
    #[default]
    Own,
    /// The one that is written to: `--to-key-file`, `KEEPFAST_TO_KEY_FILE`.
    Target,
    /// A further one of a backup: `--also-key-file`, `KEEPFAST_ALSO_KEY_FILE`.
    Also,
}
