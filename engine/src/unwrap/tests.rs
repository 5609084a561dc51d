// SPDX-License-Identifier: MIT OR Apache-2.0
mod faults;
mod layers;
mod properties;

use keepfast_repo_format::recipe::{self, Record};
use miniz_oxide::deflate::compress_to_vec;

use super::{Faults, Part, Piece, Rewrapped, Supply, Unwrapper};
use crate::error::Result;

/// A file, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Apart {
    stream: Vec<u8>,
    cuts: Vec<usize>,
    lengths: Vec<u64>,
    recipes: Vec<Vec<u8>>,
}

/// Takes a file apart that comes `step` bytes at a time.
fn apart(bytes: &[u8], step: usize) -> Apart {
    let mut unwrapper = Unwrapper::new();
    let mut apart = Apart { stream: Vec::new(), cuts: Vec::new(), lengths: Vec::new(), recipes: Vec::new() };
    let mut add = |parts, recipes: Vec<Vec<u8>>| {
        for part in parts {
            match part {
                Part::Bytes(bytes) => apart.stream.extend(bytes),
                Part::Cut => apart.cuts.push(apart.stream.len()),
            }
        }
        for (number, recipe) in recipes.into_iter().enumerate() {
            apart.recipes.resize(apart.recipes.len().max(number + 1), Vec::new());
            apart.recipes[number].extend(recipe);
        }
    };
    for bytes in bytes.chunks(step) {
        let parts = unwrapper.push(bytes.to_vec());
        add(parts, unwrapper.take_recipes());
    }
    let parts = unwrapper.finish();
    add(parts, unwrapper.take_recipes());
    apart.lengths = unwrapper.lengths();
    assert_eq!(apart.lengths.len(), apart.recipes.len());
    apart
}

/// What is asked for comes from here, in pieces.
struct Given(std::vec::IntoIter<Piece>);

impl Supply for Given {
    fn next(&mut self) -> Result<Option<Piece>> {
        Ok(self.0.next())
    }
}

fn given(bytes: &[u8], step: usize) -> Box<dyn Supply> {
    Box::new(Given(bytes.chunks(step).map(|bytes| Piece::Bytes(bytes.to_vec())).collect::<Vec<_>>().into_iter()))
}

/// Layers put upon the stream again, for a file of `length` bytes.
fn layered(apart: &Apart, length: usize, step: usize, faults: Faults) -> Box<dyn Supply> {
    let mut supply = given(&apart.stream, step);
    for (number, recipe) in apart.recipes.iter().enumerate().rev() {
        let length = number.checked_sub(1).map_or(length as u64, |outside| apart.lengths[outside]);
        supply = Box::new(Rewrapped::new(supply, given(recipe, step), length, faults));
    }
    supply
}

fn together(apart: &Apart, length: usize, step: usize) -> Result<Vec<u8>> {
    let mut supply = layered(apart, length, step, Faults::Stop);
    let mut bytes = Vec::new();
    while let Some(piece) = supply.next()? {
        match piece {
            Piece::Bytes(piece) => bytes.extend(piece),
            Piece::Lost { length, reason } => panic!("{length} bytes are lost: {reason}"),
        }
    }
    Ok(bytes)
}

/// Takes apart, holds what comes out to the promises, and puts together.
fn back_and_forth(bytes: &[u8], step: usize) -> Apart {
    let apart = apart(bytes, step);
    assert_eq!(apart.lengths.last().copied().unwrap_or(bytes.len() as u64), apart.stream.len() as u64);
    assert!(apart.cuts.is_sorted() && apart.cuts.iter().all(|cut| *cut <= apart.stream.len()));
    assert!(together(&apart, bytes.len(), step).unwrap() == bytes, "{} bytes come back as others", bytes.len());
    apart
}

/// Records of a recipe.
fn kinds(recipe: &[u8]) -> Vec<&'static str> {
    let (_, mut at) = recipe::head(recipe).unwrap().unwrap();
    let mut kinds = Vec::new();
    while let Some((record, used)) = recipe::record(&recipe[at..]).unwrap() {
        kinds.push(match record {
            Record::Raw(_) => "raw",
            Record::Inline(_) => "inline",
            Record::Deflate { place: recipe::Place::First, .. } => "deflate",
            Record::Deflate { place: recipe::Place::Next, .. } => "continued",
        });
        at += used;
    }
    assert_eq!(at, recipe.len());
    kinds
}

/// Lines that look like those of a program, different for each seed.
fn lines(seed: u64, length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 80);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (number, word) = (state >> 40, ["alpha", "beta", "gamma", "delta"][(state >> 33) as usize % 4]);
        text.extend(format!("{number:08} {word} inserted into table {}\n", number % 97).into_bytes());
    }
    text.truncate(length);
    text
}

/// Bytes that deflate can not make shorter.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A gzip member. Nobody here looks at the check sum.
fn gzip(plain: &[u8], level: u8) -> Vec<u8> {
    let head = [0x1f, 0x8b, 8, 8, 1, 2, 3, 4, 0, 3];
    [&head[..], b"dump.sql\0", &compress_to_vec(plain, level), b"crc0", &(plain.len() as u32).to_le_bytes()].concat()
}

fn zlib(plain: &[u8], level: u8) -> Vec<u8> {
    [&[0x78, 0x9c][..], &compress_to_vec(plain, level), b"adlr"].concat()
}

/// The local entry of a zip archive.
fn zip_entry(name: &str, plain: &[u8], level: u8) -> Vec<u8> {
    let mut head = [0; 30];
    head[..4].copy_from_slice(b"PK\x03\x04");
    (head[8], head[26]) = (8, name.len() as u8);
    [&head[..], name.as_bytes(), &compress_to_vec(plain, level)].concat()
}

/// A member of a tar archive, padded.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut head = [0; 512];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[100..108].copy_from_slice(b"0000644\0");
    head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    head[148..156].copy_from_slice(b"        ");
    head[156] = b'0';
    head[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [&head[..], content, &padding].concat()
}
