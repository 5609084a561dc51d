// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CBOR of a manifest, one form for each value; and the object around it.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::manifest::Manifest;
use keepfast_repo_format::record::{from_cbor, to_cbor};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = from_cbor::<Manifest>(data, "manifest") {
        assert_eq!(to_cbor(&manifest), data);
    }
    let _ = Manifest::open(support::keys(), data);
});
