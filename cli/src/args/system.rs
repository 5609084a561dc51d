// SPDX-License-Identifier: MIT OR Apache-2.0
//! Options of every verb that works with a profile.

use std::path::PathBuf;

use clap::Args;

/// Which profiles there are, and what they are told.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Profiles")]
pub struct SystemArgs {
    /// Look for profiles in this folder; without it in ~/.config/keepfast/profiles and /etc/keepfast/profiles
    #[arg(long, env = "KEEPFAST_PROFILES", hide_env_values = true, value_name = "DIR")]
    pub profiles: Vec<PathBuf>,
    /// Give a variable of the profile this value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// Use this host where one host of the role is enough; may be repeated
    #[arg(long, value_name = "ROLE=HOST")]
    pub one: Vec<String>,
    /// Answer every question with yes: whoever says so knows what the profile warns of
    #[arg(short = 'y', long)]
    pub yes: bool,
}
