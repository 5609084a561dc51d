// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast profile`: descriptions of systems, and where they are found.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where profiles are found.
#[derive(Clone, Debug, Default, Args)]
pub struct ProfilesArgs {
    /// Folder of profiles, instead of ~/.config/keepfast/profiles and /etc/keepfast/profiles
    #[arg(long, env = "KEEPFAST_PROFILES", hide_env_values = true, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
}

/// Arguments of `profile`.
#[derive(Clone, Debug, Args)]
pub struct ProfileArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ProfileCommand,
}

/// What `profile` does.
#[derive(Clone, Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles that there are
    List {
        /// Where they are.
        #[command(flatten)]
        profiles: ProfilesArgs,
    },
    /// Show what a profile captures and which runbooks it has, with all that it inherits
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Print its document as it was written
        #[arg(long)]
        source: bool,
        /// Where they are.
        #[command(flatten)]
        profiles: ProfilesArgs,
    },
    /// Open your own file for a profile in $VISUAL or $EDITOR, and check it afterwards; one that is new inherits
    Edit {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// The profile that a new one changes; by default the one of its own name
        #[arg(long, value_name = "PARENT")]
        inherits: Option<String>,
        /// Where they are.
        #[command(flatten)]
        profiles: ProfilesArgs,
    },
    /// Look through profiles for what would only show when they are needed; exit code 1 if something is found
    Check {
        /// The name of one, or its file; without it, all
        #[arg(value_name = "NAME|FILE")]
        which: Option<String>,
        /// Where they are.
        #[command(flatten)]
        profiles: ProfilesArgs,
    },
}
