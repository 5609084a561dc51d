// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hundredth dump of the same database: what resembles the version before is stored as a difference from it, and every version
//! comes back, whatever was changed, inserted and cut out on the way.

use std::collections::BTreeMap;
use std::fs;

use keepfast_engine::backup::{BackupOptions, DeltaLimits, Parent};
use keepfast_engine::repository::Repository;
use keepfast_repo_format::id::SnapshotId;
use keepfast_repo_format::pack::PackRecord;
use keepfast_repo_format::segment::Codec;

use crate::support::random::Random;
use crate::support::sandbox::Sandbox;

/// Lines as a database dump has them: alike, and none twice.
fn dump(random: &mut Random, lines: usize) -> Vec<Vec<u8>> {
    (0..lines).map(|number| row(random, number)).collect()
}

fn row(random: &mut Random, number: usize) -> Vec<u8> {
    let noise: Vec<String> = (0..8).map(|_| format!("{:08x}", random.below(u32::MAX as usize))).collect();
    format!("INSERT INTO events VALUES ({number}, '{}');\n", noise.join("', '")).into_bytes()
}

/// A night: some rows change, some come, some go.
fn pass_night(random: &mut Random, rows: &mut Vec<Vec<u8>>) {
    for _ in 0..1 + rows.len() / 100 {
        let at = random.below(rows.len());
        rows[at] = row(random, at);
    }
    let (at, count) = (random.below(rows.len()), random.below(20));
    let new: Vec<_> = (0..count).map(|number| row(random, number)).collect();
    rows.splice(at..at, new);
    let at = random.below(rows.len() - 20);
    rows.drain(at..at + random.below(20));
}

fn without_delta(sandbox: &Sandbox) -> BackupOptions {
    BackupOptions { deltas: DeltaLimits::NONE, ..sandbox.options() }
}

fn content(sandbox: &Sandbox, snapshot: SnapshotId, name: &str) -> Vec<u8> {
    fs::read(sandbox.restore(snapshot).join(name)).unwrap()
}

/// Delta segments from each segment of the repository to those that stand alone; 0 for those.
fn depths(sandbox: &Sandbox) -> Vec<usize> {
    let repository = sandbox.open();
    repository.history().unwrap();
    let packs: Vec<_> =
        repository.index.packs().iter().map(|pack| repository.index.pack(&pack.id).unwrap().unwrap()).collect();
    let segments = packs.iter().flat_map(|pack| (0..pack.directory.segments.len()).map(move |segment| (pack, segment)));
    segments.map(|(pack, segment)| depth(&repository, pack, segment)).collect()
}

fn depth(repository: &Repository, pack: &PackRecord, segment: usize) -> usize {
    if pack.directory.segments[segment].codec != Codec::Delta {
        return 0;
    }
    let bases =
        pack.directory.edges_of(segment).iter().map(|id| repository.index.find(pack.kind, id).unwrap().unwrap());
    1 + bases.map(|base| depth(repository, &base.pack, base.segment as usize)).max().unwrap()
}

fn stored_bytes(sandbox: &Sandbox) -> u64 {
    sandbox.objects.image().iter().map(|(_, bytes)| bytes.len() as u64).sum()
}

#[test]
fn nightly_dumps_take_a_fraction_of_what_they_take_without_delta_and_all_come_back() {
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    let mut random = Random::new(7);
    let mut rows = dump(&mut random, 4000);
    let mut nights = Vec::new();
    let mut first = [0; 2];
    for night in 0..12 {
        let bytes = rows.concat();
        for sandbox in &sandboxes {
            fs::write(sandbox.source().join("dump.sql"), &bytes).unwrap();
            fs::write(sandbox.source().join("small.conf"), format!("night {night}")).unwrap();
        }
        let (with, without) = (sandboxes[0].backup(), sandboxes[1].backup_with(&without_delta(&sandboxes[1])));
        nights.push((with, without.snapshot.unwrap(), bytes));
        if night == 0 {
            first = [0, 1].map(|which| stored_bytes(&sandboxes[which]));
        }
        pass_night(&mut random, &mut rows);
    }
    for (with, without, bytes) in &nights {
        assert!(content(&sandboxes[0], *with, "dump.sql") == *bytes);
        assert!(content(&sandboxes[1], *without, "dump.sql") == *bytes);
    }
    let [with, without] = [0, 1].map(|which| stored_bytes(&sandboxes[which]) - first[which]);
    assert!(with * 5 < without * 3, "eleven nights took {with} bytes with delta, {without} without");
    let (with, without) = (depths(&sandboxes[0]), depths(&sandboxes[1]));
    assert!(with.iter().any(|depth| *depth > 0) && without.iter().all(|depth| *depth == 0));
    let (deepest, limits) = (*with.iter().max().unwrap(), DeltaLimits::default());
    assert!(deepest <= limits.steps.max(limits.tree_steps) as usize, "{deepest} steps");
    for sandbox in &sandboxes {
        assert_eq!(sandbox.check().findings, []);
    }
}

#[test]
fn a_line_changed_in_a_long_single_line_stores_little() {
    let sandbox = Sandbox::new();
    let mut random = Random::new(8);
    let items: Vec<_> = (0..20_000).map(|number| format!("{{\"id\":{number},\"key\":{}}}", random.number())).collect();
    let mut json = items.join(",").into_bytes();
    fs::write(sandbox.source().join("state.json"), &json).unwrap();
    sandbox.backup();
    let before = stored_bytes(&sandbox);
    let middle = json.len() / 2;
    json.splice(middle..middle + 3, *b"changed here");
    fs::write(sandbox.source().join("state.json"), &json).unwrap();
    let second = sandbox.backup();
    let added = stored_bytes(&sandbox) - before;
    assert!(added < 6000, "{added} bytes, with a session, manifest, index and log slot");
    assert!(content(&sandbox, second, "state.json") == json);
}

#[test]
fn whatever_is_done_to_files_from_night_to_night_each_night_comes_back() {
    for seed in 0..6 {
        let sandbox = Sandbox::new();
        let mut random = Random::new(seed);
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut nights = Vec::new();
        for _ in 0..10 {
            change_some(&mut random, &mut files);
            for old in fs::read_dir(sandbox.source()).unwrap() {
                fs::remove_file(old.unwrap().path()).unwrap();
            }
            for (name, bytes) in &files {
                fs::write(sandbox.source().join(name), bytes).unwrap();
            }
            nights.push((sandbox.backup(), files.clone()));
        }
        for (snapshot, files) in &nights {
            let folder = sandbox.restore(*snapshot);
            let found = fs::read_dir(&folder).unwrap().map(|file| {
                let file = file.unwrap();
                (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
            });
            assert!(found.collect::<BTreeMap<_, _>>() == *files, "seed {seed}, snapshot {snapshot}");
        }
        assert_eq!(sandbox.check().findings, [], "seed {seed}");
    }
}

/// Edits, insertions, cuts, swaps of halves, growth, new files, files that go and files that take another's place.
fn change_some(random: &mut Random, files: &mut BTreeMap<String, Vec<u8>>) {
    for name in ["a", "b", "c", "d"] {
        let bytes = files.entry(name.to_string()).or_insert_with(|| dump(random, 300).concat());
        let at = random.below(bytes.len() + 1);
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.rotate_left(at),
            2 => bytes.extend(dump(random, 50).concat()),
            3 => {
                let new = random.bytes(3000);
                bytes.splice(at..at, new);
            }
            4 => bytes.iter_mut().skip(at).step_by(997).for_each(|byte| *byte ^= 1),
            5 => bytes.clear(),
            _ => {}
        }
    }
    if random.chance(30) {
        let (a, b) = (files.remove("a").unwrap(), files.remove("b").unwrap());
        files.extend([("a".to_string(), b), ("b".to_string(), a)]);
    }
    if random.chance(30) {
        files.remove("c");
    }
}

#[test]
fn a_version_whose_base_is_damaged_in_the_storage_is_stored_whole() {
    let sandbox = Sandbox::new();
    let mut random = Random::new(9);
    let mut rows = dump(&mut random, 2000);
    fs::write(sandbox.source().join("dump.sql"), rows.concat()).unwrap();
    sandbox.backup();
    sandbox.objects.edit(|image| {
        for name in image.names("packs") {
            let mut bytes = image.get(&name).unwrap().to_vec();
            bytes.iter_mut().skip(200).take(3000).for_each(|byte| *byte ^= 1);
            image.insert(name, bytes);
        }
    });
    pass_night(&mut random, &mut rows);
    fs::write(sandbox.source().join("dump.sql"), rows.concat()).unwrap();
    let options = BackupOptions { parent: Parent::None, ..sandbox.options() };
    let second = sandbox.backup_with(&options);
    assert!(second.snapshot.is_some(), "a base that can not be read costs space, not the backup");
}
