// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the TOML reader promises.

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

#[test]
fn values_have_their_types() {
    for (written, value) in [
        ("true", Value::Bool(true)),
        ("+1_000", Value::Number("1000".into())),
        ("0xFF", Value::Number("255".into())),
        ("0o17", Value::Number("15".into())),
        ("0b101", Value::Number("5".into())),
        ("-1_0.50e1", Value::Number("-105".into())),
        ("1e400", Value::Number("1e400".into())),
        ("-inf", Value::Number("-inf".into())),
        ("+nan", Value::Number("nan".into())),
        ("'a\\b'", text("a\\b")),
        ("\"\"\"\nx\\\n   y\"\"\"", text("xy")),
        ("1979-05-27T07:32:00Z", text("1979-05-27T07:32:00Z")),
        ("07:32:00", text("07:32:00")),
    ] {
        assert_eq!(read(&format!("a = {written}")), map([("a", value)]), "{written}");
    }
}

#[test]
fn notation_order_and_comments_do_not_count() {
    let tables = read("[a]\nb = 1\n[a.c]\nd = 'x'\n[[e]]\nf = 1\n[[e]]\nf = 2\n");
    assert_eq!(tables, read("\u{feff}# why\r\ne = [{f = 1}, {f = 2}] # because\r\na.c.d = \"x\"\r\na.b = 1\r\n"));
}

#[test]
fn line_ends_inside_of_texts_do_not_count() {
    assert_eq!(read("a = '''\r\nx\r\ny'''\r\n"), read("a = \"x\\ny\""));
    assert_ne!(read("a = \"x\\r\\ny\""), read("a = \"x\\ny\""));
}

#[test]
fn what_is_not_toml_ends_the_reading_with_its_line() {
    gives_up("a = 1\nb = x\n", "line 2", "");
    gives_up("a = 1\na = 2\n", "line 2", "duplicate");
    gives_up("a = 1\n[b\n", "line 2", "");
    gives_up("a = '\0'", "byte 5", "NUL");
    assert!(parse(b"a = '\xff'").is_err_and(|error| error.place == "byte 5"));
    assert_eq!(read(""), map([]));
}

#[test]
fn depth_and_length_are_limited() {
    assert!(parse(format!("a = {}", "[".repeat(100_000)).as_bytes()).is_err());
    assert!(parse(format!("a = {}", "{b = ".repeat(100_000)).as_bytes()).is_err());
    assert!(parse(format!("{} = 1", vec!["a"; 100_000].join(".")).as_bytes()).is_err());
    gives_up(&format!("a = [{}]", "1,".repeat(1_300_000)), "", "words and signs");
    gives_up(&format!("a = {}", "x".repeat(200 << 20)), "byte 16777216", "longer");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn arbitrary_signs_of_toml_never_panic(text in "([a-c0-1]|[-=,'\"#{}\\[\\]. \n\t_+:]| = |\n|\\[\\[|\"\"\"){0,60}") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn a_document_is_read_as_it_was_written(value in values(None)) {
        let inline = format!("\"k\" = {}", in_brackets(&value, " = "));
        prop_assert_eq!(&read(&inline), &map([("k", value.clone())]));
        if let Value::Map(entries) = &value {
            let lines: String = entries
                .iter()
                .map(|(key, value)| format!("{} = {}\n", quoted(key), in_brackets(value, " = ")))
                .collect();
            prop_assert_eq!(&read(&lines), &value);
            prop_assert_eq!(read(&format!("[\"t\"]\n{lines}")), map([("t", value)]));
        }
    }
}
