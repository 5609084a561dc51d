// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of an index object: one form for each value.
#![no_main]

use keepfast_repo_format::index;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(packs) = index::decode(data) {
        assert_eq!(index::encode(&packs), data);
    }
});
