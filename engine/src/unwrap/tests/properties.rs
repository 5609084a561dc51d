// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever the bytes are, they come back.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Bytes with and without repetitions.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (any::<u64>(), 0..60_000_usize).prop_map(|(seed, length)| lines(seed, length)),
        (any::<u64>(), 0..20_000_usize).prop_map(|(seed, length)| noise(seed, length)),
        (any::<u8>(), 0..90_000_usize).prop_map(|(byte, length)| vec![byte; length]),
        vec(any::<u8>(), 0..300),
    ]
}

/// One of the ways to wrap bytes.
fn wrapped(plain: &[u8], how: u8, level: u8) -> Vec<u8> {
    match how {
        0 => gzip(plain, level),
        1 => zlib(plain, level),
        2 => zip_entry("name", plain, level),
        3 => member("name", plain),
        _ => plain.to_vec(),
    }
}

/// Archives beside and in each other, at last cut, stretched or damaged.
fn archives() -> impl Strategy<Value = Vec<u8>> {
    let layer = (plain(), vec((0..5_u8, 0..=10_u8), 0..4))
        .prop_map(|(plain, layers)| layers.into_iter().fold(plain, |bytes, (how, level)| wrapped(&bytes, how, level)));
    let damage = prop_oneof![3 => Just(None), 1 => any::<(prop::sample::Index, u8)>().prop_map(Some)];
    let cut = prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    (vec(layer, 1..5), damage, cut).prop_map(|(parts, damage, cut)| {
        let mut bytes = parts.concat();
        if let (Some((at, byte)), false) = (damage, bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        if let (Some(at), false) = (cut, bytes.is_empty()) {
            bytes.truncate(at.index(bytes.len()));
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn archives_of_all_sorts_come_back(bytes in archives(), step in 1_000..100_000_usize) {
        back_and_forth(&bytes, step);
    }

    #[test]
    fn bytes_that_begin_like_an_archive_come_back(
        head in prop::sample::select(vec![
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
            vec![0x1f, 0x8b, 8, 0x1f],
            vec![0x78, 0x9c],
            vec![0x78, 0x01, 0xed],
            b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
        ]),
        rest in vec(any::<u8>(), 0..2_000),
    ) {
        back_and_forth(&[head, rest].concat(), 1 << 20);
    }

    #[test]
    fn any_recipe_upon_any_stream_gives_what_was_asked_for_or_an_error(
        records in vec((1..=4_u8, 0..200_usize, 0..200_usize, vec(any::<u8>(), 1..60)), 0..6),
        stream in vec(any::<u8>(), 0..400),
        length in 0..600_u64,
    ) {
        let mut recipe = Vec::new();
        recipe::put_head(&mut recipe, super::super::LIBRARY);
        for (kind, one, two, bytes) in &records {
            let place = if *kind == 3 { recipe::Place::First } else { recipe::Place::Next };
            recipe::put_record(&mut recipe, &match kind {
                1 => Record::Raw(1 + *one as u64),
                2 => Record::Inline(bytes),
                _ => Record::Deflate { place, packed: 1 + one, plain: *two, corrections: bytes },
            });
        }
        for faults in [Faults::Stop, Faults::Name] {
            let mut supply = Rewrapped::new(given(&stream, 33), given(&recipe, 33), length, faults);
            let (mut given, mut failed) = (0, false);
            loop {
                match supply.next() {
                    Ok(Some(piece)) => {
                        prop_assert!(piece.length() > 0);
                        given += piece.length();
                    }
                    Ok(None) => break,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            prop_assert!(given == length || failed, "{} of {} bytes", given, length);
            prop_assert!(given <= length);
        }
    }

    #[test]
    fn corrections_that_are_damaged_never_pass_for_the_file(at in any::<prop::sample::Index>(), byte in 1..=255_u8) {
        let file = gzip(&lines(77, 30_000), 6);
        let mut apart = apart(&file, 1 << 20);
        let at = at.index(apart.recipes[0].len());
        apart.recipes[0][at] ^= byte;
        // Other bytes may come out, of the right length; a chunk's id is what protects a recipe.
        if let Ok(bytes) = together(&apart, file.len(), 1 << 20) {
            prop_assert_eq!(bytes.len(), file.len());
        }
    }
}
