// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows as they stand in a dump, a line of COPY or the parentheses of INSERT, and the values of their columns.
//!
//! A value is the bytes that the column has, or none for NULL, whatever way the dump writes it.

use super::lexer::{Kind, Lexer, Rules};
use std::borrow::Cow;

/// The value of a column.
pub(crate) type Value<'r> = Option<Cow<'r, [u8]>>;

/// How a row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line of COPY.
    Copy,
    /// Parentheses of INSERT.
    Insert(Rules),
}

/// The values of a row.
pub(crate) fn values(row: &[u8], form: Form) -> Vec<Value<'_>> {
    match form {
        Form::Copy => row.split(|byte| *byte == b'\t').map(copied).collect(),
        Form::Insert(rules) => {
            let mut values = Vec::new();
            tuple(row, 0, rules, &mut |start, end| values.push(inserted(row[start..end].trim_ascii(), rules)));
            values
        }
    }
}

fn copied(field: &[u8]) -> Value<'_> {
    match memchr::memchr(b'\\', field) {
        None => Some(Cow::Borrowed(field)),
        Some(_) if field == b"\\N" => None,
        Some(_) => Some(Cow::Owned(unescaped(field, Escapes::Copy))),
    }
}

fn inserted(field: &[u8], rules: Rules) -> Value<'_> {
    if field.eq_ignore_ascii_case(b"null") {
        return None;
    }
    match field {
        b"true" if !rules.mysql => Some(Cow::Borrowed(b"t")),
        b"false" if !rules.mysql => Some(Cow::Borrowed(b"f")),
        _ => Some(literal(field, rules).unwrap_or(Cow::Borrowed(field))),
    }
}

/// What a literal says, if it is one and nothing else: `'it''s'`, `E'a\nb'`, `B'101'`.
pub(crate) fn literal(text: &[u8], rules: Rules) -> Option<Cow<'_, [u8]>> {
    let token = Lexer::at(rules, 0).next(text).filter(|token| token.kind == Kind::Text && token.end == text.len())?;
    let quote = text.iter().position(|byte| matches!(byte, b'\'' | b'"'))?;
    let inner = text.get(token.start + quote + 1..token.end - 1)?;
    let has_escapes = match text[..quote] {
        [] => rules.escapes || text[quote] == b'"',
        [b'E' | b'e'] => true,
        [b'B' | b'b' | b'N' | b'n'] => false,
        _ => return None,
    };
    if has_escapes && memchr::memchr(b'\\', inner).is_some() {
        return Some(Cow::Owned(unescaped(inner, Escapes::Literal { quote: text[quote], rules })));
    }
    if memchr::memchr(text[quote], inner).is_some() {
        return Some(Cow::Owned(undoubled(inner, text[quote])));
    }
    Some(Cow::Borrowed(inner))
}

fn undoubled(inner: &[u8], quote: u8) -> Vec<u8> {
    let mut value = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        value.push(byte);
        if byte == quote {
            bytes.next();
        }
    }
    value
}

#[derive(Clone, Copy)]
enum Escapes {
    Copy,
    Literal { quote: u8, rules: Rules },
}

/// Without backslashes, by the rules of COPY, of `E''` or of MySQL, which agree where dumps use them.
fn unescaped(text: &[u8], escapes: Escapes) -> Vec<u8> {
    let mut value = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match escapes {
            _ if byte == b'\\' && at < text.len() => {
                let (byte, length) = escaped(&text[at..], escapes);
                value.push(byte);
                at += length;
            }
            Escapes::Literal { quote, .. } if byte == quote => {
                value.push(byte);
                at += 1;
            }
            _ => value.push(byte),
        }
    }
    value
}

/// The byte that the text behind a backslash stands for, and how long that text is.
fn escaped(text: &[u8], escapes: Escapes) -> (u8, usize) {
    match (text[0], escapes) {
        (b'b', _) => (8, 1),
        (b'f', Escapes::Copy) => (12, 1),
        (b'n', _) => (b'\n', 1),
        (b'r', _) => (b'\r', 1),
        (b't', _) => (b'\t', 1),
        (b'v', Escapes::Copy) => (11, 1),
        (b'Z', Escapes::Literal { .. }) => (26, 1),
        (b'0', Escapes::Literal { rules, .. }) if rules.mysql => (0, 1),
        (b'0'..=b'7', _) => {
            let digits = text.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let value = text[..digits].iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            ((value & 0xff) as u8, digits)
        }
        (byte, _) => (byte, 1),
    }
}

/// Where a row of INSERT ends.
pub(crate) struct Tuple {
    /// Behind its parenthesis.
    pub end: usize,
    /// How many values it has.
    pub fields: usize,
}

/// Reads the parentheses that begin at `at`, and tells where each value in them is. None if there are none, or no end.
pub(crate) fn tuple(text: &[u8], at: usize, rules: Rules, each: &mut dyn FnMut(usize, usize)) -> Option<Tuple> {
    let mut lexer = Lexer::at(rules, at);
    let open = lexer.next(text).filter(|token| token.is(text, b'('))?;
    let (mut start, mut fields, mut depth) = (open.end, 0, 1_u32);
    loop {
        let token = lexer.next(text)?;
        if token.kind != Kind::Sign {
            continue;
        }
        match (token.of(text), depth) {
            (b"(", _) => depth += 1,
            (b",", 1) | (b")", 1) => {
                each(start, token.start);
                fields += 1;
                start = token.end;
                if token.of(text) == b")" {
                    return Some(Tuple { end: token.end, fields });
                }
            }
            (b")", _) => depth -= 1,
            _ => (),
        }
    }
}
