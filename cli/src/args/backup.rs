// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast backup`: what to save, what to leave out, how to name it.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args};

use super::SystemArgs;

/// Arguments of `backup`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "keepfast backup [OPTIONS] [PATH]...")]
#[command(group = ArgGroup::new("sources").required(true).multiple(true)
    .args(["paths", "stdin", "command", "files_from", "files_from_raw", "profile"]))]
pub struct BackupArgs {
    /// Files and folders; relative ones are stored under the name given, absolute ones with their whole path
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Save standard input as a file
    #[arg(long)]
    pub stdin: bool,
    /// Its path in the snapshot
    #[arg(long, value_name = "PATH", default_value = "stdin", requires = "stdin")]
    pub stdin_filename: String,
    /// Save the output of a shell command under NAME; may be repeated, all in the same snapshot
    #[arg(long, value_name = "NAME=COMMAND")]
    pub command: Vec<String>,
    /// Read paths from this file, one a line; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub files_from: Vec<PathBuf>,
    /// The same, each path ended by a NUL byte
    #[arg(long, value_name = "FILE")]
    pub files_from_raw: Vec<PathBuf>,
    /// Give the snapshot this tag; repeated or with commas: several
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub tag: Vec<String>,
    /// Name of this host in the snapshot
    #[arg(short = 'H', long, env = "KEEPFAST_HOST", hide_env_values = true, value_name = "NAME")]
    pub host: Option<String>,
    /// A sentence about the snapshot
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,
    /// Take unchanged files from this snapshot; by default the newest of the same host and paths
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "force")]
    pub parent: Option<String>,
    /// Read every file, changed or not
    #[arg(short, long)]
    pub force: bool,
    /// Make no snapshot if nothing has changed
    #[arg(long)]
    pub skip_if_unchanged: bool,
    /// Read everything, write nothing, and tell what would be stored
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// zstd level for everything; without it the first 16 MiB get 8, the rest 3
    #[arg(long, value_name = "LEVEL", env = "KEEPFAST_COMPRESSION", hide_env_values = true,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    pub compression: Option<i32>,
    /// Store nothing as a difference from the previous version of a file
    #[arg(long)]
    pub no_delta: bool,
    /// What the profile is told.
    #[command(flatten)]
    pub system: SystemArgs,
    /// What to leave out.
    #[command(flatten)]
    pub exclude: ExcludeArgs,
    /// What is looked into.
    #[command(flatten)]
    pub unwrap: UnwrapArgs,
    /// Further repositories.
    #[command(flatten)]
    pub also: AlsoArgs,
}

/// Further repositories of one backup, and what opens them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Further repositories, from one reading of the files")]
pub struct AlsoArgs {
    /// Save into this repository as well; may be repeated. Each succeeds or fails on its own
    #[arg(long, value_name = "LOCATION")]
    pub also: Vec<PathBuf>,
    /// Its key file; one for each --also, in the same order [env: KEEPFAST_ALSO_KEY_FILE]
    #[arg(long, value_name = "FILE", requires = "also")]
    pub also_key_file: Vec<PathBuf>,
    /// Read its password from the first line of this file; one for each --also [env: KEEPFAST_ALSO_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", requires = "also", conflicts_with = "also_key_file")]
    pub also_password_file: Vec<PathBuf>,
}

/// Which archives `backup` looks into.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Looking into archives: what is alike inside is stored once")]
pub struct UnwrapArgs {
    /// Store every archive as it is
    #[arg(long, conflicts_with_all = ["unwrap_max_size", "no_unwrap_path"])]
    pub no_unwrap: bool,
    /// Store archives larger than this as they are; of streams such as --stdin only what is beyond it
    #[arg(long, value_name = "SIZE", default_value = "64G")]
    pub unwrap_max_size: String,
    /// Store archives as they are whose path fits: `*.jar` at any depth, `/srv/raw/**` exactly there; may be repeated
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub no_unwrap_path: Vec<String>,
}

/// What `backup` and `diff --live` leave out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "What to leave out")]
pub struct ExcludeArgs {
    /// Leave out what fits the pattern: `*.o` at any depth, `/home/*/.cache` exactly there
    #[arg(short = 'e', long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// The same; upper and lower case do not matter
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub iexclude: Vec<String>,
    /// Read patterns from this file, one a line
    #[arg(long, value_name = "FILE")]
    pub exclude_file: Vec<PathBuf>,
    /// Leave out the contents of folders that are marked with a CACHEDIR.TAG
    #[arg(long)]
    pub exclude_caches: bool,
    /// Leave out the contents of folders that hold a file of this name (beginning with HEADER)
    #[arg(long, value_name = "NAME[:HEADER]")]
    pub exclude_if_present: Vec<String>,
    /// Leave out files larger than this, such as 100M or 2G
    #[arg(long, value_name = "SIZE")]
    pub exclude_larger_than: Option<String>,
    /// Stay on the file system of each path
    #[arg(short = 'x', long)]
    pub one_file_system: bool,
}
