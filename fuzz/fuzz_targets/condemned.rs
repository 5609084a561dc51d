// SPDX-License-Identifier: MIT OR Apache-2.0
//! A condemn list, sealed as somebody with the structure key could: what decides which packs go must have one form only.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::condemned::CondemnList;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::WriterId;
use keepfast_repo_format::record::{seal_structure, to_cbor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let object = seal_structure(support::keys(), Kind::Condemned, data);
    if let Ok(list) = CondemnList::open(support::keys(), WriterId([1; 16]), 0, &object) {
        assert_eq!(to_cbor(&list), data);
    }
});
