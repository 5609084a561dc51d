// SPDX-License-Identifier: MIT OR Apache-2.0
//! A dump as the statements and commands that it consists of, one in memory at a time.
//!
//! It finds where each ends, by the rules of psql, and does not look at what it says. Rows of COPY are left to the
//! caller.

use super::lexer::{Kind, Lexer, Rules, Token};
use super::lines::{Lines, MAX_ROW_BYTES, Side};
use crate::compare::Trouble;
use memchr::memchr;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text up to and with its `;`.
    Statement,
    /// A line for psql, `\connect`, or for the program mysql, `DELIMITER`.
    Command,
    /// Nothing more.
    End,
}

/// Goes from statement to statement.
pub(super) struct Statements<'a> {
    lines: Lines<'a>,
    rules: Rules,
    delimiter: Vec<u8>,
    /// Lines in memory; the first byte is at `base` of the content, those before `consumed` are done with.
    text: Vec<u8>,
    base: u64,
    consumed: usize,
    found: std::ops::Range<usize>,
}

impl<'a> Statements<'a> {
    /// Before the first statement of the range.
    pub fn within(side: Side<'a>, range: std::ops::Range<u64>, rules: Rules) -> Self {
        let base = range.start;
        let lines = Lines::within(side, range);
        Self { lines, rules, delimiter: b";".to_vec(), text: Vec::new(), base, consumed: 0, found: 0..0 }
    }

    /// Goes to the next.
    pub fn advance(&mut self) -> Result<Part, Trouble> {
        self.compact();
        self.found = self.consumed..self.consumed;
        let mut lexer = Lexer::at(self.rules, self.consumed);
        let mut shape = Shape::default();
        loop {
            let Some(token) = lexer.next(&self.text) else {
                if shape.first.is_none() && lexer.is_idle() {
                    self.forget();
                    lexer = Lexer::at(self.rules, 0);
                }
                if !self.grow()? {
                    let is_between = lexer.is_idle() && shape.first.is_none();
                    return if is_between { Ok(Part::End) } else { Err(self.truncated()) };
                }
                continue;
            };
            let first = *shape.first.get_or_insert(token.start);
            if first == token.start && self.is_command(token) {
                let end = memchr(b'\n', &self.text[first..]).map_or(self.text.len(), |found| first + found);
                self.found = first..end;
                self.consumed = end;
                return Ok(Part::Command);
            }
            if shape.is_level() && self.text[token.start..].starts_with(&self.delimiter) && token.kind == Kind::Sign {
                self.consumed = token.start + self.delimiter.len();
                if first < token.start {
                    self.found = first..self.consumed;
                    return Ok(Part::Statement);
                }
                shape = Shape::default();
                lexer = Lexer::at(self.rules, self.consumed);
                continue;
            }
            shape.take(token.of(&self.text), token.kind, self.delimiter == b";");
        }
    }

    /// The statement or command.
    pub fn text(&self) -> &[u8] {
        self.text.get(self.found.clone()).unwrap_or_default()
    }

    /// Where it begins in the content.
    pub fn offset(&self) -> u64 {
        self.base + self.found.start as u64
    }

    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.base + self.found.end as u64
    }

    /// The rules that literals are read by.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Literals that follow are read by these.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Statements that follow end with this.
    pub fn set_delimiter(&mut self, delimiter: &[u8]) -> Result<(), Trouble> {
        if delimiter.is_empty() || delimiter.iter().any(|byte| !b";/|".contains(byte)) {
            return Err(self.gave_up("a delimiter is expected that consists of ';', '/' or '|'"));
        }
        self.delimiter = delimiter.to_vec();
        Ok(())
    }

    /// Whether statements end with `;`.
    pub fn is_plain(&self) -> bool {
        self.delimiter == b";"
    }

    /// The lines after the one that the statement ends in: rows of COPY.
    pub fn lines(&mut self) -> Result<&mut Lines<'a>, Trouble> {
        if !self.text[self.consumed..].trim_ascii().is_empty() {
            return Err(self.gave_up("rows are expected on the line after COPY"));
        }
        self.consumed = self.text.len();
        Ok(&mut self.lines)
    }

    /// The error that ends the reader at this statement.
    pub fn gave_up(&self, why: impl Into<String>) -> Trouble {
        self.lines.side().gave_up(self.offset(), why)
    }

    fn truncated(&self) -> Trouble {
        let end = self.base + self.text.len().saturating_sub(1) as u64;
        self.lines.side().gave_up(end, "the content ends within a statement")
    }

    fn is_command(&self, token: Token) -> bool {
        token.is(&self.text, b'\\') || (self.rules.mysql && token.of(&self.text).eq_ignore_ascii_case(b"delimiter"))
    }

    /// Drops what is done with, at a cost in proportion to it: many statements may share a line.
    fn compact(&mut self) {
        if self.consumed * 2 >= self.text.len() {
            self.text.drain(..self.consumed);
            self.base += self.consumed as u64;
            self.consumed = 0;
        }
    }

    fn forget(&mut self) {
        self.base += self.text.len() as u64;
        self.text.clear();
        self.consumed = 0;
    }

    /// Takes another line into memory, and says whether there was one.
    fn grow(&mut self) -> Result<bool, Trouble> {
        if self.text.len() - self.consumed > MAX_ROW_BYTES {
            let offset = self.base + self.consumed as u64;
            return Err(self.lines.side().gave_up(offset, "the statement is longer than 64 MiB"));
        }
        if !self.lines.advance()? {
            return Ok(false);
        }
        if self.text.is_empty() {
            self.base = self.lines.offset();
        }
        self.text.extend_from_slice(self.lines.line());
        self.text.push(b'\n');
        Ok(true)
    }
}

/// What of a statement was seen so far, as far as it matters for its end.
#[derive(Default)]
struct Shape {
    first: Option<usize>,
    parentheses: u32,
    /// Open `BEGIN` and `CASE` of a routine's body.
    blocks: u32,
    words: u32,
    is_create: bool,
    is_routine: bool,
}

impl Shape {
    fn is_level(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    /// A body in SQL has `;` inside: `BEGIN ATOMIC ... END`, triggers of SQLite. MySQL changes the delimiter for it.
    fn take(&mut self, token: &[u8], kind: Kind, may_have_body: bool) {
        match (kind, token) {
            (Kind::Sign, b"(") => self.parentheses += 1,
            (Kind::Sign, b")") => self.parentheses = self.parentheses.saturating_sub(1),
            (Kind::Word, word) if may_have_body => self.take_word(word),
            _ => (),
        }
    }

    fn take_word(&mut self, word: &[u8]) {
        self.words += 1;
        let is = |wanted: &str| word.eq_ignore_ascii_case(wanted.as_bytes());
        self.is_create |= self.words == 1 && is("create");
        if self.is_create && self.words <= 4 {
            self.is_routine |= is("function") || is("procedure") || is("trigger");
        }
        if !self.is_routine || self.parentheses > 0 {
            return;
        }
        if is("begin") || (is("case") && self.blocks > 0) {
            self.blocks += 1;
        } else if is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }
}
