// SPDX-License-Identifier: MIT OR Apache-2.0
//! The config before its signature is checked, as whoever has no key reads it.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::config::UnverifiedConfig;
use keepfast_repo_format::envelope::Kind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let signed = support::signed(data);
    for object in [data.to_vec(), support::object(Kind::Config, &[], data), support::object(Kind::Config, &[], &signed)]
    {
        if let Ok(config) = UnverifiedConfig::decode(&object) {
            let _ = config.claimed();
            assert!(config.verify(support::keys(), 0).is_err(), "nobody can sign by chance");
        }
    }
});
