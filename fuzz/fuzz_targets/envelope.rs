// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any object: header, lengths, extension, body.
#![no_main]

use keepfast_repo_format::envelope::{Envelope, Header, Kind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Header::decode(data);
    for kind in Kind::ALL {
        if let Ok(envelope) = Envelope::parse(data, kind, None) {
            assert_eq!(envelope.header.object_len(), data.len() as u64);
        }
    }
});
