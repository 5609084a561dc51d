// SPDX-License-Identifier: MIT OR Apache-2.0
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::{CHECKSUM_BYTES, RangeCache};
use crate::Name;

fn pack(number: u64) -> Name {
    Name::new(format!("packs/00/{number:064x}")).unwrap()
}

fn cache(max_bytes: u64) -> (TempDir, RangeCache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = RangeCache::open(&folder.path().join("trees"), max_bytes).unwrap();
    (folder, cache)
}

fn files(cache: &RangeCache) -> Vec<PathBuf> {
    let folders = fs::read_dir(&cache.folder).unwrap().map(|entry| entry.unwrap().path());
    folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
}

/// As if it had been used so many hours ago.
fn age(path: &PathBuf, hours: u64) {
    let time = SystemTime::now() - Duration::from_secs(hours * 3600);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn a_range_is_found_under_exactly_its_name_and_bounds() {
    let (_folder, cache) = cache(1 << 20);
    assert_eq!(cache.get(&pack(1), &(64..68)), None);
    cache.put(&pack(1), &(64..68), b"tree");
    assert_eq!(cache.get(&pack(1), &(64..68)).unwrap(), b"tree");
    for (number, range) in [(2, 64..68), (1, 63..67), (1, 64..67), (1, 64..69), (1, 0..4)] {
        assert_eq!(cache.get(&pack(number), &range), None, "{number} {range:?}");
    }
}

#[test]
fn what_was_kept_is_there_for_the_next_process() {
    let (folder, first) = cache(1 << 20);
    first.put(&pack(1), &(0..3), b"one");
    let second = RangeCache::open(&folder.path().join("trees"), 1 << 20).unwrap();
    assert_eq!(second.get(&pack(1), &(0..3)).unwrap(), b"one");
}

#[test]
fn bytes_that_do_not_fill_the_range_are_not_kept() {
    let (_folder, cache) = cache(1 << 20);
    cache.put(&pack(1), &(0..4), b"one");
    cache.put(&pack(1), &(0..u64::MAX), b"one");
    #[expect(clippy::reversed_empty_ranges, reason = "a wrong caller is tested")]
    let reversed = 4..1;
    cache.put(&pack(1), &reversed, b"one");
    assert_eq!(cache.get(&pack(1), &reversed), None);
    assert_eq!(files(&cache), Vec::<PathBuf>::new());
}

#[test]
fn every_damage_is_a_miss_and_goes_away() {
    let (_folder, cache) = cache(1 << 20);
    let kept = |content: &[u8]| {
        cache.put(&pack(1), &(0..5), b"whole");
        let path = files(&cache).pop().unwrap();
        fs::write(&path, content).unwrap();
        assert_eq!(cache.get(&pack(1), &(0..5)), None, "{content:?}");
        assert_eq!(files(&cache), Vec::<PathBuf>::new());
    };
    cache.put(&pack(1), &(0..5), b"whole");
    let stored = fs::read(files(&cache).pop().unwrap()).unwrap();
    for bit in 0..stored.len() * 8 {
        let mut damaged = stored.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        kept(&damaged);
    }
    (0..stored.len()).for_each(|length| kept(&stored[..length]));
    kept(&[stored.as_slice(), b"x"].concat());
}

#[test]
fn a_file_that_strays_to_another_name_is_a_miss() {
    let (_folder, cache) = cache(1 << 20);
    cache.put(&pack(1), &(0..3), b"one");
    let first = files(&cache).pop().unwrap();
    cache.put(&pack(2), &(0..3), b"two");
    fs::copy(&first, cache.path(&pack(2), &(0..3))).unwrap();
    assert_eq!(cache.get(&pack(2), &(0..3)), None);
}

#[test]
fn only_the_owner_may_read_it() {
    let (_folder, cache) = cache(1 << 20);
    cache.put(&pack(1), &(0..3), b"one");
    let file = files(&cache).pop().unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!((mode(&cache.folder), mode(file.parent().unwrap())), (0o700, 0o700));
}

#[test]
fn the_ranges_unused_for_longest_make_room() {
    let each = 1000;
    let (_folder, cache) = cache(10 * (each + CHECKSUM_BYTES as u64));
    let content = vec![7; each as usize];
    for number in 0..10 {
        cache.put(&pack(number), &(0..each), &content);
        age(&cache.path(&pack(number), &(0..each)), 100 - number);
    }
    // A use makes the oldest one the newest.
    assert!(cache.get(&pack(0), &(0..each)).is_some());
    cache.put(&pack(10), &(0..each), &content);
    let there = |number| cache.path(&pack(number), &(0..each)).exists();
    let left: Vec<u64> = (0..=10).filter(|number| there(*number)).collect();
    assert_eq!(left, [0, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn the_bound_holds_whatever_is_put() {
    let bound = 20_000;
    let (_folder, cache) = cache(bound);
    for number in 0..200_u64 {
        let length = number * 37 % 4000;
        cache.put(&pack(number), &(0..length), &vec![1; length as usize]);
        let total: u64 = files(&cache).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(total <= bound, "{total} after {number}");
    }
    cache.put(&pack(1000), &(0..bound), &vec![1; bound as usize]);
    assert_eq!(cache.get(&pack(1000), &(0..bound)), None);
}

#[test]
fn leftovers_of_dead_processes_go_and_those_of_live_ones_stay() {
    let (_folder, cache) = cache(1 << 20);
    cache.put(&pack(1), &(0..3), b"one");
    let folder = files(&cache).pop().unwrap().parent().unwrap().to_owned();
    let (dead, live) = (folder.join(".tmp-dead"), folder.join(".tmp-live"));
    fs::write(&dead, b"x").unwrap();
    fs::write(&live, b"x").unwrap();
    age(&dead, 2);
    cache.shrink();
    assert_eq!((dead.exists(), live.exists()), (false, true));
}

#[test]
fn many_threads_and_handles_share_a_folder_without_a_wrong_byte() {
    let (folder, first) = cache(30_000);
    let second = RangeCache::open(&folder.path().join("trees"), 30_000).unwrap();
    let content = |number: u64| vec![number as u8; 500];
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let cache = if thread % 2 == 0 { &first } else { &second };
            scope.spawn(move || {
                for round in 0..200 {
                    let number = (round * 7 + thread * 13) % 100;
                    cache.put(&pack(number), &(0..500), &content(number));
                    let other = (round * 11) % 100;
                    if let Some(bytes) = cache.get(&pack(other), &(0..500)) {
                        assert_eq!(bytes, content(other));
                    }
                }
            });
        }
    });
}

#[test]
fn a_folder_that_can_not_be_written_is_no_failure() {
    let (_folder, cache) = cache(1 << 20);
    fs::remove_dir_all(&cache.folder).unwrap();
    fs::write(&cache.folder, b"a file in its place").unwrap();
    cache.put(&pack(1), &(0..3), b"one");
    assert_eq!(cache.get(&pack(1), &(0..3)), None);
}
