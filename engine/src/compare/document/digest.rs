// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digests of values: equal values have equal ones, and of others nobody meets two that are equal, by chance or on purpose.
//!
//! Two lanes of SipHash under keys that are drawn anew for each comparison: a content can not be made to collide, and digests are never stored.

use super::number::canonical;
use std::collections::hash_map::{DefaultHasher, RandomState};
use std::hash::{BuildHasher, Hasher};

/// What a value is; a digest tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Bool,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list without containers in it.
    Scalars,
    /// Another list.
    List,
    /// A map.
    Map,
}

/// The digest of a value, or of a key: that of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest([u64; 2]);

/// Bits of the second lane that hold the kind instead.
const KIND_BITS: u64 = 7;

impl Digest {
    /// What the value is.
    pub(crate) fn kind(self) -> Kind {
        match self.0[1] & KIND_BITS {
            0 => Kind::Null,
            1 => Kind::Bool,
            2 => Kind::Number,
            3 => Kind::Text,
            4 => Kind::Scalars,
            5 => Kind::List,
            _ => Kind::Map,
        }
    }

    /// Whether it is a list or a map.
    pub(crate) fn is_container(self) -> bool {
        matches!(self.kind(), Kind::Scalars | Kind::List | Kind::Map)
    }

    fn bytes(self) -> [u8; 16] {
        (u128::from(self.0[0]) | (u128::from(self.0[1]) << 64)).to_le_bytes()
    }
}

/// The keys of all digests of one comparison; those of another do not match them.
pub(crate) struct Seed {
    lanes: [RandomState; 2],
}

impl Seed {
    /// Draws keys.
    pub(crate) fn new() -> Self {
        Self { lanes: [RandomState::new(), RandomState::new()] }
    }

    /// Of nothing.
    pub(crate) fn null(&self) -> Digest {
        self.start().finish(Kind::Null)
    }

    /// Of true or false.
    pub(crate) fn bool(&self, value: bool) -> Digest {
        let mut lanes = self.start();
        lanes.write(&[u8::from(value)]);
        lanes.finish(Kind::Bool)
    }

    /// Of a number, by its value.
    pub(crate) fn number(&self, text: &str) -> Digest {
        let mut lanes = self.start();
        lanes.write(canonical(text).as_bytes());
        lanes.finish(Kind::Number)
    }

    /// Of a text, or of a key.
    pub(crate) fn text(&self, text: &str) -> Digest {
        let mut lanes = self.start();
        lanes.write(text.as_bytes());
        lanes.finish(Kind::Text)
    }

    /// Of a list, element by element.
    pub(crate) fn list(&self) -> ListDigest {
        ListDigest { lanes: self.start(), kind: Kind::Scalars }
    }

    /// Of a map, from digests of its keys and values as [`last_of_each`] leaves them.
    pub(crate) fn map(&self, entries: &[(Digest, Digest)]) -> Digest {
        let mut lanes = self.start();
        for (name, value) in entries {
            lanes.write(&name.bytes());
            lanes.write(&value.bytes());
        }
        lanes.finish(Kind::Map)
    }

    fn start(&self) -> Lanes {
        Lanes([self.lanes[0].build_hasher(), self.lanes[1].build_hasher()])
    }
}

struct Lanes([DefaultHasher; 2]);

impl Lanes {
    fn write(&mut self, bytes: &[u8]) {
        self.0[0].write(bytes);
        self.0[1].write(bytes);
    }

    fn finish(&self, kind: Kind) -> Digest {
        Digest([self.0[0].finish(), (self.0[1].finish() & !KIND_BITS) | kind as u64])
    }
}

/// The digest of a list whose elements come one after another.
pub(crate) struct ListDigest {
    lanes: Lanes,
    kind: Kind,
}

impl ListDigest {
    /// One element more.
    pub(crate) fn add(&mut self, element: Digest) {
        self.lanes.write(&element.bytes());
        if element.is_container() {
            self.kind = Kind::List;
        }
    }

    /// Of the elements until here.
    pub(crate) fn finish(&self) -> Digest {
        self.lanes.finish(self.kind)
    }
}

/// Brings the entries from `base` on into the order of their names, and keeps the last of each name.
pub(crate) fn last_of_each(entries: &mut Vec<(Digest, Digest)>, base: usize) {
    // A stable sort: entries of one name stay in their order.
    entries[base..].sort_by_key(|entry| entry.0);
    let mut kept = base;
    for number in base..entries.len() {
        if entries.get(number + 1).is_some_and(|next| next.0 == entries[number].0) {
            continue;
        }
        entries[kept] = entries[number];
        kept += 1;
    }
    entries.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::{Kind, Seed, last_of_each};

    #[test]
    fn a_digest_tells_the_kind() {
        let seed = Seed::new();
        let mut list = seed.list();
        assert_eq!(list.finish().kind(), Kind::Scalars);
        list.add(seed.number("1"));
        assert_eq!(list.finish().kind(), Kind::Scalars);
        list.add(seed.map(&[]));
        assert_eq!(list.finish().kind(), Kind::List);
        assert_eq!(seed.map(&[]).kind(), Kind::Map);
        let scalars = [seed.null(), seed.bool(true), seed.number("1"), seed.text("1")];
        assert_eq!(scalars.map(super::Digest::kind), [Kind::Null, Kind::Bool, Kind::Number, Kind::Text]);
    }

    #[test]
    fn equal_values_have_equal_digests_and_others_do_not() {
        let seed = Seed::new();
        assert_eq!(seed.number("1e2"), seed.number("100"));
        assert_ne!(seed.number("1"), seed.text("1"));
        assert_ne!(seed.bool(true), seed.bool(false));
        assert_ne!(seed.text("a"), Seed::new().text("a"), "another comparison, other digests");
    }

    #[test]
    fn of_one_name_the_last_entry_counts() {
        let seed = Seed::new();
        let [a, b, one, two] = ["a", "b", "1", "2"].map(|text| seed.text(text));
        let mut twice = vec![(b, b), (a, one), (b, one), (a, two), (b, two)];
        last_of_each(&mut twice, 1);
        assert_eq!(twice[0], (b, b), "what stands before the base is not touched");
        let mut once = vec![(b, two), (a, two)];
        last_of_each(&mut once, 0);
        assert_eq!(twice[1..], once);
        assert_eq!(seed.map(&twice[1..]), seed.map(&once));
    }
}
