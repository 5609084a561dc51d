// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast version`.

use serde_json::json;

use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::machine::PROGRAM;

/// Prints program and version.
pub fn run(context: &Context) -> Result<Done, Failure> {
    context.output.line(PROGRAM);
    context.output.summary(json!({ "program": "keepfast", "version": env!("CARGO_PKG_VERSION") }));
    Ok(Done::Complete)
}
