// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of the rules of `docs/format.md` section 11.2 when one of them is left out: lost data, or nothing.
//! It must not hold a step: those stand in `collector.rs` and `clients.rs`.

use super::{Copies, DANGLING, HEADLESS, IndexRemoval, LOST, PROPOSED, ReadOrder, Rules, STUCK, Undeleted, run};

#[test]
fn a_writer_that_reads_the_index_before_the_condemn_lists_loses_data() {
    run(&Rules { collectors: 1, client_reads: ReadOrder::IndexFirst, ..PROPOSED }).breaks_in(LOST, 19, 1_802);
}

#[test]
fn an_undeleter_that_reads_the_index_before_the_condemn_lists_loses_data() {
    run(&Rules { writers: 0, undeleters: 1, collectors: 1, client_reads: ReadOrder::IndexFirst, ..PROPOSED })
        .breaks_in(LOST, 19, 1_283);
}

#[test]
fn a_collector_that_looks_at_the_index_before_the_condemn_lists_loses_data() {
    run(&Rules { writers: 0, duplicate: true, collector_reads: ReadOrder::IndexFirst, ..PROPOSED })
        .breaks_in(LOST, 23, 75_487);
}

/// The collector was ended; its copy is removed as a leftover while it makes it visible.
#[test]
fn copies_that_are_visible_without_a_slot_leave_dangling_rows() {
    run(&Rules { copies: Copies::AtOnce, ..PROPOSED }).breaks_in(DANGLING, 26, 470_622);
}

/// The same without an index object of the session.
#[test]
fn copies_that_only_a_generation_names_leave_dangling_rows() {
    run(&Rules { writers: 0, duplicate: true, copies: Copies::ByGeneration, ..PROPOSED })
        .breaks_in(DANGLING, 29, 105_162);
}

/// A generation number that was deleted is free again: the put succeeds, and nobody ever reads what was put.
#[test]
fn without_reading_the_generation_again_a_put_below_the_oldest_deletes_visible_packs() {
    run(&Rules { collectors: 1, merges: 3, generation_is_read_again: false, ..PROPOSED })
        .breaks_in(DANGLING, 18, 8_548);
}

#[test]
fn not_reading_the_generation_again_is_harmless_while_no_generation_is_deleted() {
    run(&Rules { generation_is_read_again: false, ..PROPOSED }).holds_in(525_623);
}

#[test]
fn collectors_that_wait_for_each_other_wait_for_ever() {
    run(&Rules { writers: 0, waits_for_collectors: true, collectors_are_voided: false, ..PROPOSED })
        .breaks_in(STUCK, 9, 279);
}

#[test]
fn waiting_for_collectors_is_harmless_when_somebody_may_end_them() {
    run(&Rules { waits_for_collectors: true, ..PROPOSED }).holds_in(436_879);
}

#[test]
fn removing_index_objects_that_nothing_names_loses_those_of_open_sessions() {
    run(&Rules { collectors: 1, removal: IndexRemoval::Unnamed, ..PROPOSED }).breaks_in(LOST, 20, 1_907);
}

#[test]
fn removing_index_objects_of_ended_sessions_loses_those_that_are_being_rewritten() {
    run(&Rules { writers: 0, removal: IndexRemoval::UnnamedAndEnded, ..PROPOSED }).breaks_in(LOST, 25, 17_106);
}

/// It leaves those of ended sessions for ever.
#[test]
fn removing_only_superseded_index_objects_loses_nothing() {
    run(&Rules { removal: IndexRemoval::Superseded, ..PROPOSED }).holds_in(457_979);
}

#[test]
fn deleting_the_manifest_of_a_snapshot_that_was_undeleted_meanwhile_loses_it() {
    run(&Rules { writers: 0, undeleters: 1, collectors: 1, undeleted: Undeleted::Deleted, ..PROPOSED })
        .breaks_in(HEADLESS, 16, 1_167);
}
