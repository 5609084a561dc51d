// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clear part of a key slot, and opening it with a key file. Never with a password: the slot says how much memory that takes.
#![no_main]

#[path = "../support.rs"]
mod support;

use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::key_slot::{KeyFile, KeySlot, Protection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = KeyFile::parse(text);
    }
    // The extension is in clear and decides how much memory an opening takes; 96 bytes are a body that could be one.
    let object = support::object(Kind::KeySlot, data, &[0; 96]);
    for object in [data, &object] {
        let Ok(slot) = KeySlot::parse(object, None) else { continue };
        match slot.protection() {
            Protection::Password(cost) => {
                assert!(cost.memory_kib() <= 4 << 20 && cost.passes() <= 16 && cost.lanes() <= 16)
            }
            Protection::KeyFile => {
                let file = KeyFile::generate(slot.repository(), [0; 32]);
                assert!(slot.open_with_key_file(&file).is_err(), "nobody finds the secret by chance");
            }
        }
    }
});
