// SPDX-License-Identifier: MIT OR Apache-2.0
//! `{{name}}` in the texts of a profile. In a script a value is quoted for the shell, so that no value is ever run.
//!
//! Braces around anything but a name, as in `docker ps --format '{{.Names}}'`, are left as they are.

use super::{ProfileError, Values};

/// A text that is no script: a path, a message. Values are put in as they are.
///
/// # Errors
/// A variable that there is not, or that has no value.
pub fn text(template: &str, values: &Values) -> Result<String, ProfileError> {
    fill(template, values, &mut |value, _, _| value.to_string())
}

/// A script. Values are quoted where they have to be.
///
/// # Errors
/// As [`text`]; a value inside quotes that would end them.
pub fn script(template: &str, values: &Values) -> Result<String, ProfileError> {
    let mut failed = None;
    let filled = fill(template, values, &mut |value, before, after| {
        if let Some(quote) = open_quote(before) {
            let is_harmless = match quote {
                '\'' => !value.contains('\''),
                _ => !value.contains(['"', '\\', '$', '`', '!']),
            };
            if !is_harmless {
                failed = Some(value.to_string());
            }
            return value.to_string();
        }
        let touches = |neighbour: Option<char>| neighbour.is_some_and(|letter| !letter.is_whitespace());
        if value.is_empty() && (touches(before.chars().next_back()) || touches(after.chars().next())) {
            return String::new();
        }
        quoted(value)
    })?;
    match failed {
        Some(value) => Err(ProfileError::Template {
            text: template.to_string(),
            why: format!("{value:?} would end the quotes that it stands in"),
        }),
        None => Ok(filled),
    }
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
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// The quote that is open at the end of a script, if one is.
fn open_quote(script: &str) -> Option<char> {
    let mut open = None;
    let mut letters = script.chars();
    while let Some(letter) = letters.next() {
        match (open, letter) {
            (None | Some('"'), '\\') => drop(letters.next()),
            (None, '\'' | '"') => open = Some(letter),
            (Some(quote), letter) if quote == letter => open = None,
            _ => {}
        }
    }
    open
}

fn fill(
    template: &str,
    values: &Values,
    put: &mut dyn FnMut(&str, &str, &str) -> String,
) -> Result<String, ProfileError> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let inner = &rest[start + 2..];
        match inner.find("}}").filter(|end| is_name(&inner[..*end])) {
            Some(end) => {
                filled.push_str(&rest[..start]);
                let value = put(values.get(&inner[..end])?, &filled, &inner[end + 2..]);
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
