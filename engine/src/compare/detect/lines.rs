// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells INI and TOML from other text with `=` in it: scripts, build files, source, logs, lists of requirements.
//!
//! TOML needs a value in quotes or brackets: what has only numbers and words reads the same as INI.

use std::collections::HashSet;

use super::super::ini::{self, Line};
use super::super::toml;
use super::{Format, Sample};

/// Words that begin an assignment in scripts and source.
const OF_CODE: [&str; 20] = [
    "alias", "auto", "char", "const", "declare", "def", "double", "ENV", "for", "if", "int", "let", "local", "return",
    "set", "static", "unsigned", "val", "var", "while",
];

/// TOML.
pub(super) fn toml_format(sample: Sample<'_>) -> Option<Format> {
    let shows = |line: &str| {
        let value = line.split_once(" = ").map(|(_, value)| value.trim_start());
        line.starts_with("[[") || value.is_some_and(|value| value.starts_with(['"', '\'', '[', '{']))
    };
    if !begins_statement(sample.text) || !sample.text.lines().any(shows) {
        return None;
    }
    let text = sample.complete(|line| line.starts_with('['));
    toml::parse(text.as_bytes()).is_ok().then_some(Format::Toml)
}

/// Whether the first line that says something can be one of TOML: what begins otherwise, as nearly all source does, needs no reader that goes through all of it.
fn begins_statement(text: &str) -> bool {
    let first = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with('#'));
    let begins_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '\'');
    first.is_some_and(|line| line.starts_with('[') || line.contains('=') && line.starts_with(begins_key))
}

/// INI.
pub(super) fn ini_format(sample: Sample<'_>) -> Option<Format> {
    let found = Found::of(sample.text)?;
    let is_clear = if found.has_sections { found.pairs > 0 } else { found.is_clear_without_sections() };
    (is_clear && ini::parse(sample.text.as_bytes()).is_ok()).then_some(Format::Ini)
}

/// What there is in a text.
#[derive(Default)]
struct Found<'a> {
    has_sections: bool,
    pairs: usize,
    flags: usize,
    /// Pairs that only occur in a section: with `:`, a space in the key, a `;` behind the value.
    only_in_sections: usize,
    keys: HashSet<&'a str>,
}

impl<'a> Found<'a> {
    /// None if there is something that no INI has.
    fn of(text: &'a str) -> Option<Self> {
        let mut found = Self::default();
        for text in text.lines() {
            let is_indented = text.starts_with(char::is_whitespace);
            match ini::line(text) {
                Line::Section(_) => found.has_sections |= !is_indented,
                Line::Pair(key, value) => {
                    if !is_indented && is_of_code(key, value) {
                        return None;
                    }
                    found.pairs += 1;
                    found.keys.insert(key);
                    let key_words = key.strip_prefix("export ").unwrap_or(key);
                    let has_equals = text.trim_start()[key.len()..].trim_start().starts_with('=');
                    if !has_equals || is_indented || key_words.contains(' ') || value.ends_with(';') {
                        found.only_in_sections += 1;
                    }
                }
                Line::Flag(_) => found.flags += 1,
                Line::Odd(_) if !is_indented => return None,
                Line::Odd(_) | Line::Blank => {}
            }
        }
        Some(found)
    }

    /// One line is too little; keys that repeat more often than not are those of a log.
    fn is_clear_without_sections(&self) -> bool {
        self.pairs >= 2
            && self.only_in_sections == 0
            && self.flags * 4 <= self.pairs
            && self.keys.len() * 2 > self.pairs
    }
}

/// Whether a line is an assignment of a program, `==` or `=>` of a list, or begins a block.
fn is_of_code(key: &str, value: &str) -> bool {
    key.split(' ').next().is_some_and(|word| OF_CODE.contains(&word) && word != key)
        || key.ends_with([':', '+', '-', '*', '/', '%'])
        || value.starts_with(['=', '>', '~'])
        || value.ends_with(['{', '(', '['])
}
