// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tokens of SQL: words, quoted names, literals, signs. Space and comments are passed over.
//!
//! A lexer stops at the end of the text inside a literal or comment and goes on there once the text has grown, so that
//! a statement of many lines is read once. The text has to grow by whole lines.

use memchr::{memchr, memchr2, memmem};

/// What the programs that write dumps do differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// A backslash in a plain literal escapes: MySQL, and PostgreSQL without `standard_conforming_strings`.
    pub escapes: bool,
    /// `#` comments, `"` literals, `/*!40101 code */`, no `$$` literals.
    pub mysql: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a plain name, the digits of a number.
    Word,
    /// A quoted name.
    Name,
    /// A literal, with its quotes and the letter before them.
    Text,
    /// One character of something else.
    Sign,
}

/// A token: the part of the text that it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
}

impl Token {
    /// Its bytes.
    pub fn of<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[self.start..self.end]
    }

    /// Whether it is this sign.
    pub fn is(&self, text: &[u8], sign: u8) -> bool {
        self.kind == Kind::Sign && self.of(text) == [sign]
    }
}

/// What began and did not end yet.
#[derive(Clone, Copy)]
enum Open {
    Nothing,
    Quote { mark: u8, escapes: bool },
    Dollar { tag_bytes: usize },
    Block { depth: u32 },
}

/// Where the reading of a text stands.
pub(crate) struct Lexer {
    rules: Rules,
    at: usize,
    start: usize,
    open: Open,
}

impl Lexer {
    /// Begins at a place of the text that is outside of literals and comments.
    pub fn at(rules: Rules, at: usize) -> Self {
        Self { rules, at, start: at, open: Open::Nothing }
    }

    /// Whether no literal and no comment is open.
    pub fn is_idle(&self) -> bool {
        matches!(self.open, Open::Nothing)
    }

    /// The next token; none at the end of the text.
    pub fn next(&mut self, text: &[u8]) -> Option<Token> {
        loop {
            let token = match self.open {
                Open::Nothing => self.begin(text)?,
                Open::Quote { mark, escapes } => Some(self.quote(text, mark, escapes)?),
                Open::Dollar { tag_bytes } => Some(self.dollar(text, tag_bytes)?),
                Open::Block { depth } => {
                    self.block(text, depth)?;
                    None
                }
            };
            if token.is_some() {
                return token;
            }
        }
    }

    fn token(&mut self, kind: Kind, end: usize) -> Token {
        self.at = end;
        self.open = Open::Nothing;
        Token { kind, start: self.start, end }
    }

    /// A token that is whole, or none if one was opened or a comment passed.
    fn begin(&mut self, text: &[u8]) -> Option<Option<Token>> {
        self.start = self.at;
        let rest = text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let second = rest.get(1).copied().unwrap_or(b'\n');
        match rest[0] {
            byte if byte.is_ascii_whitespace() => self.at += 1,
            b'-' if second == b'-' && (!self.rules.mysql || is_space(rest.get(2))) => self.pass_line(rest),
            b'#' if self.rules.mysql => self.pass_line(rest),
            b'/' if second == b'*' => self.open_block(rest),
            b'*' if second == b'/' && self.rules.mysql => self.at += 2,
            b'\'' => self.open_quote(b'\'', 1, self.rules.escapes),
            b'"' => self.open_quote(b'"', 1, self.rules.mysql),
            b'`' => self.open_quote(b'`', 1, false),
            b'$' if !self.rules.mysql && tag_bytes(rest).is_some() => {
                let tag_bytes = tag_bytes(rest).unwrap_or_default();
                self.at += tag_bytes;
                self.open = Open::Dollar { tag_bytes };
            }
            byte if is_word(byte) => return Some(self.word(rest)),
            _ => return Some(Some(self.token(Kind::Sign, self.at + 1))),
        }
        Some(None)
    }

    fn pass_line(&mut self, rest: &[u8]) {
        self.at += memchr(b'\n', rest).unwrap_or(rest.len());
    }

    fn open_quote(&mut self, mark: u8, skipped: usize, escapes: bool) {
        self.at += skipped;
        self.open = Open::Quote { mark, escapes };
    }

    /// `/*!40101 code */` of MySQL is code: only its marks are passed over.
    fn open_block(&mut self, rest: &[u8]) {
        if self.rules.mysql && rest.get(2) == Some(&b'!') {
            self.at += 3 + rest[3..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        } else {
            self.at += 2;
            self.open = Open::Block { depth: 1 };
        }
    }

    /// A word, or the letter before a literal, as in `E'a\nb'`.
    fn word(&mut self, rest: &[u8]) -> Option<Token> {
        let length = rest.iter().take_while(|byte| is_word(**byte)).count();
        if length == 1 && rest.get(1) == Some(&b'\'') && b"eEbBxXnN".contains(&rest[0]) {
            self.open_quote(b'\'', 2, self.rules.escapes || rest[0].eq_ignore_ascii_case(&b'e'));
            return None;
        }
        Some(self.token(Kind::Word, self.at + length))
    }

    fn quote(&mut self, text: &[u8], mark: u8, escapes: bool) -> Option<Token> {
        let kind = if mark == b'\'' || (mark == b'"' && self.rules.mysql) { Kind::Text } else { Kind::Name };
        loop {
            let rest = text.get(self.at..).unwrap_or_default();
            let found = if escapes { memchr2(mark, b'\\', rest) } else { memchr(mark, rest) };
            let Some(found) = found else {
                self.at = text.len();
                return None;
            };
            let is_doubled = rest[found] == mark && rest.get(found + 1) == Some(&mark);
            if rest[found] == mark && !is_doubled {
                return Some(self.token(kind, self.at + found + 1));
            }
            self.at = (self.at + found + 2).min(text.len());
        }
    }

    fn dollar(&mut self, text: &[u8], tag_bytes: usize) -> Option<Token> {
        let (tag, rest) = (&text[self.start..self.start + tag_bytes], &text[self.at..]);
        let Some(found) = memmem::find(rest, tag) else {
            self.at = text.len();
            return None;
        };
        Some(self.token(Kind::Text, self.at + found + tag_bytes))
    }

    /// Passes over a comment; those of PostgreSQL nest.
    fn block(&mut self, text: &[u8], mut depth: u32) -> Option<()> {
        while depth > 0 {
            let rest = text.get(self.at..).unwrap_or_default();
            let Some(found) = memchr2(b'*', b'/', rest) else {
                self.at = text.len();
                self.open = Open::Block { depth };
                return None;
            };
            let pair = rest.get(found..found + 2).unwrap_or_default();
            depth = match pair {
                b"*/" => depth - 1,
                b"/*" if !self.rules.mysql => depth + 1,
                _ => depth,
            };
            self.at += found + if pair == b"*/" || pair == b"/*" { 2 } else { 1 };
        }
        self.open = Open::Nothing;
        Some(())
    }
}

fn is_space(byte: Option<&u8>) -> bool {
    byte.is_none_or(u8::is_ascii_whitespace)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'_' | b'$' | b'@')
}

/// The length of the `$tag$` that the text begins with.
fn tag_bytes(text: &[u8]) -> Option<usize> {
    let inner = text[1..].iter().take_while(|byte| is_word(**byte) && !matches!(byte, b'$' | b'@')).count();
    let is_tag = text.get(1 + inner) == Some(&b'$') && !text[1].is_ascii_digit();
    is_tag.then_some(inner + 2)
}
