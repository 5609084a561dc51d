// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said about documents that are wrong, and about variables and conditions.

use std::collections::BTreeMap;

use super::super::{Condition, Values};
use super::{profile, refused, values};

#[test]
fn a_document_that_is_wrong_is_told_with_line_and_key() {
    for (document, line, says) in [
        ("title = \"a\"\ntitel = \"b\"\n", 2, "unknown field `titel`"),
        ("title = \n", 1, "string values must be quoted"),
        ("title = 3\n", 1, "invalid type: integer `3`, expected a string"),
        (
            "[runbooks.it]\ntitle = \"it\"\n[[runbooks.it.steps]]\nid = \"a\"\ntitle = \"a\"\nrnu = \"x\"\n",
            6,
            "unknown field `rnu`",
        ),
        ("[runbooks.it]\ntitle = \"it\"\n[[runbooks.it.steps]]\nid = \"a\"\n", 3, "missing field `title`"),
        (
            "[runbooks.it]\ntitle = \"it\"\n[[runbooks.it.steps]]\nid = \"a\"\ntitle = \"a\"\non = \"some node\"\n",
            6,
            "\"some node\" is no place: operator, all ROLE, each ROLE or one ROLE is",
        ),
        (
            "[[capture.files]]\nid = \"a\"\npaths = []\nwhen = \"a > b\"\n",
            4,
            "\"a > b\" is no condition: NAME = VALUE or NAME != VALUE is",
        ),
        (
            "[[capture.streams]]\nid = \"a\"\non = \"one x\"\nrun = \"x\"\ntimeout = \"10\"\n",
            5,
            "\"10\" is no time: 90s, 10m or 2h is",
        ),
        (
            "[[capture.files]]\nid = \"a\"\npaths = []\nneed = \"some\"\n",
            4,
            "unknown variant `some`, expected one of `all`, `one`, `none`",
        ),
        ("[[capture.files]]\nid = \"a\"\npaths = []\nafter = \"b\"\n", 4, "unknown field `after`"),
    ] {
        let error = refused(document);
        assert!(error.starts_with("the profile sample is not valid: "), "{error}");
        assert!(error.contains(&format!("line {line}, ")) && error.contains(says), "{document}\n{error}");
    }
}

#[test]
fn conditions_compare_and_all_must_hold() {
    let values = values(&[("a", "1"), ("b", "x y")]);
    for (text, holds) in [
        ("a = 1", true),
        ("a=2", false),
        ("a != 2", true),
        ("a != 1", false),
        ("a = 1 and b = x y", true),
        ("a = 1 and b = x", false),
        ("b != ", true),
    ] {
        assert_eq!(Condition::parse(text).unwrap().holds(&values).unwrap(), holds, "{text}");
    }
    for text in ["", "a", "= 1", "a == 1", "a = 1 or b = 2", "a = 1 and", "a b = 1", "a = b != c"] {
        assert!(Condition::parse(text).is_err(), "{text}");
    }
    assert!(
        Condition::parse("c = 1")
            .unwrap()
            .holds(&values)
            .unwrap_err()
            .to_string()
            .contains("there is no variable \"c\"")
    );
}

#[test]
fn values_that_can_not_be_are_refused_by_name() {
    let profile =
        profile("[variables.kind]\nchoices = [\"vm\", \"container\"]\n[variables.key.secret]\nfile = \"/f\"\n");
    let given = |name: &str, value: &str| {
        Values::new(&profile, &BTreeMap::from([(name.to_string(), value.to_string())]))
            .map_err(|error| error.to_string())
    };
    assert_eq!(given("kind", "vm").unwrap().get("kind").unwrap(), "vm");
    assert_eq!(given("kind", "bare").unwrap_err(), "kind can not be \"bare\"; it can be: vm, container");
    assert!(given("none", "x").unwrap_err().starts_with("there is no variable \"none\"; there are: "));
    assert!(given("key", "x").unwrap_err().starts_with("{{key}} is a secret"));
    assert_eq!(given("root", "relative").unwrap_err(), "root can not be \"relative\"");
    assert_eq!(given("root", "/scratch/").unwrap().get("root").unwrap(), "/scratch");
    assert_eq!(given("root", "/").unwrap().get("root").unwrap(), "");
}
