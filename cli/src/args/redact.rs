// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `dump` and `export` hide and leave out.

use clap::Args;

/// The options of both.
#[derive(Clone, Debug, Args)]
pub struct RedactArgs {
    /// Write `<secret 1a2b3c4d>` in the place of every secret, as `diff` does; what no reader knows is refused
    #[arg(long)]
    pub redact: bool,
    /// With --redact: take files that fit as they are, although no reader knows them
    #[arg(long, value_name = "GLOB", requires = "redact")]
    pub redact_keep: Vec<String>,
    /// Leave this out: of a file a part as `diff` names it (db.users, public.sessions); of a folder what fits a glob, or FILE:PART
    #[arg(long, value_name = "PATH")]
    pub omit: Vec<String>,
}
