// SPDX-License-Identifier: MIT OR Apache-2.0
//! Content of files on a terminal. The one way by which bytes of a file are shown: what must not be seen has to be hidden here.
//!
//! `dump` is for programs and does not come by.

use keepfast_engine::compare::{Change, ChangeKind, certificate};
use serde_json::{Value, json};

use crate::render::text;

/// A line of text without its line feed: control characters but tabs, and what is not UTF-8, are escaped, or a file could disguise what is printed.
pub fn line(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    fragment(bytes.strip_suffix(b"\r").unwrap_or(bytes))
}

/// A part of a line, as [`line()`] makes it; a carriage return is shown.
pub fn fragment(bytes: &[u8]) -> String {
    let parts: Vec<String> = bytes.split(|byte| *byte == b'\t').map(escaped).collect();
    parts.join("\t")
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&text::plain(chunk.valid()));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// The lines of a text, each as [`line()`] makes it.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(line)
}

/// The whole text as JSON has it: what is not UTF-8 is replaced.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A change inside a document on one line.
pub fn change(change: &Change) -> String {
    let place = if change.place.0.is_empty() { "(all of it)".to_string() } else { change.place.to_string() };
    let shown = |value: &Option<String>| text::plain(value.as_deref().unwrap_or_default());
    let (old, new, place) = (shown(&change.before), shown(&change.after), text::plain(&place));
    let left = change.days_left.map_or_else(String::new, |days| format!(" ({})", certificate::expiry(days)));
    match change.kind {
        ChangeKind::Added => format!("  + {place}: {new}{left}"),
        ChangeKind::Removed => format!("  - {place}: {old}"),
        ChangeKind::Changed => format!("  ~ {place}: {old} -> {new}{left}"),
    }
}

/// The same for programs, without the path of the file.
pub fn change_to_json(format: &str, change: &Change) -> Value {
    let kind = match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
    };
    json!({
        "format": format,
        "place": change.place.to_string(),
        "kind": kind,
        "before": change.before,
        "after": change.after,
        "days_left": change.days_left,
    })
}

#[cfg(test)]
mod tests {
    use super::{line, lines};

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(line(b"a\tb\x1b[2J\xff\r\n"), "a\tb\\u{1b}[2J\\xff");
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), ["a", "", "b"]);
    }
}
