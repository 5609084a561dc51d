// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments of the commands that can write a page: `diff history`.

use std::path::PathBuf;

use clap::Args;

/// Where a page goes, and how much stands in it.
#[derive(Clone, Debug, Args)]
pub struct PageArgs {
    /// Write a page for a browser or a printer, with what changed inside, to FILE (`-`: standard output) instead of printing
    #[arg(long, value_name = "FILE", help_heading = "Page")]
    pub html: Option<PathBuf>,
    /// Replace FILE if it is there already
    #[arg(long, requires = "html", help_heading = "Page")]
    pub force: bool,
    /// Lines or changes of one file in the page
    #[arg(long, value_name = "N", requires = "html", default_value_t = 1000, help_heading = "Page")]
    pub max_lines: usize,
    /// Paths, or snapshots of a history, in the page
    #[arg(long, value_name = "N", requires = "html", default_value_t = 5000, help_heading = "Page")]
    pub max_files: usize,
}
