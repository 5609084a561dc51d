// SPDX-License-Identifier: MIT OR Apache-2.0
//! Forgetting: what is named or what a policy does not keep goes, nothing else does, and made-up times push nothing out.

use std::cell::Cell;
use std::fs;
use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use keepfast_engine::Error;
use keepfast_engine::forget::{Mode, Outcome, Selection, forget};
use keepfast_engine::retention::{Dating, Grouping, Limit, Period, Policy, Span};
use keepfast_engine::select::Scope;
use keepfast_engine::session::{Client, Role, Session};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::Timestamp;
use keepfast_storage::{Backend, Name};

use crate::support::sandbox::{Sandbox, client, root};

const DAY: i64 = 86_400;
/// 1 June 2026, 03:00 UTC, a Monday.
const START: i64 = 1_780_282_800;

thread_local! {
    /// The clock of the machine that backs up, in Unix seconds.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

fn clock() -> Timestamp {
    Timestamp { seconds: NOW.get(), nanos: 0 }
}

fn client_at(time: i64) -> Client {
    Client { now: time as u64, ..client() }
}

/// Backs up as if it were this time; other contents each time.
fn backup_at(sandbox: &Sandbox, time: i64, host: &str, tags: &[&str]) -> SnapshotId {
    NOW.set(time);
    fs::write(sandbox.source().join("file"), format!("{time}")).unwrap();
    let mut options = sandbox.options();
    options.clock = clock;
    options.tags = tags.iter().map(ToString::to_string).collect();
    let client = Client { host: host.into(), ..client_at(time) };
    keepfast_engine::backup::backup(&sandbox.open(), &client, &options, &keepfast_engine::events::Silent)
        .unwrap()
        .snapshot
        .unwrap()
}

fn daily(count: u32) -> Policy {
    Policy { counts: vec![(Period::Daily, Limit::First(NonZeroU32::new(count).unwrap()))], ..Policy::default() }
}

fn by_policy(policy: Policy) -> Selection {
    Selection::Policy { scope: Scope::default(), policy, grouping: Grouping::default(), zone: TimeZone::UTC }
}

fn forget_at(sandbox: &Sandbox, time: i64, selection: &Selection) -> Outcome {
    forget(&sandbox.open(), &client_at(time), selection, Mode::Write).unwrap()
}

fn ids(sandbox: &Sandbox) -> Vec<SnapshotId> {
    sandbox.snapshots().iter().map(|snapshot| snapshot.id).collect()
}

fn slots(sandbox: &Sandbox) -> usize {
    sandbox.objects.list("log").unwrap().len()
}

/// Daily snapshots, each night followed by a forget that keeps a week; the last night's time.
fn two_weeks(sandbox: &Sandbox) -> i64 {
    for day in 0..14 {
        backup_at(sandbox, START + day * DAY, "host", &[]);
        forget_at(sandbox, START + day * DAY + 1800, &by_policy(daily(7)));
    }
    START + 13 * DAY
}

#[test]
fn named_snapshots_go_and_all_others_stay() {
    let sandbox = Sandbox::new();
    let made: Vec<_> = (0..3).map(|day| backup_at(&sandbox, START + day * DAY, "host", &[])).collect();
    let outcome = forget_at(&sandbox, START + 3 * DAY, &Selection::Named(vec![made[1]]));
    assert_eq!(outcome.removed, [made[1]]);
    assert_eq!(ids(&sandbox), [made[0], made[2]]);
    assert_eq!(fs::read(sandbox.restore(made[2]).join("file")).unwrap(), (START + 2 * DAY).to_string().as_bytes());
    assert_eq!(sandbox.check().findings, []);
    forget_at(&sandbox, START + 3 * DAY, &Selection::Named(vec![made[0], made[2]]));
    assert_eq!(ids(&sandbox), [], "the last one goes too when it is named");
}

#[test]
fn what_is_not_there_can_not_be_forgotten_and_nothing_else_is() {
    let sandbox = Sandbox::new();
    let made = backup_at(&sandbox, START, "host", &[]);
    let selection = Selection::Named(vec![made, SnapshotId([9; 32])]);
    let error = forget(&sandbox.open(), &client_at(START), &selection, Mode::Write).unwrap_err();
    assert!(matches!(error, Error::NoSnapshot { .. }), "{error}");
    let error = forget(&sandbox.open(), &client_at(START), &by_policy(Policy::default()), Mode::Write).unwrap_err();
    assert!(error.to_string().contains("keeps nothing"), "{error}");
    assert_eq!(ids(&sandbox), [made]);
}

#[test]
fn every_night_a_week_of_days_is_kept() {
    let sandbox = Sandbox::new();
    let last = two_weeks(&sandbox);
    let times: Vec<i64> = sandbox.snapshots().iter().map(|found| found.manifest.started / 1_000_000_000).collect();
    assert_eq!(times, (0..7).map(|back| last - (6 - back) * DAY).collect::<Vec<_>>());
    assert_eq!(sandbox.check().findings, []);
}

#[test]
fn hosts_compete_only_with_themselves_unless_asked() {
    let sandbox = Sandbox::new();
    let a: Vec<_> = (0..3).map(|day| backup_at(&sandbox, START + day * DAY, "a", &[])).collect();
    let b = backup_at(&sandbox, START + 5 * DAY, "b", &["kept"]);
    let plan = |selection: &Selection| {
        forget(&sandbox.open(), &client_at(START + 6 * DAY), selection, Mode::DryRun).unwrap().removed
    };
    assert_eq!(plan(&by_policy(daily(1))), [a[0], a[1]]);
    let together = Selection::Policy {
        scope: Scope::default(),
        policy: daily(1),
        grouping: Grouping::parse("").unwrap(),
        zone: TimeZone::UTC,
    };
    assert_eq!(plan(&together), a);
    let one_host = Selection::Policy {
        scope: Scope { hosts: vec!["b".into()], ..Scope::default() },
        policy: Policy { tags: vec![vec!["other".into()]], ..Policy::default() },
        grouping: Grouping::default(),
        zone: TimeZone::UTC,
    };
    assert_eq!(plan(&one_host), [b], "hosts that are not asked for stay");
    assert_eq!(ids(&sandbox).len(), 4, "a dry run changes nothing");
}

#[test]
fn a_run_that_removes_nothing_bears_witness_to_new_snapshots_once() {
    let sandbox = Sandbox::new();
    backup_at(&sandbox, START, "host", &[]);
    let before = slots(&sandbox);
    forget(&sandbox.open(), &client_at(START + 9), &by_policy(daily(7)), Mode::DryRun).unwrap();
    assert_eq!(slots(&sandbox), before, "not in a dry run");
    assert!(forget_at(&sandbox, START + 10, &by_policy(daily(7))).removed.is_empty());
    assert_eq!(slots(&sandbox), before + 1);
    forget_at(&sandbox, START + 20, &by_policy(daily(7)));
    assert_eq!(slots(&sandbox), before + 1, "there is nothing new to see");
}

#[test]
fn a_flood_with_made_up_times_pushes_nothing_out() {
    let sandbox = Sandbox::new();
    let last = two_weeks(&sandbox);
    let honest = ids(&sandbox);
    // In the past, in the future, and one that can be true.
    for day in [-400, -8, -5, -3, -2, -1, 1, 2, 3, 30, 4000] {
        backup_at(&sandbox, last + day * DAY + 3600, "host", &[]);
    }
    let now = last + 7200;
    let flood = backup_at(&sandbox, now - 60, "host", &[]);
    let outcome = forget_at(&sandbox, now, &by_policy(daily(7)));
    let left = ids(&sandbox);
    let lost: Vec<_> = honest.iter().filter(|id| !left.contains(id)).collect();
    assert_eq!(lost, [honest.last().unwrap()], "only today's place can be taken");
    assert!(left.contains(&flood));
    let undated = outcome.groups.iter().find(|group| group.key.dating == Dating::Undated).unwrap();
    assert_eq!(undated.verdicts.len(), 11);
    assert_eq!(outcome.groups.len(), 2);
}

#[test]
fn a_flood_can_not_hide_behind_the_slot_of_an_old_snapshot() {
    let sandbox = Sandbox::new();
    let last = two_weeks(&sandbox);
    let honest = ids(&sandbox);
    let old = sandbox.snapshots()[2].manifest.clone();
    let repository = sandbox.open();
    let session = Session::open(&repository, client_at(last + 3000), Role::Writer).unwrap();
    let mut forged = old;
    forged.started += 3600 * 1_000_000_000;
    let forged = session.commit(&forged, &[]).unwrap();
    let outcome = forget_at(&sandbox, last + 3600, &by_policy(daily(7)));
    assert_eq!(outcome.removed, []);
    let group = outcome.groups.iter().find(|group| group.key.dating == Dating::Undated).unwrap();
    assert_eq!(group.verdicts[0].snapshot.id, forged);
    assert!(honest.iter().all(|id| ids(&sandbox).contains(id)));
}

#[test]
fn an_admin_that_backs_up_as_well_has_seen_what_its_backups_saw() {
    let sandbox = Sandbox::new();
    backup_at(&sandbox, START, "a", &[]);
    // Another machine on the same repository; its backup quotes the first one's log, its forget has nothing to add to that.
    let admin = sandbox.copy(keepfast_storage::testing::MemBackend::from_image(sandbox.objects.image()));
    backup_at(&admin, START + DAY, "admin", &[]);
    forget_at(&admin, START + DAY + 60, &by_policy(daily(7)));
    let before = slots(&admin);
    forget_at(&admin, START + DAY + 90, &by_policy(daily(7)));
    assert_eq!(slots(&admin), before, "all has been seen");
}

#[test]
fn a_snapshot_that_can_not_be_read_stays_until_it_is_named() {
    let sandbox = Sandbox::new();
    let made: Vec<_> = (0..3).map(|day| backup_at(&sandbox, START + day * DAY, "host", &[])).collect();
    let name = Name::new(keepfast_repo_format::layout::snapshot(&made[0])).unwrap();
    sandbox.objects.edit(|image| drop(image.remove(&name)));
    let outcome = forget_at(&sandbox, START + 3 * DAY, &by_policy(daily(1)));
    assert_eq!((outcome.removed, outcome.unreadable), (vec![made[1]], 1));
    let repository = sandbox.open();
    assert_eq!(repository.history().unwrap().snapshot_ids().collect::<Vec<_>>(), [made[0], made[2]]);
    forget_at(&sandbox, START + 3 * DAY, &Selection::Named(vec![made[0]]));
    assert_eq!(ids(&sandbox), [made[2]]);
}

#[test]
fn rules_of_time_and_tags_work_on_tags_as_they_are_now() {
    let sandbox = Sandbox::new();
    let made: Vec<_> = (0..4).map(|day| backup_at(&sandbox, START + day * DAY, "host", &[])).collect();
    let edit = keepfast_engine::tag::TagEdit { add: vec!["before-upgrade".into()], ..Default::default() };
    keepfast_engine::tag::tag(&sandbox.open(), &client(), &made[..1], &edit).unwrap();
    let policy = Policy {
        within: vec![(Period::Last, Span::parse("25h").unwrap())],
        tags: vec![vec!["before-upgrade".into()]],
        ..Policy::default()
    };
    forget_at(&sandbox, START + 4 * DAY, &by_policy(policy));
    assert_eq!(ids(&sandbox), [made[0], made[2], made[3]]);
    assert_ne!(root(&sandbox.snapshots()[0]), root(&sandbox.snapshots()[1]));
}

#[test]
fn a_policy_that_would_keep_nothing_at_all_is_refused_unless_it_is_only_asked_about() {
    let sandbox = Sandbox::new();
    let taken: Vec<_> = (0..3).map(|day| backup_at(&sandbox, START + day * DAY, "a", &["before-upgrade"])).collect();
    let slip = by_policy(Policy { tags: vec![vec!["before-upgarde".into()]], ..Policy::default() });
    let now = START + 3 * DAY;
    let refused = forget(&sandbox.open(), &client_at(now), &slip, Mode::Write);
    assert!(matches!(refused, Err(Error::KeepsNothing { count: 3 })), "{refused:?}");
    assert_eq!(sandbox.snapshots().len(), 3);
    let asked = forget(&sandbox.open(), &client_at(now), &slip, Mode::DryRun).unwrap();
    assert_eq!(asked.removed, taken);
    forget_at(&sandbox, now, &Selection::Named(taken));
    assert_eq!(sandbox.snapshots().len(), 0);
}
