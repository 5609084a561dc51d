// SPDX-License-Identifier: MIT OR Apache-2.0
//! Promises of the cutter, with archives made by the `tar` crate and bytes made up.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use super::{Cutter, MEMBER_BYTES, View};
use crate::{Chunker, Params};

fn chunker() -> Chunker {
    let gear = std::array::from_fn(|n| (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(n as u32));
    Chunker::new(&Params::new(512, 2048, 16 << 10, 1).unwrap(), &gear)
}

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Chunks of an input that is seen whole.
fn chunks<'a>(chunker: &Chunker, data: &'a [u8]) -> Vec<&'a [u8]> {
    let mut cutter = Cutter::new(chunker);
    let (mut rest, mut found) = (data, Vec::new());
    while let Some(length) = cutter.next(rest, View::Last) {
        let (chunk, behind) = rest.split_at(length);
        found.push(chunk);
        rest = behind;
    }
    found
}

/// An archive of these members: name and content; `time` stands in every header.
fn archive(members: &[(String, Vec<u8>)], time: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(time);
        // Long names become members of their own, with a header each.
        builder.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn members() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = "[a-z]{1,20}(/[a-z]{1,90}){0,2}";
    let length = proptest::prop_oneof![0_usize..600, 3900_usize..4200, 0_usize..60_000];
    let content = (any::<u64>(), length).prop_map(|(seed, length)| bytes(seed, length));
    vec((name, content), 0..12)
}

/// The lengths of chunks of what comes so many bytes at a time.
fn stepwise(chunker: &Chunker, data: &[u8], steps: &[usize]) -> Vec<usize> {
    let mut cutter = Cutter::new(chunker);
    let (mut start, mut end, mut lengths) = (0, 0, Vec::new());
    for step in steps.iter().cycle() {
        let view = if end == data.len() { View::Last } else { View::Open };
        while let Some(length) = cutter.next(&data[start..end], view) {
            lengths.push(length);
            start += length;
        }
        if end == data.len() {
            break;
        }
        end = (end + step).min(data.len());
    }
    lengths
}

proptest! {
    #![proptest_config(Config::with_cases(150))]

    #[test]
    fn a_member_has_the_chunks_of_the_same_file_alone(members in members(), times in any::<[u32; 2]>()) {
        let chunker = chunker();
        for time in times {
            let archive = archive(&members, u64::from(time));
            let found = chunks(&chunker, &archive);
            for (name, content) in members.iter().filter(|(_, content)| content.len() as u64 >= MEMBER_BYTES) {
                let alone = chunks(&chunker, content);
                let is_there = found.windows(alone.len()).any(|run| run == alone);
                prop_assert!(is_there, "{name} with {} bytes", content.len());
            }
        }
    }

    #[test]
    fn cuts_do_not_depend_on_how_the_input_is_read(
        members in members(),
        steps in vec(1_usize..40_000, 1..20),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let chunker = chunker();
        let mut data = archive(&members, 7);
        for (at, byte) in damage {
            let at = at.index(data.len());
            data[at] = byte;
        }
        let whole: Vec<usize> = chunks(&chunker, &data).iter().map(|chunk| chunk.len()).collect();
        prop_assert_eq!(whole.iter().sum::<usize>(), data.len());
        prop_assert!(whole.iter().all(|length| (1..=chunker.max()).contains(length)));
        prop_assert_eq!(stepwise(&chunker, &data, &steps), whole);
        // No archive any more.
        let plain = &data[data.len().min(1)..];
        let whole: Vec<usize> = chunks(&chunker, plain).iter().map(|chunk| chunk.len()).collect();
        prop_assert_eq!(stepwise(&chunker, plain, &steps), whole);
    }

    #[test]
    fn what_is_no_archive_is_cut_by_the_plain_rule(seed in any::<u64>(), length in 0_usize..100_000) {
        let (chunker, data) = (chunker(), bytes(seed, length));
        let mut rest = data.as_slice();
        for chunk in chunks(&chunker, &data) {
            let plain = chunker.cut(rest);
            prop_assert_eq!(chunk.len(), plain);
            rest = &rest[plain..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn headers_of_bad_will_do_no_harm(field in vec(any::<u8>(), 12), tail in 0_usize..3000) {
        let mut data = archive(&[("a".into(), bytes(1, 9000)), ("b".into(), bytes(2, 100))], 7);
        data[124..136].copy_from_slice(&field);
        // Right again, so that the size is believed.
        let mut header = tar::Header::from_byte_slice(&data[..512]).clone();
        header.set_cksum();
        data[..512].copy_from_slice(header.as_bytes());
        data.truncate(data.len().saturating_sub(tail).max(512));
        let chunker = chunker();
        prop_assert_eq!(chunks(&chunker, &data).concat(), data);
    }
}

#[test]
fn members_are_found_again_behind_damage() {
    let chunker = chunker();
    let members = [1, 2, 3].map(|n| (format!("file{n}"), bytes(n, 20_000)));
    let mut data = archive(&members, 7);
    // The header of the second member: its content is passed over block by block until the third begins.
    let second = 512 + 20_000_usize.next_multiple_of(512);
    data[second + 100] ^= 1;
    let found = chunks(&chunker, &data);
    for (n, is_cut_out) in [(0, true), (1, false), (2, true)] {
        let alone = chunks(&chunker, &members[n].1);
        assert_eq!(found.windows(alone.len()).any(|run| run == alone), is_cut_out, "member {n}");
    }
}
