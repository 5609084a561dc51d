// SPDX-License-Identifier: MIT OR Apache-2.0
//! The escapes in the strings of JSON.
//!
//! Half of a surrogate pair is no text, and is declined as most readers do.

/// Writes the text without its escapes to `out`; otherwise the byte at which one is wrong.
pub(super) fn remove(text: &str, out: &mut String) -> Result<(), usize> {
    out.clear();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (character, length) = escape(&rest.as_bytes()[at + 1..]).ok_or(text.len() - rest.len() + at)?;
        out.push(character);
        rest = &rest[at + 1 + length..];
    }
    out.push_str(rest);
    Ok(())
}

/// The character after a backslash, and the bytes that stand for it.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return by_number(&text[1..]),
        _ => return None,
    };
    Some((character, 1))
}

fn by_number(text: &[u8]) -> Option<(char, usize)> {
    let first = hex(text.get(..4)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 5));
    }
    let second = hex(text.get(4..)?.strip_prefix(b"\\u")?.get(..4)?)?;
    if !(0xd800..0xdc00).contains(&first) || !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    let character = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
    Some((character, 11))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}
