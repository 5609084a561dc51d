// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tail of a pack: header, footer, key table, directory. The first 64 bytes are the header, the rest the tail.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::envelope::HEADER_LEN;
use keepfast_repo_format::pack::{FOOTER_LEN, Footer, open_directory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(footer) = data.first_chunk::<FOOTER_LEN>()
        && let Ok(decoded) = Footer::decode(footer)
    {
        assert_eq!(decoded.encode(), *footer);
        assert!(decoded.tail_len() <= decoded.pack_len());
    }
    if let Some((header, tail)) = data.split_first_chunk::<HEADER_LEN>() {
        let _ = open_directory(support::keys(), header, tail);
    }
});
