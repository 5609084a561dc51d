// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tail of a pack: header, footer, key table, directory. The first 64 bytes are the header, the rest the tail.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::envelope::{HEADER_LEN, Kind};
use keepfast_repo_format::id::SessionId;
use keepfast_repo_format::pack::{FOOTER_LEN, Footer, open_directory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(footer) = data.first_chunk::<FOOTER_LEN>()
        && let Ok(decoded) = Footer::decode(footer)
    {
        assert_eq!(decoded.encode(), *footer);
        assert!(decoded.tail_len() <= decoded.pack_len());
    }
    // A footer whose check is right, with numbers that are not.
    if let Some(numbers) = data.first_chunk::<14>() {
        let [a, b, c, d, e, f, g, h, i, j, k, l, rows @ ..] = *numbers;
        let footer = Footer {
            key_table_offset: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            directory_len: u32::from_le_bytes([i, j, k, l]),
            key_rows: u16::from_le_bytes(rows),
            session: SessionId([1; 16]),
        };
        let header = support::object(Kind::DataPack, &[], &[]);
        let tail = [&data[14..], &footer.encode()].concat();
        let _ = open_directory(support::keys(), header.first_chunk().expect("a header is 64 bytes"), &tail);
    }
    if let Some((header, tail)) = data.split_first_chunk::<HEADER_LEN>() {
        let _ = open_directory(support::keys(), header, tail);
    }
});
