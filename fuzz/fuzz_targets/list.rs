// SPDX-License-Identifier: MIT OR Apache-2.0
//! List nodes: one form for each value.
#![no_main]

use keepfast_repo_format::tree::list;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((level, items)) = list::decode(data) {
        assert_eq!(list::encode(level, &items), data);
    }
});
