// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program as its users meet it: what it prints, where, and which exit code it ends with. One binary for all of it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what is wrong by panicking")]

mod also;
mod archives;
mod backup;
mod built_in;
mod credentials;
mod damage;
mod diff;
mod drill;
mod guides;
mod json;
mod limits;
mod live;
mod misuse;
mod mount;
mod page;
mod paths;
mod probe;
mod profile;
mod quickstart;
mod read;
mod recover;
mod recover_failures;
mod redact;
mod remote;
mod reserve;
mod retention;
mod runs;
mod sandbox;
mod schedule;
mod secret_corpus;
mod secrets;
mod shop;
mod signals;
mod status;
mod systems;
mod vendor;
mod watch;

#[allow(dead_code, unused_imports, clippy::result_large_err, reason = "the tests of behaviours use the rest")]
#[path = "../../../tests/support/remote_places.rs"]
mod support;
