// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checked object names: nothing that leaves the repository, nothing that two file systems would see differently.

use std::fmt;

/// The name of an object: segments of `a-z 0-9 . -` joined by `/`, none empty or beginning with a dot, at most 110 bytes.
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
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
