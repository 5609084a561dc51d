// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random tables against a naive model of their difference, and random bytes.

use super::super::*;
use crate::compare::{Change, ChangeKind};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// Rows by key; the first value of each is part of the key if there are two.
type Rows = BTreeMap<u8, Vec<Option<String>>>;

#[derive(Clone, Copy, Debug)]
enum Form {
    Copy,
    Inserts,
    ColumnInserts,
    RowsPerInsert,
}

const FORMS: [Form; 4] = [Form::Copy, Form::Inserts, Form::ColumnInserts, Form::RowsPerInsert];

/// What has a meaning in one of the forms.
const PARTS: [&str; 17] =
    ["'", "\\", "\\.", "\n", "\t", ";", "--", "$$", "(", ")", ",", "\"", "é", "/*", "\\N", "NULL", "\r"];

fn value() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        2 => "[ab]{0,2}".prop_map(Some),
        2 => vec(prop::sample::select(&PARTS[..]), 0..4).prop_map(|parts| Some(parts.concat())),
    ]
}

fn rows() -> impl Strategy<Value = Rows> {
    btree_map(any::<u8>(), vec(value(), 2), 0..30)
}

/// What becomes of rows: some go, some change, some come.
fn mutated(rows: Rows) -> impl Strategy<Value = (Rows, Rows)> {
    let edits = vec((any::<u8>(), prop::option::of(vec(value(), 2))), 0..8);
    edits.prop_map(move |edits| {
        let mut after = rows.clone();
        for (number, row) in edits {
            let known = rows.keys().nth(usize::from(number) % rows.len().max(1)).copied();
            match (known.filter(|_| number % 3 > 0).unwrap_or(number), row) {
                (key, Some(row)) => drop(after.insert(key, row)),
                (key, None) => drop(after.remove(&key)),
            }
        }
        (rows.clone(), after)
    })
}

fn copied(value: &Option<String>) -> String {
    match value {
        None => "\\N".to_string(),
        Some(text) => text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r"),
    }
}

fn quoted(value: &Option<String>) -> String {
    value.as_ref().map_or("NULL".to_string(), |text| format!("'{}'", text.replace('\'', "''")))
}

/// The rows in an order that the seed makes, as a dump.
fn dump(rows: &Rows, form: Form, seed: u64, is_keyed: bool) -> String {
    let mut order: Vec<_> = rows.iter().collect();
    if seed > 0 {
        order.sort_by_key(|(key, _)| (u64::from(**key) + 1).wrapping_mul(seed) % 257);
    }
    let copy = |(key, row): &(&u8, &Vec<Option<String>>)| format!("{key}\t{}\t{}\n", copied(&row[0]), copied(&row[1]));
    let tuple = |(key, row): &(&u8, &Vec<Option<String>>)| format!("({key}, {}, {})", quoted(&row[0]), quoted(&row[1]));
    let tuples: Vec<String> = order.iter().map(tuple).collect();
    let data = match form {
        Form::Copy => {
            format!("COPY t (id, a, b) FROM stdin;\n{}\\.\n", order.iter().map(copy).collect::<String>())
        }
        Form::Inserts => tuples.iter().map(|tuple| format!("INSERT INTO t VALUES {tuple};\n")).collect(),
        Form::ColumnInserts => {
            tuples.iter().map(|tuple| format!("INSERT INTO t (id, a, b) VALUES {tuple};\n")).collect()
        }
        Form::RowsPerInsert => {
            tuples.chunks(3).map(|some| format!("INSERT INTO t VALUES\n\t{};\n", some.join(",\n\t"))).collect()
        }
    };
    let key = if is_keyed { "ALTER TABLE ONLY t ADD CONSTRAINT k PRIMARY KEY (id);\n" } else { "" };
    format!("-- PostgreSQL database dump\nCREATE TABLE t (\n id integer,\n a text,\n b text\n);\n{data}\n{key}")
}

/// The changes as (place, kind), sorted.
fn found(before: &str, after: &str, limit: usize) -> (Vec<(String, ChangeKind)>, RowCounts) {
    let mut found = Vec::new();
    let mut take = |change: Change| {
        found.push((change.place.to_string(), change.kind));
        Ok(())
    };
    let (before, after) = (before.as_bytes().to_vec(), after.as_bytes().to_vec());
    let summary = compare_within(&before, &after, &Mask::reveal(), limit, &mut take).unwrap();
    found.sort_by_key(|(place, kind)| (place.clone(), *kind as u8));
    (found, summary.tables.get("t").copied().unwrap_or_default())
}

fn model(before: &Rows, after: &Rows) -> (Vec<(String, ChangeKind)>, RowCounts) {
    let (mut found, mut counts) = (Vec::new(), RowCounts::default());
    for key in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let place = format!("t[id={key}]");
        match (before.get(key), after.get(key)) {
            (Some(one), Some(other)) => {
                for (column, (one, other)) in ["a", "b"].into_iter().zip(one.iter().zip(other)) {
                    if one != other {
                        found.push((format!("{place}.{column}"), ChangeKind::Changed));
                    }
                }
                counts.changed += u64::from(one != other);
            }
            (Some(_), None) => {
                found.push((place, ChangeKind::Removed));
                counts.removed += 1;
            }
            _ => {
                found.push((place, ChangeKind::Added));
                counts.added += 1;
            }
        }
    }
    found.sort_by_key(|(place, kind)| (place.clone(), *kind as u8));
    (found, counts)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn the_difference_is_that_of_the_tables(
        (before, after) in rows().prop_flat_map(mutated),
        forms in (prop::sample::select(&FORMS[..]), prop::sample::select(&FORMS[..])),
        seeds in (0..3_u64, 0..3_u64),
        limit in prop::sample::select(vec![3, 1000]),
    ) {
        let dumps = (dump(&before, forms.0, seeds.0 * 101, true), dump(&after, forms.1, seeds.1 * 57, true));
        prop_assert_eq!(found(&dumps.0, &dumps.1, limit), model(&before, &after));
    }

    #[test]
    fn without_a_key_rows_that_changed_are_removed_and_added(
        (before, after) in rows().prop_flat_map(mutated),
        form in prop::sample::select(&FORMS[..]),
        seeds in (0..3_u64, 0..3_u64),
    ) {
        let dumps = (dump(&before, form, seeds.0 * 101, false), dump(&after, form, seeds.1 * 57, false));
        let counts = found(&dumps.0, &dumps.1, 1000).1;
        let keyed = model(&before, &after).1;
        let (added, removed) = (keyed.added + keyed.changed, keyed.removed + keyed.changed);
        let expected = RowCounts { added, removed, changed: 0 };
        prop_assert_eq!(counts, expected);
    }

    #[test]
    fn equal_tables_have_no_difference_and_others_have_one(before in rows(), after in rows()) {
        let dumps = (dump(&before, Form::Copy, 0, true), dump(&after, Form::Inserts, 7, true));
        prop_assert_eq!(found(&dumps.0, &dumps.1, 1000).0.is_empty(), before == after);
    }

    #[test]
    fn arbitrary_bytes_never_panic(before in vec(any::<u8>(), 0..200), after in vec(any::<u8>(), 0..200)) {
        let _ = compare(&before, &after, &Mask::reveal(), &mut |_| Ok(()));
    }

    #[test]
    fn pieces_of_sql_in_any_order_never_panic(before in pieces(), after in pieces()) {
        let _ = compare_within(&before, &after, &Mask::reveal(), 4, &mut |_| Ok(()));
    }
}

/// Texts that get far into the reader.
const PIECES: [&str; 49] = [
    "CREATE",
    " TABLE t",
    " (",
    ")",
    "id int",
    ", ",
    "PRIMARY KEY",
    "UNIQUE",
    "INSERT INTO t",
    " VALUES ",
    "(1, 'a')",
    ";\n",
    "COPY t (a, b) FROM stdin;\n",
    "COPY t FROM stdin;\n",
    "1\t2\n",
    "\\N\t\\\n",
    "\\.\n",
    "'",
    "\"",
    "`",
    "$$",
    "$a$",
    "--",
    "/*",
    "*/",
    "/*!40101 ",
    "\\connect x\n",
    "-- MySQL dump\n",
    "DELIMITER ;;\n",
    "ALTER TABLE t ADD ",
    "CONSTRAINT c ",
    "GRANT ALL ON t TO x",
    "COMMENT ON t IS 'x'",
    "SELECT pg_catalog.setval('s', 1",
    "SET standard_conforming_strings = off;\n",
    "CREATE FUNCTION f(a int)",
    " BEGIN ",
    " END",
    "E'",
    "\\",
    "\n",
    "é",
    "\u{0}",
    ".",
    "-",
    "=",
    "CREATE TABLE t (id int, a text);\n",
    "INSERT INTO t VALUES (1, 'x'), (2, NULL);\n",
    "DROP x;\n",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(&PIECES[..]), 0..25).prop_map(|pieces| pieces.concat().into_bytes())
}
