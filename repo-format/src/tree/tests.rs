// SPDX-License-Identifier: MIT OR Apache-2.0
//! Nodes come back as they were stored, have one form only, and hostile ones are refused without a panic.

mod boundaries;
mod hostile;
mod vectors;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::entry::Entry;
use super::leaf::{Level, node_kind};
use super::{inner, leaf, list, samples};
use crate::error::FormatError;

/// Decodes as what the first bytes say, and encodes again; `None` if the bytes are refused.
fn again(node: &[u8]) -> Option<Vec<u8>> {
    match node_kind(node).ok()? {
        Level::Leaf => leaf::decode(node).ok().map(|entries| leaf::encode(&entries)),
        Level::Inner(_) => inner::decode(node).ok().map(|(level, children)| inner::encode(level, &children)),
        Level::List(_) => list::decode(node).ok().map(|(level, items)| list::encode(level, &items)),
    }
}

/// A node of any kind.
fn node() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => samples::entries(1..20).prop_map(|entries| leaf::encode(&entries)),
        1 => (1_u8..16, samples::children(1..20)).prop_map(|(level, children)| inner::encode(level, &children)),
        1 => samples::items(0, 1..40).prop_map(|items| list::encode(0, &items)),
        1 => samples::items(3, 1..40).prop_map(|items| list::encode(3, &items)),
    ]
}

proptest! {
    #![proptest_config(Config::with_cases(256))]

    #[test]
    fn entries_come_back_as_they_were_stored(entries in samples::entries(1..60)) {
        let node = leaf::encode(&entries);
        prop_assert_eq!(node_kind(&node), Ok(Level::Leaf));
        prop_assert_eq!(leaf::decode(&node).unwrap(), entries);
    }

    #[test]
    fn children_come_back_as_they_were_stored(level in 1_u8..16, children in samples::children(1..60)) {
        let node = inner::encode(level, &children);
        prop_assert_eq!(node_kind(&node), Ok(Level::Inner(level)));
        prop_assert_eq!(inner::decode(&node).unwrap(), (level, children));
    }

    #[test]
    fn items_come_back_as_they_were_stored(above in samples::items(2, 1..60), bottom in samples::items(0, 1..60)) {
        let node = list::encode(2, &above);
        prop_assert_eq!(node_kind(&node), Ok(Level::List(2)));
        prop_assert_eq!(list::decode(&node).unwrap(), (2, above));
        prop_assert_eq!(list::decode(&list::encode(0, &bottom)).unwrap(), (0, bottom));
    }

    #[test]
    fn equal_entries_share_their_owner_xattrs_and_directory(entries in samples::entries(2..40)) {
        let decoded = leaf::decode(&leaf::encode(&entries)).unwrap();
        let shared = |a: &Entry, b: &Entry| {
            let owner = a.metadata.owner != b.metadata.owner || std::sync::Arc::ptr_eq(&a.metadata.owner, &b.metadata.owner);
            let (left, right) = (&a.metadata.xattrs, &b.metadata.xattrs);
            let directory = a.directory != b.directory || std::ptr::eq(&*a.directory, &*b.directory);
            owner && directory && (left != right || std::sync::Arc::ptr_eq(left, right))
        };
        prop_assert!(decoded.iter().all(|a| decoded.iter().all(|b| shared(a, b))));
    }

    #[test]
    fn whatever_is_accepted_is_in_its_one_form(node in node(), at: prop::sample::Index, flips in 1_u8..=255) {
        let mut damaged = node;
        let at = at.index(damaged.len());
        damaged[at] ^= flips;
        if let Some(encoded) = again(&damaged) {
            prop_assert_eq!(encoded, damaged);
        }
    }

    #[test]
    fn no_truncated_node_is_accepted(node in node()) {
        for length in 0..node.len() {
            prop_assert_eq!(again(&node[..length]), None);
        }
        prop_assert_eq!(again(&[&node[..], &[0]].concat()), None);
    }

    #[test]
    fn arbitrary_bytes_are_no_reason_to_panic(first in 0_u8..3, rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let first = if first == 2 { 255 } else { first };
        let _ = again(&[&[first, 1][..], &rest].concat());
        let _ = (leaf::decode(&rest), inner::decode(&rest), list::decode(&rest), node_kind(&rest));
    }
}

#[test]
fn a_leaf_that_claims_more_than_it_holds_takes_no_memory() {
    // 65,535 entries of which nothing follows.
    let refused = leaf::decode(&[0, 0xff, 0xff, 3]);
    assert!(matches!(refused, Err(FormatError::Truncated { needed: 786_420, found: 0, .. })), "{refused:?}");
    assert!(matches!(inner::decode(&[1, 0xff, 0xff, 3, 0]), Err(FormatError::Truncated { .. })));
    assert!(matches!(list::decode(&[255, 0, 0xff, 0xff, 3, 0]), Err(FormatError::Truncated { .. })));
}

#[test]
fn nodes_of_unknown_levels_are_refused() {
    for node in [&[][..], &[16], &[254, 0], &[255], &[255, 16]] {
        assert!(node_kind(node).is_err(), "{node:?}");
    }
}

/// Prints how long a leaf of a source tree takes; the figure is for people, only the result is asserted.
#[test]
fn decoding_a_typical_leaf_is_timed() {
    let entries = vectors::typical(128, 16);
    let node = leaf::encode(&entries);
    let rounds = 1230;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        assert_eq!(leaf::decode(std::hint::black_box(&node)).unwrap().len(), entries.len());
    }
    let decode = start.elapsed();
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        assert_eq!(leaf::encode(std::hint::black_box(&entries)).len(), node.len());
    }
    let (count, encode) = (rounds * entries.len(), start.elapsed());
    println!(
        "{count} entries, {} bytes each: decoded in {decode:?}, encoded in {encode:?}",
        node.len() / entries.len()
    );
}
