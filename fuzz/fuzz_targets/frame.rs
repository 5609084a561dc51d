// SPDX-License-Identifier: MIT OR Apache-2.0
//! The frame of sealed payloads: one form for each content.
#![no_main]

use keepfast_repo_format::frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(plain) = frame::decode(data, "frame") {
        assert!(plain.len() <= frame::MAX_PLAIN_BYTES);
    }
});
