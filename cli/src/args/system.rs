// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options of a backup that a profile describes.

use clap::Args;

use super::ProfilesArgs;

/// Which profiles there are, and what this one is told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "A system as a profile describes it")]
pub struct SystemArgs {
    /// Save a whole system as this profile says: its files and dumps, from all its hosts, at one moment
    #[arg(long, value_name = "NAME",
          conflicts_with_all = ["paths", "stdin", "command", "files_from", "files_from_raw", "parent"])]
    pub profile: Option<String>,
    /// Where profiles are.
    #[command(flatten)]
    pub profiles: ProfilesArgs,
    /// Give a variable of the profile this value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "profile")]
    pub var: Vec<String>,
    /// Which host is asked for what one host of a role has; may be repeated
    #[arg(long, value_name = "ROLE=HOST", requires = "profile")]
    pub one: Vec<String>,
    /// Agree to everything that would be asked
    #[arg(short, long, requires = "profile")]
    pub yes: bool,
}
