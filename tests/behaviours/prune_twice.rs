// SPDX-License-Identifier: MIT OR Apache-2.0
//! "Of what is stored twice one copy stays": also where one pack holds both, as when two collectors have copied the same at once and a third
//! one has put it together.

use std::collections::BTreeMap;

use keepfast_engine::events::Silent;
use keepfast_engine::prune::prune;
use keepfast_repo_format::envelope::Kind;
use keepfast_repo_format::id::{ChunkId, SnapshotId};
use keepfast_repo_format::segment::Codec;

use crate::support::collector::all_of_it;
use crate::support::forge::{Forge, file_of_chunk};
use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client, restore_options};

/// More prunes than it takes until one finds nothing to do.
const ENOUGH: usize = 6;

/// A chunk, and what it is a delta against; nothing if it stands alone.
type Copy = (ChunkId, Vec<ChunkId>);

/// How often each copy is stored in visible packs.
fn copies(sandbox: &Sandbox) -> BTreeMap<Copy, usize> {
    let repository = sandbox.open();
    repository.history().unwrap();
    let mut copies = BTreeMap::new();
    for pack in repository.index.survey() {
        let directory = repository.index.record(pack.number).unwrap().unwrap().directory;
        for place in directory.locate() {
            let is_delta = directory.segments[place.segment].codec == Codec::Delta;
            let edges = if is_delta { directory.edges_of(place.segment).to_vec() } else { Vec::new() };
            *copies.entry((place.chunk.id, edges)).or_default() += 1;
        }
    }
    copies
}

fn prune_once(sandbox: &Sandbox) -> u64 {
    let report = prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap();
    assert!(report.finished, "{report:?}");
    assert_eq!(sandbox.check().findings, []);
    report.packs_deleted
}

/// Prunes until nothing is left to do.
fn prune_to_the_end(sandbox: &Sandbox) {
    let rounds = (0..ENOUGH).take_while(|_| prune_once(sandbox) > 0).count();
    assert!(rounds < ENOUGH, "there is always something left to prune");
}

fn assert_each_is_there_once(sandbox: &Sandbox) {
    let twice: Vec<_> = copies(sandbox).into_iter().filter(|(_, count)| *count > 1).collect();
    assert_eq!(twice, [], "stored more than once");
}

#[track_caller]
fn assert_holds(sandbox: &Sandbox, snapshot: SnapshotId, contents: &[(&str, &[u8])]) {
    let target = tempfile::tempdir().unwrap();
    let (summary, _) = sandbox.restore_with(snapshot, &restore_options(target.path())).unwrap();
    assert_eq!(summary.problems, []);
    for (name, bytes) in contents {
        assert!(std::fs::read(target.path().join(name)).unwrap() == *bytes, "{name}");
    }
}

/// As many contents as wanted, each like the others, none of which compresses.
fn similar<const N: usize>(length: usize) -> [Vec<u8>; N] {
    let first = Random::new(9).bytes(length);
    std::array::from_fn(|number| {
        let mut bytes = first.clone();
        bytes[length / 2] ^= number as u8;
        bytes
    })
}

#[test]
fn of_a_chunk_that_one_pack_holds_twice_one_copy_stays() {
    let sandbox = Sandbox::new();
    let mut forge = Forge::new(&sandbox);
    let twice = forge.file(b"", b"twice", b"the same bytes");
    forge.data_chunk(b"the same bytes");
    let leaf = forge.leaf(&[twice]);
    let snapshot = forge.commit(&leaf);
    prune_to_the_end(&sandbox);
    assert_each_is_there_once(&sandbox);
    assert_holds(&sandbox, snapshot, &[("twice", b"the same bytes")]);
}

#[test]
fn where_the_first_copy_is_damaged_the_second_one_stays() {
    let sandbox = Sandbox::new();
    let mut forge = Forge::new(&sandbox);
    let content = b"the same bytes";
    let id = forge.data_id(content);
    forge.chunk_as(Kind::DataPack, content, id, |sealed| sealed.stored[20] ^= 1);
    forge.data_chunk(content);
    let leaf = forge.leaf(&[file_of_chunk(b"twice", id, content.len())]);
    let snapshot = forge.commit(&leaf);
    assert_ne!(sandbox.check().findings, []);
    prune_to_the_end(&sandbox);
    assert_each_is_there_once(&sandbox);
    assert_holds(&sandbox, snapshot, &[("twice", content)]);
}

#[test]
fn of_a_delta_that_one_pack_holds_twice_against_the_same_chunk_one_copy_stays() {
    let sandbox = Sandbox::new();
    let [base, content] = similar(3000);
    let mut forge = Forge::new(&sandbox);
    let base_id = forge.data_chunk(&base);
    let id = forge.delta_chunk(&content, &base, &[base_id]);
    forge.delta_chunk(&content, &base, &[base_id]);
    let leaf = forge.leaf(&[file_of_chunk(b"file", id, content.len())]);
    let snapshot = forge.commit(&leaf);
    prune_to_the_end(&sandbox);
    assert_each_is_there_once(&sandbox);
    assert!(copies(&sandbox).keys().any(|(_, edges)| !edges.is_empty()), "the delta is a delta still");
    assert_holds(&sandbox, snapshot, &[("file", &content)]);
}

/// Half of each delta segment is dead, and what is left of it is shorter than what a delta of it would cost: it is written anew, alone.
#[test]
fn a_delta_that_two_packs_hold_is_moved_once() {
    let sandbox = Sandbox::new();
    let [base, live, dead] = similar(120);
    let snapshots = [(); 2].map(|()| {
        let mut forge = Forge::new(&sandbox);
        let base_id = forge.data_chunk(&base);
        let ids = forge.delta_chunks(&[&live, &dead], &base, &[base_id]);
        let leaf = forge.leaf(&[file_of_chunk(b"file", ids[0], live.len())]);
        forge.commit(&leaf)
    });
    prune_once(&sandbox);
    assert_each_is_there_once(&sandbox);
    prune_to_the_end(&sandbox);
    assert_each_is_there_once(&sandbox);
    snapshots.iter().for_each(|snapshot| assert_holds(&sandbox, *snapshot, &[("file", &live)]));
}

/// Neither is the other's place: each may be the one whose bases are there. What is written of both is put together by the next prune.
#[test]
fn of_two_deltas_against_different_chunks_that_become_plain_one_copy_stays() {
    let sandbox = Sandbox::new();
    let [live, dead, one, other] = similar(120);
    let snapshots = [&one, &other].map(|base| {
        let mut forge = Forge::new(&sandbox);
        let base_id = forge.data_chunk(base);
        let ids = forge.delta_chunks(&[&live, &dead], base, &[base_id]);
        let leaf = forge.leaf(&[file_of_chunk(b"file", ids[0], live.len())]);
        forge.commit(&leaf)
    });
    prune_to_the_end(&sandbox);
    assert_each_is_there_once(&sandbox);
    snapshots.iter().for_each(|snapshot| assert_holds(&sandbox, *snapshot, &[("file", &live)]));
}
