// SPDX-License-Identifier: MIT OR Apache-2.0
//! Secrets in what is shown: a keyed fingerprint in place of the value, so that a change is seen and the value is not. What is a secret is told by
//! the name that a value stands under and by the form of the value; in doubt it is one. It can not know a password in prose.

pub(crate) mod context;
mod hints;
pub(crate) mod json;
mod names;
mod text;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

pub(crate) use names::name_keys;
pub use names::{TEXT_KEY, is_name_key, is_secret_name, is_value_key};
pub use text::LineMask;

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

    /// The value that stands under `name` (a key, a column; empty if there is none), as it may be shown. A text that is no secret itself may hold
    /// some: a command with its arguments, a document in a string.
    pub fn value<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if !self.hides() {
            return Cow::Borrowed(value);
        }
        let context = context::Context { is_secret: is_secret_name(name), name };
        context::hidden(self, context, value, 0).map_or(Cow::Borrowed(value), Cow::Owned)
    }

    /// The same of a value in which no document is looked for.
    fn scalar<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        let Some(key) = &self.key else { return Cow::Borrowed(value) };
        let is_secret = is_secret_name(name) || is_login(name, value);
        if is_secret { self.secret(value) } else { text::within_value(key, value) }
    }

    /// A value that is known to be a secret, unless it is nothing that anybody keeps secret. Quotes around it stay, and do not count.
    pub fn secret<'a>(&self, value: &'a str) -> Cow<'a, str> {
        match &self.key {
            Some(key) if !is_no_secret(value) => Cow::Owned(text::quoted_fingerprint(key, value)),
            _ => Cow::Borrowed(value),
        }
    }

    /// Of contents that are told apart by their hashes: without the key nobody can try contents against those.
    pub(super) fn hasher(&self) -> blake3::Hasher {
        self.key.map_or_else(blake3::Hasher::new, |key| blake3::Hasher::new_keyed(&key))
    }

    /// Hides secrets in a text that comes line by line.
    pub fn lines(&self) -> LineMask {
        LineMask::new(self.key)
    }

    /// A whole text as it may be shown, with as many lines. Bytes that are no UTF-8 in a line with a secret are replaced.
    pub fn text<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.key {
            Some(key) => text::masked(key, text),
            None => Cow::Borrowed(text),
        }
    }
}

/// User and password in base64, as container tools and npm keep them.
fn is_login(name: &str, value: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    matches!(name, "auth" | "_auth") && value.len() >= 8 && value.bytes().all(is_base64)
}

/// What nobody keeps secret, under whatever name: a switch, nothing, a reference to where the secret is.
fn is_no_secret(value: &str) -> bool {
    let value = value.trim_matches(|c: char| c == '"' || c == '\'' || c.is_whitespace());
    let word = value.to_ascii_lowercase();
    matches!(word.as_str(), "" | "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "none" | "nil" | "~")
        || is_fingerprint(value)
        || value.starts_with("${") && value.ends_with('}')
        || value.starts_with("{{") && value.ends_with("}}")
}

/// Whether it is a fingerprint, and nothing else.
fn is_fingerprint(text: &str) -> bool {
    let digits = text.strip_prefix("<secret ").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == FINGERPRINT_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn fingerprint(key: &[u8; 32], secret: &str) -> String {
    let hash = blake3::keyed_hash(key, secret.as_bytes()).to_hex();
    format!("<secret {}>", &hash[..FINGERPRINT_DIGITS])
}

/// Secrets that are known by their form, each with the part to hide named `s`.
static FORMS: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        // User and password of a URL, and of a data source of Go.
        r"[A-Za-z][A-Za-z0-9+.\-]*://[^\s/@:'\x22]*:(?P<url>[^\s/'\x22]+)@",
        r"\b[A-Za-z0-9_.\-]+:(?P<dsn>[^\s@:/'\x22]+)@(?:tcp|unix)\(",
        // Headers of a request.
        r"(?i:\b(?:bearer|basic|digest|apikey)\s+)(?P<header>[A-Za-z0-9+/=_.~\-]{8,})",
        r"(?i:\bauthorization['\x22]?\s*[:=]\s*['\x22]?(?:token|apikey|negotiate|aws4-hmac-sha256)\s+)(?P<authorization>[^'\x22\r\n]+)",
        r"(?i:(?:\bset-)?\bcookie2?:\s*)(?P<cookie>[^'\x22\r\n]+)",
        // JSON web token; keys and tokens of services, by their own prefixes.
        r"(?P<jwt>\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+\.?[A-Za-z0-9_\-]*)",
        r"(?P<service>\b(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|gl(?:pat|rt|dt|cbt|ptt|soat)-[A-Za-z0-9_\-]{16,}|xox[abeoprs]-[A-Za-z0-9\-]{8,}|xapp-[A-Za-z0-9_\-]{16,}|[sr]k_(?:live|test)_[A-Za-z0-9_]{16,}|AIza[A-Za-z0-9_\-]{30,}|ya29\.[A-Za-z0-9_\-]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{20,}|hv[sb]\.[A-Za-z0-9_\-]{20,}|npm_[A-Za-z0-9_]{30,}|pypi-AgEI[A-Za-z0-9_\-]{20,}|dckr_pat_[A-Za-z0-9_\-]{20,}|dop_v1_[0-9a-f]{40,}|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|sk-(?:ant-|proj-)?[A-Za-z0-9_\-]{24,}|hf_[A-Za-z]{30,}|glsa_[A-Za-z0-9_]{30,}|glc_[A-Za-z0-9_+/=]{30,}|tskey-[A-Za-z0-9_\-]{16,}|ATATT3[A-Za-z0-9_\-=]{20,}|PMAK-[A-Za-z0-9_\-]{20,}|NRAK-[A-Z0-9]{20,}|[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}|keepfast-key-[A-Za-z0-9_\-]+))",
        r"hooks\.slack\.com/services/(?P<hook>[A-Za-z0-9_/]{20,})",
        r"\b(?:AccountKey|SharedAccessKey|sig)=(?P<azure>[A-Za-z0-9+/%]{20,}=*)",
        // Hashed passwords: crypt(3) and what follows its form, argon2, LDAP, Django, PostgreSQL, MySQL.
        r"(?P<crypt>\$(?:1|2[abxy]?|3|5|6|7|8|9|y|gy|P|H|S|apr1|sha1|md5|argon2(?:i|d|id)|scrypt|pbkdf2[A-Za-z0-9_\-]*|bcrypt[A-Za-z0-9_\-]*)\$[^\s:'\x22]{8,})",
        r"(?P<ldap>\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|crypt|PBKDF2[A-Za-z0-9_\-]*)\}[A-Za-z0-9+/=$.]{8,})",
        r"(?P<django>\b(?:pbkdf2_sha(?:1|256)|bcrypt_sha256|scrypt|argon2)\$[^\s'\x22]{16,})",
        r"(?P<scram>\bSCRAM-SHA-(?:1|256)\$[^\s'\x22]+)",
        r"(?P<pgmd5>\bmd5[0-9a-f]{32}\b)",
        r"(?P<mysql>\*[0-9A-F]{40}\b)",
        // A private key in one piece, as in JSON, where line feeds are written as \n.
        r"(?P<pem>-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))",
    ];
    Regex::new(&forms.join("|")).expect("the pattern is a constant")
});

/// The shortest text with a secret that is known by its form: `a://:b@`.
const MIN_FORM_BYTES: usize = 7;

/// Hides what is known by its form.
fn forms<'a>(key: &[u8; 32], value: &'a str) -> Cow<'a, str> {
    if value.len() < MIN_FORM_BYTES {
        return Cow::Borrowed(value);
    }
    FORMS.replace_all(value, |found: &Captures| {
        let whole = found.get(0).map_or(0..0, |whole| whole.range());
        let secret = found.iter().skip(1).flatten().next().map_or(whole.clone(), |secret| secret.range());
        let hidden = fingerprint(key, &value[secret.clone()]);
        format!("{}{hidden}{}", &value[whole.start..secret.start], &value[secret.end..whole.end])
    })
}

#[cfg(test)]
mod tests;
