// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the catalog answers against a naive look at every snapshot: random folders, random changes, several hosts and sets of paths,
//! clocks that go wrong, snapshots that are forgotten and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};

use keepfast_engine::backup::backup;
use keepfast_engine::catalog::{Catalog, Version, ask};
use keepfast_engine::events::Silent;
use keepfast_engine::find::{Case, Each, Query, find};
use keepfast_engine::forget::{Mode, Selection, forget};
use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::Repository;
use keepfast_engine::session::Client;
use keepfast_engine::undelete::{self, undelete};
use keepfast_engine::versions::{Below, Change, Which, versions};
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::tree::entry::{FileType, Timestamp};

use crate::support::capture::{Capture, Content, Facts, capture};
use crate::support::forest::{edit, grow};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, clock};

/// Seconds by which the clock of the machine that backs up is wrong.
static WRONG_BY: AtomicI64 = AtomicI64::new(0);

fn wrong_clock() -> Timestamp {
    let now = clock();
    Timestamp { seconds: now.seconds + WRONG_BY.load(Ordering::Relaxed), ..now }
}

/// A sandbox whose source changes, and what it was at each backup.
struct Story {
    sandbox: Sandbox,
    random: Random,
    states: BTreeMap<SnapshotId, Capture>,
    forgotten: Vec<SnapshotId>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let (sandbox, mut random) = (Sandbox::new(), Random::new(seed));
        grow(&sandbox.source(), &mut random, 40);
        Self { sandbox, random, states: BTreeMap::new(), forgotten: Vec::new() }
    }

    fn open(&self) -> Repository {
        self.sandbox.open_cached_on(self.sandbox.objects.clone()).unwrap()
    }

    fn step(&mut self) {
        edit(&self.sandbox.source(), &mut self.random, 4);
        WRONG_BY.store(if self.random.chance(20) { -3600 } else { 0 }, Ordering::Relaxed);
        let mut options = self.sandbox.options_at_top();
        options.clock = wrong_clock;
        options.paths = vec![self.random.pick(&[b"one", b"two"]).to_vec()];
        let client = Client { host: (*self.random.pick(&["a", "b"])).into(), ..client() };
        let id = backup(&self.sandbox.open(), &client, &options, &Silent).unwrap().snapshot.unwrap();
        self.states.insert(id, capture(&self.sandbox.source()));
        if self.random.chance(40) {
            let ids: Vec<SnapshotId> = self.sandbox.snapshots().iter().map(|snapshot| snapshot.id).collect();
            let id = *self.random.pick(&ids);
            forget(&self.sandbox.open(), &client, &Selection::Named(vec![id]), Mode::Write).unwrap();
            self.forgotten.push(id);
        } else if self.random.chance(30) && !self.forgotten.is_empty() {
            let at = self.random.below(self.forgotten.len());
            let id = self.forgotten.swap_remove(at);
            undelete(&self.sandbox.open(), &client, &[id], undelete::Mode::Write, &Silent).unwrap();
        }
    }

    /// Compares every answer with what the captures say.
    fn check(&self) {
        let repository = self.open();
        let history = repository.history().unwrap();
        let (snapshots, _) = history.snapshots(&repository).unwrap();
        let chosen: Vec<&Snapshot> = snapshots.iter().collect();
        let naive = Naive { story: self, chosen: &chosen };
        let paths: BTreeSet<&Vec<u8>> = self.states.values().flat_map(Capture::keys).collect();
        let (answer, learned) = ask(&repository, &history, &snapshots, &Silent, |catalog| {
            for path in &paths {
                let told: Vec<_> = versions(catalog, &chosen, path, Which::Changing)?.iter().map(told).collect();
                assert_eq!(told, naive.history(path), "{}", path.escape_ascii());
                let all = versions(catalog, &chosen, path, Which::All)?;
                assert_eq!(all.len(), naive.courses(path).iter().map(Vec::len).sum::<usize>());
            }
            assert_eq!(found(catalog, &chosen, &[]), naive.find(&paths, |_| true));
            let is_a = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().unwrap().starts_with(b"a");
            assert_eq!(found(catalog, &chosen, &["a*"]), naive.find(&paths, is_a));
            assert_eq!(found(catalog, &chosen, &["/a/**"]), naive.find(&paths, |path| path.starts_with(b"a/")));
            Ok(())
        })
        .unwrap();
        let () = answer;
        assert!(learned.damaged.is_empty());
    }
}

/// What happened to the path itself, and how many changes there were below.
type Told = (usize, Option<&'static str>, Below);

fn told(change: &Change) -> Told {
    let word = match (&change.before, &change.after) {
        (None, Some(_)) => Some("created"),
        (Some(_), None) => Some("removed"),
        (Some(old), Some(new)) if old != new => Some("changed"),
        _ => None,
    };
    (change.snapshot, word, change.below)
}

type Found = BTreeSet<(Vec<u8>, usize, usize, u64, u64)>;

fn found(catalog: &Catalog, chosen: &[&Snapshot], patterns: &[&str]) -> Found {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let query = Query::of(&patterns, Case::Differs).unwrap();
    let mut found = Found::new();
    find(catalog, chosen, &query, Each::Path, &Silent, |hit| {
        let size = if hit.version.file_type == FileType::File { hit.version.size } else { 0 };
        assert!(found.insert((hit.path, hit.first, hit.last, hit.snapshots, size)));
        Ok(())
    })
    .unwrap();
    found
}

/// Snapshots one by one.
struct Naive<'a> {
    story: &'a Story,
    chosen: &'a [&'a Snapshot],
}

impl Naive<'_> {
    fn facts(&self, snapshot: usize, path: &[u8]) -> Option<&Facts> {
        self.story.states[&self.chosen[snapshot].id].get(path)
    }

    /// By host: snapshots of the sets of paths that ever had it, in order.
    fn courses(&self, path: &[u8]) -> Vec<Vec<usize>> {
        let key = |snapshot: usize| {
            let manifest = &self.chosen[snapshot].manifest;
            (manifest.host.clone(), manifest.paths.clone())
        };
        let all = 0..self.chosen.len();
        let having: BTreeSet<_> = all.clone().filter(|at| self.facts(*at, path).is_some()).map(key).collect();
        let hosts: BTreeSet<&String> = having.iter().map(|(host, _)| host).collect();
        let course =
            |host: &String| all.clone().filter(|at| having.contains(&key(*at)) && key(*at).0 == *host).collect();
        hosts.into_iter().map(course).collect()
    }

    /// Changes of a path: the snapshot, what it was and what it is.
    fn changes(&self, path: &[u8]) -> Vec<(usize, Option<&Facts>, Option<&Facts>)> {
        let mut changes = Vec::new();
        for course in self.courses(path) {
            let mut before = None;
            for at in course {
                let after = self.facts(at, path);
                if !same(before, after) {
                    changes.push((at, before, after));
                }
                before = after;
            }
        }
        changes
    }

    fn history(&self, path: &[u8]) -> Vec<Told> {
        let mut told: BTreeMap<usize, Told> = BTreeMap::new();
        for (at, before, after) in self.changes(path) {
            let word = match (before, after) {
                (None, _) => "created",
                (_, None) => "removed",
                _ => "changed",
            };
            told.insert(at, (at, Some(word), Below::default()));
        }
        let is_folder = |at| self.facts(at, path).is_some_and(|facts| facts.kind == "folder");
        if (0..self.chosen.len()).any(is_folder) {
            let inside = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
            let seen = self.chosen.iter().flat_map(|snapshot| self.story.states[&snapshot.id].keys());
            let below: BTreeSet<&Vec<u8>> =
                seen.filter(|other| other.starts_with(&inside) && !other.is_empty()).collect();
            for (at, before, after) in below.into_iter().flat_map(|other| self.changes(other)) {
                let below = &mut told.entry(at).or_insert((at, None, Below::default())).2;
                match (before, after) {
                    (None, _) => below.added += 1,
                    (_, None) => below.removed += 1,
                    (Some(old), Some(new)) if is_modified(old, new) => below.modified += 1,
                    _ => below.metadata += 1,
                }
            }
        }
        told.into_values().collect()
    }

    fn find(&self, paths: &BTreeSet<&Vec<u8>>, fits: impl Fn(&[u8]) -> bool) -> Found {
        let mut found = Found::new();
        for path in paths.iter().filter(|path| fits(path)) {
            for course in self.courses(path) {
                let there: Vec<usize> = course.into_iter().filter(|at| self.facts(*at, path).is_some()).collect();
                let last = *there.last().unwrap();
                let size = match self.facts(last, path).unwrap().content {
                    Content::File { size, .. } => size,
                    _ => 0,
                };
                found.insert(((*path).clone(), there[0], last, there.len() as u64, size));
            }
        }
        found
    }
}

/// Whether a restore would bring back the same. Which blocks of a file are holes is stored, but a file system may tell it differently.
fn same(old: Option<&Facts>, new: Option<&Facts>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            let rest = |facts: &Facts| (facts.mode, facts.owner, facts.modified, facts.xattrs.clone(), facts.device);
            !is_modified(old, new) && rest(old) == rest(new)
        }
        (old, new) => old.is_none() && new.is_none(),
    }
}

fn is_modified(old: &Facts, new: &Facts) -> bool {
    (old.kind, &old.content) != (new.kind, &new.content)
}

#[test]
fn answers_are_those_of_a_look_at_every_snapshot() {
    for seed in 0..5 {
        let mut story = Story::new(seed);
        for step in 0..12 {
            story.step();
            // Some snapshots are learned one by one, some several at a time, some are forgotten before anybody has asked.
            if step % 3 != 1 {
                story.check();
            }
        }
        story.check();
    }
}

#[test]
fn a_version_is_equal_exactly_where_a_diff_finds_nothing() {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(11));
    grow(&sandbox.source(), &mut random, 60);
    let mut entries = Vec::new();
    for _ in 0..4 {
        sandbox.backup_with(&sandbox.options_at_top());
        edit(&sandbox.source(), &mut random, 20);
    }
    let repository = sandbox.open();
    let (snapshots, _) = repository.history().unwrap().snapshots(&repository).unwrap();
    for snapshot in &snapshots {
        let root = crate::support::sandbox::root(snapshot);
        let all = keepfast_engine::tree::below(&repository.reader(), root, b"").unwrap();
        entries.push(all.map(|entry| entry.unwrap()).map(|entry| (entry.path(), entry)).collect::<BTreeMap<_, _>>());
    }
    for (old, new) in entries.iter().zip(&entries[1..]) {
        for (path, before) in old {
            let Some(after) = new.get(path) else { continue };
            let is_same = keepfast_engine::tree::compare(Some(before), Some(after)).is_none();
            assert_eq!(Version::of(before) == Version::of(after), is_same, "{}", path.escape_ascii());
        }
    }
}
