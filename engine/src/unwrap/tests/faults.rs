// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives that are broken or hostile, and stored data that is.

use std::time::{Duration, Instant};

use super::super::limits::{FREE_STREAM_BYTES, MAX_RATIO};
use super::super::{LIBRARY, RewrapError};
use super::*;
use crate::error::Error;

#[test]
fn an_archive_that_is_cut_off_comes_back_and_what_was_whole_before_comes_out() {
    let text = lines(20, 6 << 20);
    let file = gzip(&text, 6);
    let cut = file.len() / 2;
    let apart = back_and_forth(&file[..cut], 1 << 20);
    assert!(apart.stream.len() > 2 << 20, "{} bytes of stream", apart.stream.len());
    let short = gzip(&lines(20, 50_000), 6);
    for cut in (0..200).chain(short.len() - 30..short.len()) {
        back_and_forth(&short[..cut], 1 << 20);
    }
}

#[test]
fn a_flipped_bit_anywhere_comes_back() {
    let file = gzip(&lines(21, 60_000), 6);
    for at in (0..file.len()).step_by(file.len() / 60) {
        let mut broken = file.clone();
        broken[at] ^= 1 << (at % 8);
        back_and_forth(&broken, 1 << 20);
    }
}

#[test]
fn what_stands_before_damage_in_a_long_stream_comes_out() {
    let mut file = gzip(&lines(29, 10 << 20), 6);
    let at = file.len() - 200_000;
    file[at..at + 100].fill(0xff);
    let apart = back_and_forth(&file, 1 << 20);
    assert!(apart.stream.len() > 4 << 20, "{} bytes of stream", apart.stream.len());
}

#[test]
fn rubbish_between_and_behind_members_stays_where_it_is() {
    let text = lines(22, 50_000);
    for rubbish in
        [noise(1, 10), noise(2, 10_000), vec![0; 3000], b"\x1f\x8b\x08".repeat(500), b"PK\x03\x04".repeat(500)]
    {
        let file = [gzip(&text, 6), rubbish.clone(), gzip(&text, 6), rubbish].concat();
        let apart = back_and_forth(&file, 1 << 20);
        assert!(apart.stream.starts_with(&text));
    }
}

#[test]
fn signs_that_mean_nothing_do_not_make_it_slow() {
    let mut file = gzip(&lines(23, 5_000), 6);
    // Each looks as if a deflate stream followed.
    file.extend([&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &noise(24, 90)].concat().repeat(200_000));
    let begin = Instant::now();
    let apart = apart(&file, 1 << 20);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?} for {} bytes", begin.elapsed(), file.len());
    assert!(together(&apart, file.len(), 1 << 20).unwrap() == file);
}

#[test]
fn a_bomb_goes_off_as_far_as_the_limits_permit() {
    let bomb = gzip(&vec![0; 16 << 20], 9).repeat(256);
    let mut unwrapper = Unwrapper::new();
    let mut most = 0;
    let begin = Instant::now();
    let mut length = 0;
    for step in bomb.chunks(1 << 16) {
        let parts = unwrapper.push(step.to_vec());
        let size: usize = parts.iter().map(|part| if let Part::Bytes(bytes) = part { bytes.len() } else { 0 }).sum();
        (most, length) = (most.max(size), length + size);
    }
    assert!(length as u64 <= MAX_RATIO * bomb.len() as u64 + FREE_STREAM_BYTES, "{length} bytes came out");
    assert!(most <= 256 << 20, "{most} bytes at once");
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn a_recipe_of_another_library_is_refused_by_its_name() {
    let file = gzip(&lines(25, 20_000), 6);
    let mut apart = apart(&file, 1 << 20);
    let (_, head) = recipe::head(&apart.recipes[0]).unwrap().unwrap();
    let mut other = Vec::new();
    recipe::put_head(&mut other, "0.7.5");
    other.extend_from_slice(&apart.recipes[0][head..]);
    apart.recipes[0] = other;
    let error = together(&apart, file.len(), 1 << 20).unwrap_err();
    assert!(matches!(&error, Error::Rewrap(RewrapError::Library { found }) if found == "0.7.5"));
    assert!(error.to_string().contains("0.7.5") && error.to_string().contains(LIBRARY) && error.is_damage());
}

#[test]
fn a_stream_or_recipe_of_another_length_is_told() {
    let file = gzip(&lines(26, 20_000), 6);
    let whole = apart(&file, 1 << 20);
    let with = |stream: Vec<u8>, recipe: Vec<u8>, length| {
        let lengths = vec![stream.len() as u64];
        together(&Apart { stream, cuts: Vec::new(), lengths, recipes: vec![recipe] }, length, 1000)
    };
    let (stream, recipe) = (whole.stream, whole.recipes.into_iter().next().unwrap());
    assert!(with(stream.clone(), recipe.clone(), file.len()).is_ok());
    assert!(with(stream[1..].to_vec(), recipe.clone(), file.len()).is_err());
    assert!(with([&stream[..], b"x"].concat(), recipe.clone(), file.len()).is_err());
    assert!(with(stream.clone(), recipe[..recipe.len() - 1].to_vec(), file.len()).is_err());
    assert!(with(stream.clone(), [&recipe[..], &[1, 1]].concat(), file.len()).is_err());
    for length in [0, 1, file.len() - 1, file.len() + 1] {
        assert!(with(stream.clone(), recipe.clone(), length).is_err(), "{length}");
    }
}

/// What comes of a file when pieces of its stream and recipe are lost: at each place a byte, or nothing.
fn with_losses(apart: &Apart, length: usize, lost: &std::ops::Range<usize>, of_recipe: bool) -> Vec<Option<u8>> {
    let pieces = |bytes: &[u8], lose: bool| {
        let is_lost = |at: usize| lose && lost.contains(&at);
        let piece = |at: usize, bytes: &[u8]| match is_lost(at) {
            true => Piece::Lost { length: bytes.len() as u64, reason: "it is lost".to_string() },
            false => Piece::Bytes(bytes.to_vec()),
        };
        let pieces: Vec<_> = bytes.chunks(100).enumerate().map(|(n, bytes)| piece(n * 100, bytes)).collect();
        Box::new(Given(pieces.into_iter()))
    };
    let stream = pieces(&apart.stream, !of_recipe);
    let recipe = pieces(&apart.recipes[0], of_recipe);
    let mut supply = Rewrapped::new(stream, recipe, length as u64, Faults::Name);
    let mut out = Vec::new();
    while let Some(piece) = supply.next().unwrap() {
        match piece {
            Piece::Bytes(bytes) => out.extend(bytes.into_iter().map(Some)),
            Piece::Lost { length, reason } => {
                assert_eq!(reason, "it is lost");
                out.resize(out.len() + length as usize, None);
            }
        }
    }
    out
}

#[test]
fn what_is_lost_of_a_stream_costs_the_rest_of_its_deflate_stream_and_all_else_is_in_its_place() {
    // So long that a member has several records.
    let members: Vec<Vec<u8>> = (0..3).map(|seed| gzip(&noise(seed, 10 << 20), 0)).collect();
    let file = members.concat();
    let apart = apart(&file, 1 << 20);
    assert_eq!(apart.stream.len(), 30 << 20, "{:?}", kinds(&apart.recipes[0]));
    let middle = (10 << 20) + (9 << 20);
    let out = with_losses(&apart, file.len(), &(middle..middle + 100), false);
    assert_eq!(out.len(), file.len());
    assert!(out.iter().zip(&file).all(|(out, byte)| out.is_none_or(|out| out == *byte)));
    let (first, second) = (members[0].len(), members[0].len() + members[1].len());
    assert!(out[..first].iter().all(Option::is_some) && out[second..].iter().all(Option::is_some));
    let lost = out[first..second].iter().filter(|byte| byte.is_none()).count();
    assert!(lost > 0 && lost < members[1].len() / 2, "{lost} of {} bytes", members[1].len());
}

#[test]
fn what_is_lost_of_a_recipe_costs_all_that_follows() {
    let file = [gzip(&lines(1, 4 << 20), 6), gzip(&lines(2, 4 << 20), 6)].concat();
    let apart = apart(&file, 1 << 20);
    let middle = apart.recipes[0].len() / 200 * 100;
    let out = with_losses(&apart, file.len(), &(middle..middle + 100), true);
    assert_eq!(out.len(), file.len());
    assert!(out.iter().zip(&file).all(|(out, byte)| out.is_none_or(|out| out == *byte)));
    let kept = out.iter().filter(|byte| byte.is_some()).count();
    assert!(kept > 100 && kept < file.len(), "{kept} bytes are left");
    assert!(out.last() == Some(&None));
}
