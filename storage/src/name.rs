// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checked object names: nothing that leaves the repository, nothing that two file systems would see differently.

use std::fmt;

/// The name of an object: segments of `a-z 0-9 . -` joined by `/`, none empty or beginning with a dot, at most 110
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Longest name in bytes.
    pub const MAX_BYTES: usize = 110;

    /// Checks and takes a name; `None` if it breaks the rule.
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let name = name.into();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        let segment = |s: &str| !s.is_empty() && !s.starts_with('.') && s.bytes().all(allowed);
        (name.len() <= Self::MAX_BYTES && name.split('/').all(segment)).then_some(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that holds it, without a slash at its end: what to list to find it. Empty at the top of a repository.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_format_are_names() {
        let hash = "0123456789abcdef".repeat(4);
        let writer = "0123456789abcdef".repeat(2);
        for name in [
            "readme.txt".to_owned(),
            "config/00000001".to_owned(),
            format!("packs/01/{hash}"),
            format!("log/{writer}/000000000001"),
            "a".repeat(Name::MAX_BYTES),
        ] {
            assert_eq!(Name::new(name.clone()).map(|n| n.to_string()), Some(name));
        }
    }

    #[test]
    fn names_that_leave_the_repository_or_mean_two_things_are_refused() {
        let long = "a".repeat(Name::MAX_BYTES + 1);
        let bad = [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".tmp-0", "a/.tmp-0", "A", "a/B", "a b",
            "a\0", "a\\b", "a:b", "a_b", "\u{e4}", "a\n", &long,
        ];
        for name in bad {
            assert_eq!(Name::new(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_folder_is_what_precedes_the_last_slash() {
        for (name, folder) in [("a", ""), ("a/b", "a"), ("a/b/c", "a/b")] {
            assert_eq!(Name::new(name).unwrap().folder(), folder);
        }
    }
}
