// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths of entries: what is a valid one, and the one order of all entries (`docs/format.md` section 8).
//!
//! For everyone who walks, merges or searches trees. Paths are bytes; nothing here asks a file system.

use std::cmp::Ordering;

/// Longest name in bytes; no file system of today has longer ones.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest directory in bytes: far above what a kernel accepts in one call, low enough to hold in memory.
pub const MAX_DIRECTORY_BYTES: usize = 1 << 20;

/// Order of entries: by directory, then by name byte by byte.
pub fn compare(dir_a: &[u8], name_a: &[u8], dir_b: &[u8], name_b: &[u8]) -> Ordering {
    compare_directories(dir_a, dir_b).then_with(|| name_a.cmp(name_b))
}

/// Order of directories: byte by byte with `/` below every other byte, so that a folder's entries form one run that
/// stands before those of its subfolders, and a whole subtree has no other folder in between.
pub fn compare_directories(a: &[u8], b: &[u8]) -> Ordering {
    // Entries of a run share their directory; and most other pairs share a long beginning.
    if std::ptr::eq(a, b) {
        return Ordering::Equal;
    }
    let same_words = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (&a[8 * same_words..], &b[8 * same_words..]);
    match rest_a.iter().zip(rest_b).find(|(x, y)| x != y) {
        Some((&x, &y)) => rank(x).cmp(&rank(y)),
        None => rest_a.len().cmp(&rest_b.len()),
    }
}

fn rank(byte: u8) -> u16 {
    if byte == b'/' { 0 } else { u16::from(byte) + 1 }
}

/// `directory/name`, or the name alone at the top.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// The directory and the name of a path: parts it at its last `/`. The reverse of [`join`].
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// Whether `directory` is empty (the top) or valid names with one `/` between them, at most 1 MiB. A hostile tree could
/// otherwise lead a restore out of its target folder.
pub fn valid_directory(directory: &[u8]) -> bool {
    directory.is_empty()
        || directory.len() <= MAX_DIRECTORY_BYTES && directory.split(|&byte| byte == b'/').all(valid_name)
}

/// Whether `name` is 1 to 255 bytes without `/` and NUL, and neither `.` nor `..`.
pub fn valid_name(name: &[u8]) -> bool {
    let separators = name.iter().fold(false, |found, &byte| found | (byte == b'/') | (byte == 0));
    !separators && (1..=MAX_NAME_BYTES).contains(&name.len()) && name != b"." && name != b".."
}

/// Whether an entry may stand at (`directory`, `name`): valid ones, or both empty, which is the top folder itself.
pub fn valid_key(directory: &[u8], name: &[u8]) -> bool {
    valid_directory(directory) && (valid_name(name) || directory.is_empty() && name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{compare, compare_directories, join, split, valid_directory, valid_key, valid_name};
    use proptest::prelude::*;
    use std::cmp::Ordering;

    fn path() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(&b"ab/.\x01\xff "[..]), 0..24)
    }

    proptest! {
        #[test]
        fn directories_are_ordered_by_their_components(a in path(), b in path()) {
            let components = |path: &[u8]| path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
            let naive = if a == b { Ordering::Equal } else { components(&a).cmp(&components(&b)) };
            // The naive order sees no difference between "" and nothing, which no valid directory has.
            prop_assume!(valid_directory(&a) && valid_directory(&b) && !a.is_empty() && !b.is_empty());
            prop_assert_eq!(compare_directories(&a, &b), naive);
            prop_assert_eq!(compare_directories(b"", &a), Ordering::Less);
        }

        #[test]
        fn the_order_is_total(a in path(), b in path(), c in path()) {
            prop_assert_eq!(compare_directories(&a, &b), compare_directories(&b, &a).reverse());
            prop_assert_eq!(compare_directories(&a, &b) == Ordering::Equal, a == b);
            let mut all = [a, b, c];
            all.sort_by(|x, y| compare_directories(x, y));
            prop_assert_ne!(compare_directories(&all[0], &all[2]), Ordering::Greater);
        }

        #[test]
        fn a_path_that_was_split_joins_to_itself(path in path()) {
            prop_assume!(valid_directory(&path));
            let (directory, name) = split(&path);
            prop_assert_eq!(join(directory, name), path.clone());
            prop_assert!(valid_key(directory, name));
            prop_assert!(path.is_empty() || valid_name(name));
        }
    }

    #[test]
    fn a_folder_stands_before_its_contents_and_its_files_before_those_of_subfolders() {
        let keys: [(&[u8], &[u8]); 8] = [
            (b"", b""),
            (b"", b"a"),
            (b"", b"a!"),
            (b"a", b"x"),
            (b"a", b"z"),
            (b"a/x", b"b"),
            (b"a/x/b", b"c"),
            (b"a!", b"c"),
        ];
        for pair in keys.windows(2) {
            assert_eq!(compare(pair[0].0, pair[0].1, pair[1].0, pair[1].1), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_are_not_valid() {
        for bad in [&b"/"[..], b"/a", b"a/", b"a//b", b".", b"a/..", b"../a", b"a/./b", b"a\0b"] {
            assert!(!valid_directory(bad), "{bad:?}");
            assert!(!valid_name(bad), "{bad:?}");
        }
        assert!(!valid_name(b"") && !valid_name(&[b'x'; 256]) && valid_name(&[b'x'; 255]) && valid_name(b"..."));
        assert!(!valid_directory(&[b'x'; 256]) && !valid_directory(&b"xx/".repeat(400_000)[..1_199_999]));
        assert!(valid_key(b"", b"") && !valid_key(b"a", b""));
    }
}
