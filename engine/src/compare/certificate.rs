// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads certificates, requests for them, and keys: PEM bundles, one DER, and lines of OpenSSH public keys.
//!
//! Of a private key nothing is told but its kind and the fingerprint of its public part; no byte of it gets into a
//! value. Text around PEM blocks counts only if it can not be explained, and ends the reading then.

mod key;
mod pem;
mod ssh;
mod x509;

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::change::{Change, GaveUp, Step};
use super::document::Value;

const READER: &str = "certificate";

/// Bytes of text. The authorities that an operating system trusts have half a megabyte.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Parts of a bundle; each takes some kilobytes of memory.
const MAX_PARTS: usize = 20_000;

const SECONDS_PER_DAY: i64 = 86_400;

/// A certificate, a request or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `certificate`, `certificate request`, `public key`, `private key`, `openssh public key`, or the label of a PEM
    /// block of another kind in lower case.
    pub kind: String,
    /// The kind with the subject or comment, and a number if another part of the bundle has the same.
    pub id: String,
    /// When it expires, in seconds since 1970.
    pub not_after_unix: Option<i64>,
    /// What it says, with the kind and the id: a map.
    pub fields: Value,
}

/// The parts of a bundle in their order; at least one.
///
/// # Errors
/// There is none, one is cut off, text stands between them, or the text is beyond a limit.
pub fn parse(text: &[u8]) -> Result<Vec<Part>, GaveUp> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(gave_up(
            format!("byte {MAX_TEXT_BYTES}"),
            format!("the text is longer than {MAX_TEXT_BYTES} bytes"),
        ));
    }
    let drafts = if text.first() == Some(&0x30) {
        vec![x509::from_der(text).ok_or_else(|| gave_up("byte 0".into(), "neither a certificate nor a key".into()))?]
    } else {
        let text = String::from_utf8_lossy(text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if pem::has_block(text) { pem::bundle(text)? } else { ssh::public_keys(text)? }
    };
    if drafts.is_empty() {
        return Err(gave_up("the end".into(), "there is no certificate and no key".into()));
    }
    let mut seen = HashMap::new();
    Ok(drafts.into_iter().map(|draft| draft.finish(&mut seen)).collect())
}

/// The parts as one document: the list of their fields, which their `id` tells apart.
pub fn document(parts: &[Part]) -> Value {
    Value::List(parts.iter().map(|part| part.fields.clone()).collect())
}

/// Whole days from now until the time of expiry; negative from the first second after it.
pub fn days_left(not_after_unix: i64, now_unix: i64) -> i64 {
    not_after_unix.saturating_sub(now_unix).div_euclid(SECONDS_PER_DAY)
}

/// The days to expiry, as people read them.
pub fn expiry(days_left: i64) -> String {
    match days_left {
        1 => "1 day left".to_string(),
        0.. => format!("{days_left} days left"),
        -1 => "expired less than a day ago".to_string(),
        -2 => "expired 1 day ago".to_string(),
        _ => format!("expired {} days ago", -1 - days_left.max(-i64::MAX)),
    }
}

/// The change with the days to expiry of a time of expiry, or a certificate, that is new. `parts` are those of the later side.
pub(super) fn with_days_left(mut change: Change, parts: &[Part], now_unix: i64) -> Change {
    let is_told = match change.place.0.last() {
        Some(Step::Key(key)) => key == "not_after",
        Some(Step::Item { .. }) => true,
        Some(Step::Index(_)) | None => false,
    };
    let id = change.place.0.iter().find_map(|step| match step {
        Step::Item { key, value } if key == "id" => Some(value),
        _ => None,
    });
    let part = parts.iter().find(|part| Some(&part.id) == id).filter(|_| is_told);
    let not_after = part.and_then(|part| part.not_after_unix).filter(|_| change.after.is_some());
    change.days_left = not_after.map(|not_after| days_left(not_after, now_unix));
    change
}

/// Whether the text is a bundle, as far as its beginning tells.
pub(super) fn looks_like(head: &str) -> bool {
    pem::begins(head) || ssh::begins(head)
}

/// A part before its id is known.
struct Draft {
    kind: String,
    /// The subject or comment; empty if there is none.
    name: String,
    not_after_unix: Option<i64>,
    fields: Vec<(String, Value)>,
}

impl Draft {
    fn new(kind: &str) -> Self {
        Self { kind: kind.to_string(), name: String::new(), not_after_unix: None, fields: Vec::new() }
    }

    fn add(&mut self, key: &str, value: impl Into<String>) {
        self.fields.push((key.to_string(), Value::Text(value.into())));
    }

    fn add_list(&mut self, key: &str, values: Vec<String>) {
        self.fields.push((key.to_string(), Value::List(values.into_iter().map(Value::Text).collect())));
    }

    fn finish(mut self, seen: &mut HashMap<String, usize>) -> Part {
        let alone = format!("{} {}", self.kind, self.name).trim_end().to_string();
        let mut id = alone.clone();
        let mut number = seen.get(&alone).copied().unwrap_or_default();
        while number > 0 && seen.contains_key(&id) {
            number += 1;
            id = format!("{alone} ({number})");
        }
        seen.insert(alone, number.max(1));
        seen.entry(id.clone()).or_insert(1);
        self.add("kind", self.kind.clone());
        self.add("id", id.clone());
        self.fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Part { kind: self.kind, id, not_after_unix: self.not_after_unix, fields: Value::Map(self.fields) }
    }
}

/// Bytes in hexadecimal with colons, as programs show serial numbers and fingerprints.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A fingerprint as OpenSSH shows it.
fn ssh_fingerprint(public: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(sha256(public)))
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

fn gave_up(place: String, why: String) -> GaveUp {
    GaveUp { reader: READER, place, why }
}

#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;
