// SPDX-License-Identifier: MIT OR Apache-2.0
use keepfast_engine::format::id::{ChunkId, SessionId, SnapshotId, WriterId};
use keepfast_engine::format::manifest::{Completeness, Manifest, Totals};
use keepfast_engine::history::Snapshot;

use super::{Job, jobs};

const DAY: i64 = 86_400_000_000_000;
/// 1 November 2026, noon UTC.
const NOW: i64 = 1_793_534_400_000_000_000;

/// A snapshot that is so many hours old.
fn snapshot(id: u8, host: &str, path: &str, hours: i64) -> Snapshot {
    let started = NOW - hours * DAY / 24;
    let manifest = Manifest {
        writer: WriterId([0; 16]),
        sequence: 0,
        session: SessionId([0; 16]),
        parent: None,
        root: ChunkId([id; 32]),
        root_level: 0,
        paths: vec![path.as_bytes().to_vec()],
        host: host.into(),
        user: String::new(),
        tags: Vec::new(),
        started,
        finished: started,
        program: String::new(),
        description: String::new(),
        config_generation: 0,
        totals: Totals::default(),
        problems: Vec::new(),
        completeness: Completeness::Complete,
        pack_count: 0,
        pack_bytes: 0,
        packs_digest: [0; 32],
    };
    Snapshot { id: SnapshotId([id; 32]), manifest, tags: Vec::new() }
}

/// What is to be said, in a word each: ids of the snapshots, oldest first.
fn told(snapshots: &[Snapshot], since: Option<&str>) -> Vec<String> {
    let all: Vec<&Snapshot> = snapshots.iter().collect();
    let words = jobs(&all, since, "3d", NOW).unwrap().into_iter().map(|job| match job {
        Job::Pair { before, after } => format!("{} {}", before.id.0[0], after.id.0[0]),
        Job::First(newest) => format!("first {}", newest.id.0[0]),
        Job::Missing(newest) => format!("missing {}", newest.id.0[0]),
    });
    words.collect()
}

#[test]
fn the_newest_snapshot_is_compared_with_the_one_before_it_of_the_same_host_and_paths() {
    let snapshots = [
        snapshot(1, "a", "/etc", 60),
        snapshot(2, "a", "/srv", 59),
        snapshot(3, "b", "/etc", 58),
        snapshot(4, "a", "/etc", 20),
        snapshot(5, "a", "/etc", 2),
    ];
    assert_eq!(told(&snapshots, None), ["4 5", "first 2", "first 3"]);
}

#[test]
fn with_an_age_it_is_compared_with_the_newest_from_before_and_what_is_old_is_quiet() {
    let snapshots = [
        snapshot(1, "a", "/etc", 60),
        snapshot(2, "b", "/etc", 50),
        snapshot(3, "a", "/etc", 30),
        snapshot(4, "b", "/etc", 28),
        snapshot(5, "c", "/etc", 8),
        snapshot(6, "a", "/etc", 6),
        snapshot(7, "c", "/etc", 4),
        snapshot(8, "a", "/etc", 2),
    ];
    assert_eq!(told(&snapshots, Some("1d")), ["3 8", "5 7"]);
}

#[test]
fn a_host_that_stopped_is_named_for_ever_and_a_job_that_was_given_up_for_two_weeks() {
    let days = |days: i64| days * 24;
    let snapshots = [
        snapshot(1, "gone", "/etc", days(400)),
        snapshot(2, "a", "/old", days(15)),
        snapshot(3, "a", "/late", days(5)),
        snapshot(4, "a", "/etc", days(2)),
        snapshot(5, "a", "/etc", days(1)),
    ];
    assert_eq!(told(&snapshots, None), ["4 5", "missing 3", "missing 1"]);
}
