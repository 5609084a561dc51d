// SPDX-License-Identifier: MIT OR Apache-2.0
//! Content of files on a terminal. The one way by which bytes of a file are shown: what must not be seen has to be hidden here.
//!
//! `dump` is for programs and does not come by.

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
        text.push_str(&crate::render::text::plain(chunk.valid()));
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

#[cfg(test)]
mod tests {
    use super::{line, lines};

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(line(b"a\tb\x1b[2J\xff\r\n"), "a\tb\\u{1b}[2J\\xff");
        assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), ["a", "", "b"]);
    }
}
