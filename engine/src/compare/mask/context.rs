// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a value is to be hidden, by what stands around it and by what it says.

use super::{Mask, TEXT_KEY, is_secret_name, is_value_key, json};

/// Documents in texts of documents in texts.
const MAX_EMBEDDED: usize = 3;

/// What stands around a value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context<'c> {
    /// A name around it says that all below is secret.
    pub(crate) is_secret: bool,
    /// What it is called.
    pub(crate) name: &'c str,
}

impl<'c> Context<'c> {
    /// Of the value of a key; `is_secret`: the key, or what stands beside it, says so.
    pub(crate) fn below(self, key: &'c str, is_secret: bool) -> Self {
        Self { is_secret: self.is_secret || is_secret, name: if key == TEXT_KEY { self.name } else { key } }
    }
}

/// Whether a key, or what its map says of its value, makes a secret of the value.
pub(crate) fn says_secret(key: &str, is_named: bool) -> bool {
    is_secret_name(key) || is_named && is_value_key(key)
}

/// The text without its secrets; `None` if it has none.
pub(crate) fn hidden(mask: &Mask, context: Context, text: &str, embedded: usize) -> Option<String> {
    if context.is_secret {
        return Some(mask.secret(text).into_owned()).filter(|hidden| hidden != text);
    }
    let document = text.trim_start().starts_with(['{', '[']) && embedded < MAX_EMBEDDED && mask.hides();
    if document && let Some(inner) = json::embedded(text, mask, embedded + 1) {
        return inner;
    }
    let hidden = mask.scalar(context.name, text);
    if *hidden == *text { None } else { Some(hidden.into_owned()) }
}

/// The text in double quotes, with the escapes that JSON, YAML and TOML have in common.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
