// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reader of JSON against serde_json, and against the comparison in memory.

use super::super::parse;
use super::{in_memory, streamed};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

/// Few keys and values, so that documents meet; keys that tell elements apart among them.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..5_i64).prop_map(|number| json!(number)),
        Just(json!(1.0)),
        Just(json!(2.5)),
        Just(json!(u64::MAX)),
        any::<f64>().prop_map(|number| json!(number)),
        "[ab\"\\\\\u{e4}\n]{0,3}".prop_map(Value::String),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("id".to_string()),
        Just("name".to_string()),
        Just("metadata".to_string()),
        Just("fq_name".to_string()),
        "[a-c ]{0,2}",
    ]
}

fn document() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((key(), inner.clone()), 0..6).prop_map(|entries| entries.into_iter().collect()),
            prop::collection::vec((0..9_i64, inner.clone()), 0..6).prop_map(|elements| {
                elements.into_iter().map(|(id, value)| json!({"id": id, "v": value})).collect()
            }),
            prop::collection::vec(("[a-e]", inner), 0..6).prop_map(|elements| {
                elements.into_iter().map(|(name, value)| json!({"metadata": {"name": name}, "v": value})).collect()
            }),
        ]
    })
}

/// Changes what `steps` lead to: each of them takes a child, and the last one an action.
fn mutate(value: &mut Value, steps: &[usize], new: &Value) {
    let (Some((step, rest)), true) = (steps.split_first(), value.is_array() || value.is_object()) else {
        *value = new.clone();
        return;
    };
    match value {
        Value::Array(values) if values.is_empty() => values.push(new.clone()),
        Value::Array(values) => {
            let at = step / 8 % values.len();
            let other = step / 64 % values.len();
            match step % 8 {
                0 => drop(values.remove(at)),
                1 => values.insert(at, new.clone()),
                2 => values.swap(at, other),
                _ => mutate(&mut values[at], rest, new),
            }
        }
        Value::Object(entries) => {
            let Some(key) = entries.keys().nth(step / 8 % entries.len().max(1)).cloned() else {
                entries.insert("a".to_string(), new.clone());
                return;
            };
            match step % 8 {
                0 => drop(entries.remove(&key)),
                1 => drop(entries.insert("b".to_string(), new.clone())),
                _ => entries.get_mut(&key).into_iter().for_each(|value| mutate(value, rest, new)),
            }
        }
        _ => {}
    }
}

fn pair() -> impl Strategy<Value = (Value, Value)> {
    let edit = (prop::collection::vec(0..512_usize, 0..6), document());
    let mutated = (document(), prop::collection::vec(edit, 0..4)).prop_map(|(before, edits)| {
        let mut after = before.clone();
        edits.iter().for_each(|(steps, new)| mutate(&mut after, steps, new));
        (before, after)
    });
    prop_oneof![8 => mutated, 1 => (document(), document())]
}

/// Numbers that are whole have no fraction then, as far as floats are exact.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(normal).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), normal(value))).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 9e15 => json!(float as i64),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// So large that it is not parsed in one piece, and the larger containers in it are remembered.
fn inflated(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(inflated).collect(),
        Value::Object(entries) => {
            let padding = ("padding".to_string(), Value::String("p".repeat(70_000)));
            entries.iter().map(|(key, value)| (key.clone(), inflated(value))).chain([padding]).collect()
        }
        _ => value.clone(),
    }
}

fn check(before: &Value, after: &Value) -> Result<(), proptest::test_runner::TestCaseError> {
    let (old, new) = (before.to_string().into_bytes(), serde_json::to_string_pretty(after).unwrap().into_bytes());
    let changes = streamed(&old, &new).unwrap();
    prop_assert_eq!(&changes, &in_memory(&parse(&old).unwrap(), &parse(&new).unwrap()));
    prop_assert_eq!(changes.is_empty(), normal(before) == normal(after));
    Ok(())
}

/// Text that is nearly JSON.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        "[\\[\\]{}:,\" \n0-9.eE+\\\\-]",
        Just("\"a\"".to_string()),
        Just("\"\\u00e4\"".to_string()),
        Just("\\ud83d\\ude00".to_string()),
        Just("true".to_string()),
        Just("null".to_string()),
        Just("{\"a\":1}".to_string()),
        Just("1.5e3".to_string()),
    ];
    let text = prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat().into_bytes());
    let damaged = (document(), any::<usize>(), any::<u8>()).prop_map(|(value, at, byte)| {
        let mut text = value.to_string().into_bytes();
        let at = at % text.len();
        text[at] = byte;
        text
    });
    prop_oneof![text, damaged, prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn changes_are_those_of_the_comparison_in_memory_and_none_exactly_for_equal_documents((before, after) in pair()) {
        check(&before, &after)?;
    }

    #[test]
    fn large_documents_are_no_exception((before, after) in pair()) {
        check(&inflated(&before), &inflated(&after))?;
    }

    #[test]
    fn several_documents_are_no_exception(before in prop::collection::vec(pair(), 2..6)) {
        let (old, new): (Vec<Value>, Vec<Value>) = before.into_iter().unzip();
        let lines = |values: &[Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>().into_bytes();
        let changes = streamed(&lines(&old), &lines(&new)).unwrap();
        let expected = in_memory(&parse(&lines(&old)).unwrap(), &parse(&lines(&new)).unwrap());
        prop_assert_eq!(changes, expected);
    }

    #[test]
    fn what_serde_json_takes_for_json_is_json_and_nothing_else(text in nearly_json()) {
        let theirs = serde_json::from_slice::<Value>(&text);
        let ours = parse(&text);
        let several = matches!(&ours, Ok(crate::compare::document::Value::List(values)) if values.len() > 1);
        // It has no number beyond a float, and no text of several values.
        let range = theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        let is_trailing = theirs.as_ref().is_err_and(|error| error.to_string().contains("trailing"));
        prop_assert!(theirs.is_ok() == ours.is_ok() || range || (is_trailing && several), "{theirs:?} {ours:?}");
        prop_assert_eq!(streamed(&text, b"1").is_ok(), ours.is_ok());
    }

    #[test]
    fn any_bytes_end_without_panic(before in prop::collection::vec(any::<u8>(), 0..200), after in nearly_json()) {
        let _ = streamed(&before, &after);
        let _ = streamed(&after, &before);
        prop_assert!(streamed(&after, &after).is_err() || streamed(&after, &after).unwrap().is_empty());
    }
}
