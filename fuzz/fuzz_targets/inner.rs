// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inner nodes: one form for each value.
#![no_main]

use keepfast_repo_format::tree::inner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((level, children)) = inner::decode(data) {
        assert_eq!(inner::encode(level, &children), data);
    }
});
