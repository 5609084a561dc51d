// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tokens of a JSON text, read in pieces: strict RFC 8259, any length of line.
//!
//! Only one piece and one token are in memory at a time. Every complaint names the byte, from 0.

use crate::compare::{Bytes, GaveUp, Trouble};

/// Read at a time: large enough that reading costs nothing, small enough to stay in the cache of a processor.
const CHUNK_BYTES: u64 = 64 << 10;

/// The longest string or number, as it is masked and compared in one piece.
const MAX_TOKEN_BYTES: usize = 64 << 20;

/// Containers in containers; an honest document has tens, and each takes a frame of the stack.
pub(crate) const MAX_DEPTH: usize = 512;

/// What a value begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// A list; its bracket is passed.
    List,
    /// A map; its brace is passed.
    Map,
    /// Anything else; nothing is passed.
    Scalar,
}

/// A value that is no container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number as written.
    Number(&'a str),
    /// A text without its escapes.
    Text(&'a str),
}

/// Reads tokens one after another.
pub(crate) struct Tokens<'a> {
    bytes: &'a dyn Bytes,
    side: &'static str,
    /// A part of the content, from the byte `base` on, of which `at` are passed.
    buffer: Vec<u8>,
    base: u64,
    at: usize,
    /// Where to stop.
    end: u64,
    unescaped: String,
}

/// A complaint about a byte of a content; `side` is "first", "second", or empty if there is but one.
pub(crate) fn gave_up(side: &str, at: u64, why: impl Into<String>) -> GaveUp {
    let of_side = if side.is_empty() { String::new() } else { format!(" of the {side}") };
    GaveUp { reader: "JSON", place: format!("byte {at}{of_side}"), why: why.into() }
}

impl<'a> Tokens<'a> {
    /// From the byte `from` until before `end`.
    pub(crate) fn new(bytes: &'a dyn Bytes, side: &'static str, from: u64, end: u64) -> Self {
        let end = end.min(bytes.len());
        Self { bytes, side, buffer: Vec::new(), base: from.min(end), at: 0, end, unescaped: String::new() }
    }

    /// From the start, after the mark that some programs put before UTF-8.
    pub(crate) fn of_text(bytes: &'a dyn Bytes, side: &'static str) -> Result<Self, Trouble> {
        let mut tokens = Self::new(bytes, side, 0, u64::MAX);
        tokens.more(0)?;
        if tokens.buffer.starts_with(b"\xef\xbb\xbf") {
            tokens.at = 3;
        }
        Ok(tokens)
    }

    /// The byte that comes next.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// A complaint about the byte that comes next.
    pub(crate) fn broken(&self, why: impl Into<String>) -> Trouble {
        gave_up(self.side, self.offset(), why).into()
    }

    /// Goes on at another byte.
    pub(crate) fn skip_to(&mut self, offset: u64) {
        match offset.checked_sub(self.base).and_then(|at| usize::try_from(at).ok()) {
            Some(at) if at <= self.buffer.len() => self.at = at,
            _ => {
                self.buffer.clear();
                (self.base, self.at) = (offset.min(self.end), 0);
            }
        }
    }

    /// Forgets what is before `keep`, and reads further; false at the end.
    fn more(&mut self, keep: usize) -> Result<bool, Trouble> {
        let next = self.base + self.buffer.len() as u64;
        let kept = self.buffer.len() - keep;
        if kept > MAX_TOKEN_BYTES {
            return Err(self.broken(format!("more than {MAX_TOKEN_BYTES} bytes in one string or number")));
        }
        let wanted = (self.end - next).min(CHUNK_BYTES.max(kept as u64));
        if wanted == 0 {
            return Ok(false);
        }
        self.buffer.drain(..keep);
        self.base += keep as u64;
        self.at -= keep;
        self.buffer.resize(kept + usize::try_from(wanted).unwrap_or_default(), 0);
        self.bytes.read_at(next, &mut self.buffer[kept..])?;
        Ok(true)
    }

    fn peek(&mut self) -> Result<Option<u8>, Trouble> {
        if self.at == self.buffer.len() && !self.more(self.at)? {
            return Ok(None);
        }
        Ok(self.buffer.get(self.at).copied())
    }

    /// Passes white space; the byte after it.
    pub(crate) fn space(&mut self) -> Result<Option<u8>, Trouble> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return Ok(other),
            }
        }
    }

    /// Passes white space before another value of the text; false at the end.
    pub(crate) fn next_document(&mut self, is_first: bool) -> Result<bool, Trouble> {
        let mut is_new_line = is_first;
        loop {
            match self.peek()? {
                Some(b'\n') => is_new_line = true,
                Some(b' ' | b'\t' | b'\r') => {}
                None if is_first => return Err(self.broken("there is no value")),
                None => return Ok(false),
                Some(_) if is_new_line => return Ok(true),
                Some(_) => return Err(self.broken("expected the end, or another value on a new line")),
            }
            self.at += 1;
        }
    }

    /// The start of a value.
    pub(crate) fn begin(&mut self, depth: usize) -> Result<Begin, Trouble> {
        let begin = match self.space()? {
            Some(b'[') => Begin::List,
            Some(b'{') => Begin::Map,
            Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => return Ok(Begin::Scalar),
            _ => return Err(self.broken("expected a value")),
        };
        if depth >= MAX_DEPTH {
            return Err(self.broken(format!("more than {MAX_DEPTH} containers in each other")));
        }
        self.at += 1;
        Ok(begin)
    }

    /// Passes the comma before a value of a container, or its end; whether there is a value.
    pub(crate) fn has_next(&mut self, is_first: bool, close: u8) -> Result<bool, Trouble> {
        let next = self.space()?;
        let is_end = next == Some(close);
        if is_end || next == Some(b',') && !is_first {
            self.at += 1;
        } else if !is_first {
            return Err(self.broken(format!("expected ',' or '{}'", char::from(close))));
        }
        Ok(!is_end)
    }

    /// The key of a map.
    pub(crate) fn key(&mut self) -> Result<&str, Trouble> {
        if self.space()? != Some(b'"') {
            return Err(self.broken("expected a key in double quotes"));
        }
        self.string()
    }

    /// Passes what is between a key and its value.
    pub(crate) fn colon(&mut self) -> Result<(), Trouble> {
        if self.space()? != Some(b':') {
            return Err(self.broken("expected ':'"));
        }
        self.at += 1;
        self.space()?;
        Ok(())
    }

    /// A value that is no container, after its start was seen.
    pub(crate) fn scalar(&mut self) -> Result<Scalar<'_>, Trouble> {
        match self.peek()? {
            Some(b'"') => Ok(Scalar::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Scalar<'_>, Trouble> {
        let length = self.run(|byte| byte.is_ascii_lowercase())?;
        let scalar = match &self.buffer[self.at..self.at + length] {
            b"null" => Scalar::Null,
            b"true" => Scalar::Bool(true),
            b"false" => Scalar::Bool(false),
            _ => return Err(self.broken("expected a value")),
        };
        self.at += length;
        Ok(scalar)
    }

    fn number(&mut self) -> Result<Scalar<'_>, Trouble> {
        let length = self.run(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))?;
        let text = &self.buffer[self.at..self.at + length];
        let valid = std::str::from_utf8(text).ok().filter(|_| is_number(text));
        let number = valid.ok_or_else(|| gave_up(self.side, self.base + self.at as u64, "this is no number"))?;
        self.at += length;
        Ok(Scalar::Number(number))
    }

    /// How many of the next bytes are so; all of them are then in the buffer.
    fn run(&mut self, is_part: impl Fn(&u8) -> bool) -> Result<usize, Trouble> {
        let mut length = 0;
        loop {
            length += self.buffer[self.at + length..].iter().take_while(|byte| is_part(byte)).count();
            if self.at + length < self.buffer.len() || !self.more(self.at)? {
                return Ok(length);
            }
        }
    }

    /// Passes a string, from its first quote on.
    fn string(&mut self) -> Result<&str, Trouble> {
        let (length, is_escaped) = self.string_length()?;
        let start = self.at + 1;
        let complain = |at: usize, why: &str| gave_up(self.side, self.base + (start + at) as u64, why);
        let raw = std::str::from_utf8(&self.buffer[start..start + length])
            .map_err(|error| complain(error.valid_up_to(), "this is not UTF-8"))?;
        self.at = start + length + 1;
        if !is_escaped {
            return Ok(raw);
        }
        super::escape::remove(raw, &mut self.unescaped).map_err(|at| complain(at, "this is no escape of JSON"))?;
        Ok(&self.unescaped)
    }

    /// The bytes between the quotes, all in the buffer then, and whether there is an escape.
    fn string_length(&mut self) -> Result<(usize, bool), Trouble> {
        let (mut length, mut is_escaped) = (0, false);
        loop {
            let rest = self.buffer.get(self.at + 1 + length..).unwrap_or_default();
            let plain = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'));
            match plain.map(|plain| (plain, rest[plain])) {
                Some((plain, b'"')) => return Ok((length + plain, is_escaped)),
                // What is escaped ends no string, whatever it is.
                Some((plain, b'\\')) => (length, is_escaped) = (length + plain + 2, true),
                Some((plain, _)) => {
                    self.at += 1 + length + plain;
                    return Err(self.broken("a control character in a string has to be escaped"));
                }
                None => {
                    length += rest.len();
                    if !self.more(self.at)? {
                        return Err(self.broken("this string does not end"));
                    }
                }
            }
        }
    }
}

fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', power @ ..] = rest {
        let power = power.strip_prefix(b"-").or_else(|| power.strip_prefix(b"+")).unwrap_or(power);
        return !power.is_empty() && digits(power) == power.len();
    }
    rest.is_empty()
}
