// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secrets in what is shown: a keyed fingerprint in place of the value, so that a change is seen and the value is not. What is a secret is told by
//! the name that a value stands under and by the form of the value; in doubt it is one. It can not know a password in prose.

mod names;
mod text;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

pub use names::{NAME_KEYS, TEXT_KEY, VALUE_KEYS, is_secret_name};

/// Whether and how secrets are hidden.
#[derive(Clone, Debug)]
pub struct Mask {
    /// Keys the fingerprints; without one everything is shown.
    key: Option<[u8; 32]>,
}

/// Hex digits of a fingerprint: enough to see a change, too few to try passwords by, even for whoever has the key.
const FINGERPRINT_DIGITS: usize = 8;

impl Mask {
    /// Shows everything.
    pub fn reveal() -> Self {
        Self { key: None }
    }

    /// Hides secrets; fingerprints under another key do not match.
    pub fn keyed(key: [u8; 32]) -> Self {
        Self { key: Some(key) }
    }

    /// Whether it hides anything.
    pub fn hides(&self) -> bool {
        self.key.is_some()
    }

    /// The value that stands under `name` (a key, a column; empty if there is none), as it may be shown.
    pub fn value<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        let Some(key) = &self.key else { return Cow::Borrowed(value) };
        if is_secret_name(name) && !is_no_secret(value) {
            return Cow::Owned(fingerprint(key, value));
        }
        forms(key, value)
    }

    /// A whole text as it may be shown, with as many lines. Bytes that are no UTF-8 in a line with a secret are replaced.
    pub fn text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.key {
            Some(key) => text::masked(key, text),
            None => Cow::Borrowed(text),
        }
    }
}

/// What nobody keeps secret, under whatever name: a switch, nothing, a reference to where the secret is.
fn is_no_secret(value: &str) -> bool {
    let value = value.trim_matches(|c: char| c == '"' || c == '\'' || c.is_whitespace());
    let word = value.to_ascii_lowercase();
    matches!(word.as_str(), "" | "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "none" | "nil" | "~")
        || value.starts_with("${") && value.ends_with('}')
        || value.starts_with("{{") && value.ends_with("}}")
}

fn fingerprint(key: &[u8; 32], secret: &str) -> String {
    let hash = blake3::keyed_hash(key, secret.as_bytes()).to_hex();
    format!("<secret {}>", &hash[..FINGERPRINT_DIGITS])
}

/// Secrets that are known by their form, each with the part to hide named `s`.
static FORMS: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        // User and password of a URL.
        r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s/@:'\x22]*:(?P<url>[^\s/'\x22]+)@",
        // Header of a request.
        r"(?i:\b(?:bearer|basic|digest|apikey)\s+)(?P<header>[A-Za-z0-9+/=_.~\-]{8,})",
        // JSON web token; keys and tokens of services, by their own prefixes.
        r"(?P<jwt>\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+\.?[A-Za-z0-9_\-]*)",
        r"(?P<service>\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|xox[abeoprs]-[A-Za-z0-9\-]{8,}|sk_live_\w{16,}|AIza[\w\-]{30,}|AGE-SECRET-KEY-1[0-9A-Z]{20,}|hv[sb]\.[\w\-]{20,}|npm_\w{30,}|keepfast-key-[\w\-]+))",
        // Hashed passwords: crypt(3), argon2, PostgreSQL.
        r"(?P<crypt>\$(?:1|2[abxy]?|5|6|7|y|gy|argon2(?:i|d|id)|scrypt|pbkdf2[\w\-]*)\$[^\s:'\x22]{8,})",
        r"(?P<scram>\bSCRAM-SHA-(?:1|256)\$[^\s'\x22]+)",
        r"(?P<pgmd5>\bmd5[0-9a-f]{32}\b)",
        // A private key in one piece, as in JSON, where line feeds are written as \n.
        r"(?P<pem>-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))",
    ];
    Regex::new(&forms.join("|")).expect("the pattern is a constant")
});

/// Hides what is known by its form.
fn forms<'a>(key: &[u8; 32], value: &'a str) -> Cow<'a, str> {
    FORMS.replace_all(value, |found: &Captures| {
        let whole = found.get(0).map_or(0..0, |whole| whole.range());
        let secret = found.iter().skip(1).flatten().next().map_or(whole.clone(), |secret| secret.range());
        let hidden = fingerprint(key, &value[secret.clone()]);
        format!("{}{hidden}{}", &value[whole.start..secret.start], &value[secret.end..whole.end])
    })
}

#[cfg(test)]
mod tests;
