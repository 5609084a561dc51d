// SPDX-License-Identifier: MIT OR Apache-2.0
//! `{{name}}` in the texts of a profile. In a script a value is quoted for the shell, so that no value is ever run.
//!
//! Braces around anything but a name, as in `docker ps --format '{{.Names}}'`, are left as they are.

use std::ops::Range;

use super::shell::{Around, Reader};
use super::{ProfileError, Values};

/// A text that is no script: a path, a message. Values are put in as they are.
///
/// # Errors
/// A variable that there is not, or that has no value.
pub fn text(template: &str, values: &Values) -> Result<String, ProfileError> {
    fill(template, values, &mut |value, _, _| value.to_string())
}

/// A script. A value is one word, or a part of one, whatever is in it; in quotes, what would end them is made harmless.
///
/// # Errors
/// As [`text`]; a value with more than plain letters where no quotes are safe, as in backquotes or behind `sh -c`.
pub fn script(template: &str, values: &Values) -> Result<String, ProfileError> {
    let mut reader = Reader::new();
    let mut read = 0;
    let mut failed = None;
    let filled = fill(template, values, &mut |value, before, at| {
        reader.read(&template[read..at.start]);
        read = at.end;
        let put = inserted(value, &reader, before, &template[at.end..]);
        reader.value(value);
        put.unwrap_or_else(|why| {
            failed.get_or_insert_with(|| format!("{value:?} can not be put into it: {why}"));
            String::new()
        })
    })?;
    match failed {
        Some(why) => Err(ProfileError::Template { text: template.to_string(), why }),
        None => Ok(filled),
    }
}

/// A value as it has to be written between `before` and `after`.
fn inserted(value: &str, reader: &Reader, before: &str, after: &str) -> Result<String, String> {
    let escaped = |letters: &str| {
        let mut text = String::with_capacity(value.len());
        for letter in value.chars() {
            if letters.contains(letter) {
                text.push('\\');
            }
            text.push(letter);
        }
        text
    };
    match reader.around() {
        Around::Nothing => {
            // An empty word has to be seen; nothing beside a word is nothing.
            let is_behind = before.ends_with(|letter: char| !letter.is_whitespace() && !";&|()<>".contains(letter));
            let is_part =
                is_behind || after.starts_with(|letter: char| letter.is_alphanumeric() || "/-_.{".contains(letter));
            Ok(if value.is_empty() && is_part { String::new() } else { quoted(value) })
        }
        Around::Single => Ok(value.replace('\'', r"'\''")),
        Around::Double => Ok(escaped("\\\"$`")),
        Around::Comment if value.contains('\n') => Err("it has a newline, which ends the comment".to_string()),
        Around::Comment => Ok(value.to_string()),
        Around::Here { end, expands } => {
            check_here(value, reader.line(), after.split('\n').next().unwrap_or_default(), &end)?;
            Ok(if expands { escaped("\\$`") } else { value.to_string() })
        }
        Around::Unsafe(_) if is_plain(value) => Ok(value.to_string()),
        Around::Unsafe(why) => Err(format!("no quotes are safe there: {why}")),
    }
}

/// Whether a value may stand in a line of a here-document: between `before` and `rest`.
fn check_here(value: &str, before: &str, rest: &str, end: &str) -> Result<(), String> {
    let line = format!("{before}{value}{rest}");
    let line = line.trim_start_matches('\t');
    if value.contains('\n') || (names(rest).is_empty() && line == end) {
        return Err("it could end the here-document".to_string());
    }
    // dash 0.5.12 compares a line with the end, and where they part at a byte above 127 it loses that byte.
    let same = line.bytes().zip(end.bytes()).take_while(|(of_line, of_end)| of_line == of_end).count();
    if same > 0 && line.as_bytes().get(same).is_some_and(|byte| !byte.is_ascii()) {
        return Err("its line begins as the end of the here-document does, where shells lose letters".to_string());
    }
    Ok(())
}

/// The names that a text uses.
#[must_use]
pub fn names(template: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let inner = &rest[start + 2..];
        let Some(end) = inner.find("}}") else { break };
        if is_name(&inner[..end]) {
            names.push(inner[..end].to_string());
            rest = &inner[end + 2..];
        } else {
            rest = inner;
        }
    }
    names
}

/// Quotes a word for the shell, if it needs it.
#[must_use]
pub fn quoted(word: &str) -> String {
    if !word.is_empty() && is_plain(word) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Whether a word means itself to a shell, wherever it stands as a part of a word.
fn is_plain(word: &str) -> bool {
    word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./:@%+,".contains(letter))
}

/// Calls `put` with each value, the text before it as it is filled, and where its name stands in the template.
fn fill(
    template: &str,
    values: &Values,
    put: &mut dyn FnMut(&str, &str, Range<usize>) -> String,
) -> Result<String, ProfileError> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let inner = &rest[start + 2..];
        match inner.find("}}").filter(|end| is_name(&inner[..*end])) {
            Some(end) => {
                filled.push_str(&rest[..start]);
                let from = template.len() - rest.len() + start;
                let value = put(values.get(&inner[..end])?, &filled, from..from + end + 4);
                filled.push_str(&value);
                rest = &inner[end + 2..];
            }
            None => {
                filled.push_str(&rest[..start + 2]);
                rest = inner;
            }
        }
    }
    filled.push_str(rest);
    Ok(filled)
}
