// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small packs, which every small backup leaves behind: they stay as they are until somebody wishes them written anew, and then they
//! become few, once.

use keepfast_engine::prune::{PruneOptions, SmallPacks};
use keepfast_repo_format::layout;

use crate::support::collector::all_of_it;
use crate::support::history_script::write_files;
use crate::support::prune_place::Place;

/// Many backups that each leave little, and nothing that nobody needs.
fn many_small() -> Place {
    let mut place = Place::new();
    for night in 0..12 {
        write_files(&place.source(0)[0], 2, 5000 + 10 * night);
        place.back_up(0);
    }
    place.prune(0, &all_of_it());
    place
}

fn packs(place: &Place) -> usize {
    place.disk.image().names(layout::PACKS_FOLDER).len()
}

fn repacking() -> PruneOptions {
    PruneOptions { small_packs: SmallPacks::Repack, ..all_of_it() }
}

#[test]
fn small_packs_stay_until_they_are_wished_written_anew_and_then_become_few() {
    let place = many_small();
    let before = packs(&place);
    assert!(before >= 24, "{before}");
    let report = place.prune(0, &all_of_it());
    assert_eq!((report.repack_packs, packs(&place)), (0, before));
    let report = place.prune(0, &repacking());
    assert!(report.finished && report.repack_packs > 0 && report.bytes_written > 0, "{report:?}");
    let after = packs(&place);
    assert!(2 * after < before, "{before} packs became {after}");
    place.assert_whole();
    place.assert_minimal();
    // Nothing is written again and again.
    let report = place.prune(1, &repacking());
    assert_eq!((report.repack_packs, report.bytes_written, packs(&place)), (0, 0, after));
    place.assert_whole();
}

#[test]
fn no_more_small_packs_are_written_anew_than_allowed() {
    let place = many_small();
    let before = packs(&place);
    let all = place.prune(0, &PruneOptions { mode: keepfast_engine::prune::Mode::DryRun, ..repacking() });
    let limit = all.repack_bytes / 2;
    let report = place.prune(0, &PruneOptions { max_repack_bytes: Some(limit), ..repacking() });
    assert!(report.repack_packs > 2 && report.repack_bytes <= limit, "{report:?}");
    assert!(packs(&place) < before);
    place.assert_whole();
    place.assert_minimal();
}
