// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is no text: only what can have no secrets passes.

use std::io::Write;

use super::{Fault, Rules};
use crate::compare::certificate;
use crate::compare::document::Value;
use crate::compare::output::{self, Output};
use crate::compare::{Bytes, Mask};

/// First bytes of contents, and what they are.
const KNOWN: [(&[u8], &str); 19] = [
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xfe\xed\xfe\xed", "a Java key store"),
    (b"\xce\xce\xce\xce", "a Java key store"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF"),
    (b"\x7fELF", "a program"),
    (b"\x03\xd9\xa2\x9a", "a KeePass database"),
    (b"age-encryption.org", "encrypted with age"),
    (b"Salted__", "encrypted with openssl"),
    (b"\x05\x02", "a Kerberos key table"),
    (b"PGDMP", "a dump of pg_dump in its own format (plain dumps can be read)"),
    (b"\xff\xfe", "text in UTF-16, or binary"),
    (b"\xfe\xff", "text in UTF-16, or binary"),
    (b"LUKS\xba\xbe", "an encrypted disk"),
];

/// Pictures, which have no text that a program was given.
const HARMLESS: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"\0\0\x01\0"];

/// Writes what is harmless.
pub(super) fn write(
    bytes: &dyn Bytes,
    head: &[u8],
    path: &str,
    rules: &Rules,
    sink: &mut dyn Write,
) -> Result<(), Fault> {
    if !rules.omit.is_empty() {
        let why = format!("it is {}", name(head));
        return Err(Fault::NoParts { path: path.to_string(), why });
    }
    if HARMLESS.iter().any(|start| head.starts_with(start)) {
        return Ok(Output::new(bytes, sink).finish()?);
    }
    Err(Fault::Unsafe { path: path.to_string(), what: name(head).to_string() })
}

fn name(head: &[u8]) -> &'static str {
    // A sequence that begins with the version, 3.
    if head.starts_with(&[0x30]) && [2, 3, 4].iter().any(|at| head.get(*at..at + 3) == Some(&[2, 1, 3])) {
        return "a PKCS#12 key store";
    }
    KNOWN.iter().find(|(start, _)| head.starts_with(start)).map_or("binary", |(_, name)| name)
}

/// Writes a certificate or public key in DER.
pub(super) fn certificate(bytes: &dyn Bytes, path: &str, rules: &Rules, sink: &mut dyn Write) -> Result<(), Fault> {
    let whole = output::head(bytes, 1 << 20)?;
    let parts = certificate::parse(&whole).map(|parts| shown(&certificate::document(&parts)));
    let is_private = !matches!(&parts, Ok(parts) if !parts.contains("private"));
    if is_private || !rules.omit.is_empty() {
        return Err(Fault::Unsafe { path: path.to_string(), what: "a key in DER".to_string() });
    }
    Ok(Output::new(bytes, sink).finish()?)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => Mask::reveal().value("", text).into_owned(),
        Value::Map(entries) => entries.iter().map(|(key, value)| format!("{key} {} ", shown(value))).collect(),
        Value::List(values) => values.iter().map(shown).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}
