// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the INI reader promises.

use proptest::prelude::*;

use super::super::build::samples::{map, text};
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

fn list<const N: usize>(values: [Value; N]) -> Value {
    Value::List(values.into())
}

#[test]
fn sections_keys_and_flags_are_read() {
    let my_cnf =
        "!includedir /etc/mysql/conf.d/\n[mysqld]\nuser = mysql\nskip-networking\nsql_mode=\n[client]\nport: 3306\n";
    let mysqld = map([("skip-networking", Value::Null), ("sql_mode", text("")), ("user", text("mysql"))]);
    let expected = map([
        ("!includedir", text("/etc/mysql/conf.d/")),
        ("client", map([("port", text("3306"))])),
        ("mysqld", mysqld),
    ]);
    assert_eq!(read(my_cnf), expected);
    assert_eq!(
        read("net.ipv4.ip_forward = 1\n-net.x.*.rp=0"),
        map([("-net.x.*.rp", text("0")), ("net.ipv4.ip_forward", text("1"))])
    );
    assert_eq!(read(""), map([]));
}

#[test]
fn order_space_and_comments_on_lines_do_not_count() {
    let plain = read("[a]\nk = 1\nl=2\n[b]\n");
    assert_eq!(plain, read("\u{feff}; why\r\n\r\n[b]\r\n# because\r\n[ a ] ; of\r\n  l =  2  \r\nk: 1"));
    assert_ne!(plain, read("[a]\nk = 1 ; x\nl=2\n[b]\n"));
}

#[test]
fn what_repeats_is_a_list_in_its_order() {
    let unit = "[Service]\nExecStart=\nExecStart=/bin/a\nUser=x\n";
    let service = map([("ExecStart", list([text(""), text("/bin/a")])), ("User", text("x"))]);
    assert_eq!(read(unit), map([("Service", service)]));
    let peers = "[Peer]\nKey=a\n[Peer]\nKey=b\n";
    assert_eq!(read(peers), map([("Peer", list([map([("Key", text("a"))]), map([("Key", text("b"))])]))]));
    assert_ne!(read("a=1\na=2\n"), read("a=2\na=1\n"));
}

#[test]
fn a_section_of_the_name_of_a_key_ends_the_reading() {
    gives_up("a=1\n[b]\nc=1\n[a]\n", "line 4", "name of a key");
}

#[test]
fn values_go_on_over_lines_as_they_stand() {
    let unit = read("[Service]\nExecStart=/bin/a \\\n  --b=c \\\n--d\nUser=x\n");
    let start = text("/bin/a \\\n  --b=c \\\n--d");
    assert_eq!(unit, map([("Service", map([("ExecStart", start), ("User", text("x"))]))]));
    let setup = read("[options]\ninstall_requires =\n    foo==1.2\n    # not this\n    bar>=2\nzip_safe = no\n");
    let requires = text("\n    foo==1.2\n    bar>=2");
    assert_eq!(setup, map([("options", map([("install_requires", requires), ("zip_safe", text("no"))]))]));
    let git = read("[core]\n\tbare = false\n\tfilemode = true\n");
    assert_eq!(git, map([("core", map([("bare", text("false")), ("filemode", text("true"))]))]));
}

#[test]
fn a_key_that_is_indented_by_chance_keeps_its_name() {
    assert_eq!(read("port = 1\n  password = x\n"), map([("password", text("x")), ("port", text("1"))]));
}

#[test]
fn environment_files_are_read() {
    let env = read("# db\nexport A=b\nC=\"d e\" # f\nURL=http://x/?a=b\n");
    assert_eq!(env, map([("C", text("\"d e\" # f")), ("URL", text("http://x/?a=b")), ("export A", text("b"))]));
    assert_ne!(read("export A=b"), read("A=b"));
}

#[test]
fn odd_lines_end_the_reading_with_their_number() {
    gives_up("a=1\nno key here\n", "line 2", "expected");
    gives_up("a=1\n=2\n", "line 2", "no key");
    gives_up("a=1\n[b\n", "line 2", "`]`");
    gives_up("a=1\nroot:x:0:0::/root:/bin/sh\n", "line 2", "");
    gives_up("a=1\nb=\0\n", "byte 6", "NUL");
    assert!(parse(b"a=\xff").is_err_and(|error| error.place == "byte 2"));
}

#[test]
fn lines_of_a_secret_are_not_taken_for_keys() {
    gives_up(
        "A=1\nKEY=\"-----BEGIN PRIVATE KEY-----\nMIIB==\n-----END PRIVATE KEY-----\"\n",
        "line 2",
        "several lines",
    );
    gives_up("KEY='''\nMIIB==\n'''\n", "line 1", "several lines");
    gives_up(&format!("{}==\n", "QUJD".repeat(100)), "line 1", "no key");
}

#[test]
fn length_is_limited() {
    gives_up(&"a=1\n".repeat(2_000_000), "line", "memory");
    gives_up(&format!("a={}", "x".repeat(200 << 20)), "byte 67108864", "longer");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn arbitrary_lines_never_panic(text in "([a-b\u{e4}]|[=:;#!'\" \\[\\]\\\\\n\t]|\n  |\u{2003}){0,60}") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn keys_and_values_are_read_as_they_were_written(
        entries in proptest::collection::btree_map(
            "[a-z][a-z.]{0,5}",
            "([!-~&&[^\"'\\\\]]([ -~&&[^\\\\]]{0,8}[!-~&&[^\\\\]])?)?",
            0..8,
        ),
    ) {
        let lines: String = entries.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let map = Value::Map(entries.into_iter().map(|(key, value)| (key, Value::Text(value))).collect());
        prop_assert_eq!(&read(&lines), &map);
        prop_assert_eq!(read(&format!("[Section]\n{lines}")), Value::Map(vec![("Section".into(), map)]));
    }
}
