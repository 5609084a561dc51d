// SPDX-License-Identifier: MIT OR Apache-2.0
//! OpenSSH's keys: lines `type base64 comment` with options or hosts before them, and the public part of private keys.
//!
//! A line counts as a key only if its base64 begins with the type that stands before it.

use super::{Draft, GaveUp, MAX_PARTS, from_base64, gave_up, hex, key, sha256, ssh_fingerprint};

/// What begins a private key; behind it stand texts with their lengths.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Whether the lines are keys as far as the beginning tells; the last line may be cut off.
pub(super) fn begins(head: &str) -> bool {
    let mut keys = head.lines().filter(|line| counts(line)).map(|line| public_key(line).is_some());
    keys.next() == Some(true) && keys.all(|is_key| is_key)
}

/// The keys of all lines.
pub(super) fn public_keys(text: &str) -> Result<Vec<Draft>, GaveUp> {
    let mut drafts = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| counts(line)) {
        let place = || format!("line {}", number + 1);
        if drafts.len() >= MAX_PARTS {
            return Err(gave_up(place(), format!("there are more than {MAX_PARTS} keys")));
        }
        drafts.push(public_key(line).ok_or_else(|| gave_up(place(), "not a public key of OpenSSH".into()))?);
    }
    Ok(drafts)
}

fn counts(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// The key of a line `[options] type base64 [comment]`. Options may have spaces in quotes, which do not matter: the
/// type is the word whose neighbour repeats it in base64.
fn public_key(line: &str) -> Option<Draft> {
    let line = line.trim();
    let mut rest = line;
    loop {
        let at = line.len() - rest.len();
        let (word, behind) = rest.split_once(char::is_whitespace)?;
        let behind = behind.trim_start();
        let (data, comment) = behind.split_once(char::is_whitespace).unwrap_or((behind, ""));
        if is_type(word) && data.starts_with("AAAA") {
            let data = from_base64(data)?;
            let mut draft = Draft::new("openssh public key");
            describe(&mut draft, word, &data)?;
            let (options, comment) = (line[..at].trim(), comment.trim());
            draft.name = if comment.is_empty() { ssh_fingerprint(&data) } else { comment.to_string() };
            draft.add("comment", comment);
            if !options.is_empty() {
                draft.add("options", options);
            }
            return Some(draft);
        }
        rest = behind;
    }
}

/// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `sk-ssh-ed25519@openssh.com`.
fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"].iter().any(|start| word.starts_with(start))
}

/// Adds what the public key is; none if it is not of the type.
fn describe(draft: &mut Draft, name: &str, data: &[u8]) -> Option<()> {
    let (found, rest) = string(data)?;
    if found != name.as_bytes() {
        return None;
    }
    let algorithm = match name {
        "ssh-rsa" => {
            let (_exponent, rest) = string(rest)?;
            format!("RSA {}", key::bits_of(string(rest)?.0))
        }
        "ssh-ed25519" => "Ed25519".into(),
        "ecdsa-sha2-nistp256" => "EC P-256".into(),
        "ecdsa-sha2-nistp384" => "EC P-384".into(),
        "ecdsa-sha2-nistp521" => "EC P-521".into(),
        other => other.to_string(),
    };
    draft.add("key", algorithm);
    draft.add("fingerprint_sha256", ssh_fingerprint(data));
    Some(())
}

/// A private key, of which the public part stands in the clear even if it is encrypted: cipher, derivation, its
/// options, number of keys, public key.
pub(super) fn private_key(data: &[u8]) -> Option<Draft> {
    let rest = data.strip_prefix(MAGIC)?;
    let (cipher, rest) = string(rest)?;
    let (_derivation, rest) = string(rest)?;
    let (_options, rest) = string(rest)?;
    let (public, _) = string(rest.get(4..)?)?;
    let name = std::str::from_utf8(string(public)?.0).ok()?;
    let mut draft = Draft::new("private key");
    describe(&mut draft, name, public)?;
    if cipher != b"none" {
        draft.add("cipher", String::from_utf8_lossy(cipher).into_owned());
        // Another passphrase or salt; without a cipher the same digest would be one of the secret itself.
        draft.add("encrypted_sha256", hex(&sha256(data)));
    }
    Some(draft)
}

/// A text with its length before it, and what stands behind.
fn string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}
