// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the XML reader promises.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::build::samples::{map, text};
use super::super::document::Value;
use super::{begins, parse};

fn read(text: &str) -> Value {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

#[track_caller]
fn gives_up(text: &str, place: &str, why: &str) {
    let error = parse(text.as_bytes()).expect_err("it should give up");
    assert!(error.place.contains(place) && error.why.contains(why), "{error}");
}

fn list<const N: usize>(values: [Value; N]) -> Value {
    Value::List(values.into())
}

#[test]
fn elements_are_maps_and_those_with_only_text_are_their_text() {
    let document =
        "<?xml version=\"1.0\"?>\n<a x=\"1\">\n  <b>one</b>\n  <b>two</b>\n  <n:c y='2'>three</n:c>\n  <d/>\n</a>\n";
    let c = map([("#text", text("three")), ("@y", text("2"))]);
    let a = map([("@x", text("1")), ("b", list([text("one"), text("two")])), ("d", text("")), ("n:c", c)]);
    assert_eq!(read(document), map([("a", a)]));
}

#[test]
fn notation_comments_and_space_between_elements_do_not_count() {
    let plain = read("<a k=\"v\" l=\"w\"><b>x &lt; y</b><c/></a>");
    assert_eq!(
        plain,
        read(
            "\u{feff}<!-- why -->\r\n<a l='w'\r\n   k='v'>\r\n  <?pi x?>\r\n  <c></c> <b>\
             <![CDATA[x < y]]></b>\r\n</a>\r\n"
        )
    );
    assert_eq!(plain, read("<!DOCTYPE a [<!ELEMENT a ANY>]><a k='&#118;' l='w'><c>\n</c><b>x <!-- -->&#60; y</b></a>"));
}

#[test]
fn mixed_content_keeps_its_order() {
    let p = list([text("one "), map([("b", text("two"))]), text(" three "), map([("i", text("four"))])]);
    assert_eq!(read("<p>one <b>two</b> three <i>four</i></p>"), map([("p", map([("#text", p)]))]));
    assert_ne!(read("<p>a<b/>c</p>"), read("<p>c<b/>a</p>"));
}

#[test]
fn space_that_is_meant_counts() {
    assert_eq!(read("<a>&#32;</a>"), map([("a", text(" "))]));
    assert_eq!(read("<a><![CDATA[ ]]></a>"), map([("a", text(" "))]));
    assert_eq!(read("<a> </a>"), map([("a", text(""))]));
    assert_ne!(read("<a>x</a>"), read("<a>x </a>"));
    assert_eq!(read("<a b=' x\ty'/>"), map([("a", map([("@b", text(" x y"))]))]));
}

#[test]
fn entities_of_the_documents_own_end_the_reading() {
    let bomb = "<!DOCTYPE a [\n<!ENTITY x \"ha\">\n<!ENTITY y \"&x;&x;\">\n]>\n<a>&y;</a>";
    gives_up(bomb, "line 4", "entities of its own");
    gives_up("<a>\n&nbsp;</a>", "line 2", "none of the five");
    gives_up("<a b='&nbsp;'/>", "line 1", "");
    gives_up("<a>&#0;</a>", "line 1", "");
    gives_up("<a>x & y</a>", "line 1", "");
}

#[test]
fn what_is_not_xml_ends_the_reading() {
    gives_up("<a><b></a></b>", "line 1", "");
    gives_up("<a>\n<b>", "line 2", "<b> has no end");
    gives_up("<a/><b/>", "line 1", "second root");
    gives_up("<a/>x", "line 1", "outside of the root");
    gives_up("</a>", "line 1", "");
    gives_up("<a b='1' b='2'/>", "line 1", "twice");
    gives_up("<a b/>", "line 1", "");
    gives_up("<1a/>", "line 1", "no name");
    gives_up("<a", "line 1", "");
    gives_up("", "line 1", "no element");
    gives_up("<a>\0</a>", "byte 3", "NUL");
    assert!(parse(b"<a>\xe4</a>").is_err_and(|error| error.place == "byte 3"));
    let latin = "<?xml version='1.0' encoding='ISO-8859-1'?><a>\u{e4}</a>";
    gives_up(latin, "line 1", "iso-8859-1");
    assert_eq!(read("<?xml version='1.0' encoding='ISO-8859-1'?><a>x</a>"), map([("a", text("x"))]));
}

#[test]
fn depth_and_length_are_limited() {
    gives_up(&"<a>".repeat(100_000), "line 1", "deep");
    assert!(parse(format!("{}{}", "<a>".repeat(128), "</a>".repeat(128)).as_bytes()).is_ok());
    gives_up(&format!("<a>{}</a>", "<b/>".repeat(2_000_000)), "line 1", "memory");
    let attributes: String = (0..200_000).map(|number| format!(" k{number}=''")).collect();
    assert!(parse(format!("<a{attributes}/>").as_bytes()).is_ok());
    gives_up(&format!("<a>{}", "x".repeat(200 << 20)), "byte 67108864", "longer");
}

#[test]
fn a_beginning_is_xml_if_its_first_elements_are() {
    assert!(begins("<?xml version='1.0'?>\n<a>\n <b c='1'>x</b>\n"));
    assert!(!begins("<VirtualHost *:80>\n ServerName x\n"));
    assert!(!begins("text <a>"));
    assert!(!begins(""));
}

/// An element with attributes and children, each without what the mapping leaves out.
fn elements() -> impl Strategy<Value = Value> {
    let words = || "[a-z<>&'\"\u{e4}]{1,5}";
    let leaf = prop_oneof![Just(String::new()).boxed(), words().boxed()].prop_map(Value::Text);
    leaf.prop_recursive(4, 40, 4, move |inner| {
        let attributes = proptest::collection::btree_map("@[a-c]", words().prop_map(Value::Text), 0..3);
        let children = proptest::collection::btree_map("[d-f]", proptest::collection::vec(inner, 1..4), 1..3);
        (attributes, children).prop_map(|(attributes, children): (BTreeMap<_, _>, BTreeMap<String, Vec<Value>>)| {
            let children = children.into_iter().map(|(name, all)| (name, super::build::one_or_list(all)));
            Value::Map(attributes.into_iter().chain(children).collect())
        })
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#x27;")
}

fn written(name: &str, value: &Value) -> String {
    match value {
        Value::List(values) => values.iter().map(|value| written(name, value)).collect(),
        Value::Map(entries) => {
            let mut tag = format!("<{name}");
            let mut children = String::new();
            for (key, value) in entries {
                match (key.strip_prefix('@'), value) {
                    (Some(key), Value::Text(text)) => tag += &format!(" {key}=\"{}\"", escaped(text)),
                    _ => children += &format!("\n {}", written(key, value)),
                }
            }
            format!("{tag}>{children}</{name}>")
        }
        Value::Text(text) => format!("<{name}>{}</{name}>", escaped(text)),
        other => unreachable!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn arbitrary_signs_of_xml_never_panic(
        text in "(<a>|</a>|<b/>|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<!DOCTYPE|&lt;|&#|;|[a<>/=\"' &!?\\[\\]]){0,40}",
    ) {
        let _ = parse(text.as_bytes());
        let _ = begins(&text);
    }

    #[test]
    fn a_document_is_read_as_it_was_written(value in elements()) {
        prop_assert_eq!(read(&written("root", &value)), map([("root", value)]));
    }
}
