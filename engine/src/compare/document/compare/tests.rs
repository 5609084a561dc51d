// SPDX-License-Identifier: MIT OR Apache-2.0
//! Promises of the comparison of documents. Documents are spelt in JSON.

use super::compare;
use crate::compare::document::Value;
use crate::compare::json::parse;
use crate::compare::{Change, ChangeKind, Mask, Place, Step};

fn changes_at(before: &Value, after: &Value, at: &Place) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut each = |change| {
        changes.push(change);
        Ok(())
    };
    compare(before, after, at, &Mask::reveal(), &mut each).unwrap();
    changes
}

/// Each change in a line: place, sign, values.
fn changes(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (parse(before.as_bytes()).unwrap(), parse(after.as_bytes()).unwrap());
    changes_at(&before, &after, &Place::default()).iter().map(line).collect()
}

fn line(change: &Change) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_default();
    let (place, before, after) = (&change.place, value(&change.before), value(&change.after));
    match change.kind {
        ChangeKind::Added => format!("{place} + {after}"),
        ChangeKind::Removed => format!("{place} - {before}"),
        ChangeKind::Changed => format!("{place} {before} -> {after}"),
    }
}

#[test]
fn equal_documents_have_no_changes_whatever_the_order_of_keys_and_the_spelling_of_numbers() {
    let before = r#"{"a":1,"b":[1.0,{"x":100,"y":null}],"c":"é"}"#;
    let after = r#"{"c":"\u00e9","b":[1,{"y":null,"x":1e2}],"a":10e-1}"#;
    assert_eq!(changes(before, after), [""; 0]);
}

#[test]
fn scalars_change_and_keys_come_and_go() {
    let found = changes(r#"{"a":1,"b":"x","c":{"d":true}}"#, r#"{"a":1.5,"c":{"d":null},"e":[]}"#);
    assert_eq!(found, ["a 1 -> 1.5", r#"b - "x""#, "c.d true -> null", "e + []"]);
}

#[test]
fn a_number_is_not_the_text_of_it() {
    assert_eq!(changes(r#"{"a":1}"#, r#"{"a":"1"}"#), [r#"a 1 -> "1""#]);
}

#[test]
fn of_large_numbers_no_digit_is_lost() {
    let found = changes("[{\"n\":9007199254740993}]", "[{\"n\":9007199254740992}]");
    assert_eq!(found, ["[0].n 9007199254740993 -> 9007199254740992"]);
}

#[test]
fn a_container_against_anything_else_is_one_change() {
    assert_eq!(changes(r#"{"a":{"b":1}}"#, r#"{"a":[1]}"#), [r#"a {"b":1} -> [1]"#]);
    assert_eq!(changes("[[1]]", "[7]"), ["[0] [1] -> 7"]);
    assert_eq!(changes("{}", "[]"), [" {} -> []"]);
    assert_eq!(changes("{}", "null"), [" {} -> null"]);
}

#[test]
fn odd_keys_are_quoted_in_the_place() {
    let found = changes(r#"{"a b":{"c\"d":1},"":2,"x.y":3}"#, r#"{"a b":{"c\"d":2},"":3,"x.y":4}"#);
    assert_eq!(found, [r#"["a b"]["c\"d"] 1 -> 2"#, r#"[""] 2 -> 3"#, r#"["x.y"] 3 -> 4"#]);
}

#[test]
fn elements_are_matched_by_an_id_and_not_by_their_number() {
    let before = r#"{"l":[{"id":1,"v":"a"},{"id":2,"v":"b"},{"id":3,"v":"c"}]}"#;
    let after = r#"{"l":[{"id":0,"v":"z"},{"id":1,"v":"a"},{"id":3,"v":"d"}]}"#;
    let found = changes(before, after);
    assert_eq!(found, [r#"l[id=2] - {"id":2,"v":"b"}"#, r#"l[id=3].v "c" -> "d""#, r#"l[id=0] + {"id":0,"v":"z"}"#]);
}

#[test]
fn another_order_of_matched_elements_is_one_change_of_the_list() {
    let before = r#"{"l":[{"id":1},{"id":2},{"id":3}]}"#;
    assert_eq!(changes(before, r#"{"l":[{"id":3},{"id":1},{"id":2}]}"#), ["l order -> order"]);
    let found = changes(before, r#"{"l":[{"id":3},{"id":1},{"id":2,"x":1}]}"#);
    assert_eq!(found, ["l order -> order", "l[id=2].x + 1"], "beside what changed in them");
    assert_eq!(changes(before, r#"{"l":[{"id":1},{"id":3}]}"#), [r#"l[id=2] - {"id":2}"#], "gone is not moved");
}

#[test]
fn the_most_telling_key_that_all_elements_have_and_that_is_unique_tells_them_apart() {
    let twice = changes(r#"[{"id":1,"name":"a"},{"id":1,"name":"b"}]"#, r#"[{"id":1,"name":"b"}]"#);
    assert_eq!(twice, [r#"[name=a] - {"id":1,"name":"a"}"#]);
    let missing = changes(r#"[{"id":1,"name":"a"},{"name":"b"}]"#, r#"[{"id":1,"name":"b"}]"#);
    assert_eq!(missing, [r#"[name=a] - {"id":1,"name":"a"}"#, "[name=b].id + 1"]);
    let container = changes(r#"[{"id":{},"host":"a"},{"id":[],"host":"b"}]"#, r#"[{"id":[],"host":"b"}]"#);
    assert_eq!(container, [r#"[host=a] - {"id":{},"host":"a"}"#]);
    let none = changes(r#"[{"id":1,"v":1},{"id":1,"v":2}]"#, r#"[{"id":1,"v":1},{"id":1,"v":3}]"#);
    assert_eq!(none, ["[1].v 2 -> 3"]);
    let from_nothing = changes(r#"{"l":[]}"#, r#"{"l":[{"id":7}]}"#);
    assert_eq!(from_nothing, [r#"l[id=7] + {"id":7}"#]);
    let from_scalars = changes(r#"{"l":[1,2]}"#, r#"{"l":[{"id":7}]}"#);
    assert_eq!(from_scalars, ["l[0] - 1", r#"l[0] + {"id":7}"#, "l[1] - 2"]);
}

#[test]
fn an_id_may_be_spelt_another_way() {
    assert_eq!(changes(r#"[{"id":1.0,"v":1}]"#, r#"[{"v":2,"id":1}]"#), ["[id=1.0].v 1 -> 2"]);
}

#[test]
fn a_fully_qualified_name_and_a_name_in_metadata_tell_elements_apart() {
    let before = r#"[{"fq_name":["d","p","a"],"v":1},{"fq_name":["d","p","b"],"v":1}]"#;
    let after = r#"[{"fq_name":["d","p","c"],"v":1},{"fq_name":["d","p","a"],"v":2},{"fq_name":["d","p","b"],"v":1}]"#;
    assert_eq!(
        changes(before, after),
        ["[fq_name=d:p:a].v 1 -> 2", r#"[fq_name=d:p:c] + {"fq_name":["d","p","c"],"v":1}"#]
    );
    let before = r#"{"items":[{"metadata":{"name":"a"},"s":1},{"metadata":{"name":"b"},"s":1}]}"#;
    let after = r#"{"items":[{"metadata":{"name":"b"},"s":2}]}"#;
    let found = changes(before, after);
    assert_eq!(
        found,
        [r#"items[metadata.name=a] - {"metadata":{"name":"a"},"s":1}"#, "items[metadata.name=b].s 1 -> 2"]
    );
}

#[test]
fn elements_of_lists_of_scalars_come_and_go() {
    assert_eq!(changes("[1,2,3,4]", "[1,3,4,5]"), ["[1] - 2", "[3] + 5"]);
    assert_eq!(changes(r#"["a","b"]"#, r#"["b","a"]"#), [r#"[0] - "a""#, r#"[1] + "a""#]);
    assert_eq!(changes("[1,1,1]", "[1,1]"), ["[2] - 1"]);
    assert_eq!(changes("[1,2]", "[1,3]"), ["[1] 2 -> 3"]);
    assert_eq!(changes("[1,2,3,4]", "[1,7,8,4,9]"), ["[1] 2 -> 7", "[2] 3 -> 8", "[4] + 9"]);
    assert_eq!(changes("[1,2,3,4]", "[1,7,4]"), ["[1] - 2", "[1] + 7", "[2] - 3"]);
}

#[test]
fn containers_that_replace_each_other_in_a_list_are_compared() {
    assert_eq!(changes("[[1,2],[3],[4]]", "[[1,2],[3,5],[4]]"), ["[1][1] + 5"]);
    let found = changes(r#"[0,{"v":1},{"v":2}]"#, r#"[{"v":1},{"v":3}]"#);
    assert_eq!(found, ["[0] - 0", "[1].v 2 -> 3"]);
}

#[test]
fn lists_that_have_too_little_in_common_are_compared_position_by_position() {
    let numbers =
        |from: u64| (0..20_000).map(|n| ((n * 7919 + from) % 20_011).to_string()).collect::<Vec<_>>().join(",");
    let found = changes(&format!("[{}]", numbers(0)), &format!("[{},1]", numbers(10_000)));
    assert_eq!(found.len(), 20_001);
    assert_eq!(found[0], "[0] 0 -> 10000");
    assert_eq!(found[20_000], "[20000] + 1");
}

#[test]
fn many_new_elements_do_not_hide_what_stayed() {
    let old: Vec<String> = (0..30_000).map(|number| number.to_string()).collect();
    let new: Vec<String> = (0..30_000).map(|number| format!("{number},\"new {number}\"")).collect();
    let found = changes(&format!("[{}]", old.join(",")), &format!("[{}]", new.join(",")));
    assert_eq!(found.len(), 30_000);
    assert_eq!(found[7], r#"[15] + "new 7""#);
}

#[test]
fn places_begin_where_the_values_stand() {
    let (before, after) = (parse(b"{\"a\":[1]}").unwrap(), parse(b"{\"a\":[]}").unwrap());
    let at = Place(vec![Step::Key("spec".into())]);
    let lines: Vec<String> = changes_at(&before, &after, &at).iter().map(line).collect();
    assert_eq!(lines, ["spec.a[0] - 1"]);
}

#[test]
fn of_equal_keys_in_a_map_of_another_reader_the_last_counts() {
    let map = |values: &[&str]| {
        Value::Map(values.iter().map(|value| ("a".to_string(), Value::Number((*value).to_string()))).collect())
    };
    assert_eq!(changes_at(&map(&["1", "2"]), &map(&["2"]), &Place::default()), []);
    assert_eq!(changes_at(&map(&["1", "2"]), &map(&["1"]), &Place::default()).len(), 1);
}

#[test]
fn every_scalar_that_is_shown_is_masked_first() {
    let mask = Mask::keyed([7; 32]);
    let shown = |name: &str, text: &str| {
        let masked = mask.value(name, text).into_owned();
        if masked == text { masked } else { format!("\"{masked}\"") }
    };
    let after = parse(br#"{"a":{"password":"hunter2","pin":[1234,{"token":"t"}]}}"#).unwrap();
    let mut found = Vec::new();
    let mut each = |change: Change| {
        found.push(change.after.unwrap());
        Ok(())
    };
    compare(&Value::Map(vec![]), &after, &Place::default(), &mask, &mut each).unwrap();
    let [password, token] = [("password", "hunter2"), ("token", "t")].map(|(name, text)| mask.value(name, text));
    let pin = shown("pin", "1234");
    assert_eq!(found, [format!(r#"{{"password":"{password}","pin":[{pin},{{"token":"{token}"}}]}}"#)]);
}

#[test]
fn an_element_of_a_list_is_masked_by_the_key_of_the_list_and_so_is_what_names_it() {
    let mask = Mask::keyed([7; 32]);
    let before = parse(br#"{"secrets":["old"],"l":[{"key":"k1","v":1}]}"#).unwrap();
    let after = parse(br#"{"secrets":[],"l":[{"key":"k1","v":2}]}"#).unwrap();
    let mut found = Vec::new();
    let mut each = |change: Change| {
        found.push(format!("{} {}", change.place, change.before.unwrap()));
        Ok(())
    };
    compare(&before, &after, &Place::default(), &mask, &mut each).unwrap();
    let (old, key, one) = (mask.value("secrets", "old"), mask.value("key", "k1"), mask.value("v", "1"));
    assert_eq!(found, [format!("secrets[0] \"{old}\""), format!("l[key={key}].v {one}")]);
}

#[test]
fn the_receiver_can_end_the_comparison() {
    let (before, after) = (parse(b"[1,2,3]").unwrap(), parse(b"[]").unwrap());
    let mut told = 0;
    let mut each = |_| {
        told += 1;
        Err(std::io::Error::other("enough"))
    };
    let trouble = compare(&before, &after, &Place::default(), &Mask::reveal(), &mut each).unwrap_err();
    assert_eq!((trouble.to_string().as_str(), told), ("enough", 1));
}
