// SPDX-License-Identifier: MIT OR Apache-2.0
//! What it takes for large texts: `cargo test --release speed -- --ignored --nocapture`, under `/usr/bin/time -v` for memory.
//!
//! Measured, not asserted: a clock is no test.

use super::super::compare;
use super::large;
use crate::compare::{Bytes, Mask};
use std::io::Write as _;
use std::time::Instant;

fn measure(name: &str, before: &dyn Bytes, after: &dyn Bytes, expected: usize) {
    let start = Instant::now();
    let mut changes = 0;
    let mut each = |_| {
        changes += 1;
        Ok(())
    };
    compare(before, after, &Mask::reveal(), &mut each).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(changes, expected);
    let megabytes = before.len() as f64 / 1e6;
    writeln!(std::io::stderr(), "{name}: 2 x {megabytes:.0} MB, {expected} changes, {seconds:.2} s").unwrap();
}

#[test]
#[ignore = "measures"]
fn speed_of_twenty_changes_in_a_line_of_fifty_megabytes() {
    let before = large(190_000, |number| number);
    let after = large(190_000, |number| if number % 9500 == 7 { 0 } else { number });
    measure("objects", &before, &after, 20);
}

#[test]
#[ignore = "measures"]
fn speed_of_a_map_of_half_a_million_entries() {
    let map = |changed: usize| {
        let entries = (0..500_000).map(|n| {
            let value = if n % 25_000 == changed { 0 } else { n + 1 };
            format!("\"key {n}\":{{\"value\":{value},\"text\":\"some text that is there to be read\",\"flag\":true}}")
        });
        format!("{{{}}}", entries.collect::<Vec<_>>().join(",")).into_bytes()
    };
    measure("map", &map(1), &map(25_000), 20);
}

#[test]
#[ignore = "measures"]
fn speed_of_numbers() {
    let list = |added: &str| {
        let numbers = (0..3_500_000).map(|n| format!("{}.25", n * 7919 % 100_003));
        format!("[{}{added}]", numbers.collect::<Vec<_>>().join(",")).into_bytes()
    };
    measure("numbers", &list(""), &list(",1,2"), 2);
}
