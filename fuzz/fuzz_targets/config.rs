// SPDX-License-Identifier: MIT OR Apache-2.0
//! The config before its signature is checked, as whoever has no key reads it.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::config::UnverifiedConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(config) = UnverifiedConfig::decode(data) {
        let _ = config.claimed();
        assert!(config.verify(support::keys(), 0).is_err(), "nobody can sign by chance");
    }
});
