// SPDX-License-Identifier: MIT OR Apache-2.0
//! An index generation, sealed as somebody with the structure key could.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::generation::Generation;
use keepfast_repo_format::record::seal_structure;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let object = seal_structure(support::keys(), Kind::Generation, data);
    let _ = Generation::open(support::keys(), 0, &object);
});
