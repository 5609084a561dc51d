// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CBOR of a log slot; and the signed object around it, sealed as somebody with the structure key could.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::WriterId;
use keepfast_repo_format::log::LogSlot;
use keepfast_repo_format::record::seal_structure;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(slot) = LogSlot::from_payload(data) {
        assert_eq!(slot.to_payload(), data);
    }
    let object = seal_structure(support::keys(), Kind::Log, data);
    let _ = LogSlot::open(support::keys(), WriterId([1; 16]), 0, &object);
});
