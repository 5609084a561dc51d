// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table at the end of a pack: one form for each value, and every chunk inside its segment.
#![no_main]

use keepfast_repo_format::directory::Directory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(directory) = Directory::decode(data, 3) {
        assert_eq!(directory.encode(), data);
        assert_eq!(directory.locate().count(), directory.chunks.len());
    }
});
