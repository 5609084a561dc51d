// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the YAML reader promises.

use proptest::prelude::*;

use super::super::build::samples::{in_brackets, map, quoted, text, values};
use super::super::document::Value;
use super::parse;

fn read(text: &str) -> Value {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

#[track_caller]
fn gives_up(text: &str, place: &str, why: &str) {
    let error = parse(text.as_bytes()).expect_err("it should give up");
    assert!(error.place.contains(place) && error.why.contains(why), "{error}");
}

fn number(text: &str) -> Value {
    Value::Number(text.into())
}

#[test]
fn scalars_without_quotes_are_those_of_the_core_schema() {
    for nothing in ["~", "null", "Null", "NULL", ""] {
        assert_eq!(read(&format!("a: {nothing}")), map([("a", Value::Null)]));
    }
    for (written, value) in [
        ("true", Value::Bool(true)),
        ("FALSE", Value::Bool(false)),
        ("yes", text("yes")),
        ("1.50", number("1.5")),
        ("+12e1", number("120")),
        ("0x1F", number("31")),
        ("0o17", number("15")),
        (".inf", number("inf")),
        ("-.INF", number("-inf")),
        (".nan", number("nan")),
        ("1_000", text("1_000")),
        ("2024-01-02", text("2024-01-02")),
        ("12:30:00", text("12:30:00")),
        ("1.2.3", text("1.2.3")),
        ("'true'", text("true")),
        ("\"12\"", text("12")),
    ] {
        assert_eq!(read(&format!("a: {written}")), map([("a", value)]), "{written}");
    }
}

#[test]
fn a_file_mode_is_not_the_number_without_its_zero() {
    assert_ne!(read("mode: 0644"), read("mode: 644"));
    assert_ne!(read("mode: 0644"), read("mode: '0644'"));
}

#[test]
fn notation_order_and_comments_do_not_count() {
    let plain = read("b: [1, x]\na:\n  c: 'y'\n");
    assert_eq!(plain, read("# why\r\na: {\"c\": y}   # because\r\nb:\r\n- 1.0\r\n- \"x\"\r\n"));
    assert_eq!(plain, read("\u{feff}---\na:\n    c: >-\n        y\nb:\n    - 1\n    - x\n...\n"));
}

#[test]
fn documents_of_a_stream_are_a_list_without_the_empty_ones() {
    assert_eq!(read("---\na: 1\n---\n"), map([("a", number("1"))]));
    assert_eq!(read("a\n---\n---\nb\n"), Value::List(vec![text("a"), text("b")]));
    assert_eq!(read(""), Value::Null);
    assert_eq!(read("# nothing\n"), Value::Null);
    gives_up("&a x\n---\n*a\n", "line 3", "");
}

#[test]
fn aliases_stand_for_what_they_name() {
    assert_eq!(read("a: &x {b: 1}\nc: *x\n"), read("a: {b: 1}\nc: {b: 1}\n"));
    assert_eq!(read("&k a: *k\n"), map([("a", text("a"))]));
    assert_eq!(read("a: &k b\n*k : 1\n"), read("a: b\nb: 1\n"));
    gives_up("a: *x\n", "line 1", "");
    gives_up("a: &x\n  - *x\n", "line 2", "inside of what it names");
}

#[test]
fn merge_keys_fill_in_what_the_map_lacks() {
    let base = "one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\n";
    let merged = |text: &str| match read(&format!("{base}{text}")) {
        Value::Map(mut entries) => entries.remove(0).1,
        other => other,
    };
    assert_eq!(merged("m: {<<: *one, b: 3}"), read("{a: 1, b: 3}"));
    assert_eq!(merged("m: {b: 3, <<: [*one, *two]}"), read("{a: 1, b: 3, c: 2}"));
    assert_eq!(merged("m: {<<: [*two, *one]}"), read("{a: 1, b: 2, c: 2}"));
    assert_eq!(read("'<<': x"), map([("<<", text("x"))]));
    gives_up("a: 1\n<<: text\n", "line 2", "no map");
    gives_up("x: &x {}\na:\n  <<: *x\n  <<: *x\n", "line 4", "twice");
}

#[test]
fn tags_of_programs_stay_visible() {
    assert_eq!(read("a: !Ref b"), map([("a", map([("!Ref", text("b"))]))]));
    assert_ne!(read("a: !Ref b"), read("a: b"));
    assert_eq!(read("a: !Sub [x]"), map([("a", map([("!Sub", Value::List(vec![text("x")]))]))]));
    assert_eq!(read("a: !vault |\n  x\n"), map([("a", map([("!vault", text("x\n"))]))]));
    assert_eq!(read("a: !!str 12"), map([("a", text("12"))]));
    assert_eq!(read("a: !!int '12'"), map([("a", number("12"))]));
    assert_eq!(read("a: ! 12"), map([("a", text("12"))]));
    assert_eq!(read("a: !!binary |\n  QUJD\n  RA==\n"), map([("a", map([("!!binary", text("QUJDRA=="))]))]));
    gives_up("!x a: 1", "line 1", "tag");
}

#[test]
fn what_has_no_place_in_the_model_ends_the_reading() {
    gives_up("a: 1\nb: 2\na: 3\n", "line 3", "\"a\" stands twice");
    gives_up("? [a, b]\n: 1\n", "line 1", "list or a map");
    gives_up("a: b: c\n", "line 1", "");
    gives_up("a: [1,\n", "line", "");
    gives_up("a: \0b", "byte 3", "NUL");
    assert!(parse(b"a: \xff\n").is_err_and(|error| error.place == "byte 3"));
}

#[test]
fn a_bomb_of_anchors_ends_the_reading() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    gives_up(&bomb, "line 6", "memory");
    let merges = format!("a: &a {{x: 1}}\nb:\n{}", "- {<<: *a}\n".repeat(900_000));
    gives_up(&merges, "line", "memory");
}

#[test]
fn depth_and_length_are_limited() {
    assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    gives_up(&"- ".repeat(100_000), "line 1", "deep");
    let deep = format!("{}x{}", "[".repeat(120), "]".repeat(120));
    assert!(parse(deep.as_bytes()).is_ok());
    gives_up(&format!("[{}]", "a,".repeat(1_000_000)), "line", "brackets");
    gives_up(&" ".repeat(200 << 20), "byte 67108864", "longer");
}

/// The document with indentation in place of brackets.
fn indented(value: &Value, indent: usize) -> String {
    let margin = " ".repeat(indent);
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            let entry =
                |(key, value): &(String, Value)| format!("\n{margin}{}:{}", quoted(key), indented(value, indent + 2));
            entries.iter().map(entry).collect()
        }
        Value::List(values) if !values.is_empty() => {
            values.iter().map(|value| format!("\n{margin}-{}", indented(value, indent + 2))).collect()
        }
        other => format!(" {}", in_brackets(other, ": ")),
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn arbitrary_signs_of_yaml_never_panic(
        text in "([a-c0-1]|[-:?,&*!|>'\"%@#{}\\[\\]. \n\t~<]|: |- |\n  |<<|---\n){0,60}",
    ) {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn a_document_is_read_as_it_was_written(value in values(Some(Value::Null))) {
        prop_assert_eq!(&read(&in_brackets(&value, ": ")), &value);
        prop_assert_eq!(&read(&indented(&value, 0)), &value);
    }
}
