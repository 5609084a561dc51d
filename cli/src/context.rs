// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every command is given: global options, where output goes, and whether the user asked to stop.

use crate::args::GlobalArgs;
use crate::render::Output;
use crate::signals::Signals;

/// What every command is given.
pub struct Context {
    /// Options of every command.
    pub global: GlobalArgs,
    /// Standard output and standard error.
    pub output: Output,
    /// Whether the user asked to stop.
    pub signals: Signals,
}
