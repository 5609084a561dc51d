// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells JSON, and JSON on each line, from what merely begins with a bracket: sections, links, flow YAML, logs.
//!
//! It follows the grammar but for the digits of numbers, and is content if the text ends inside a value.

use super::{Format, Sample};

/// Brackets inside brackets; deeper ones are nobody's document.
const MAX_DEPTH: usize = 256;

/// Where a value ends.
enum End {
    At(usize),
    /// Behind the text.
    Beyond,
}

/// JSON, or JSON on each line.
pub(super) fn format(sample: Sample<'_>) -> Option<Format> {
    let text = sample.text.as_bytes();
    let mut at = skip_space(text, 0);
    let mut values = 0_usize;
    let mut each_on_a_line = true;
    let mut is_cut = false;
    while at < text.len() {
        if !matches!(text[at], b'{' | b'[') {
            return None;
        }
        match value(text, at, 0)? {
            End::At(end) => {
                let next = skip_space(text, end);
                let behind = &text[end..next];
                each_on_a_line &= !text[at..end].contains(&b'\n') && (next == text.len() || behind.contains(&b'\n'));
                at = next;
            }
            End::Beyond if sample.is_whole => return None,
            End::Beyond => (at, is_cut) = (text.len(), true),
        }
        values += 1;
    }
    let has_more = !sample.is_whole && !is_cut;
    match values {
        0 => None,
        1 if !has_more => Some(Format::Json),
        _ => each_on_a_line.then_some(Format::JsonLines),
    }
}

fn skip_space(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// The end of the value that begins here; none if there is no value.
fn value(text: &[u8], at: usize, depth: usize) -> Option<End> {
    if depth > MAX_DEPTH {
        return None;
    }
    match text.get(at) {
        None => Some(End::Beyond),
        Some(b'{') => members(text, at + 1, b'}', depth),
        Some(b'[') => members(text, at + 1, b']', depth),
        Some(b'"') => string(text, at + 1),
        Some(_) => word(text, at),
    }
}

fn members(text: &[u8], from: usize, close: u8, depth: usize) -> Option<End> {
    let mut at = skip_space(text, from);
    if text.get(at) == Some(&close) {
        return Some(End::At(at + 1));
    }
    loop {
        if close == b'}' {
            at = match text.get(at) {
                None => return Some(End::Beyond),
                Some(b'"') => match string(text, at + 1)? {
                    End::At(end) => skip_space(text, end),
                    End::Beyond => return Some(End::Beyond),
                },
                Some(_) => return None,
            };
            match text.get(at) {
                None => return Some(End::Beyond),
                Some(b':') => at = skip_space(text, at + 1),
                Some(_) => return None,
            }
        }
        at = match value(text, at, depth + 1)? {
            End::At(end) => skip_space(text, end),
            End::Beyond => return Some(End::Beyond),
        };
        match text.get(at) {
            None => return Some(End::Beyond),
            Some(byte) if *byte == close => return Some(End::At(at + 1)),
            Some(b',') => at = skip_space(text, at + 1),
            Some(_) => return None,
        }
    }
}

fn string(text: &[u8], from: usize) -> Option<End> {
    let mut at = from;
    loop {
        match text.get(at) {
            None => return Some(End::Beyond),
            Some(b'"') => return Some(End::At(at + 1)),
            Some(b'\\') => at += 2,
            Some(0..0x20) => return None,
            Some(_) => at += 1,
        }
    }
}

/// A number, or `true`, `false`, `null`.
fn word(text: &[u8], at: usize) -> Option<End> {
    let rest = &text[at..];
    let length =
        rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')).count();
    let word = &rest[..length];
    let is_number = word.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
        && word.iter().find(|byte| **byte != b'-').is_some_and(u8::is_ascii_digit);
    let literals: [&[u8]; 3] = [b"true", b"false", b"null"];
    if length == rest.len() {
        return (is_number || literals.iter().any(|literal| literal.starts_with(word))).then_some(End::Beyond);
    }
    (is_number || literals.contains(&word)).then_some(End::At(at + length))
}
