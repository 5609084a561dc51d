// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the format of a content by its first bytes, never by its name.
//!
//! A reader that fails costs nothing, text takes over; one that succeeds with the wrong format misleads. So a guess is
//! made on clear evidence only, and the reader of the format has to agree with what there is of the text. What begins like
//! one format and nothing else is taken for it though it is broken, so that its reader says where.

mod claims;
mod json;
mod lines;
mod yaml;

use super::{certificate, xml};

/// Bytes from the start of a content that are looked at.
pub const HEAD_BYTES: usize = 64 << 10;

/// One byte of this many may be a control character, or not UTF-8; text in an encoding of the past has fewer.
const MAX_ODD_SHARE: usize = 10;

/// What a content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON list or object.
    Json,
    /// A JSON list or object on each line.
    JsonLines,
    /// YAML, in one document or several.
    Yaml,
    /// TOML.
    Toml,
    /// Lines `key = value`, with sections or without.
    Ini,
    /// XML, but not HTML.
    Xml,
    /// A dump of PostgreSQL, MySQL or MariaDB.
    Sql,
    /// Certificates and keys: PEM, DER of a certificate or key, lines of OpenSSH public keys.
    Certificate,
    /// A gzip stream.
    Gzip,
    /// A ZIP archive.
    Zip,
    /// A tar archive.
    Tar,
    /// Other text.
    Text,
    /// Anything else.
    Binary,
}

/// The format of a content of `len` bytes that begins with `head`: its first [`HEAD_BYTES`], or all if it has fewer.
pub fn detect(head: &[u8], len: u64) -> Format {
    if let Some(format) = magic(head, len) {
        return format;
    }
    let is_whole = len <= head.len() as u64;
    let text = match text(head, is_whole) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(format) => return format,
    };
    if text.trim().is_empty() || text.starts_with("#!") {
        return Format::Text;
    }
    let sample = Sample { text, is_whole };
    let mut claim = None;
    let found = READERS.iter().find_map(|reader| reader(sample));
    let found = found.or_else(|| yaml::format(sample, &mut claim)).or_else(|| lines::ini_format(sample));
    found.or_else(|| claims::format(sample)).or(claim).unwrap_or(Format::Text)
}

/// What tells one format or some, the most certain first; after these YAML and INI, which nearly anything can be.
const READERS: [fn(Sample<'_>) -> Option<Format>; 5] =
    [certificate_format, sql_format, xml_format, json::format, lines::toml_format];

/// Whole lines from the start of a text.
#[derive(Clone, Copy)]
struct Sample<'a> {
    text: &'a str,
    /// There is no more.
    is_whole: bool,
}

impl<'a> Sample<'a> {
    /// What a reader can make sense of: all, or the lines before the last that begins something at the left margin.
    fn complete(self, begins: impl Fn(&str) -> bool) -> &'a str {
        if self.is_whole {
            return self.text;
        }
        let mut at = 0;
        let mut end = 0;
        for line in self.text.split_inclusive('\n') {
            if begins(line) {
                end = at;
            }
            at += line.len();
        }
        if end == 0 { self.text } else { &self.text[..end] }
    }
}

fn magic(head: &[u8], len: u64) -> Option<Format> {
    match head {
        [0x1f, 0x8b, 0x08, ..] => Some(Format::Gzip),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Format::Zip),
        _ if head.get(257..262) == Some(b"ustar") => Some(Format::Tar),
        // A sequence as long as the content; lists of what is revoked begin the same.
        [0x30, 0x82, high, low, ..] if len == 4 + u64::from(*high) * 256 + u64::from(*low) => {
            certificate::parse(head).is_ok().then_some(Format::Certificate)
        }
        _ => None,
    }
}

/// The text, without the line that the head cuts off; or that it is none which a reader takes.
fn text(head: &[u8], is_whole: bool) -> Result<&str, Format> {
    let odd = |&&byte: &&u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x08 | 0x0c | 0x1b);
    let odd_bytes = head.iter().filter(odd).count();
    if head.contains(&0) || odd_bytes * MAX_ODD_SHARE > head.len() {
        return Err(Format::Binary);
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && !is_whole => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => {
            let invalid = head.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
            return Err(if invalid * MAX_ODD_SHARE > head.len() { Format::Binary } else { Format::Text });
        }
    };
    match text.rfind('\n') {
        Some(end) if !is_whole => Ok(&text[..=end]),
        _ => Ok(text),
    }
}

fn certificate_format(sample: Sample<'_>) -> Option<Format> {
    certificate::looks_like(sample.text).then_some(Format::Certificate)
}

/// A dump says so at its head, before any statement.
fn sql_format(sample: Sample<'_>) -> Option<Format> {
    const HEADS: [&str; 4] =
        ["-- PostgreSQL database dump", "-- PostgreSQL database cluster dump", "-- MySQL dump ", "-- MariaDB dump "];
    let is_comment = |line: &&str| line.is_empty() || line.starts_with("--") || line.starts_with("/*");
    let mut comments = sample.text.lines().take(20).take_while(is_comment);
    comments.any(|line| HEADS.iter().any(|head| line.starts_with(head))).then_some(Format::Sql)
}

fn xml_format(sample: Sample<'_>) -> Option<Format> {
    let text = sample.text.trim_start();
    let start = text.get(..14).unwrap_or(text).to_ascii_lowercase();
    if !text.starts_with('<') || start.starts_with("<html") || start.starts_with("<!doctype html") {
        return None;
    }
    let reads = if sample.is_whole { xml::parse(text.as_bytes()).is_ok() } else { xml::begins(text) };
    reads.then_some(Format::Xml)
}

#[cfg(test)]
mod tests;
