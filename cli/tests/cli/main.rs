// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program as its users meet it: what it prints, where, and which exit code it ends with. One binary for all of it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what is wrong by panicking")]

mod also;
mod backup;
mod credentials;
mod json;
mod probe;
mod quickstart;
mod read;
mod retention;
mod sandbox;
mod signals;
