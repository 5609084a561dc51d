// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines that can not hold a secret, told for a hundredth of what it costs to look for one: most lines of most files are of that kind.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// One of these, in upper or lower case, stands in whatever a pattern of this module finds, but for fields between colons and hashes of MySQL.
/// Whoever adds a pattern, or a word to the names, adds what it can not be without; a test draws texts from every pattern.
const HINTS: [&str; 79] = [
    // Names of secrets, and statements and devices that use the same words.
    "pass",
    "pw",
    "secret",
    "token",
    "credential",
    "psk",
    "key",
    "auth",
    "community",
    "connection",
    "identified",
    "com2sec",
    "md5",
    // Private keys.
    "-----",
    "private-lines",
    // Forms: URLs and data sources, headers.
    "://",
    "@tcp(",
    "@unix(",
    "bearer",
    "basic",
    "digest",
    "cookie",
    // Tokens of services.
    "eyj",
    "akia",
    "asia",
    "abia",
    "acca",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "glrt-",
    "gldt-",
    "glcbt-",
    "glptt-",
    "glsoat-",
    "xox",
    "xapp-",
    "k_live_",
    "k_test_",
    "aiza",
    "ya29.",
    "hvs.",
    "hvb.",
    "npm_",
    "pypi-",
    "dckr_pat_",
    "dop_v1_",
    "shpat_",
    "shpss_",
    "shpca_",
    "shppa_",
    "sg.",
    "sk-",
    "hf_",
    "glsa_",
    "glc_",
    "atatt3",
    "pmak-",
    "nrak-",
    ":aa",
    "hooks.slack",
    "sig=",
    // Hashed passwords.
    "$",
    "{sha",
    "{ssha",
    "{smd5",
    "{crypt",
    "{pbkdf2",
    "scram-sha",
    // What was hidden before.
    "<secret ",
    // Kept apart from the words above, as those may change.
    "accountkey",
    "sharedaccesskey",
    "keepfast-key",
    "tskey-",
    "age-secret-key",
];

static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    builder.build(HINTS).expect("the hints are constants")
});

/// Whether it is worth looking for a secret in the line, which has no line feed.
pub(super) fn may_hold_secret(line: &[u8]) -> bool {
    // Letters beyond ASCII can be upper and lower case of one in it.
    !line.is_ascii() || FINDER.is_match(line) || has_fields(line) || has_long_hex(line)
}

/// A user and a field behind it, or five fields without a blank.
fn has_fields(line: &[u8]) -> bool {
    let Some(first) = memchr::memchr(b':', line) else { return false };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(byte);
    let is_user = first > 0 && line[..first].iter().all(is_name);
    let next = line.get(first + 1).copied().unwrap_or(b' ');
    is_user && !next.is_ascii_whitespace() && next != b':'
        || memchr::memchr_iter(b':', line).count() >= 4 && !line.iter().any(u8::is_ascii_whitespace)
}

/// `*` and the forty digits of a hash.
fn has_long_hex(line: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    memchr::memchr_iter(b'*', line).any(|at| line.get(at + 1..at + 41).is_some_and(|hash| hash.iter().all(is_digit)))
}

#[cfg(test)]
mod tests;
