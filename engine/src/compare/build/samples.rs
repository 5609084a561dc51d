// SPDX-License-Identifier: MIT OR Apache-2.0
//! Documents for the tests of readers: random ones, and how they are written.
//!
//! YAML and TOML share their quotes, so that one writer of texts serves both.

use proptest::prelude::*;

use super::super::document::Value;

/// Any document; `null` is what stands for nothing, if the format has it.
pub(in super::super) fn values(null: Option<Value>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.to_string())),
        texts().prop_map(Value::Text),
        Just(null.unwrap_or(Value::Bool(false))),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            proptest::collection::btree_map(texts(), inner, 0..6).prop_map(|map| Value::Map(map.into_iter().collect())),
        ]
    })
}

/// Any text but with a NUL.
pub(in super::super) fn texts() -> impl Strategy<Value = String> {
    let characters = prop_oneof![any::<char>(), prop::char::range(' ', '~'), Just('\n'), Just('\t')];
    proptest::collection::vec(characters.prop_filter("no NUL", |c| *c != '\0'), 0..12)
        .prop_map(|c| c.into_iter().collect())
}

/// The text in quotes.
pub(in super::super) fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        _ => format!("\\U{:08X}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// The document with brackets; `sign` stands between a key and its value.
pub(in super::super) fn in_brackets(value: &Value, sign: &str) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(text) => quoted(text),
        Value::List(values) => {
            format!("[{}]", values.iter().map(|value| in_brackets(value, sign)).collect::<Vec<_>>().join(", "))
        }
        Value::Map(entries) => {
            let entry = |(key, value): &(String, Value)| format!("{}{sign}{}", quoted(key), in_brackets(value, sign));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text value.
pub(in super::super) fn text(text: &str) -> Value {
    Value::Text(text.to_string())
}

/// A map; its keys have to stand in order.
pub(in super::super) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}
