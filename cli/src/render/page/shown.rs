// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text of unknown origin in a page. Escaped twice: what would disguise it becomes visible, and the template makes text of what is left. Each piece
//! stands apart from its neighbours for whoever orders text from right to left. Secrets that a mask hid are marked.

use maud::{Markup, html};

use crate::render::{content, text};

/// What a mask puts in the place of a secret begins with this, then come its digits and a `>`.
const SECRET: &str = "<secret ";
const SECRET_DIGITS: usize = 8;

/// A path in a snapshot, from its top.
pub fn path(stored: &[u8]) -> Markup {
    html! { bdi.path { (text::stored_path(stored)) } }
}

/// A name alone.
pub fn name(name: &[u8]) -> Markup {
    html! { bdi.path { (text::path(name)) } }
}

/// A text that people typed, or that the program made.
pub fn plain(plain: &str) -> Markup {
    html! { bdi { (text::plain(plain)) } }
}

/// A value, with its secrets marked if they are masked.
pub fn value(value: &str, masks: bool) -> Markup {
    marked(&text::plain(value), masks)
}

/// A piece of a line of a text.
pub fn code(bytes: &[u8], masks: bool) -> Markup {
    marked(&content::fragment(bytes), masks)
}

/// A point in time, of Unix nanoseconds.
pub fn time(nanoseconds: i64) -> Markup {
    html! { time datetime=(text::rfc3339(nanoseconds)) { (text::time_and_zone(nanoseconds)) } }
}

fn marked(plain: &str, masks: bool) -> Markup {
    let pieces = if masks { pieces(plain) } else { vec![(plain, None)] };
    html! {
        @for (before, secret) in pieces {
            (before)
            @if let Some(digits) = secret {
                span.secret title="A secret: equal ones have the same digits" { "<secret " (digits) ">" }
            }
        }
    }
}

/// Stretches of text, each with the fingerprint behind it.
fn pieces(plain: &str) -> Vec<(&str, Option<&str>)> {
    let (mut pieces, mut done, mut from) = (Vec::new(), 0, 0);
    while let Some(at) = plain[from..].find(SECRET).map(|at| from + at) {
        let start = at + SECRET.len();
        let digits =
            plain.get(start..start + SECRET_DIGITS).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        from = start;
        if let Some(digits) = digits.filter(|_| plain[start + SECRET_DIGITS..].starts_with('>')) {
            pieces.push((&plain[done..at], Some(digits)));
            (done, from) = (start + SECRET_DIGITS + 1, start + SECRET_DIGITS + 1);
        }
    }
    pieces.push((&plain[done..], None));
    pieces
}

#[cfg(test)]
mod tests {
    use super::{pieces, value};

    #[test]
    fn fingerprints_are_marked_and_nothing_else_is() {
        let found = pieces("a=<secret 0123abcd>, b=<secret x> <secret 0123abcd <secret ffffffff>");
        let expected = [("a=", Some("0123abcd")), (", b=<secret x> <secret 0123abcd ", Some("ffffffff")), ("", None)];
        assert_eq!(found, expected);
    }

    #[test]
    fn markup_is_text() {
        let made = value("</span><img src=x onerror=alert(1)>\u{202e}\0&lt;", true).into_string();
        assert_eq!(made, "&lt;/span&gt;&lt;img src=x onerror=alert(1)&gt;\\u{202e}\\u{0}&amp;lt;");
    }
}
