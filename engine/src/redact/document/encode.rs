// SPDX-License-Identifier: MIT OR Apache-2.0
//! A text in the notation of a format, as much like what stood there as can be.

use crate::compare::Format;
use crate::compare::mask::context::quoted;
use crate::compare::spans::Style;

/// The text in the place of what was `written`.
pub(super) fn scalar(text: &str, written: &str, style: Style, format: Format) -> String {
    match (format, style) {
        (_, Style::Markup) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            text.replace('"', "&quot;").replace('\'', "&apos;")
        }
        (Format::Ini, _) => text.to_string(),
        (_, Style::Block(indent)) => {
            let lines: Vec<&str> = text.trim_end_matches('\n').lines().collect();
            lines.join(&format!("\n{}", " ".repeat(indent)))
        }
        (Format::Yaml, Style::Single) if !text.contains(['\n', '\r']) => format!("'{}'", text.replace('\'', "''")),
        (Format::Toml, Style::Single) if is_literal(text) && !written.starts_with("'''") => format!("'{text}'"),
        _ => quoted(text),
    }
}

/// A text in markup with its fingerprints as they stand everywhere else, for people.
pub(super) fn bare(text: &str) -> String {
    let mut parts = text.split("&lt;secret ");
    let mut shown = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part.split_once("&gt;") {
            Some((digits, rest)) => shown.extend(["<secret ", digits, ">", rest]),
            None => shown.extend(["&lt;secret ", part]),
        }
    }
    shown
}

/// Whether TOML takes it in single quotes, which have no escapes.
fn is_literal(text: &str) -> bool {
    !text.chars().any(|c| c == '\'' || c.is_control())
}
