// SPDX-License-Identifier: MIT OR Apache-2.0
//! Promises of the reader of JSON.

mod properties;
mod speed;

use super::{compare, parse};
use crate::compare::document::{self, Value};
use crate::compare::{Bytes, Change, GaveUp, Mask, Place, Trouble};
use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

fn streamed(before: &[u8], after: &[u8]) -> Result<Vec<Change>, Trouble> {
    let mut changes = Vec::new();
    let mut each = |change| {
        changes.push(change);
        Ok(())
    };
    compare(&before.to_vec(), &after.to_vec(), &Mask::reveal(), &mut each)?;
    Ok(changes)
}

fn in_memory(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut each = |change| {
        changes.push(change);
        Ok(())
    };
    document::compare::compare(before, after, &Place::default(), &Mask::reveal(), &mut each).unwrap();
    changes
}

fn places(before: &[u8], after: &[u8]) -> Vec<String> {
    streamed(before, after).unwrap().iter().map(|change| change.place.to_string()).collect()
}

fn given_up(before: &[u8], after: &[u8]) -> GaveUp {
    match streamed(before, after) {
        Err(Trouble::GaveUp(gave_up)) => gave_up,
        other => panic!("not given up: {other:?}"),
    }
}

/// A list of objects with a tree in each, above the size that is parsed in one piece.
fn large(elements: usize, edit: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut text = String::from(r#"{"kind":"dump","items":["#);
    for number in 0..elements {
        let value = edit(number);
        let comma = if number == 0 { "" } else { "," };
        let tags: Vec<String> = (0..10).map(|tag| format!("\"tag {tag} of {number}\"")).collect();
        let tags = tags.join(",");
        write!(text, r#"{comma}{{"id":{number},"n":{{"value":{value},"tags":[{tags}],"f":1.50}},"s":"ä\n{number}"}}"#)
            .unwrap();
    }
    text.push_str("]}");
    text.into_bytes()
}

#[test]
fn twenty_changes_in_one_enormous_line_are_exactly_twenty() {
    let before = large(20_000, |number| number);
    let after = large(20_000, |number| if number % 1000 == 7 { 0 } else { number });
    assert!(before.len() > 4_000_000 && !before.contains(&b'\n'));
    let changes = streamed(&before, &after).unwrap();
    assert_eq!(changes.len(), 20);
    assert_eq!(changes[3].place.to_string(), "items[id=3007].n.value");
    assert_eq!((changes[3].before.as_deref(), changes[3].after.as_deref()), (Some("3007"), Some("0")));
}

#[test]
fn large_documents_change_as_they_do_in_memory() {
    let before = large(1000, |number| number);
    let after = large(1100, |number| if number % 100 == 7 { 0 } else { number });
    let text = String::from_utf8(after.clone()).unwrap();
    let reordered = text.replacen(r#"{"id":5,"#, r#"{"id":900000,"#, 1).into_bytes();
    let unnamed = text.replace("\"id\"", "\"nr\"").into_bytes();
    let wrapped = format!(r#"{{"x":{text},"kind":{text}}}"#).into_bytes();
    let all = [before, after, reordered, unnamed, wrapped, b"{}".to_vec(), b"[1,2]".to_vec()];
    for one in &all {
        for other in &all {
            let expected = in_memory(&parse(one).unwrap(), &parse(other).unwrap());
            assert_eq!(streamed(one, other).unwrap(), expected);
        }
    }
}

#[test]
fn a_map_of_very_many_entries_is_compared_entry_by_entry() {
    let map = |changed: usize| {
        let entries = (0..200_000).map(|n| format!("\"key {n}\":{}", if n == changed { 0 } else { n + 1 }));
        format!("{{{}}}", entries.collect::<Vec<_>>().join(",")).into_bytes()
    };
    assert_eq!(places(&map(3), &map(199_999)), [r#"["key 3"]"#, r#"["key 199999"]"#]);
}

#[test]
fn reordered_keys_and_other_white_space_are_no_change() {
    assert_eq!(
        places(br#"{"a":1,"b":{"c":2,"d":[ ]}}"#, b"\r\n{ \"b\" : {\t\"d\":[],\"c\":2},\"a\":1.0 } \n"),
        [""; 0]
    );
}

#[test]
fn a_mark_before_the_text_is_no_change() {
    assert_eq!(places(b"\xef\xbb\xbf{\"a\":1}", b"{\"a\":1}"), [""; 0]);
    assert_eq!(places(b"\xef\xbb\xbf{\"a\":1}", b"{\"a\":2}"), ["a"]);
    assert_eq!(places(b"\xef\xbb\xbf1\n2", b"1\n3"), ["[1]"]);
    assert_eq!(given_up(b"1", b"1\n\xef\xbb\xbf2").place, "byte 2 of the second", "only there");
}

#[test]
fn of_equal_keys_the_last_counts() {
    assert_eq!(parse(br#"{"a":1,"b":2,"a":3}"#).unwrap(), parse(br#"{"b":2,"a":3}"#).unwrap());
    assert_eq!(places(br#"{"a":1,"b":2,"a":3}"#, br#"{"a":3,"b":2}"#), [""; 0]);
    assert_eq!(places(br#"{"a":1,"\u0061":2}"#, br#"{"a":1}"#), ["a"]);
    let long = "x".repeat(100_000);
    let twice = format!(r#"{{"a":"{long}","b":1,"a":"{long}","b":2}}"#);
    let once = format!(r#"{{"a":"{long}","b":3}}"#);
    assert_eq!(places(twice.as_bytes(), once.as_bytes()), ["b"]);
}

#[test]
fn several_values_in_lines_are_a_list() {
    let changes = streamed(b"{\"a\":1}\n{\"a\":2}\n", b"{\"a\":1}\n{\"a\":3}\n{\"a\":4}\n").unwrap();
    let lines: Vec<String> = changes.iter().map(|change| format!("{} {:?}", change.place, change.kind)).collect();
    assert_eq!(lines, ["[1].a Changed", "[2] Added"]);
    assert_eq!(places(b"{\"a\":1}\n", b"{\"a\":1}\n{\"a\":2}\n"), ["[1]"], "also if the other text has but one");
    assert_eq!(places(b"{\"id\":1}\n{\"id\":2}", b"{\"id\":2}\n{\"id\":2.5}"), ["[id=1]", "[id=2.5]"]);
}

#[test]
fn a_long_text_of_lines_changes_as_it_does_in_memory() {
    let lines = |from: usize| {
        let lines: Vec<String> = (from..from + 3000).map(|n| format!(r#"{{"time":{n},"text":"line {n}"}}"#)).collect();
        lines.join("\n").into_bytes()
    };
    let expected = in_memory(&parse(&lines(0)).unwrap(), &parse(&lines(10)).unwrap());
    assert_eq!(expected.len(), 20);
    assert_eq!(streamed(&lines(0), &lines(10)).unwrap(), expected);
}

#[test]
fn values_on_one_line_are_no_json() {
    let gave_up = given_up(b"{}", b"{} {}");
    assert_eq!(gave_up.place, "byte 3 of the second");
    assert_eq!(given_up(b"1 a", b"1").place, "byte 2 of the first");
}

#[test]
fn broken_json_names_the_byte_and_the_content() {
    for (text, byte, why) in [
        ("", 0, "there is no value"),
        ("  ", 2, "there is no value"),
        ("{\"a\":1,}", 7, "expected a key in double quotes"),
        ("[1,]", 3, "expected a value"),
        ("[1 2]", 3, "expected ',' or ']'"),
        ("{\"a\" 1}", 5, "expected ':'"),
        ("{a:1}", 1, "expected a key in double quotes"),
        ("{\"a\":1", 6, "expected ',' or '}'"),
        ("[\"abc", 1, "this string does not end"),
        ("[\"ab\u{1}c\"]", 4, "a control character in a string has to be escaped"),
        ("[\"a\\x\"]", 3, "this is no escape of JSON"),
        ("[\"\\ud800\"]", 2, "this is no escape of JSON"),
        ("[\"\\udc00\\ud800\"]", 2, "this is no escape of JSON"),
        ("[01]", 1, "this is no number"),
        ("[1.]", 1, "this is no number"),
        ("[-]", 1, "this is no number"),
        ("[+1]", 1, "expected a value"),
        ("[nul]", 1, "expected a value"),
        ("[NaN]", 1, "expected a value"),
        ("['a']", 1, "expected a value"),
        ("// no\n1", 0, "expected a value"),
    ] {
        let gave_up = given_up(b"1", text.as_bytes());
        assert_eq!((gave_up.place, gave_up.why.as_str()), (format!("byte {byte} of the second"), why), "{text}");
        assert_eq!(parse(text.as_bytes()).unwrap_err().place, format!("byte {byte}"));
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
    }
    let gave_up = given_up(b"[\"a\xff\"]", b"1");
    assert_eq!(gave_up.to_string(), "JSON reader gave up at byte 3 of the first: this is not UTF-8");
}

#[test]
fn a_broken_byte_far_into_a_long_text_is_named() {
    let mut text = large(3000, |number| number);
    text[500_000] = 0;
    let gave_up = given_up(&text, &text);
    assert_eq!((gave_up.reader, gave_up.place.as_str()), ("JSON", "byte 500000 of the first"));
}

#[test]
fn containers_nest_deep_but_not_without_end() {
    let nested = |depth: usize, value: &str| format!("{}{value}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    assert_eq!(streamed(&nested(512, "1"), &nested(512, "2")).unwrap().len(), 1);
    assert_eq!(given_up(b"1", &nested(513, "")).place, "byte 512 of the second");
    assert_eq!(given_up(b"1", &b"[".repeat(10_000_000)).why, "more than 512 containers in each other");
    let padding = "x".repeat(5000);
    let maps = |value: &str| {
        let open = format!("{{\"p\":\"{padding}\",\"m\":").repeat(500);
        format!("{open}{value}{}", "}".repeat(500)).into_bytes()
    };
    assert_eq!(places(&maps("1"), &maps("2")), [vec!["m"; 500].join(".")]);
}

#[test]
fn tokens_may_lie_across_the_pieces_that_are_read() {
    for shift in 0..70 {
        let padding = " ".repeat(65_536 - shift);
        let text = |end: &str| format!(r#"{padding}{{"kéy\n":["a\u00e9\ud834\udd1e",-12.5e+3,true,null,{end}]}}"#);
        let changes = streamed(text("1").as_bytes(), text("2").as_bytes()).unwrap();
        assert_eq!(changes[0].place.to_string(), r#"["kéy\n"][4]"#, "{shift}");
        assert_eq!(changes.len(), 1);
    }
    let long = |end: char| format!("{{\"a\":\"{}{end}\"}}", "ä\\u00e4".repeat(200_000)).into_bytes();
    let change = &streamed(&long('x'), &long('y')).unwrap()[0];
    assert!(change.after.as_ref().unwrap().ends_with("... (800003 bytes)"));
}

#[test]
fn large_containers_that_were_added_are_cut_as_in_memory() {
    let text = large(2000, |number| number);
    let wrapped = [b"{\"new\":".as_slice(), &text, b"}"].concat();
    let changes = streamed(b"{}", &wrapped).unwrap();
    assert_eq!(changes, in_memory(&parse(b"{}").unwrap(), &parse(&wrapped).unwrap()));
    assert!(changes[0].after.as_ref().unwrap().starts_with(r#"{"kind":"dump","items":[{"id":0,"#));
}

struct Unreadable;

impl Bytes for Unreadable {
    fn len(&self) -> u64 {
        10
    }

    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::Error::other("bad disk"))
    }
}

#[test]
fn a_content_that_can_not_be_read_is_not_taken_for_broken() {
    let trouble = compare(&b"1".to_vec(), &Unreadable, &Mask::reveal(), &mut |_| Ok(())).unwrap_err();
    assert!(matches!(trouble, Trouble::Io(error) if error.to_string() == "bad disk"));
}

/// Another byte is wrong at each read.
struct Restless(Vec<u8>, AtomicU64);

impl Bytes for Restless {
    fn len(&self) -> u64 {
        Bytes::len(&self.0)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)?;
        let number = self.1.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        if number >> 62 == 0
            && let Some(byte) = buffer.get_mut(number as usize % self.0.len())
        {
            *byte = b"9\"[]{},:"[number as usize % 8];
        }
        Ok(())
    }
}

#[test]
fn a_content_that_changes_while_it_is_read_does_no_harm() {
    let before = large(700, |number| number);
    let after = large(710, |number| number * 2);
    for seed in 0..100 {
        let restless = |text: &[u8]| Restless(text.to_vec(), AtomicU64::new(seed << 33));
        let _ = compare(&restless(&before), &restless(&after), &Mask::reveal(), &mut |_| Ok(()));
    }
}

struct Counted(Vec<u8>, AtomicU64);

impl Bytes for Counted {
    fn len(&self) -> u64 {
        Bytes::len(&self.0)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn a_large_map_that_was_added_is_not_read_value_by_value() {
    let entries: Vec<String> = (0..50_000).map(|number| format!("\"key {number}\":{number}")).collect();
    let counted = Counted(format!("{{{}}}", entries.join(",")).into_bytes(), AtomicU64::new(0));
    compare(&b"1".to_vec(), &counted, &Mask::reveal(), &mut |_| Ok(())).unwrap();
    let count = counted.1.load(Ordering::Relaxed);
    assert!(count < 100, "{count} reads");
}
