// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of `docs/format.md` section 11.2 about edges hold, for several starts and numbers of processes. The larger ones:
//! `cargo test --release -p keepfast-tests --test suite model_edges -- --ignored --test-threads=1` (a minute, 1 GiB of memory).
//! It must not hold a step: those stand in `collector.rs` and `clients.rs`.

use super::{CIRCLE, Chunk, NONE, PROPOSED, Rules, X, X_ON_Y, Y, run};
use crate::support::search::Set;

#[test]
fn with_all_rules_a_writer_and_two_collectors_lose_nothing() {
    run(&Rules { collectors: 2, ..PROPOSED }).holds_in(288_473);
}

#[test]
fn with_all_rules_a_writer_and_two_collectors_lose_no_chunk_that_is_stored_in_a_circle() {
    run(&Rules { collectors: 2, start: CIRCLE, ..PROPOSED }).holds_in(160_361);
}

#[test]
fn with_all_rules_a_delta_beside_the_plain_chunk_loses_nothing_when_its_base_goes() {
    run(&Rules { collectors: 2, start: [Y, X_ON_Y, X], s0_visible: false, ..PROPOSED }).holds_in(201_939);
}

#[test]
fn with_all_rules_writers_of_a_base_and_of_a_delta_lose_nothing() {
    run(&Rules { wanted: &[Chunk::X, Chunk::Y], all_forgettable: true, ..PROPOSED }).holds_in(56_224);
}

#[test]
fn with_all_rules_an_undeleter_and_two_collectors_lose_nothing() {
    run(&Rules { wanted: &[], undeleter: true, collectors: 2, ..PROPOSED }).holds_in(182_170);
}

#[test]
fn with_all_rules_a_writer_an_undeleter_and_a_collector_lose_nothing() {
    run(&Rules { undeleter: true, all_forgettable: true, ..PROPOSED }).holds_in(41_670);
}

#[test]
fn with_all_rules_two_collectors_may_finish_the_list_of_a_dead_one() {
    run(&Rules { list_left_behind: Set::of(0), collectors: 2, ..PROPOSED }).holds_in(150_138);
}

/// What S0 needs was a delta against a chunk that the storage has lost.
#[test]
fn with_all_rules_a_chunk_whose_base_is_lost_is_stored_again_and_stays() {
    run(&Rules { start: [NONE, X_ON_Y, NONE], lost: Set::of(0), collectors: 2, ..PROPOSED }).holds_in(40_230);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_two_writers_and_two_collectors_lose_nothing() {
    run(&Rules { wanted: &[Chunk::X, Chunk::Y], collectors: 2, ..PROPOSED }).holds_in(7_616_391);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_two_writers_of_one_chunk_and_two_collectors_lose_nothing() {
    run(&Rules { wanted: &[Chunk::X, Chunk::X], collectors: 2, s0_visible: false, ..PROPOSED }).holds_in(1_905_834);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_a_writer_an_undeleter_and_two_collectors_lose_nothing() {
    run(&Rules { undeleter: true, collectors: 2, ..PROPOSED }).holds_in(5_511_612);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_a_delta_beside_the_plain_chunk_loses_nothing() {
    run(&Rules { start: [Y, X_ON_Y, X], collectors: 2, ..PROPOSED }).holds_in(956_230);
}
