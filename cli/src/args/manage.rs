// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of the commands that set up or change something else than files: `init tag key sessions repository
//! quickstart`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::args::ScopeArgs;

/// Arguments of `init`. With a key file as credential, the key file is made; it must not exist.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// Memory that guessing a password costs, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=4096))]
    pub kdf_memory: u32,
    /// How data is cut and packed.
    #[command(flatten)]
    pub shape: ShapeArgs,
}

/// Parameters that shape stored data; hidden, since hardly anybody has a reason to change them.
#[derive(Clone, Debug, Default, Args)]
pub struct ShapeArgs {
    /// Smallest chunk
    #[arg(long, hide = true, value_name = "SIZE")]
    pub chunk_min: Option<String>,
    /// Average chunk
    #[arg(long, hide = true, value_name = "SIZE")]
    pub chunk_average: Option<String>,
    /// Largest chunk
    #[arg(long, hide = true, value_name = "SIZE")]
    pub chunk_max: Option<String>,
    /// FastCDC normalization
    #[arg(long, hide = true, value_name = "LEVEL")]
    pub chunk_normalization: Option<u8>,
    /// Segment target for data
    #[arg(long, hide = true, value_name = "SIZE")]
    pub data_segment: Option<String>,
    /// Segment target for tree nodes
    #[arg(long, hide = true, value_name = "SIZE")]
    pub tree_segment: Option<String>,
    /// Pack size
    #[arg(long, hide = true, value_name = "SIZE")]
    pub pack_size: Option<String>,
    /// Entries per leaf of a tree on average
    #[arg(long, hide = true, value_name = "N")]
    pub leaf_target: Option<u32>,
}

/// Arguments of `tag`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "keepfast tag [OPTIONS] [SNAPSHOT]...")]
#[command(group = clap::ArgGroup::new("edit").required(true).multiple(true).args(["add", "remove", "set"]))]
pub struct TagArgs {
    /// The snapshots; without any, all that the filters take
    #[arg(value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,
    /// Add these tags
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub add: Vec<String>,
    /// Remove these tags
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub remove: Vec<String>,
    /// Replace all tags by these; an empty one for none
    #[arg(long, value_name = "TAG", value_delimiter = ',', conflicts_with_all = ["add", "remove"])]
    pub set: Vec<String>,
    /// Change nothing, and tell what would be changed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Which snapshots.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// Arguments of `key`.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: KeyCommand,
}

/// What `key` does.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// List the keys
    List,
    /// Add a password or key file
    Add(NewKeyArgs),
    /// Remove a key
    Remove {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Replace the password or key file in use
    Passwd(NewKeyArgs),
}

/// A new password or key file. Without any, the password is asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct NewKeyArgs {
    /// Read the new password from the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
    pub new_password_file: Option<PathBuf>,
    /// Make this new key file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub new_key_file: Option<PathBuf>,
    /// What `key list` shows; by default user and host
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Memory that guessing a password costs, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=4096))]
    pub kdf_memory: u32,
}

/// Arguments of `sessions`.
#[derive(Clone, Debug, Args)]
pub struct SessionsArgs {
    /// What to do; without it, sessions are listed.
    #[command(subcommand)]
    pub action: Option<SessionsCommand>,
}

/// What `sessions` does.
#[derive(Clone, Debug, Subcommand)]
pub enum SessionsCommand {
    /// List them
    List,
    /// End a session whose program is gone; if it is not, it can not commit any more
    Close {
        /// Its id or slot, as `sessions` shows it, or the beginning of the id
        #[arg(value_name = "ID")]
        id: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Arguments of `unlock`, which other programs have.
#[derive(Clone, Debug, Args)]
pub struct UnlockArgs {
    /// Whatever other programs take
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub ignored: Vec<String>,
}

/// Arguments of `repository`.
#[derive(Clone, Debug, Args)]
pub struct RepositoryArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: RepositoryCommand,
}

/// What `repository` does.
#[derive(Clone, Debug, Subcommand)]
pub enum RepositoryCommand {
    /// Find out what the storage guarantees, and what that allows
    Probe,
    /// Set space aside in a folder or on an SFTP server, so that forget and prune work when it is full
    Reserve {
        /// How much, such as 64M; 0 gives all of it back; without it, how much there is
        #[arg(value_name = "SIZE")]
        size: Option<String>,
    },
}

/// Arguments of `quickstart`.
#[derive(Clone, Debug, Args)]
pub struct QuickstartArgs {
    /// The folder to back up
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
}
