// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads a statement that is whole token by token: keywords, names, lists of columns.
//!
//! Its methods eat what they are asked for, or say that something else stands there.

use super::lexer::{Kind, Lexer, Rules, Token};

/// A place in a statement.
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    rules: Rules,
    lexer: Lexer,
    peeked: Option<Token>,
}

impl<'t> Cursor<'t> {
    /// Before the first token.
    pub fn new(text: &'t [u8], rules: Rules) -> Self {
        Self { text, rules, lexer: Lexer::at(rules, 0), peeked: None }
    }

    /// The next token, which stays the next.
    pub fn peek(&mut self) -> Option<Token> {
        if self.peeked.is_none() {
            self.peeked = self.lexer.next(self.text);
        }
        self.peeked
    }

    /// Eats the next token.
    pub fn next(&mut self) -> Option<Token> {
        let token = self.peek();
        self.peeked = None;
        token
    }

    /// The bytes of a token.
    pub fn bytes(&self, token: Token) -> &'t [u8] {
        token.of(self.text)
    }

    /// The rules that the statement is read by.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// A part of the statement.
    pub fn slice(&self, range: std::ops::Range<usize>) -> &'t [u8] {
        self.text.get(range).unwrap_or_default()
    }

    /// Where the next token begins; the end of the text if there is none.
    pub fn position(&mut self) -> usize {
        let end = self.text.len();
        self.peek().map_or(end, |token| token.start)
    }

    /// Whether the keyword is next.
    pub fn is(&mut self, word: &str) -> bool {
        let text = self.text;
        self.peek()
            .is_some_and(|token| token.kind == Kind::Word && token.of(text).eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Eats the keyword.
    pub fn eat(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.peeked = None;
        }
        found
    }

    /// Eats those of the keywords that are there, in this order: `IF NOT EXISTS`.
    pub fn pass(&mut self, words: &[&str]) {
        for word in words {
            self.eat(word);
        }
    }

    /// Whether the sign is next.
    pub fn is_sign(&mut self, sign: u8) -> bool {
        let text = self.text;
        self.peek().is_some_and(|token| token.is(text, sign))
    }

    /// Eats the sign.
    pub fn eat_sign(&mut self, sign: u8) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.peeked = None;
        }
        found
    }

    /// Eats a word and gives it in capitals.
    pub fn word(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| token.kind == Kind::Word)?;
        self.peeked = None;
        Some(String::from_utf8_lossy(self.bytes(token)).to_uppercase())
    }

    /// Eats a name, plain or quoted, and gives it without quotes.
    pub fn name(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| matches!(token.kind, Kind::Word | Kind::Name))?;
        self.peeked = None;
        Some(unquoted(self.bytes(token)))
    }

    /// Eats a name with its schema. Parts are quoted only if they have to be to tell names apart.
    pub fn qualified(&mut self) -> Option<String> {
        let mut whole = String::new();
        loop {
            let part = self.name()?;
            if part.contains(['.', '"']) {
                whole.push_str(&format!("{part:?}"));
            } else {
                whole.push_str(&part);
            }
            if !self.eat_sign(b'.') {
                return Some(whole);
            }
            whole.push('.');
        }
    }

    /// Eats `(a, "b", c(20) DESC)`: names of columns, not expressions.
    pub fn columns(&mut self) -> Option<Vec<String>> {
        if !self.eat_sign(b'(') {
            return None;
        }
        let mut columns = Vec::new();
        loop {
            columns.push(self.name()?);
            if self.eat_sign(b'(') {
                let length = self.next()?;
                let is_prefix = self.bytes(length).iter().all(u8::is_ascii_digit) && self.eat_sign(b')');
                is_prefix.then_some(())?;
            }
            while self.word().is_some() {}
            if self.eat_sign(b')') {
                return Some(columns);
            }
            self.eat_sign(b',').then_some(())?;
        }
    }

    /// Goes on to the keyword, outside of parentheses, and says whether it is there.
    pub fn find(&mut self, word: &str) -> bool {
        while self.peek().is_some() {
            if self.is(word) {
                return true;
            }
            self.pass_item();
        }
        false
    }

    /// Eats a token, or all from a parenthesis to the one that closes it.
    pub fn pass_item(&mut self) {
        let mut depth = 0_u32;
        while let Some(token) = self.next() {
            if token.is(self.text, b'(') {
                depth += 1;
            } else if token.is(self.text, b')') {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return;
            }
        }
    }
}

/// A name without its quotes, or as it is.
pub(super) fn unquoted(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    for mark in ['"', '`'] {
        let inner = text.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
        if let Some(inner) = inner {
            return inner.replace(&format!("{mark}{mark}"), &mark.to_string());
        }
    }
    text.into_owned()
}
