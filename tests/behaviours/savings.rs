// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stats --savings`: every byte of every file is somewhere, once; a naive count says the same, and what is stored adds up to the
//! segments in the repository.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;

use keepfast_engine::backup::DeltaLimits;
use keepfast_engine::events::Silent;
use keepfast_engine::repository::Repository;
use keepfast_engine::stats::{Compressed, Savings, SavingsReport, savings, stats};
use keepfast_engine::tree::{ContentItems, Cursor, Direction};
use keepfast_repo_format::directory::SegmentRow;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::segment::Codec;
use keepfast_repo_format::tree::entry::{Content, ContentItem, FileType};

use crate::support::forest::{edit, grow};
use crate::support::forge::{Forge, file_of};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, let_time_pass, root};
use crate::support::tar_files::{archive, file, import_whole};

/// The repository with everything that is visible read.
fn opened(sandbox: &Sandbox) -> Repository {
    let repository = sandbox.open();
    repository.history().unwrap();
    repository
}

fn count(sandbox: &Sandbox, depth: usize) -> SavingsReport {
    let snapshots = sandbox.snapshots();
    savings(&opened(sandbox), &snapshots.iter().collect::<Vec<_>>(), depth, &Silent).unwrap()
}

fn group<'a>(report: &'a SavingsReport, path: &str) -> &'a Savings {
    let found = report.groups.iter().find(|(name, _)| name == path.as_bytes());
    &found.unwrap_or_else(|| panic!("{path} is not in {:?}", report.groups)).1
}

/// Where a chunk lies: segment, offset, length.
type Place = (SegmentRow, u32, u32);

/// Rows of all data segments, and the place of each chunk.
fn rows(repository: &Repository) -> (Vec<SegmentRow>, HashMap<ChunkId, Place>) {
    let (mut segments, mut places) = (Vec::new(), HashMap::new());
    for pack in repository.index.packs().iter().filter(|pack| pack.kind == Kind::DataPack) {
        let record = repository.index.pack(&pack.id).unwrap().unwrap();
        segments.extend(record.directory.segments.iter().copied());
        for found in record.directory.locate() {
            let place = (record.directory.segments[found.segment], found.offset, found.chunk.length);
            assert!(places.insert(found.chunk.id, place).is_none(), "one place for each, or the model is too naive");
        }
    }
    (segments, places)
}

/// A naive count, by whole paths.
fn model(sandbox: &Sandbox) -> BTreeMap<Vec<u8>, Savings> {
    let repository = opened(sandbox);
    let (_, places) = rows(&repository);
    let reader = repository.reader();
    let (mut seen, mut files) = (HashSet::new(), BTreeMap::<Vec<u8>, Savings>::new());
    for snapshot in sandbox.snapshots() {
        for entry in Cursor::new(reader.clone(), root(&snapshot), Direction::Forward).map(Result::unwrap) {
            if entry.metadata.file_type != FileType::File {
                continue;
            }
            let counted = files.entry(entry.path()).or_default();
            counted.files += 1;
            counted.size += entry.metadata.size;
            for item in ContentItems::new(&reader, &entry.content).map(Result::unwrap) {
                counted.content += item.length;
                match item.id {
                    None => counted.holes += item.length,
                    Some(id) if !seen.insert(id) => counted.dedup += item.length,
                    Some(id) => {
                        let (row, start, length) = places[&id];
                        let at = |plain: u32| {
                            (u128::from(plain) * u128::from(row.stored_len) / u128::from(row.plain_len)) as u64
                        };
                        let to = if row.codec == Codec::Delta { &mut counted.delta } else { &mut counted.whole };
                        to.content += item.length;
                        to.stored += at(start + length) - at(start);
                    }
                }
            }
        }
    }
    files
}

fn assert_adds_up(savings: &Savings, what: &str) {
    let Savings { content, holes, missing, dedup, whole, delta, .. } = savings;
    assert_eq!(*content, holes + missing + dedup + whole.content + delta.content, "{what}: {savings:?}");
    let saved = savings.by_compression() + savings.by_delta() + savings.stored() as i64;
    assert_eq!(saved, (whole.content + delta.content) as i64, "{what}: {savings:?}");
}

/// Some nights of a source that grows and changes, and an archive of some of its files.
fn nights(seed: u64) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut random = Random::new(seed);
    let (grown, versions) = (sandbox.source().join("grown"), sandbox.source().join("versions"));
    fs::create_dir(&grown).unwrap();
    fs::create_dir(&versions).unwrap();
    grow(&grown, &mut random, 60);
    let mut dump = random.bytes(60_000);
    for night in 0..4_u8 {
        fs::write(versions.join("dump.sql"), &dump).unwrap();
        fs::write(versions.join("new.txt"), format!("night {night} ").repeat(500)).unwrap();
        sandbox.backup_with(&sandbox.options_at_top());
        edit(&grown, &mut random, 12);
        for place in (0..dump.len()).step_by(700) {
            dump[place] = night;
        }
        let_time_pass();
    }
    import_whole(&sandbox, &archive(&[file(b"versions/dump.sql", &dump), file(b"elsewhere/x", &[7; 5000])]));
    sandbox
}

#[test]
fn a_naive_count_says_the_same() {
    for seed in 300..304 {
        let sandbox = nights(seed);
        let report = count(&sandbox, 99);
        let expected = model(&sandbox);
        assert_eq!(report.groups.len(), expected.len());
        for (path, found) in &report.groups {
            let found = Savings { delta_as_whole: 0, ..*found };
            assert_eq!(found, expected[path], "seed {seed}: {}", path.escape_ascii());
        }
    }
}

#[test]
fn every_byte_is_counted_once_at_every_depth() {
    for seed in 310..314 {
        let sandbox = nights(seed);
        let repository = opened(&sandbox);
        let (segments, _) = rows(&repository);
        let whole = count(&sandbox, 0);
        assert!(whole.groups.is_empty());
        let stored: u64 = segments.iter().map(|row| u64::from(row.stored_len)).sum();
        assert!(whole.total.delta.content > 0, "seed {seed}: some segments are delta, or this shows little");
        assert_eq!(whole.total.stored(), stored, "seed {seed}: everything is live, so all segments are somebody's");
        let snapshots = sandbox.snapshots();
        let of_stats = stats(&repository, &snapshots.iter().collect::<Vec<_>>(), &Silent).unwrap();
        assert_eq!((of_stats.restore_bytes, of_stats.files), (whole.total.size, whole.total.files));
        assert_eq!(of_stats.unique_bytes, whole.total.whole.content + whole.total.delta.content);
        assert_eq!(of_stats.pack_bytes, whole.pack_bytes);
        for depth in [0, 1, 2, 3, 99] {
            let report = count(&sandbox, depth);
            assert_adds_up(&report.total, &format!("seed {seed}, depth {depth}"));
            let mut sum = Savings::default();
            for (path, group) in &report.groups {
                assert_adds_up(group, &path.escape_ascii().to_string());
                sum += group;
            }
            assert!(depth == 0 || sum == report.total, "seed {seed}, depth {depth}");
            let without_estimate = |savings: Savings| Savings { delta_as_whole: 0, ..savings };
            assert_eq!(without_estimate(report.total), without_estimate(whole.total), "seed {seed}, depth {depth}");
            let stored: Vec<u64> = report.groups.iter().map(|(_, group)| group.stored()).collect();
            assert!(stored.is_sorted_by(|a, b| a >= b), "{stored:?}");
        }
    }
}

#[test]
fn who_comes_first_pays_and_the_others_have_saved_it() {
    let sandbox = Sandbox::new();
    let source = sandbox.source();
    let content = Random::new(320).bytes(40_000);
    for name in ["a", "b"] {
        fs::create_dir(source.join(name)).unwrap();
        fs::write(source.join(name).join("big"), &content).unwrap();
    }
    fs::hard_link(source.join("b/big"), source.join("b/second name")).unwrap();
    for _ in 0..2 {
        sandbox.backup_with(&sandbox.options_at_top());
    }
    let report = count(&sandbox, 1);
    let (first, others) = (group(&report, "a/"), group(&report, "b/"));
    assert_eq!((first.size, first.dedup, first.whole.content), (80_000, 40_000, 40_000));
    assert!(
        first.by_compression() < 0 && first.stored() > 40_000,
        "noise is not compressed, and sealing costs: {first:?}"
    );
    assert_eq!((others.files, others.size, others.dedup, others.stored()), (4, 160_000, 160_000, 0));
    assert_eq!(report.groups[0].0, b"a/", "what takes most stands first");
    let last = sandbox.snapshots().pop().unwrap();
    let alone = savings(&opened(&sandbox), &[&last], 1, &Silent).unwrap();
    assert_eq!(group(&alone, "a/").dedup, 0, "earlier snapshots that were not chosen do not count");
}

#[test]
fn a_chunk_pays_its_part_of_its_segment() {
    let sandbox = Sandbox::new();
    // Both fit into one segment of 16 KiB; alike, so that compression has no favourite.
    for (name, lines) in [("large", 300), ("small", 100)] {
        let text: String = (0..lines).map(|line| format!("{name} has line {line:05}\n")).collect();
        fs::write(sandbox.source().join(name), text).unwrap();
    }
    sandbox.backup_with(&sandbox.options_at_top());
    let report = count(&sandbox, 1);
    let (large, small) = (group(&report, "large").whole, group(&report, "small").whole);
    assert!(large.stored < large.content / 2);
    let rate = |it: Compressed| it.stored as f64 / it.content as f64;
    assert!((rate(large) - rate(small)).abs() < 0.01, "{large:?} {small:?}");
}

/// Four nights of a table in which some rows change, and of a file of which a night appends.
fn tables(deltas: DeltaLimits) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut random = Random::new(325);
    let row = |random: &mut Random| format!("{:08x} is worth {:08x}\n", random.below(1 << 31), random.below(1 << 31));
    let mut rows: Vec<String> = (0..4000).map(|_| row(&mut random)).collect();
    for night in 0..4 {
        fs::write(sandbox.source().join("table"), rows.concat()).unwrap();
        let mut options = sandbox.options_at_top();
        options.deltas = deltas;
        sandbox.backup_with(&options);
        for at in (night..rows.len()).step_by(40) {
            rows[at] = row(&mut random);
        }
        let_time_pass();
    }
    sandbox
}

#[test]
fn the_estimate_of_delta_is_near_to_what_the_same_nights_take_without_it() {
    let (with, without) = (count(&tables(DeltaLimits::default()), 0).total, count(&tables(DeltaLimits::NONE), 0).total);
    assert_eq!((without.delta.content, without.by_delta()), (0, 0));
    assert!(with.by_delta() > with.stored() as i64 / 4, "delta saves much here: {with:?}");
    let (estimated, real) = ((with.stored() as i64 + with.by_delta()) as f64, without.stored() as f64);
    assert!((estimated / real - 1.0).abs() < 0.15, "{estimated} is not {real}: {with:?} {without:?}");
}

#[test]
fn holes_cost_nothing_and_are_told_apart() {
    let sandbox = Sandbox::new();
    fs::File::create(sandbox.source().join("sparse")).unwrap().set_len(1 << 20).unwrap();
    sandbox.backup_with(&sandbox.options_at_top());
    let report = count(&sandbox, 1);
    let sparse = group(&report, "sparse");
    assert_eq!((sparse.size, sparse.content, sparse.stored()), (1 << 20, 1 << 20, 0));
    assert_eq!(sparse.holes + sparse.dedup + sparse.whole.content, 1 << 20);
}

#[test]
fn a_chunk_that_no_pack_has_is_missing_and_not_saved() {
    let sandbox = Sandbox::new();
    let mut forge = Forge::new(&sandbox);
    let gone = ContentItem { length: 700, id: Some(ChunkId([9; 32])) };
    let lost = file_of(b"", b"lost", Content { height: 0, items: vec![gone, gone] }, 1400);
    let whole = forge.file(b"", b"whole", &[7; 900]);
    let leaf = forge.leaf(&[lost, whole]);
    forge.commit(&leaf);
    let report = count(&sandbox, 1);
    let lost = group(&report, "lost");
    assert_eq!((lost.content, lost.missing, lost.dedup, lost.stored()), (1400, 700, 700, 0));
    assert_adds_up(&report.total, "all");
    assert_eq!(group(&report, "whole").whole.content, 900);
}

#[test]
fn what_is_about_to_be_deleted_still_takes_its_bytes() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.source().join("file"), Random::new(330).bytes(50_000)).unwrap();
    sandbox.backup_with(&sandbox.options_at_top());
    let (repository, snapshots) = (opened(&sandbox), sandbox.snapshots());
    let before = savings(&repository, &[&snapshots[0]], 0, &Silent).unwrap();
    let packs = repository.index.packs();
    let data = packs.iter().filter(|pack| pack.kind == Kind::DataPack).map(|pack| pack.id).collect();
    repository.index.exclude_packs(&data);
    let excluded = savings(&repository, &[&snapshots[0]], 0, &Silent).unwrap();
    assert_eq!((excluded.total, before.total.missing), (before.total, 0));
}
