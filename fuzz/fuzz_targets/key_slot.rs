// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clear part of a key slot, and opening it with a key file. Never with a password: the slot says how much memory that takes.
#![no_main]

use keepfast_repo_format::key_slot::{KeyFile, KeySlot, Protection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = KeyFile::parse(text);
    }
    if let Ok(slot) = KeySlot::parse(data, None)
        && slot.protection() == Protection::KeyFile
    {
        let file = KeyFile::generate(slot.repository(), [0; 32]);
        assert!(slot.open_with_key_file(&file).is_err(), "nobody finds the secret by chance");
    }
});
