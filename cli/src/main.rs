// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `keepfast` program.

fn main() {}
