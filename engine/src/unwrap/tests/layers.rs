// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes out of known archives.

use super::super::{LIBRARY, whole};
use super::*;

#[test]
fn the_stream_of_a_gzip_file_is_its_text_and_nothing_else() {
    let text = lines(1, 3 << 20);
    let apart = back_and_forth(&gzip(&text, 6), 70_000);
    assert!(apart.stream == text);
    assert_eq!(apart.lengths, [text.len() as u64]);
    let kinds = kinds(&apart.recipes[0]);
    assert_eq!((kinds[0], kinds[1], *kinds.last().unwrap()), ("inline", "deflate", "inline"));
    // Of another compressor than zlib; of that one it is a tenth.
    assert!(apart.recipes[0].len() < 100_000, "{} bytes of recipe", apart.recipes[0].len());
}

#[test]
fn the_recipe_names_the_library_that_is_in_the_lock_file() {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
    assert!(lock.contains(&format!("name = \"preflate-rs\"\nversion = \"{LIBRARY}\"")));
}

#[test]
fn members_that_follow_each_other_come_out_as_one_text() {
    let texts = [lines(1, 100_000), lines(2, 300), lines(3, 50_000), Vec::new(), lines(4, 9_000)];
    let file: Vec<u8> = texts.iter().flat_map(|text| gzip(text, 6)).collect();
    let apart = back_and_forth(&file, 1 << 20);
    assert!(apart.stream.len() >= 159_000, "{} bytes of stream", apart.stream.len());
    for text in [&texts[0], &texts[2], &texts[4]] {
        assert!(apart.stream.windows(text.len()).any(|window| window == text));
    }
}

#[test]
fn entries_of_a_zip_come_out_and_stored_ones_stay() {
    let (text, other) = (lines(5, 40_000), lines(6, 20_000));
    let mut stored = zip_entry("stored", b"", 0);
    stored[8] = 0;
    stored.extend(noise(7, 30_000));
    let file = [zip_entry("a", &text, 9), stored.clone(), zip_entry("b", &other, 1), b"PK\x01\x02".repeat(20)].concat();
    let apart = back_and_forth(&file, 4096);
    let middle = &stored[stored.len() - 30_000..];
    for part in [&text[..], middle, &other] {
        assert!(apart.stream.windows(part.len()).any(|window| window == part));
    }
}

#[test]
fn archives_in_archives_in_archives_come_out_and_the_next_stays() {
    let text = lines(8, 200_000);
    let once = gzip(&text, 6);
    let twice = zip_entry("once.gz", &once, 6);
    let thrice = gzip(&twice, 6);
    for (file, layers) in [(&once, 1), (&twice, 2), (&thrice, 3)] {
        let apart = back_and_forth(file, 65_536);
        assert_eq!(apart.lengths.len(), layers);
        assert!(apart.stream.windows(text.len()).any(|window| window == text));
    }
    let apart = back_and_forth(&zlib(&thrice, 6), 65_536);
    assert_eq!(apart.lengths.len(), 3);
    assert!(!apart.stream.windows(1000).any(|window| window == &text[..1000]), "there are three layers at most");
}

#[test]
fn a_plain_tar_archive_is_its_own_stream_unless_something_in_it_is_compressed() {
    let (text, inner) = (lines(9, 70_000), lines(10, 90_000));
    let packed = gzip(&inner, 6);
    let plain = [member("a", &text), vec![0; 1024]].concat();
    let apart = back_and_forth(&plain, 10_000);
    assert!(apart.stream == plain && apart.lengths.is_empty() && apart.cuts.is_empty());
    let mixed = [member("a", &text), member("b.gz", &packed), member("c", &text)].concat();
    let apart = back_and_forth(&mixed, 10_000);
    assert_eq!(apart.lengths.len(), 1);
    assert!(apart.stream.windows(inner.len()).any(|window| window == inner));
}

#[test]
fn a_tar_in_gzip_has_cut_points_of_its_own() {
    let tar = [member("a", &lines(11, 30_000)), member("b", &lines(12, 30_000)), vec![0; 1024]].concat();
    let apart = back_and_forth(&gzip(&tar, 6), 1 << 16);
    assert!(apart.stream == tar);
    assert!(apart.cuts.contains(&0) && apart.cuts.iter().all(|cut| *cut == 0 || *cut == tar.len()), "{:?}", apart.cuts);
}

#[test]
fn how_the_bytes_arrive_makes_no_difference() {
    let file = [gzip(&lines(13, 400_000), 6), zip_entry("x", &lines(14, 30_000), 9), noise(1, 10_000)].concat();
    let first = apart(&file, 1 << 20);
    for step in [1 << 12, 77_777, usize::MAX >> 8] {
        let other = back_and_forth(&file, step);
        assert!((first.stream == other.stream) && first.lengths == other.lengths && first.recipes == other.recipes);
    }
}

#[test]
fn what_is_no_archive_is_its_own_stream() {
    for file in [lines(15, 300_000), noise(16, 300_000), Vec::new(), b"\x1f".to_vec(), b"PK".to_vec()] {
        let apart = back_and_forth(&file, 100_000);
        assert!(apart.stream == file && apart.lengths.is_empty() && apart.cuts.is_empty());
        assert!(whole(&file, usize::MAX).is_none());
    }
}

#[test]
fn a_small_file_in_memory_comes_apart_as_one_that_streams() {
    let file = gzip(&lines(17, 100_000), 6);
    let (streamed, at_once) = (apart(&file, 1000), whole(&file, usize::MAX).unwrap());
    assert!(streamed.stream == at_once.stream);
    let layers: Vec<_> = streamed.lengths.into_iter().zip(streamed.recipes).collect();
    assert!(layers == at_once.layers);
    assert!(whole(&file, 99_999).is_none(), "more comes out than there is room for");
}

#[test]
fn an_unwrapper_that_is_stopped_finds_nothing_more() {
    let (first, second) = (gzip(&lines(18, 100_000), 6), gzip(&lines(19, 100_000), 6));
    let mut unwrapper = Unwrapper::new();
    let mut parts = unwrapper.push(first.clone());
    unwrapper.stop();
    parts.extend(unwrapper.push(second.clone()));
    parts.extend(unwrapper.finish());
    let bytes = |part: &Part| if let Part::Bytes(bytes) = part { bytes.len() } else { 0 };
    assert!(parts.iter().map(bytes).sum::<usize>() < 100_000 + first.len() + second.len());
}

#[test]
fn what_follows_bytes_that_deflate_could_not_shorten_comes_out_as_well() {
    let (noise, text) = (noise(27, 3 << 20), lines(27, 2 << 20));
    let apart = back_and_forth(&gzip(&[&noise[..], &text].concat(), 6), 1 << 20);
    assert!(apart.stream == [noise, text].concat(), "{:?}", kinds(&apart.recipes[0]));
}

#[test]
fn streams_of_another_compressor_than_zlib_come_out_at_every_level() {
    for level in 0..=10 {
        let file = gzip(&lines(28, 4 << 20), level);
        let apart = apart(&file, 1 << 20);
        assert_eq!(apart.stream.len(), 4 << 20, "level {level}: {:?}", kinds(&apart.recipes[0]));
    }
}

#[test]
fn many_small_entries_of_a_zip_take_no_longer_than_one_large_one() {
    let entries: Vec<u8> = (0..4000).flat_map(|seed| zip_entry("entry", &lines(seed, 2_000), 6)).collect();
    let begin = std::time::Instant::now();
    let apart = apart(&entries, 1 << 20);
    assert!(begin.elapsed().as_secs() < 120, "{:?}", begin.elapsed());
    assert!(apart.stream.len() > 3990 * 2_000, "{} bytes of stream", apart.stream.len());
    assert!(together(&apart, entries.len(), 1 << 20).unwrap() == entries);
}
