// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast`, the program: parse, run, exit. What it does is in the engine, how it looks is in `render`.
//!
//! Reading order: `args` (what was typed), `options` (what that means on this machine), `commands` (options, engine,
//! render), `runs` (what carries a runbook out), `exit` (what went wrong, as exit code and hint).

mod args;
mod commands;
mod context;
mod exit;
mod options;
mod progress;
mod render;
mod runs;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::context::Context;
use crate::render::{Format, Output};
use crate::signals::Signals;

fn main() -> ExitCode {
    hush_expected_panics();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let format = if cli.global.json { Format::Json } else { Format::Text };
    let verb = cli.command.name();
    let output = Output::new(format, verb, &cli.global);
    let context = Context { global: cli.global, output, signals: Signals::install() };
    let result = commands::run(&context, &cli.command);
    exit::report(&context, result)
}

/// What takes archives apart may panic on odd ones, which stay as they are then: nothing that anybody has to read about.
fn hush_expected_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !keepfast_engine::unwrap::is_guarded() {
            usual(info);
        }
    }));
}
