// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program as its users meet it: what it prints, where, and which exit code it ends with. One binary for all of it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what is wrong by panicking")]

mod also;
mod archives;
mod backup;
mod credentials;
mod diff;
mod guides;
mod json;
mod mount;
mod paths;
mod probe;
mod quickstart;
mod read;
mod redact;
mod remote;
mod reserve;
mod retention;
mod sandbox;
mod signals;

#[allow(dead_code, reason = "the tests of the backends use the rest")]
#[path = "../../../tests/support/remote_places.rs"]
mod support;
