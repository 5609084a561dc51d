// SPDX-License-Identifier: MIT OR Apache-2.0
//! Documents of other formats than JSON, made of one model: without secrets, or without a part, each says what is left of it.

use std::fmt::Write as _;

use proptest::collection::btree_map;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};

use super::{KEY, run};
use crate::compare::document::Value;
use crate::compare::{GaveUp, Mask, ini, toml, xml, yaml};

/// A text, or more of them by key.
#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Map(Vec<(String, Node)>),
}

fn entries(value: impl Strategy<Value = Node>) -> impl Strategy<Value = Vec<(String, Node)>> {
    let key = select(vec!["a", "b", "user", "port", "zone", "password", "api_key", "client_secret"]);
    btree_map(key, value, 1..5).prop_map(|map| map.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}

/// Texts that are `hunter2` under secret names, and never elsewhere.
fn document() -> impl Strategy<Value = Vec<(String, Node)>> {
    let text = "[a-z][a-z0-9 ]{0,8}[a-z]".prop_map(Node::Text);
    let inner = entries(text.clone()).prop_map(Node::Map);
    let section = entries(prop_oneof![2 => text, 1 => inner]).prop_map(Node::Map);
    (entries(section), Just(())).prop_map(|(mut sections, ())| {
        seed(&mut sections, false);
        sections
    })
}

fn seed(entries: &mut [(String, Node)], is_secret: bool) {
    for (key, node) in entries {
        let is_secret = is_secret || ["password", "api_key", "client_secret"].contains(&key.as_str());
        match node {
            Node::Text(text) if is_secret => *text = format!("hunter2{text}"),
            Node::Text(_) => {}
            Node::Map(inner) => seed(inner, is_secret),
        }
    }
}

fn as_yaml(entries: &[(String, Node)], indent: usize, style: usize, out: &mut String) {
    for (key, node) in entries {
        let space = " ".repeat(indent);
        match node {
            Node::Text(text) if style == 1 => writeln!(out, "{space}{key}: '{text}'   # why").unwrap(),
            Node::Text(text) if style == 2 => writeln!(out, "{space}{key}: \"{text}\"").unwrap(),
            Node::Text(text) if style == 3 => writeln!(out, "{space}{key}: |-\n{space}  {text}\n").unwrap(),
            Node::Text(text) => writeln!(out, "{space}{key}: {text}").unwrap(),
            Node::Map(inner) => {
                writeln!(out, "{space}{key}:").unwrap();
                as_yaml(inner, indent + 2, style, out);
            }
        }
    }
}

fn as_xml(entries: &[(String, Node)], out: &mut String) {
    for (key, node) in entries {
        match node {
            Node::Text(text) => write!(out, "<{key}>{text}</{key}>\n ").unwrap(),
            Node::Map(inner) => {
                write!(out, "<{key}>").unwrap();
                as_xml(inner, out);
                write!(out, "</{key}>").unwrap();
            }
        }
    }
}

fn as_toml(entries: &[(String, Node)], path: &str, style: usize, out: &mut String) {
    let of_text = |node: &&(String, Node)| matches!(node.1, Node::Text(_)) || style == 1 && !path.is_empty();
    for (key, node) in entries.iter().filter(of_text) {
        match node {
            Node::Text(text) => writeln!(out, "{key} = \"{text}\" # why").unwrap(),
            Node::Map(inner) => {
                let pairs = inner.iter().map(|(key, node)| match node {
                    Node::Text(text) => format!("{key} = '{text}'"),
                    Node::Map(_) => format!("{key} = 1"),
                });
                writeln!(out, "{key} = {{ {} }}", pairs.collect::<Vec<_>>().join(", ")).unwrap();
            }
        }
    }
    for (key, node) in entries.iter().filter(|entry| !of_text(entry)) {
        if let Node::Map(inner) = node {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            writeln!(out, "\n[{path}]").unwrap();
            as_toml(inner, &path, style, out);
        }
    }
}

fn as_ini(entries: &[(String, Node)], out: &mut String) {
    for (section, node) in entries {
        writeln!(out, "; of {section}\n[{section}]").unwrap();
        if let Node::Map(inner) = node {
            for (key, node) in inner {
                match node {
                    Node::Text(text) => writeln!(out, "{key} = {text}").unwrap(),
                    Node::Map(_) => writeln!(out, "{key} =").unwrap(),
                }
            }
        }
    }
}

type Parse = fn(&[u8]) -> Result<Value, GaveUp>;

/// The document in each format, with its reader and what stands before paths.
fn notations(entries: &[(String, Node)], style: usize) -> Vec<(String, Parse, &'static str)> {
    let (mut in_yaml, mut in_xml, mut in_toml, mut in_ini) =
        ("---\n".to_string(), "<r>".to_string(), String::new(), String::new());
    as_yaml(entries, 0, style, &mut in_yaml);
    as_xml(entries, &mut in_xml);
    as_toml(entries, "", style, &mut in_toml);
    as_ini(entries, &mut in_ini);
    in_xml.push_str("</r>");
    in_toml.insert_str(0, "first = \"x\"\n");
    vec![(in_yaml, yaml::parse, ""), (in_xml, xml::parse, "r."), (in_toml, toml::parse, ""), (in_ini, ini::parse, "")]
}

/// The value with its secrets as one text, and without what is empty.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::Text(text) if text.contains("hunter2") || text.contains("<secret ") => {
            Some(Value::Text("secret".into()))
        }
        Value::Text(text) if text.trim().is_empty() => None,
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().filter_map(|(key, value)| Some((key.clone(), plain(value)?))).collect();
            (!entries.is_empty()).then_some(Value::Map(entries))
        }
        Value::Null => None,
        other => Some(other.clone()),
    }
}

fn remove(value: &mut Value, path: &[&str]) {
    if let (Value::Map(entries), Some((key, rest))) = (value, path.split_first()) {
        match rest {
            [] => entries.retain(|(other, _)| other != key),
            rest => entries.iter_mut().filter(|(other, _)| other == key).for_each(|(_, value)| remove(value, rest)),
        }
    }
}

/// Ways to maps and texts of the value.
fn paths(value: &Value, at: &str, out: &mut Vec<String>) {
    if let Value::Map(entries) = value {
        for (key, value) in entries {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            paths(value, &path, out);
            out.push(path);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_notation_says_the_same_but_for_its_secrets(entries in document(), style in 0..4_usize) {
        for (text, parse, _) in notations(&entries, style) {
            let (shown, report) = run(text.as_bytes(), &[], &Mask::keyed(KEY)).unwrap();
            let shown = String::from_utf8(shown).unwrap();
            prop_assert!(!shown.contains("hunter2") && report.doubts.is_empty(), "{}\n{:?}", shown, report);
            let models = (parse(text.as_bytes()).unwrap(), parse(shown.as_bytes()).unwrap());
            prop_assert_eq!(plain(&models.0), plain(&models.1), "{}\n{}", text, shown);
            prop_assert_eq!(shown.lines().count(), text.lines().count());
        }
    }

    #[test]
    fn any_notation_without_a_part_is_the_rest(entries in document(), style in 0..4_usize, which in any::<Index>()) {
        for (text, parse, prefix) in notations(&entries, style) {
            let mut model = parse(text.as_bytes()).unwrap();
            let mut all = Vec::new();
            paths(&model, "", &mut all);
            all.retain(|path| path.starts_with(prefix));
            let path = which.get(&all).as_str();
            let left = run(text.as_bytes(), &[path], &Mask::reveal());
            // The last of all leaves no document that could be told from text.
            let Ok((left, _)) = left else {
                prop_assert!(all.iter().all(|other| other.starts_with(path) || path.starts_with(other.as_str())), "{} of {}: {:?}", path, text, left);
                continue;
            };
            remove(&mut model, &path.split('.').collect::<Vec<_>>());
            let found = parse(&left).unwrap();
            prop_assert_eq!(plain(&found), plain(&model), "{} of {}", path, text);
        }
    }
}
