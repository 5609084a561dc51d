// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values as they are shown: compact JSON, every scalar masked first, cut where it is longer than a person reads.
//!
//! What is cut away is written as well, to count it, but not kept.

use super::Value;
use super::digest::Kind;
use super::identity::Keys;
use super::tree::{Node, Tree};
use crate::compare::change::MAX_SHOWN_BYTES;
use crate::compare::mask::{TEXT_KEY, is_name_key, is_secret_name, is_value_key};
use crate::compare::{Mask, Trouble};

/// What tells secrets, and hides them.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) mask: &'a Mask,
}

/// The value of a node that stands under `name`.
///
/// # Errors
/// It can not be read, or has more than `room` values in one container.
pub(crate) fn node<T: Tree>(tree: &T, of: &Node, name: &str, terms: Terms, room: usize) -> Result<String, Trouble> {
    let mut out = Cut::default();
    write_node(tree, of, name, terms, room, &mut out)?;
    Ok(out.finish())
}

fn write_node<T: Tree>(
    tree: &T,
    of: &Node,
    name: &str,
    terms: Terms,
    room: usize,
    out: &mut Cut,
) -> Result<(), Trouble> {
    if let Some(value) = tree.value(of)? {
        write_value(&value, name, terms.mask, out);
        return Ok(());
    }
    let is_map = of.digest.kind() == Kind::Map;
    let nodes = tree.children(of, room)?.nodes;
    let room = room - nodes.len().min(room);
    let named = if is_map { terms.keys.named_secret(tree, &nodes)? } else { None };
    out.push(if is_map { "{" } else { "[" });
    for (number, node) in nodes.iter().enumerate() {
        out.push(if number > 0 { "," } else { "" });
        if is_map {
            let key = tree.key(node)?;
            quote(&terms.mask.value("", &key), out);
            out.push(":");
            let named = named.as_deref().filter(|_| is_value_key(&key));
            write_node(tree, node, named.unwrap_or(child_name(name, &key)), terms, room, out)?;
        } else {
            write_node(tree, node, name, terms, room, out)?;
        }
    }
    out.push(if is_map { "}" } else { "]" });
    Ok(())
}

fn write_value(value: &Value, name: &str, mask: &Mask, out: &mut Cut) {
    match value {
        Value::Null => plain("null", name, mask, out),
        Value::Bool(value) => plain(if *value { "true" } else { "false" }, name, mask, out),
        Value::Number(text) => plain(text, name, mask, out),
        Value::Text(text) => quote(&mask.value(name, text), out),
        Value::List(values) => {
            out.push("[");
            for (number, value) in values.iter().enumerate() {
                out.push(if number > 0 { "," } else { "" });
                write_value(value, name, mask, out);
            }
            out.push("]");
        }
        Value::Map(entries) => {
            out.push("{");
            let named = named_secret(entries);
            for (number, (key, value)) in entries.iter().enumerate() {
                out.push(if number > 0 { "," } else { "" });
                quote(&mask.value("", key), out);
                out.push(":");
                let is_value = is_value_key(key);
                write_value(value, named.filter(|_| is_value).unwrap_or(child_name(name, key)), mask, out);
            }
            out.push("}");
        }
    }
}

/// What a value is called for the mask: by its key, unless all that is in the map is secret, or the key only says that it is the text.
fn child_name<'a>(parent: &'a str, key: &'a str) -> &'a str {
    if key == TEXT_KEY || is_secret_name(parent) { parent } else { key }
}

/// The name of a secret that a map gives as a value: `{"name": "DB_PASSWORD", "value": "..."}`.
fn named_secret(entries: &[(String, Value)]) -> Option<&str> {
    entries.iter().find_map(|(key, value)| match value {
        Value::Text(text) if is_name_key(key) && is_secret_name(text) => Some(text.as_str()),
        _ => None,
    })
}

/// A scalar that needs no quotes, unless it was masked.
fn plain(text: &str, name: &str, mask: &Mask, out: &mut Cut) {
    match mask.value(name, text) {
        shown if shown == text => out.push(text),
        masked => quote(&masked, out),
    }
}

fn quote(text: &str, out: &mut Cut) {
    out.push("\"");
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push("\\\""),
            b'\\' => out.push("\\\\"),
            b'\n' => out.push("\\n"),
            b'\r' => out.push("\\r"),
            b'\t' => out.push("\\t"),
            control => out.push(&format!("\\u{control:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push(rest);
    out.push("\"");
}

/// A text of which only the start is kept, to come out as [`shown`](crate::compare::change::shown) gives it.
#[derive(Default)]
struct Cut {
    start: String,
    bytes: usize,
}

impl Cut {
    fn push(&mut self, text: &str) {
        let wanted = (MAX_SHOWN_BYTES + 1).saturating_sub(self.start.len());
        self.start.push_str(&text[..text.ceil_char_boundary(wanted)]);
        self.bytes += text.len();
    }

    fn finish(self) -> String {
        if self.bytes <= MAX_SHOWN_BYTES {
            return self.start;
        }
        let end = self.start.floor_char_boundary(MAX_SHOWN_BYTES);
        format!("{}... ({} bytes)", &self.start[..end], self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cut, quote, write_value};
    use crate::compare::Mask;
    use crate::compare::change::shown;
    use crate::compare::document::Value;

    fn cut(pieces: &[&str]) -> String {
        let mut out = Cut::default();
        pieces.iter().for_each(|piece| out.push(piece));
        out.finish()
    }

    #[test]
    fn a_text_in_pieces_is_cut_as_in_whole() {
        for length in 0..6 {
            for piece in ["a", "ä", "€", "aä€𝄞", &"ä".repeat(300)] {
                let pieces: Vec<&str> = ["x"].into_iter().chain(vec![piece; 60 * length]).collect();
                assert_eq!(cut(&pieces), shown(&pieces.concat()));
            }
        }
        assert_eq!(cut(&[&"a".repeat(400)]), "a".repeat(400));
        assert_eq!(cut(&[&"a".repeat(401)]), format!("{}... (401 bytes)", "a".repeat(400)));
    }

    #[test]
    fn texts_are_quoted_as_json_has_it() {
        let text = "a\"b\\c\nd\re\tf\u{1}g\u{7f}ä€/";
        let mut out = Cut::default();
        quote(text, &mut out);
        let quoted = out.finish();
        assert_eq!(quoted, "\"a\\\"b\\\\c\\nd\\re\\tf\\u0001g\u{7f}ä€/\"");
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
    }

    #[test]
    fn containers_are_compact_and_numbers_stay_as_written() {
        let list = Value::List(vec![Value::Number("1.50".into()), Value::Null, Value::Bool(true)]);
        let map = Value::Map(vec![("a b".into(), list), ("c".into(), Value::Map(vec![]))]);
        let mut out = Cut::default();
        write_value(&map, "", &Mask::reveal(), &mut out);
        assert_eq!(out.finish(), r#"{"a b":[1.50,null,true],"c":{}}"#);
    }
}
