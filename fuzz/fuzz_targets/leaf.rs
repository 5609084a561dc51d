// SPDX-License-Identifier: MIT OR Apache-2.0
//! Leaves: what is accepted keeps its meaning when it is stored again.
#![no_main]

use keepfast_repo_format::tree::leaf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = leaf::node_kind(data);
    if let Ok(entries) = leaf::decode(data) {
        assert_eq!(leaf::decode(&leaf::encode(&entries)).as_ref().ok(), Some(&entries));
    }
});
