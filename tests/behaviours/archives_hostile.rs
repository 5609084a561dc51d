// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives that are broken, lie, or explode, and repositories that say so of files: every byte comes back or is named, in bounded
//! time and memory.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use keepfast_engine::backup::Compression;
use keepfast_repo_format::id::ChunkId;
use keepfast_repo_format::recipe::{self, Place, Record};
use keepfast_repo_format::tree::entry::{Content, ContentItem, Entry, Layer};
use proptest::prelude::*;

use crate::support::archives::{gzip, lines, tar, write, zip, zip_entry};
use crate::support::capture::{assert_same, capture};
use crate::support::child;
use crate::support::forge::{Forge, file_of};
use crate::support::random::Random;
use crate::support::sandbox::Sandbox;
use crate::support::scene::Scene;

/// Each as a file of its own: what is restored is the same.
fn come_back(files: &[(&str, Vec<u8>)]) {
    let sandbox = Sandbox::new();
    write(&sandbox.source(), files);
    let id = sandbox.backup();
    assert_same(&capture(&sandbox.source()), &capture(&sandbox.restore(id)), "restored");
    assert_eq!(sandbox.check().findings, []);
}

/// A tar archive in which the size of the second of three files is another number.
fn lying_tar(random: &mut Random, size: u64) -> Vec<u8> {
    let texts = [lines(random, 5_000), lines(random, 7_000), lines(random, 9_000)];
    let names = ["a", "b", "c"];
    let files: Vec<(&str, &[u8])> = names.into_iter().zip(texts.iter().map(Vec::as_slice)).collect();
    let mut archive = tar(&files, 1);
    let at = 512 + 5_000_usize.next_multiple_of(512);
    archive[at + 124..at + 136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    archive[at + 148..at + 156].copy_from_slice(b"        ");
    let sum: u32 = archive[at..at + 512].iter().map(|byte| u32::from(*byte)).sum();
    archive[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

#[test]
fn archives_that_are_cut_off_stretched_or_damaged_come_back() {
    let mut random = Random::new(1);
    for length in [60_000, 5 << 20] {
        let text = lines(&mut random, length);
        let (packed, zipped) = (gzip(&text), zip(&[("a", &text), ("b", &text)]));
        let half = packed.len() / 2;
        let mut flipped = packed.clone();
        flipped[half] ^= 0x10;
        let mut files = vec![
            ("cut.gz", packed[..half].to_vec()),
            ("nearly whole.gz", packed[..packed.len() - 1].to_vec()),
            ("flipped.gz", flipped),
            ("rubbish behind.gz", [&packed[..], &random.bytes(5_000)].concat()),
            ("zeros behind.gz", [&packed[..], &[0; 10_000]].concat()),
            ("twice.gz", [&packed[..], &packed].concat()),
            ("one byte between.gz", [&packed[..], b"x", &packed].concat()),
            ("cut.zip", zipped[..zipped.len() / 2].to_vec()),
            ("encrypted.zip", zip_entry("secret", &text, 1)),
            ("head.gz", packed[..20].to_vec()),
            ("no body.gz", [&packed[..10], &random.bytes(length)].concat()),
        ];
        for (name, size) in [("long.tar", 1 << 30), ("short.tar", 3), ("endless.tar", (1 << 33) - 1)] {
            files.push((name, [lying_tar(&mut random, size), text.clone()].concat()));
        }
        let lying = [lying_tar(&mut random, 1 << 32), text.clone()].concat();
        files.push(("lying.tar.gz", gzip(&lying)));
        come_back(&files);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn whatever_begins_like_an_archive_comes_back(seed in any::<u64>(), cuts in prop::collection::vec(0..200_000_usize, 6)) {
        let mut random = Random::new(seed);
        let mut files = Vec::new();
        for (n, cut) in cuts.into_iter().enumerate() {
            let text = lines(&mut random, cut);
            let noise = random.bytes(cut / 9);
            let mut bytes = match random.below(6) {
                0 => gzip(&text),
                1 => zip(&[("a", &text), ("b", &noise)]),
                2 => tar(&[("a", &gzip(&text)), ("b", &text)], 9),
                3 => [&gzip(&noise)[..10], &noise].concat(),
                4 => [gzip(&text), noise, zip(&[("a", &text)])].concat(),
                _ => zip(&[("t.tar.gz", &gzip(&tar(&[("a", &text)], 2)))]),
            };
            for _ in 0..random.below(3) {
                let (at, byte) = (random.below(bytes.len()), random.number() as u8);
                if let Some(found) = bytes.get_mut(at) {
                    *found = byte;
                }
            }
            if random.chance(30) {
                bytes.truncate(random.below(bytes.len()));
            }
            files.push((n.to_string(), bytes));
        }
        come_back(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect::<Vec<_>>());
    }
}

/// Ten gigabytes of zeros in ten megabytes.
fn write_bomb(path: &Path) -> u64 {
    let member = gzip(&vec![0; 16 << 20]);
    let mut file = File::create(path).unwrap();
    for _ in 0..640 {
        file.write_all(&member).unwrap();
    }
    file.metadata().unwrap().len()
}

fn hash(path: &Path) -> blake3::Hash {
    let (mut hasher, mut file, mut buffer) = (blake3::Hasher::new(), File::open(path).unwrap(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return hasher.finalize(),
            read => hasher.update(&buffer[..read]),
        };
    }
}

#[test]
fn a_bomb_of_ten_gigabytes_is_saved_and_restored_in_bounded_time_and_memory() {
    if !child::has_little_memory() {
        let name = "a_bomb_of_ten_gigabytes_is_saved_and_restored_in_bounded_time_and_memory";
        return child::again_in_little_memory(&format!("{}::{name}", module_path!()), 2 << 20);
    }
    let sandbox = Sandbox::new();
    let bomb = sandbox.source().join("bomb.gz");
    let length = write_bomb(&bomb);
    assert!(length < 12 << 20, "{length} bytes");
    let begin = Instant::now();
    let mut options = sandbox.options();
    options.compression = Compression::Level(1);
    let summary = sandbox.backup_with(&options);
    assert_eq!(summary.problems, []);
    let target = sandbox.restore(summary.snapshot.unwrap());
    assert_eq!(hash(&target.join("bomb.gz")), hash(&bomb));
    assert!(summary.totals.stored_bytes < length + (1 << 20), "{} bytes stored", summary.totals.stored_bytes);
    println!("{:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(240), "{:?}", begin.elapsed());
}

/// A file that says it is made of a stream by a recipe.
fn wrapped(forge: &mut Forge, size: u64, stream: &[u8], recipe: ContentItem) -> Entry {
    let item = ContentItem { length: stream.len() as u64, id: Some(forge.data_chunk(stream)) };
    let mut file = file_of(b"", b"hostile", Content { height: 0, items: vec![item] }, size);
    let recipe = Content { height: 0, items: vec![recipe] };
    file.layers = vec![Layer { length: stream.len() as u64, recipe }];
    file
}

fn recipe_of(records: &[Record]) -> Vec<u8> {
    let mut recipe = Vec::new();
    recipe::put_head(&mut recipe, keepfast_engine::unwrap::LIBRARY);
    records.iter().for_each(|record| recipe::put_record(&mut recipe, record));
    recipe
}

#[test]
fn recipes_that_lie_cost_their_file_only() {
    let deflate = |packed, plain| Record::Deflate { place: Place::First, packed, plain, corrections: b"corrections" };
    let next = Record::Deflate { place: Place::Next, packed: 9, plain: 9, corrections: b"" };
    let mut other = Vec::new();
    recipe::put_head(&mut other, "9.9.9");
    let cases: [(u64, Vec<u8>); 9] = [
        (1 << 62, recipe_of(&[Record::Raw(1 << 62)])),
        (1 << 20, recipe_of(&[Record::Raw(9)])),
        (3, recipe_of(&[Record::Raw(9)])),
        (8 << 20, recipe_of(&[deflate(8 << 20, 9)])),
        (9, recipe_of(&[next])),
        (20, recipe_of(&[deflate(20, 32 << 20)])),
        (9, b"no recipe at all".to_vec()),
        (9, other),
        (9, recipe_of(&[])),
    ];
    for (size, recipe) in cases {
        let scene = Scene::new();
        let mut forge = scene.forge();
        let item = ContentItem { length: recipe.len() as u64, id: Some(forge.data_chunk(&recipe)) };
        let hostile = wrapped(&mut forge, size, b"nine byte", item);
        let innocent = forge.file(b"", b"zz", b"innocent");
        let leaf = forge.leaf(&[hostile, innocent]);
        let outcome = scene.attack_once(forge, &leaf);
        assert!(outcome.has_file("zz", b"innocent"), "{size}: {:?}", outcome.restored);
        assert!(outcome.problems() > 0, "{size}: nobody is told");
    }
}

#[test]
fn a_recipe_that_is_lost_is_found_by_check_and_costs_its_file_only() {
    let scene = Scene::new();
    let mut forge = scene.forge();
    let lost = ContentItem { length: 100, id: Some(ChunkId([9; 32])) };
    let hostile = wrapped(&mut forge, 500, b"stream", lost);
    let innocent = forge.file(b"", b"zz", b"innocent");
    let leaf = forge.leaf(&[hostile, innocent]);
    let outcome = scene.attack_once(forge, &leaf);
    assert!(outcome.has_file("zz", b"innocent"), "{:?}", outcome.restored);
    assert!(outcome.problems() > 0, "nobody is told");
    let findings = scene.sandbox.check().findings;
    assert!(findings.iter().any(|finding| format!("{finding:?}").contains("hostile")), "{findings:?}");
}

#[test]
fn an_archive_that_changes_while_it_is_read_is_marked_torn() {
    use keepfast_engine::events::{Events, ProblemCode};
    use std::os::unix::fs::FileExt;
    struct AtEachPiece<F: Fn() + Send + Sync>(F);
    impl<F: Fn() + Send + Sync> Events for AtEachPiece<F> {
        fn bytes_done(&self, _: u64) {
            (self.0)();
        }
    }
    let (sandbox, mut random) = (Sandbox::new(), Random::new(7));
    let path = sandbox.source().join("growing.gz");
    fs::write(&path, gzip(&[lines(&mut random, 1 << 20), random.bytes(4 << 20)].concat())).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let events = AtEachPiece(|| file.write_all_at(b"changed", 3 << 20).unwrap());
    let repository = sandbox.open();
    let client = crate::support::sandbox::client();
    let summary = keepfast_engine::backup::backup(&repository, &client, &sandbox.options(), &events).unwrap();
    let codes: Vec<_> = summary.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::Torn]);
}
