// SPDX-License-Identifier: MIT OR Apache-2.0
//! Test vectors: bytes that stand in `docs/vectors/*.json` for this program and every other reader. For tests only.

use std::collections::BTreeMap;

/// One file of vectors: names and bytes in hex.
pub(crate) struct Vectors {
    file: &'static str,
    stored: BTreeMap<String, String>,
    made: BTreeMap<String, String>,
}

impl Vectors {
    /// The vectors of `docs/vectors/<file>.json`, of which `text` is the content.
    pub(crate) fn open(file: &'static str, text: &str) -> Self {
        Self { file, stored: serde_json::from_str(text).expect("a flat JSON object"), made: BTreeMap::new() }
    }

    /// Notes what the program makes of the vector `name`; compared by [`Vectors::finish`].
    pub(crate) fn check(&mut self, name: &str, bytes: &[u8]) {
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(self.made.insert(name.to_owned(), hex).is_none(), "two vectors named {name}");
    }

    /// The stored bytes of the vector `name`, for vectors that can not be made again.
    pub(crate) fn stored(&self, name: &str) -> Option<Vec<u8>> {
        self.stored.get(name).map(|hex| from_hex(hex))
    }

    /// The stored bytes of the vector `name`; what was made, if it is not stored yet ([`Vectors::finish`] then fails).
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        from_hex(self.stored.get(name).unwrap_or(&self.made[name]))
    }

    /// Fails unless the vectors made are exactly those stored, and says what the file would have to hold. Only a new
    /// vector may be added: a changed one means that existing repositories can not be read any more.
    pub(crate) fn finish(self) {
        let made = serde_json::to_string_pretty(&self.made).expect("strings have a JSON form");
        assert!(self.stored == self.made, "docs/vectors/{}.json does not hold what is made:\n{made}", self.file);
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hex digit") as u8;
    hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
