// SPDX-License-Identifier: MIT OR Apache-2.0
//! The places of the values of TOML. Only for a text that [`parse`](super::parse) took: it has looked at all limits.

use super::{DeTable, DeValue, GaveUp, READER, Spanned, build, float, integer};
use crate::compare::spans::{Content, Entry, Spot, Style};

/// The tables of the text. Those that stand in several places of it have the place of their first header.
///
/// # Errors
/// The text is not TOML.
pub fn spans(text: &str) -> Result<Spot, GaveUp> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = build::line_of(text, error.span().map_or(0, |span| span.start));
        GaveUp { reader: READER, place: format!("line {line}"), why: error.message().to_string() }
    })?;
    Ok(Spot::new(0..text.len(), entries(text, table.get_ref())))
}

fn entries(text: &str, table: &DeTable<'_>) -> Content {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let value = spot(text, value);
        let whole = key.span().start..value.span.end.max(key.span().end);
        let key_style = style(text, key.span().start);
        Entry { key: key.get_ref().to_string(), key_span: key.span(), key_style, whole, value }
    };
    Content::Map(table.iter().map(entry).collect())
}

fn spot(text: &str, value: &Spanned<DeValue<'_>>) -> Spot {
    let scalar = |shown: String| Content::Scalar(Some(shown), style(text, value.span().start));
    let content = match value.get_ref() {
        DeValue::String(value) => scalar(value.replace("\r\n", "\n")),
        DeValue::Integer(value) => scalar(integer(value.as_str(), value.radix())),
        DeValue::Float(value) => scalar(float(value.as_str())),
        DeValue::Datetime(value) => scalar(value.to_string()),
        DeValue::Boolean(_) => Content::Scalar(None, Style::Plain),
        DeValue::Array(values) => Content::List(values.iter().map(|value| spot(text, value)).collect()),
        DeValue::Table(table) => entries(text, table),
    };
    Spot::new(value.span(), content)
}

fn style(text: &str, at: usize) -> Style {
    match text.as_bytes().get(at) {
        Some(b'\'') => Style::Single,
        Some(b'"') => Style::Double,
        _ => Style::Plain,
    }
}
