// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of the rules of `docs/format.md` section 11.2 about edges when one of them is left out: lost data, or nothing.
//! It must not hold a step: those stand in `collector.rs` and `clients.rs`.

use super::{
    Bases, BasesElsewhere, CIRCLE, Counts, Follows, Gone, LOST, Moves, NONE, PROPOSED, Rules, X, X_ON_Y, Y, run,
};
use crate::support::search::Set;

#[test]
fn a_collector_that_does_not_follow_edges_loses_bases() {
    run(&Rules { wanted: &[], follows: Follows::Never, ..PROPOSED }).breaks_in(LOST, 8, 54);
}

/// A session that was open then commits a delta against what is condemned.
#[test]
fn a_collector_that_follows_edges_only_in_its_first_look_loses_bases() {
    run(&Rules { start: [Y, NONE, NONE], s0_visible: false, follows: Follows::FirstLook, ..PROPOSED })
        .breaks_in(LOST, 13, 254);
}

/// Another collector has moved the delta between its two looks: it sees neither the old pack nor the new one.
#[test]
fn a_collector_that_takes_a_moved_pack_for_a_lost_one_loses_bases() {
    run(&Rules { gone: Gone::Lost, collectors: 2, ..PROPOSED }).breaks_in(LOST, 19, 132_807);
}

#[test]
fn a_writer_that_uses_a_condemned_base_loses_data() {
    run(&Rules { start: [Y, NONE, NONE], s0_visible: false, bases: Bases::Condemned, ..PROPOSED })
        .breaks_in(LOST, 13, 312);
}

#[test]
fn a_writer_that_looked_a_base_up_before_it_read_the_condemn_lists_loses_data() {
    run(&Rules { start: [Y, NONE, NONE], s0_visible: false, bases: Bases::LookedUpEarly, ..PROPOSED })
        .breaks_in(LOST, 14, 398);
}

#[test]
fn a_writer_that_relies_on_a_chunk_without_its_base_loses_data() {
    run(&Rules { start: [X_ON_Y, X, NONE], s0_visible: false, known: Counts::Any, ..PROPOSED })
        .breaks_in(LOST, 13, 459);
}

/// The base of a dead delta is deleted like any dead chunk, and later nothing tells of it: no pack is condemned, and none lost.
#[test]
fn a_writer_that_looks_for_bases_only_while_a_pack_is_condemned_or_lost_loses_data() {
    run(&Rules { s0_visible: false, known: Counts::WholeIfExcluded, ..PROPOSED }).breaks_in(LOST, 13, 589);
}

#[test]
fn an_undeleter_that_looks_for_bases_only_while_a_pack_is_condemned_or_lost_loses_data() {
    let known = Counts::WholeIfExcluded;
    run(&Rules { wanted: &[], undeleter: true, s0_visible: false, known, ..PROPOSED }).breaks_in(LOST, 13, 496);
}

#[test]
fn a_writer_that_does_not_look_for_the_bases_of_bases_loses_data() {
    run(&Rules { start: CIRCLE, s0_visible: false, known: Counts::BaseStored, ..PROPOSED }).breaks_in(LOST, 13, 460);
}

#[test]
fn a_copy_without_its_base_that_counts_as_a_copy_elsewhere_loses_the_chunk() {
    run(&Rules { wanted: &[], start: [NONE, X_ON_Y, X], elsewhere: Counts::Any, ..PROPOSED }).breaks_in(LOST, 8, 52);
}

/// The storage lost the base, a backup stored the chunk again, and the copy that nobody can decode passes for another place.
#[test]
fn a_copy_with_a_lost_base_that_counts_as_a_copy_elsewhere_undoes_the_healing() {
    run(&Rules { start: [NONE, X_ON_Y, NONE], lost: Set::of(0), elsewhere: Counts::Any, ..PROPOSED })
        .breaks_in(LOST, 13, 502);
}

#[test]
fn copies_elsewhere_whose_bases_are_looked_for_one_level_deep_lose_a_circle() {
    run(&Rules { wanted: &[], start: CIRCLE, elsewhere: Counts::BaseStored, ..PROPOSED }).breaks_in(LOST, 8, 51);
}

#[test]
fn a_copy_elsewhere_whose_base_is_condemned_is_none() {
    let (elsewhere, bases_elsewhere) = (Counts::Whole, BasesElsewhere::Visible);
    run(&Rules { wanted: &[], start: CIRCLE, elsewhere, bases_elsewhere, ..PROPOSED }).breaks_in(LOST, 8, 51);
}

/// A copy that has lost its base is moved, and the good one is deleted.
#[test]
fn moving_whichever_copy_is_found_first_loses_data() {
    run(&Rules { wanted: &[], start: [X_ON_Y, X, NONE], moves: Moves::AnyOne, ..PROPOSED }).breaks_in(LOST, 10, 80);
}

/// Each copy has its base among the condemned packs; those that are moved are deltas against each other.
#[test]
fn moving_whichever_copy_has_its_base_loses_a_circle() {
    run(&Rules { wanted: &[], start: CIRCLE, moves: Moves::AnyWhole, ..PROPOSED }).breaks_in(LOST, 10, 98);
}

/// It loses nothing, but it takes a plain copy away from under a delta, and chains grow.
#[test]
fn a_whole_delta_may_be_a_copy_elsewhere() {
    run(&Rules { start: CIRCLE, elsewhere: Counts::Whole, collectors: 2, ..PROPOSED }).holds_in(158_317);
}
