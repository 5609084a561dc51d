// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session record, sealed as somebody with the structure key could.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::WriterId;
use keepfast_repo_format::record::seal_structure;
use keepfast_repo_format::session::SessionRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let object = seal_structure(support::keys(), Kind::Session, data);
    let _ = SessionRecord::open(support::keys(), WriterId([1; 16]), 0, &object);
});
