// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recipes: what is accepted keeps its bytes when it is stored again.
#![no_main]

use keepfast_repo_format::recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = recipe::head(data);
    let mut rest = data;
    while let Ok(Some((record, used))) = recipe::record(rest) {
        let mut again = Vec::new();
        recipe::put_record(&mut again, &record);
        assert_eq!(again, &rest[..used]);
        rest = &rest[used..];
    }
});
