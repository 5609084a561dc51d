// SPDX-License-Identifier: MIT OR Apache-2.0
//! Promises of the reader of dumps, on small dumps. Random ones are in `model`.

mod model;

use super::*;
use crate::compare::{Change, ChangeKind, GaveUp};

const USERS: &str = "CREATE TABLE public.users (\n    id integer NOT NULL,\n    name text,\n    note text\n);\n";
const KEY: &str = "ALTER TABLE ONLY public.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id);\n";

/// A dump of one table with these lines as rows, and its key behind them.
fn users(rows: &[&str]) -> String {
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    format!("{USERS}\nCOPY public.users (id, name, note) FROM stdin;\n{rows}\\.\n\n{KEY}")
}

fn told(change: &Change) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let place = &change.place;
    match change.kind {
        ChangeKind::Added => format!("+ {place}: {}", text(&change.after)),
        ChangeKind::Removed => format!("- {place}: {}", text(&change.before)),
        ChangeKind::Changed => format!("~ {place}: {} -> {}", text(&change.before), text(&change.after)),
    }
}

fn changes(before: &str, after: &str) -> (Vec<String>, Summary) {
    let mut lines = Vec::new();
    let summary = compare(&before.as_bytes().to_vec(), &after.as_bytes().to_vec(), &Mask::reveal(), &mut |change| {
        lines.push(told(&change));
        Ok(())
    });
    (lines, summary.unwrap())
}

fn lines(before: &str, after: &str) -> Vec<String> {
    changes(before, after).0
}

fn gave_up(before: &str, after: &str) -> GaveUp {
    let outcome = compare(&before.as_bytes().to_vec(), &after.as_bytes().to_vec(), &Mask::reveal(), &mut |_| Ok(()));
    match outcome {
        Err(Trouble::GaveUp(gave_up)) => gave_up,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rows_are_paired_by_a_primary_key_that_stands_behind_them() {
    let before = users(&["1\tann\tx", "2\tbob\tx", "3\tcy\tx"]);
    let after = users(&["3\tcy\tx", "4\tdan\t\\N", "1\tanne\ty"]);
    let (lines, summary) = changes(&before, &after);
    assert_eq!(
        lines,
        [
            r#"~ ["public.users"][id=1].name: ann -> anne"#,
            r#"~ ["public.users"][id=1].note: x -> y"#,
            r#"- ["public.users"][id=2]: id=2, name=bob, note=x"#,
            r#"+ ["public.users"][id=4]: id=4, name=dan, note=NULL"#,
        ]
    );
    let counts = RowCounts { added: 1, removed: 1, changed: 1 };
    assert_eq!(summary.tables, BTreeMap::from([("public.users".to_string(), counts)]));
    assert_eq!((summary.schema, summary.sequences), (0, 0));
}

#[test]
fn the_order_of_rows_means_nothing() {
    let rows = ["1\ta\tx", "2\tb\tx", "3\tc\tx", "4\td\tx"];
    let turned: Vec<&str> = rows.iter().rev().copied().collect();
    assert_eq!(lines(&users(&rows), &users(&turned)), [""; 0]);
}

#[test]
fn a_key_of_two_columns_names_both() {
    let dump = |rows: &str| {
        format!("COPY public.p (a, b, v) FROM stdin;\n{rows}\\.\nALTER TABLE public.p ADD PRIMARY KEY (b, a);\n")
    };
    let found = lines(&dump("1\t1\tx\n1\t2\tx\n"), &dump("1\t1\ty\n1\t2\tx\n"));
    assert_eq!(found, [r#"~ ["public.p"][b,a=1,1].v: x -> y"#]);
}

#[test]
fn without_a_primary_key_a_unique_one_pairs_rows_but_not_those_with_null_in_it() {
    let dump =
        |rows: &str| format!("COPY t (a, b) FROM stdin;\n{rows}\\.\nALTER TABLE ONLY t ADD CONSTRAINT u UNIQUE (b);\n");
    let found = lines(&dump("1\tx\n2\t\\N\n"), &dump("3\tx\n4\t\\N\n"));
    assert_eq!(found, ["~ t[b=x].a: 1 -> 3", "- t: a=2, b=NULL", "+ t: a=4, b=NULL"]);
}

#[test]
fn rows_without_a_key_are_counted() {
    let dump = |rows: &str| format!("COPY t (a) FROM stdin;\n{rows}\\.\n");
    let found = lines(&dump("x\nx\nx\ny\n"), &dump("x\ny\ny\nz\n"));
    assert_eq!(found, ["- t: a=x", "- t: a=x", "+ t: a=y", "+ t: a=z"]);
}

#[test]
fn null_and_the_text_null_and_no_text_are_told_apart() {
    let found = lines(&users(&["1\t\\N\t\\N"]), &users(&["1\tNULL\t"]));
    assert_eq!(
        found,
        [r#"~ ["public.users"][id=1].name: NULL -> 'NULL'"#, r#"~ ["public.users"][id=1].note: NULL -> "#]
    );
}

#[test]
fn control_characters_of_a_value_are_shown_escaped() {
    let found = lines(&users(&["1\ta\\tb\\\\c\td"]), &users(&["1\ta\u{1b}b\\n\td"]));
    assert_eq!(found, [r#"~ ["public.users"][id=1].name: a\tb\c -> a\u{1b}b\n"#]);
}

#[test]
fn long_values_are_cut_to_where_they_differ() {
    let long = "x".repeat(1000);
    let found = lines(&users(&[&format!("1\ta\t{long}old")]), &users(&[&format!("1\ta\t{long}new")]));
    let common = "x".repeat(40);
    assert_eq!(found, [format!(r#"~ ["public.users"][id=1].note: ...{common}old -> ...{common}new"#)]);
}

#[test]
fn inserts_say_the_same_as_copy() {
    let copy = users(&["1\tit's\t\\N", "2\ta\\\\b; -- no\\n(x)\tt"]);
    let one = format!(
        "{USERS}INSERT INTO public.users VALUES (1, 'it''s', NULL);\n\
         INSERT INTO public.users VALUES (2, 'a\\b; -- no\n(x)', true);\n{KEY}"
    );
    let many = format!(
        "{USERS}INSERT INTO public.users (note, id, name) VALUES\n\t(NULL, 1, 'it''s'),\n\
         \t('t', 2, E'a\\\\b; -- no\\n(x)')\n\tON CONFLICT DO NOTHING;\n{KEY}"
    );
    assert_eq!(lines(&copy, &one), [""; 0]);
    assert_eq!(lines(&one, &many), [""; 0]);
    let found = lines(&many, &one.replace("it''s", "its"));
    assert_eq!(found, [r#"~ ["public.users"][id=1].name: it's -> its"#]);
}

#[test]
fn databases_are_told_apart_and_named_if_there_are_several() {
    let dump = |value: &str| {
        format!(
            "\\connect one\n{}\\connect -reuse-previous=on \"dbname='my two'\"\n{}",
            users(&["1\ta\tb"]),
            users(&[&format!("1\ta\t{value}")])
        )
    };
    let (lines, summary) = changes(&dump("b"), &dump("c"));
    assert_eq!(lines, [r#"~ ["my two"]["public.users"][id=1].note: b -> c"#]);
    assert_eq!(summary.tables.keys().collect::<Vec<_>>(), ["my two.public.users"]);
}

#[test]
fn statements_of_the_schema_are_paired_by_their_object_in_any_order() {
    let before = "CREATE TABLE a (\n  x integer -- a comment\n);\nCREATE INDEX i ON a USING btree (x);\n\
        GRANT SELECT ON TABLE a TO bob;\nCREATE FUNCTION f(integer) RETURNS integer AS $$ begin; end $$;\n";
    let after = "CREATE FUNCTION f(integer) RETURNS integer AS $$ begin; done $$;\nGRANT ALL ON TABLE a TO bob;\n\
        CREATE TABLE  a (x /* other */ integer);\nALTER TABLE a OWNER TO bob;\n";
    let (found, summary) = changes(before, after);
    assert_eq!(
        found,
        [
            "~ schema[\"FUNCTION f(integer)\"]: CREATE FUNCTION f(integer) RETURNS integer AS $$ begin; end $$; -> \
             CREATE FUNCTION f(integer) RETURNS integer AS $$ begin; done $$;",
            "~ schema[\"GRANT ON TABLE a TO bob\"]: GRANT SELECT ON TABLE a TO bob; -> GRANT ALL ON TABLE a TO bob;",
            "- schema[\"INDEX i ON a\"]: CREATE INDEX i ON a USING btree (x);",
            "+ schema[\"OWNER OF TABLE a\"]: ALTER TABLE a OWNER TO bob;",
        ]
    );
    assert_eq!(summary.schema, 4);
}

#[test]
fn bodies_in_sql_may_have_semicolons() {
    let body = "CREATE FUNCTION g(a int) RETURNS int\n    BEGIN ATOMIC\n SELECT CASE WHEN a > 0 THEN 1 END;\nEND;\n\
        CREATE RULE r AS ON DELETE TO a DO (SELECT 1; SELECT 2);\n\
        CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;\n";
    let found = lines(body, &body.replace("> 0", "> 1"));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("~ schema[\"FUNCTION g(a int)\"]"), "{found:?}");
}

#[test]
fn what_differs_in_every_dump_is_left_out() {
    let dump = |token: &str| {
        format!(
            "\\restrict {token}\n-- Dumped by pg_dump {token}\nSET work_mem = '{token}';\n{}\\unrestrict {token}\n",
            users(&[])
        )
    };
    assert_eq!(changes(&dump("a"), &dump("b")), (Vec::new(), Summary::default()));
}

#[test]
fn sequences_are_apart_from_the_schema() {
    let dump = |state: &str| format!("SELECT pg_catalog.setval('public.s', {state});\n");
    let (lines, summary) = changes(&dump("1, false"), &dump("7, true"));
    assert_eq!(lines, [r#"~ ["sequence public.s"]: 1 (not used yet) -> 7"#]);
    assert_eq!((summary.sequences, summary.schema), (1, 0));
}

#[test]
fn a_new_column_is_told_by_the_schema_and_not_by_every_row() {
    let before = "CREATE TABLE t (id int PRIMARY KEY, a text);\nCOPY t (id, a) FROM stdin;\n1\tx\n2\ty\n\\.\n";
    let after =
        "CREATE TABLE t (n int, id int PRIMARY KEY, a text);\nCOPY t (n, id, a) FROM stdin;\n9\t1\tx\n9\t2\tz\n\\.\n";
    let found = lines(before, after);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("~ schema[\"TABLE t\"]"));
    assert_eq!(found[1], "~ t[id=2].a: y -> z");
}

#[test]
fn a_table_of_one_side_only_has_all_its_rows_told() {
    let (lines, summary) = changes(&users(&["1\ta\tb"]), "SELECT 1;\n");
    assert_eq!(lines.last().unwrap(), r#"- ["public.users"][id=1]: id=1, name=a, note=b"#);
    assert_eq!((summary.tables["public.users"].removed, summary.schema), (1, 3));
}

#[test]
fn dumps_of_mysql_are_read_by_its_rules() {
    let dump = |name: &str, next: u32| {
        format!(
            "-- MySQL dump 10.13\n/*!40101 SET NAMES utf8 */;\nCREATE TABLE `t` (\n `id` int NOT NULL,\n `key` text,\n \
             PRIMARY KEY (`id`),\n KEY `k` (`key`(20))\n) ENGINE=InnoDB AUTO_INCREMENT={next};\n\
             LOCK TABLES `t` WRITE;\n\
             INSERT INTO `t` VALUES (1,'it\\'s; \\\"'),(2,'{name}');\nUNLOCK TABLES;\nDELIMITER ;;\n\
             /*!50003 CREATE*/ /*!50003 TRIGGER `x` BEFORE INSERT ON `t` FOR EACH ROW BEGIN SET a=1; END */;;\n\
             DELIMITER ;\n"
        )
    };
    assert_eq!(lines(&dump("a", 3), &dump("b\\n", 4)), ["~ t[id=2].key: a -> b\\n"]);
}

#[test]
fn dumps_of_sqlite_are_read_too() {
    let dump = |value: &str| {
        format!(
            "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n\
             CREATE TABLE IF NOT EXISTS \"my t\"(a, b TEXT UNIQUE, primary key(A));\n\
             INSERT INTO \"my t\" VALUES(1,replace('x,\\n)','\\n',char(10)));\n\
             INSERT INTO \"my t\" VALUES(2,{value});\nCOMMIT;\n"
        )
    };
    assert_eq!(lines(&dump("X'00ff'"), &dump("NULL")), [r#"~ ["my t"][a=2].b: X'00ff' -> NULL"#]);
}

#[test]
fn what_is_no_dump_is_given_up_with_the_line() {
    let good = users(&["1\ta\tb"]);
    let cases = [
        ("", 1, "there is no statement"),
        ("-- only a comment\n", 1, "there is no statement"),
        ("SET a = 1;\nHello, world;\n", 2, "no statement that a dump has"),
        ("SELECT 1;\n\\section{TeX}\n", 2, "no command that a dump has"),
        ("SELECT 1;\nSELECT 'open\n\n", 3, "the content ends within a statement"),
        ("COPY t (a, b) FROM stdin;\n1\t2\n1\n\\.\n", 3, "the row has 1 values, and the table has 2 columns"),
        ("SELECT 1;\nCOPY t (a) FROM stdin;\n1\n", 2, r"no line `\.` ends the rows: the dump is cut off"),
        (
            "INSERT INTO t (a) VALUES (1);\nINSERT INTO t (b) VALUES (1);\n",
            2,
            "rows of the table name other columns than those before",
        ),
        (
            "INSERT INTO t (a) VALUES (1);\nINSERT INTO t (a) VALUES (1, 2);\n",
            2,
            "the row has 2 values, and the table has 1 columns",
        ),
    ];
    for (text, line, why) in cases {
        let found = gave_up(&good, text);
        assert_eq!(found, GaveUp { reader: "SQL", place: format!("line {line} of the second"), why: why.to_string() });
        assert_eq!(gave_up(text, &good).place, format!("line {line} of the first"));
    }
}

#[test]
fn a_line_longer_than_the_limit_is_given_up() {
    let long = format!("COPY t (a) FROM stdin;\n{}\n\\.\n", "x".repeat(lines::MAX_ROW_BYTES + (1 << 20)));
    assert_eq!(gave_up(&long, &long).why, "the line is longer than 64 MiB");
}

#[test]
fn a_table_with_more_differences_than_fit_in_memory_is_read_in_parts() {
    let rows = |step: u64| (0..5000).map(|id| format!("{id}\t{}\tx", id * step)).collect::<Vec<_>>();
    let (before, after) = (rows(1), rows(2));
    let dump = |rows: &[String]| users(&rows.iter().map(String::as_str).collect::<Vec<_>>()).into_bytes();
    let mut places = BTreeSet::new();
    let summary = compare_within(&dump(&before), &dump(&after), &Mask::reveal(), 100, &mut |change| {
        assert!(places.insert(change.place.to_string()));
        Ok(())
    });
    let counts = RowCounts { changed: 4999, ..RowCounts::default() };
    assert_eq!(summary.unwrap().tables["public.users"], counts);
    assert_eq!(places.len(), 4999);
}

#[test]
fn too_many_rows_of_one_key_are_given_up() {
    let rows = |from: u32| (from..from + 200).map(|id| format!("1\t{id}\tx")).collect::<Vec<_>>();
    let dump = |rows: Vec<String>| users(&rows.iter().map(String::as_str).collect::<Vec<_>>()).into_bytes();
    let outcome = compare_within(&dump(rows(0)), &dump(rows(500)), &Mask::reveal(), 100, &mut |_| Ok(()));
    assert!(matches!(outcome, Err(Trouble::GaveUp(_))));
}

#[test]
fn an_error_of_the_receiver_ends_the_comparison() {
    let (before, after) = (users(&["1\ta\tb"]).into_bytes(), users(&["1\ta\tc"]).into_bytes());
    let outcome = compare(&before, &after, &Mask::reveal(), &mut |_| Err(std::io::ErrorKind::BrokenPipe.into()));
    assert!(matches!(outcome, Err(Trouble::Io(_))));
}
