// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rules of `docs/format.md` section 11.2 hold, for several numbers of processes. The larger ones take minutes:
//! `cargo test -p keepfast-tests --test suite -- --ignored --test-threads=1 model_collect` (3 GiB of memory).
//! It must not hold a step: those stand in `collector.rs` and `clients.rs`.

use super::{HEADLESS, PROPOSED, Rules, Undeleted, run};

#[test]
fn with_all_rules_writers_and_a_collector_lose_nothing() {
    run(&Rules { writers: 2, collectors: 1, ..PROPOSED }).holds_in(37_483);
}

#[test]
fn with_all_rules_two_collectors_and_a_writer_lose_nothing() {
    run(&PROPOSED).holds_in(525_623);
}

#[test]
fn with_all_rules_writers_snapshots_may_be_forgotten() {
    run(&Rules { all_forgettable: true, ..PROPOSED }).holds_in(753_858);
}

#[test]
fn with_all_rules_two_undeleters_and_a_collector_lose_nothing() {
    run(&Rules { writers: 0, undeleters: 2, collectors: 1, ..PROPOSED }).holds_in(16_200);
}

#[test]
fn with_all_rules_a_writer_an_undeleter_and_a_collector_lose_nothing() {
    run(&Rules { undeleters: 1, collectors: 1, ..PROPOSED }).holds_in(23_728);
}

#[test]
fn with_all_rules_an_undeleter_and_two_collectors_lose_nothing() {
    run(&Rules { writers: 0, undeleters: 1, ..PROPOSED }).holds_in(277_605);
}

#[test]
fn with_all_rules_two_collectors_with_duplicates_lose_nothing() {
    run(&Rules { writers: 0, duplicate: true, ..PROPOSED }).holds_in(92_671);
}

#[test]
fn with_all_rules_two_collectors_may_finish_one_list_at_once() {
    run(&Rules { writers: 0, list_left_behind: true, ..PROPOSED }).holds_in(10_878);
}

#[test]
fn with_all_rules_a_writer_beside_two_who_finish_one_list_loses_nothing() {
    run(&Rules { list_left_behind: true, ..PROPOSED }).holds_in(365_598);
}

#[test]
fn with_all_rules_generations_of_others_between_do_no_harm() {
    run(&Rules { collectors: 1, merges: 3, ..PROPOSED }).holds_in(10_896);
}

#[test]
fn nobody_needs_to_end_the_sessions_of_collectors() {
    run(&Rules { collectors_are_voided: false, ..PROPOSED }).holds_in(163_277);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_two_writers_and_two_collectors_lose_nothing() {
    run(&Rules { writers: 2, ..PROPOSED }).holds_in(14_646_295);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_a_writer_an_undeleter_and_two_collectors_lose_nothing() {
    run(&Rules { undeleters: 1, ..PROPOSED }).holds_in(7_424_578);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_two_undeleters_and_two_collectors_lose_nothing() {
    run(&Rules { writers: 0, undeleters: 2, ..PROPOSED }).holds_in(3_888_915);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_three_collectors_lose_nothing() {
    run(&Rules { writers: 0, collectors: 3, ..PROPOSED }).holds_in(9_543_868);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_a_writer_and_two_collectors_with_duplicates_lose_nothing() {
    run(&Rules { duplicate: true, ..PROPOSED }).holds_in(1_900_256);
}

#[test]
#[ignore = "millions of states"]
fn with_all_rules_two_collectors_with_generations_of_others_between_lose_nothing() {
    run(&Rules { merges: 2, generations_kept: 1, ..PROPOSED }).holds_in(3_057_554);
}

/// With one undeleter it holds. The second one comes when a collector has removed the list without deleting the manifest,
/// and another, which found the snapshot forgotten, deletes it late.
#[test]
#[ignore = "millions of states"]
fn keeping_an_undeleted_snapshot_but_removing_its_list_loses_it() {
    run(&Rules { writers: 0, undeleters: 2, undeleted: Undeleted::Kept, ..PROPOSED })
        .breaks_in(HEADLESS, 35, 3_782_576);
}
