// SPDX-License-Identifier: MIT OR Apache-2.0

mod formats;

use std::io::{Read, Write};

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{Fault, Lines, Report, Rules, redact};
use crate::compare::Mask;

const KEY: [u8; 32] = [7; 32];

fn run(content: &[u8], omit: &[&str], mask: &Mask) -> Result<(Vec<u8>, Report), Fault> {
    let omit: Vec<String> = omit.iter().map(ToString::to_string).collect();
    let mut out = Vec::new();
    let report =
        redact(&content.to_vec(), "file", &Rules { mask, omit: &omit, keep: &|_| false, lines: Lines::Any }, &mut out)?;
    Ok((out, report))
}

fn hidden(content: &str) -> String {
    String::from_utf8(run(content.as_bytes(), &[], &Mask::keyed(KEY)).unwrap().0).unwrap()
}

fn without(content: &str, path: &str) -> String {
    String::from_utf8(run(content.as_bytes(), &[path], &Mask::reveal()).unwrap().0).unwrap()
}

/// The fingerprint of `hunter2`.
fn mark() -> String {
    Mask::keyed(KEY).secret("hunter2").into_owned()
}

#[test]
fn only_the_bytes_of_secrets_change_in_every_format() {
    for text in [
        "{ \"a\" : 1.50,\n\t\"password\":\"hunter2\" , \"l\": [ {\"value\": \"hunter2\", \"name\": \"db_password\"} ] }\n",
        "{\"p\": \"{\\\"x\\\": 1}\", \"secret\": {\"deep\": [\"hunter2\", true, null]}}",
        "{\"kind\": \"Secret\", \"data\": {\"a\": \"hunter2\"}}\n{\"kind\": \"Pod\", \"b\": \"é\\u00e9\"}\n",
        "# head\ndb:\n  password:  hunter2   # why\n  user: 'a''b'\nlist:\n- name: DB_PASSWORD\n  value: hunter2\nx: &a 1\ny: *a\n",
        "---\ndb: {password: hunter2, port: 1}\ntoken: |\n  hunter2\nend: yes\n",
        "# c\n[db]\npassword = \"hunter2\" # c\nport = 0x10\n[[a]]\nx = { token = \"hunter2\", b = 1 }\n",
        "; c\n[db]\npassword = hunter2\nuser=me ; x\n\n[other]\nsecret: hunter2\n",
        "<?xml version=\"1.0\"?>\n<a x='1'><!-- c --><password>hunter2</password><p name=\"token\" value=\"hunter2\"/>\n\
         <property><name>db.password</name><value>hunter2</value></property><t>a &amp; b</t></a>\n",
        "-- PostgreSQL database dump\n\nCREATE TABLE public.u (\n    id integer,\n    name text,\n    password text DEFAULT 'hunter2'\n);\n\
         ALTER ROLE a PASSWORD 'hunter2';\n\
         COPY public.u (id, name, password) FROM stdin;\n1\tx\thunter2\n2\t\\N\t\\N\n\\.\n\nSELECT 1;\n",
        "PORT=1\npassword=hunter2\nNAME=x\n",
        "some prose\npostgres://me:hunter2@db/x\n\nmore\n",
        "user,password,age\nme,hunter2,3\nyou,hunter2,4\n",
    ] {
        let shown = hidden(text);
        assert!(!shown.contains("hunter2"), "{shown}");
        let (mark, quoted) = (mark(), format!("\"{}\"", mark()));
        let escaped = mark.replace('<', "&lt;").replace('>', "&gt;");
        let back = shown.replace(&escaped, "hunter2");
        // A plain scalar has quotes now, and a block another fingerprint.
        let texts = [back.replace(&mark, "hunter2"), back.replace(&quoted, "hunter2").replace(&mark, "hunter2")];
        let block = Mask::keyed(KEY).secret("hunter2\n").into_owned();
        assert!(texts.iter().any(|back| back.replace(&block, "hunter2") == text), "{text}\n{shown}");
    }
}

#[test]
fn an_insert_hides_the_columns_that_the_table_has() {
    let dump = "-- MySQL dump 10.13\nCREATE TABLE `u` (\n  `id` int,\n  `passwd` varchar(9),\n  PRIMARY KEY (`id`)\n);\n\
                INSERT INTO `u` VALUES (1,'hunter2'),(2,NULL),(3,'hunter2');\n\
                CREATE TABLE `s` (`name` text, `value` text);\nINSERT INTO `s` VALUES ('smtp_password','hunter2'),('x','y');\n";
    let shown = hidden(dump);
    assert_eq!(shown.replace(&mark(), "hunter2"), dump);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn comments_and_texts_in_values_have_no_secrets_either() {
    for text in [
        "a: 1 # old password: hunter2\nb: 2\n",
        "a = \"x\" # password=hunter2\n",
        "<a><!-- password=hunter2 --><b>1</b><b>2</b></a>",
        "[s]\n# password = hunter2\na = 1\n",
        "{\"cmd\": \"mysql --password=hunter2 -u root\", \"json\": \"{\\\"password\\\": \\\"hunter2\\\"}\"}",
        "a: &x hunter2\nb:\n  password: *x\n",
        "{\"-----BEGIN RSA PRIVATE KEY-----\\nhunter2\\n-----END RSA PRIVATE KEY-----\": 1}",
        "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nhunter2\nPrivate-MAC: 1\n",
        "snmp-server community hunter2 ro\n",
        "rocommunity hunter2\n",
        "db:5432:x:me:hunter2\n",
        "password: |\n  hunter2\n{broken\n",
    ] {
        let shown = hidden(text);
        assert!(!shown.contains("hunter2") && shown.contains("<secret "), "{shown}");
    }
}

#[test]
fn a_part_is_left_out_and_the_rest_is_a_document() {
    for (text, path, expected) in [
        ("{\"a\": 1, \"b\": {\"c\": 2}, \"d\": 3}", "b", "{\"a\": 1, \"d\": 3}"),
        ("{\"a\": 1, \"b\": 2}", "a", "{\"b\": 2}"),
        ("{\"a\": {\"b\": 2}}", "a.b", "{\"a\": {}}"),
        ("{\"a\": [{\"id\": 1}, {\"id\": 2, \"x\": 0}]}", "a[id=2].x", "{\"a\": [{\"id\": 1}, {\"id\": 2}]}"),
        ("{\"a\": [1, 2, 3]}", "a[1]", "{\"a\": [1, 3]}"),
        ("a:\n  b: 1\n  c: 2 # x\n  d: 3\ne: 4\n", "a.c", "a:\n  b: 1\n  d: 3\ne: 4\n"),
        ("a:\n- name: x\n  v: 1\n- name: y\n  v: 2\n", "a[name=x]", "a:\n- name: y\n  v: 2\n"),
        ("a:\n- name: x\n  v: 1\nb: 1\n", "a[0].name", "a:\n- v: 1\nb: 1\n"),
        ("a: {b: 1, c: 2}\nd: 1\n", "a.c", "a: {b: 1}\nd: 1\n"),
        ("a = \"x\"\n[t]\nb = 1\n[t.u]\nc = 2\n[v]\nd = 1\n", "t", "a = \"x\"\n[v]\nd = 1\n"),
        ("a = \"x\"\n[t]\nb = [\n 1,\n 2]\nc = 1\n", "t.b", "a = \"x\"\n[t]\nc = 1\n"),
        ("a = \"x\"\n[t]\nb = { c = 1, d = 2 }\n", "t.b.c", "a = \"x\"\n[t]\nb = { d = 2 }\n"),
        ("[a]\nx = 1\n\n[b]\ny = 2\nz = 3\n", "a", "[b]\ny = 2\nz = 3\n"),
        ("[a]\nx = 1\n[b]\ny = 2\nz = 3\n", "b.y", "[a]\nx = 1\n[b]\nz = 3\n"),
        ("<r><a>1</a><b c=\"1\" d=\"2\">x</b></r>", "r.a", "<r><b c=\"1\" d=\"2\">x</b></r>"),
        ("<r><a>1</a><b c=\"1\" d=\"2\">x</b></r>", "r.b.@c", "<r><a>1</a><b d=\"2\">x</b></r>"),
    ] {
        assert_eq!(without(text, path), expected, "{text} {path}");
    }
}

#[test]
fn a_part_of_a_document_of_many_pieces_is_found_and_what_comes_after_it_stays() {
    let many: Value = (0..40_000).map(|number| json!({ "name": format!("n{number}"), "x": { "y": number } })).collect();
    let mut value = json!({ "a": { "list": many, "gone": [1, 2] }, "z": 1 });
    let text = serde_json::to_string(&value).unwrap();
    assert!(text.len() > 1 << 20);
    let omit = ["a.gone", "a.list[name=n7].x", "a.list[39999]"];
    let shown = run(text.as_bytes(), &omit, &Mask::keyed(KEY)).unwrap().0;
    value["a"].as_object_mut().unwrap().remove("gone");
    value["a"]["list"][7].as_object_mut().unwrap().remove("x");
    value["a"]["list"].as_array_mut().unwrap().pop();
    assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap(), value);
}

#[test]
fn a_table_of_a_dump_is_left_out_with_all_that_belongs_to_it() {
    let dump = "-- PostgreSQL database dump\nCREATE TABLE public.a (\n    id integer\n);\nALTER TABLE public.a OWNER TO x;\n\
                CREATE TABLE public.ab (\n    id integer\n);\nCOPY public.a (id) FROM stdin;\n1\n\\.\n\
                COPY public.ab (id) FROM stdin;\n2\n\\.\nALTER TABLE ONLY public.a\n    ADD CONSTRAINT k PRIMARY KEY (id);\n\
                CREATE INDEX i ON public.ab USING btree (id);\n";
    let expected = "-- PostgreSQL database dump\nCREATE TABLE public.ab (\n    id integer\n);\n\
                    COPY public.ab (id) FROM stdin;\n2\n\\.\nCREATE INDEX i ON public.ab USING btree (id);\n";
    assert_eq!(without(dump, "public.a"), expected);
    assert_eq!(without(dump, "[\"public.a\"]"), expected);
    assert_eq!(without(dump, "public"), "-- PostgreSQL database dump\n");
}

#[test]
fn a_path_that_leads_nowhere_is_named_with_those_that_are_near() {
    let dump = r#"{"cassandra": {"dm_keyspace": {}, "config_db_uuid": {}}}"#;
    let error = run(dump.as_bytes(), &["cassandra.dm_keyspcae"], &Mask::reveal()).unwrap_err().to_string();
    assert_eq!(error, "there is no cassandra.dm_keyspcae (there is dm_keyspace)");
    for (text, path) in [("a: 1\nb: 2\n", "c"), ("just some text\n", "a"), ("{\"a\": 1}", "a..b")] {
        assert!(run(text.as_bytes(), &[path], &Mask::reveal()).is_err(), "{text}");
    }
}

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("readme", &b"nothing\n"[..]), (name, content)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut content).unwrap();
    content
}

fn zip(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn members_of_archives_are_rewritten_and_an_archive_without_secrets_keeps_its_bytes() {
    let (secret, plain) = (b"user = me\npassword = hunter2\n", b"user = me\n");
    let mask = Mask::keyed(KEY);
    let expected = [b"user = me\npassword = ", mark().as_bytes(), b"\n"].concat();
    assert_eq!(run(&tar("d/x.conf", secret), &[], &mask).unwrap().0, tar("d/x.conf", &expected));
    let packed = run(&gzip(&tar(&"long/".repeat(40), secret)), &[], &mask).unwrap().0;
    assert!(gunzip(&packed).windows(expected.len()).any(|part| part == expected));
    let packed = run(&zip("x.conf", secret), &[], &mask).unwrap().0;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(packed)).unwrap();
    let mut content = Vec::new();
    archive.by_index(0).unwrap().read_to_end(&mut content).unwrap();
    assert_eq!(content, expected);
    for same in [tar("x", plain), gzip(plain), zip("x", plain), gzip(&zip("x", &gzip(plain)))] {
        assert_eq!(run(&same, &[], &mask).unwrap().0, same);
    }
    assert_eq!(run(&tar("d/x.conf", secret), &["d"], &Mask::reveal()).unwrap().1.omitted, 1);
}

#[test]
fn what_no_reader_knows_is_refused_and_named() {
    let mask = Mask::keyed(KEY);
    let store = [&[0x30, 0x82, 0, 9, 2, 1, 3][..], b"hunter2"].concat();
    for (content, what) in [
        (store.clone(), "file is a PKCS#12 key store"),
        (b"\xfe\xed\xfe\xed\0\0\0\x02hunter2".to_vec(), "file is a Java key store"),
        (b"SQLite format 3\0\x10\0".to_vec(), "file is an SQLite database"),
        (b"\0\x01hunter2\0".to_vec(), "file is binary"),
        (tar("k.p12", &store), "file/k.p12 is a PKCS#12 key store"),
        (zip("k.p12", &store), "file/k.p12 is a PKCS#12 key store"),
        (gzip(&store), "file is a PKCS#12 key store"),
    ] {
        let mut out = Vec::new();
        let rules = Rules { mask: &mask, omit: &[], keep: &|_| false, lines: Lines::Any };
        let error = redact(&content, "file", &rules, &mut out).unwrap_err().to_string();
        assert!(error.starts_with(what) && out.is_empty(), "{error}");
        redact(&content, "file", &Rules { mask: &mask, omit: &[], keep: &|_| true, lines: Lines::Any }, &mut out)
            .unwrap();
        assert_eq!(out, content);
    }
}

#[test]
fn a_reader_that_gives_up_says_where_and_lines_take_over() {
    let text = "{\n \"password\": \"hunter2\",\n \"a\": 1,\n}\n";
    let (shown, report) = run(text.as_bytes(), &[], &Mask::keyed(KEY)).unwrap();
    assert!(!String::from_utf8_lossy(&shown).contains("hunter2"));
    let long = format!("{{\"password\": \"hunter2\", \"a\": [{}", "1, ".repeat(100_000));
    let (shown, cut_off) = run(long.as_bytes(), &[], &Mask::keyed(KEY)).unwrap();
    assert!(!String::from_utf8_lossy(&shown).contains("hunter2"));
    assert!(cut_off.doubts[0].1.to_string().contains("byte"), "{cut_off:?} {report:?}");
}

#[test]
fn a_line_without_end_is_refused_before_anything_is_written() {
    let text = format!("{{\"password\": \"hunter2\", {}", "x".repeat(9 << 20));
    let (mask, mut out) = (Mask::keyed(KEY), Vec::new());
    let rules = Rules { mask: &mask, omit: &[], keep: &|_| false, lines: Lines::Any };
    let error = redact(&text.into_bytes(), "file", &rules, &mut out).unwrap_err();
    assert!(matches!(error, Fault::Unsafe { .. }) && out.is_empty(), "{error}");
}

#[test]
fn what_is_kept_without_being_read_is_only_what_would_be_refused() {
    let (mask, mut out) = (Mask::keyed(KEY), Vec::new());
    let rules = Rules { mask: &mask, omit: &[], keep: &|_| true, lines: Lines::Any };
    redact(&b"user = me\npassword = hunter2\n".to_vec(), "file", &rules, &mut out).unwrap();
    assert!(!String::from_utf8(out).unwrap().contains("hunter2"));
}

/// JSON with `hunter2` and a number of others as values of secret names, and nowhere else.
fn document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\\n\tä€ ]{0,12}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof!["[a-e]{1,3}", Just("user".to_string()), Just("x.y z".to_string())];
        let secret = prop_oneof![
            "[a-z]{0,4}".prop_map(|end| ("password".to_string(), Value::from(format!("hunter2{end}")))),
            Just(("tokens".to_string(), json!(["hunter2", {"x": "hunter2"}]))),
            Just(("z".to_string(), json!({"value": "hunter2", "name": "api_key"}))),
        ];
        let entry = prop_oneof![4 => (key, inner.clone()), 1 => secret];
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            vec(entry, 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The document with its secrets as one text.
fn blanked(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("hunter2") || text.starts_with("<secret ") => "secret".into(),
        Value::Array(values) => values.iter().map(blanked).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), blanked(value))).collect()),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_redacted_document_says_the_same_but_for_its_secrets(value in document(), pretty: bool) {
        let value = json!({ "top": value, "a": 1 });
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let shown = hidden(&text);
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
        prop_assert_eq!(blanked(&serde_json::from_str(&shown).unwrap()), blanked(&value));
        // JSON is YAML.
        let (yaml, _) = run(format!("--- {text}\n").as_bytes(), &[], &Mask::keyed(KEY)).unwrap();
        prop_assert!(!String::from_utf8(yaml).unwrap().contains("hunter2"));
    }

    #[test]
    fn a_document_without_a_part_is_the_rest_of_it(value in document(), which in any::<proptest::sample::Index>(), pretty: bool) {
        let mut value = json!({ "top": value, "a": 1, "b": [1, {"c": 2}] });
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let inside = value["top"].as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let path = if inside.is_empty() {
            value.as_object_mut().unwrap().remove("top");
            "top".to_string()
        } else {
            let key = which.get(&inside).clone();
            value["top"].as_object_mut().unwrap().remove(&key);
            format!("top[{key:?}]")
        };
        prop_assert_eq!(serde_json::from_str::<Value>(&without(&text, &path)).unwrap(), value);
    }

    #[test]
    fn damage_never_panics(value in document(), cut in any::<proptest::sample::Index>(), byte in any::<u8>(), kind in 0..4_usize) {
        let text = serde_json::to_string(&value).unwrap();
        let mut bytes = match kind {
            0 => text.into_bytes(),
            1 => format!("a: 1\nb: {text}\n").into_bytes(),
            2 => tar("x.json", text.as_bytes()),
            _ => gzip(text.as_bytes()),
        };
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        let _ = run(&bytes, &[], &Mask::keyed(KEY));
        let _ = run(&bytes[..at], &["b"], &Mask::keyed(KEY));
    }
}
