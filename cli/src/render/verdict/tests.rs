// SPDX-License-Identifier: MIT OR Apache-2.0
use keepfast_engine::forget::{GroupVerdict, Verdict};
use keepfast_engine::format::id::{ChunkId, SessionId, SnapshotId, WriterId};
use keepfast_engine::format::manifest::{Completeness, Manifest, Totals};
use keepfast_engine::history::Snapshot;
use keepfast_engine::retention::{Dating, GroupKey, Grouping, Period, Reason, Span};

use super::{heading, lines, verdict_json};

/// 1 November 2026, noon UTC: the same day in every zone but the last.
const NOON: i64 = 1_793_534_400_000_000_000;

fn verdict(id: u8, tags: &[&str], reasons: &[Reason]) -> Verdict {
    let manifest = Manifest {
        writer: WriterId([0; 16]),
        sequence: 0,
        session: SessionId([0; 16]),
        parent: None,
        root: ChunkId([0; 32]),
        root_level: 0,
        paths: vec![b"/etc".to_vec(), b"/srv".to_vec()],
        host: "web1".into(),
        user: String::new(),
        tags: Vec::new(),
        started: NOON,
        finished: NOON,
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
    let tags = tags.iter().map(ToString::to_string).collect();
    Verdict { snapshot: Snapshot { id: SnapshotId([id; 32]), manifest, tags }, reasons: reasons.to_vec() }
}

fn group() -> GroupVerdict {
    let many = [
        Reason::Count(Period::Last, 1),
        Reason::Count(Period::Daily, 1),
        Reason::Oldest(Period::Weekly),
        Reason::Within(Period::Monthly, Span::parse("1y6m").unwrap()),
        Reason::Tags(vec!["before-upgrade".into()]),
    ];
    let key = GroupKey {
        host: Some("web1".into()),
        paths: Some(vec![b"/etc".to_vec(), b"/srv".to_vec()]),
        tags: None,
        dating: Dating::Dated,
    };
    GroupVerdict { key, verdicts: vec![verdict(0x1a, &[], &[]), verdict(0x2b, &["before-upgrade"], &many)] }
}

/// Lines with the local time of noon replaced: tests run in any zone.
fn shown(group: &GroupVerdict, grouping: &str, columns: usize) -> Vec<String> {
    let noon = crate::render::text::time(NOON);
    let lines = lines(group, &Grouping::parse(grouping).unwrap(), columns);
    lines.into_iter().map(|line| line.replace(&noon, "2026-11-01 12:00")).collect()
}

#[test]
fn a_group_is_a_table_with_a_reason_for_all_that_stays() {
    let expected = [
        "web1 /etc /srv: keep 1, remove 1",
        "id        time              tags            what    because",
        "-----------------------------------------------------------------------------",
        "1a1a1a1a  2026-11-01 12:00                  remove",
        "2b2b2b2b  2026-11-01 12:00  before-upgrade  keep    last 1, daily 1,",
        "                                                    oldest weekly,",
        "                                                    monthly within 1y6m,",
        "                                                    tag before-upgrade",
    ];
    let found = shown(&group(), "host,path", 80);
    assert_eq!(found[..2], expected[..2]);
    assert_eq!(found[3..], expected[3..]);
    assert!(found.iter().all(|line| line.chars().count() <= 80), "{found:#?}");
    assert_eq!(shown(&group(), "host,path", usize::MAX), found, "a file is no wider");
}

#[test]
fn what_a_group_does_not_share_is_a_column() {
    let mut group = group();
    group.key = GroupKey { host: None, paths: None, tags: None, dating: Dating::Undated };
    group.verdicts.remove(0);
    let found = shown(&group, "", usize::MAX);
    assert_eq!(found[0], "all snapshots (time not borne out by the log): keep 1, remove 0");
    let expected = [
        "id        time              about           what  because",
        "2b2b2b2b  2026-11-01 12:00  web1            keep  last 1, daily 1,",
        "                            /etc                  oldest weekly,",
        "                            /srv                  monthly within 1y6m,",
        "                            before-upgrade        tag before-upgrade",
    ];
    assert_eq!(found[1], expected[0]);
    assert_eq!(found[3..], expected[1..]);
}

#[test]
fn a_group_of_tags_says_so_and_json_says_all() {
    let mut group = group();
    group.key.tags = Some(vec!["a".into(), "b".into()]);
    assert_eq!(heading(&group), "web1 /etc /srv tags a,b: keep 1, remove 1");
    let object = verdict_json(&group.verdicts[1], &group.key);
    assert_eq!((&object["action"], &object["reasons"][2]), (&"keep".into(), &"oldest weekly".into()));
    assert_eq!(object["group"]["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(verdict_json(&group.verdicts[0], &group.key)["reasons"], serde_json::json!([]));
}
