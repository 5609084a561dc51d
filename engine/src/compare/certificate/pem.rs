// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes PEM bundles apart: blocks between `-----BEGIN x-----` and `-----END x-----`, and what may stand around them.
//!
//! A block that is no certificate may belong to the configuration of a program, whose other lines count; only such
//! lines are passed over as tools write for people.

use zeroize::Zeroizing;

use super::{Draft, GaveUp, MAX_PARTS, from_base64, gave_up, hex, key, sha256, ssh, x509};

/// How the lines begin that tools write around blocks: `openssl -text`, `openssl pkcs12`, `openssl s_client`.
const SAID_BY_TOOLS: [&str; 26] = [
    "#",
    "=====",
    "Certificate:",
    "Certificate Request:",
    "Private-Key:",
    "RSA Private-Key:",
    "Public-Key:",
    "RSA Public-Key:",
    "ED25519 Private-Key:",
    "ED25519 Public-Key:",
    "modulus:",
    "publicExponent:",
    "privateExponent:",
    "prime1:",
    "prime2:",
    "exponent1:",
    "exponent2:",
    "coefficient:",
    "priv:",
    "pub:",
    "ASN1 OID:",
    "NIST CURVE:",
    "Bag Attributes",
    "Key Attributes",
    "subject=",
    "issuer=",
];

/// The label of a line that begins a block.
fn begin(line: &str) -> Option<&str> {
    label(line, "-----BEGIN ")
}

fn label<'a>(line: &'a str, with: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(with)?.strip_suffix("-----")
}

/// Whether a block begins anywhere.
pub(super) fn has_block(text: &str) -> bool {
    text.lines().any(|line| begin(line).is_some())
}

/// Whether a block of a known kind begins, and nothing else stands before it.
pub(super) fn begins(head: &str) -> bool {
    let mut lines = head.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(label) = begin(line) {
            return ["CERTIFICATE", "KEY", "PARAMETERS"].iter().any(|known| label.contains(known));
        }
        if !is_passed_over(line, lines.peek().copied()) {
            return false;
        }
    }
    false
}

/// Whether a line around blocks counts for nothing. What is indented belongs to a line of a tool; what is underlined
/// is the title of the certificate below.
fn is_passed_over(line: &str, next: Option<&str>) -> bool {
    line.trim().is_empty()
        || line.starts_with([' ', '\t'])
        || SAID_BY_TOOLS.iter().any(|said| line.starts_with(said))
        || next.is_some_and(|next| next.starts_with("====="))
}

/// The parts of a bundle.
pub(super) fn bundle(text: &str) -> Result<Vec<Draft>, GaveUp> {
    let mut drafts = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let place = || format!("line {}", number + 1);
        let Some(label) = begin(line) else {
            if !is_passed_over(line, lines.peek().map(|(_, next)| *next)) {
                return Err(gave_up(place(), "text stands outside of the blocks".into()));
            }
            continue;
        };
        let mut body = Zeroizing::new(String::new());
        let mut has_end = false;
        for (_, line) in lines.by_ref() {
            if line.starts_with("-----") {
                has_end = self::label(line, "-----END ") == Some(label);
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        if !has_end {
            return Err(gave_up(place(), "a block has no end".into()));
        }
        if drafts.len() >= MAX_PARTS {
            return Err(gave_up(place(), format!("there are more than {MAX_PARTS} blocks")));
        }
        drafts.push(block(label, &body).map_err(|why| gave_up(place(), why))?);
    }
    Ok(drafts)
}

/// The part that one block is.
fn block(label: &str, body: &str) -> Result<Draft, String> {
    // Lines with a colon are headers, `Proc-Type: 4,ENCRYPTED`.
    let (headers, lines): (Vec<_>, Vec<_>) = body.lines().partition(|line| line.contains(':'));
    let is_sealed = label.starts_with("ENCRYPTED") || headers.iter().any(|header| header.ends_with("ENCRYPTED"));
    let base64: Zeroizing<String> = Zeroizing::new(lines.into_iter().flat_map(str::split_whitespace).collect());
    if is_secret(label) && !label.ends_with("PRIVATE KEY") {
        return Ok(Draft::new(&label.to_lowercase()));
    }
    // The checksum of OpenPGP's armour stands behind its base64.
    let data = if label.starts_with("PGP ") { Some(body.as_bytes().to_vec()) } else { from_base64(&base64) };
    let data = Zeroizing::new(data.ok_or("a block is not in base64")?);
    let draft = match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => x509::certificate(&data),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => x509::request(&data),
        "PUBLIC KEY" => key::public(&data),
        "RSA PUBLIC KEY" => key::public(&key::rsa_spki(&data)),
        "OPENSSH PRIVATE KEY" => ssh::private_key(&data),
        label if label.ends_with("PRIVATE KEY") => Some(key::private(label, &data, is_sealed)),
        _ => None,
    };
    Ok(draft.unwrap_or_else(|| other(label, &data)))
}

/// A block that is not understood: an unusual certificate, parameters, a list of what is revoked.
fn other(label: &str, data: &[u8]) -> Draft {
    let mut draft = Draft::new(&label.to_lowercase());
    if !is_secret(label) {
        draft.add("fingerprint_sha256", hex(&sha256(data)));
    }
    draft
}

fn is_secret(label: &str) -> bool {
    let label = label.to_lowercase();
    ["private", "secret", "static"].iter().any(|word| label.contains(word))
}
