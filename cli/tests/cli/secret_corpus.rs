// SPDX-License-Identifier: MIT OR Apache-2.0
//! A corpus of files with a secret in every one of the ways in which files have them: no command shows it unless it is asked to, and all commands
//! show the same fingerprint for it.

use std::collections::BTreeSet;
use std::fs;

use crate::sandbox::Sandbox;

/// What every secret of the corpus begins with; the rest tells the nights apart.
const SECRET: &str = "corr3ct-h0rse";

/// Names and contents; `$` is the secret.
const CORPUS: [(&str, &str); 21] = [
    (
        "deployment.yaml",
        "kind: Deployment\nspec:\n  containers:\n    - name: app\n      env:\n        - name: DB_PASSWORD\n          value: $\n        - value: '$ 2'\n          name: API_TOKEN\n",
    ),
    ("secret.yaml", "apiVersion: v1\nkind: Secret\nstringData:\n  one: $\n  two: |\n    $\n    $ again\n"),
    ("block.yaml", "a: 1\npassword: |\n  $\n  second $\nsecrets:\n  - $\n  - {x: '$'}\nb: 2\n"),
    ("anchors.yaml", "common: &all {user: me, password: $}\nprod:\n  <<: *all\n  n: 1\n"),
    (
        "pretty.json",
        "{\n  \"env\": [\n    {\n      \"name\": \"DB_PASSWORD\",\n      \"value\": \"$\"\n    }\n  ],\n  \"credentials\": {\n    \"x\": [\n      \"$\"\n    ]\n  }\n}\n",
    ),
    (
        "inner.json",
        r#"{"app": "{\"env\": [{\"name\": \"DB_PASSWORD\", \"value\": \"$\"}], \"tokens\": [\"$\"]}", "n": 1}"#,
    ),
    ("keys.json", r#"{"postgres://me:$@host/db": {"n": 1}, "list": {"redis://:$@host": true}}"#),
    ("ids.json", r#"{"passwords": [{"id": "$", "n": 1}, {"id": "b", "n": 2}]}"#),
    (
        "wide.json",
        r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"name":"db_password","value":"$"}"#,
    ),
    ("lines.json", "{\"token\": \"$\"}\n{\"name\": \"api_key\", \"value\": \"$\"}\n"),
    (
        "app.xml",
        "<config>\n  <password>\n    $\n  </password>\n  <property name=\"db.password\"\n            value=\"$\"/>\n  <property><name>api.token</name>\n    <value>$</value></property>\n</config>\n",
    ),
    ("app.toml", "n = 1\n[credentials]\nx = \"$\"\n[db]\npassword = '''\n$\nmore $'''\n"),
    ("app.ini", "[db]\nuser = me\npassword = $\nurl = mysql://me:$@host/db\n"),
    (
        "dump.sql",
        "--\n-- PostgreSQL database dump\n--\n\nSET standard_conforming_strings = on;\n\nCREATE TABLE public.users (\n    id integer NOT NULL,\n    name text,\n    password text DEFAULT '$ default'\n);\n\nCREATE TABLE public.settings (\n    id integer NOT NULL,\n    name text,\n    value text\n);\n\nCOPY public.users (id, name, password) FROM stdin;\n1\tann\t$\n2\tbob\t$ 2\n\\.\n\nCOPY public.settings (id, name, value) FROM stdin;\n1\tsmtp_password\t$\n2\tapp\t{\"env\": [{\"name\": \"api_key\", \"value\": \"$\"}]}\n\\.\n\nALTER TABLE ONLY public.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id);\n\nALTER TABLE ONLY public.settings\n    ADD CONSTRAINT settings_pkey PRIMARY KEY (id);\n",
    ),
    (
        "mysql.sql",
        "-- MySQL dump 10.13\n\nCREATE TABLE `settings` (\n  `id` int NOT NULL,\n  `name` varchar(64),\n  `value` text,\n  PRIMARY KEY (`id`)\n);\nINSERT INTO `settings` VALUES (1,'smtp_password','$'),(2,'api_token','two\nlines $'),(3,'n','1');\nCREATE USER 'a'@'%' IDENTIFIED BY '$';\n",
    ),
    ("users.csv", "id,name,password\n1,ann,$\n2,bob,\"$ 2\"\n"),
    ("env.sh", "#!/bin/sh\nexport DB_PASSWORD='$'\ncurl -H \"Authorization: Bearer $\" https://me:$@host/\n"),
    ("web.key", "-----BEGIN PRIVATE KEY-----\n$\n$\n-----END PRIVATE KEY-----\n"),
    ("netrc", "machine host login me password $\n"),
    (".pgpass", "host:5432:*:me:$\n"),
    ("broken.json", "{\"password\": \"$\",\n \"a\": 1,,\n \"token\": \"$\"}\n"),
];

/// Two nights, of which the later has another secret in every file.
fn nights() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.ok(&["init"]);
    fs::create_dir_all(sandbox.path("src/etc")).unwrap();
    for night in ["one", "two"] {
        for (name, content) in CORPUS {
            let content = content.replace('$', &format!("{SECRET}-{night}"));
            fs::write(sandbox.path("src/etc").join(name), content).unwrap();
        }
        // What is of another type now.
        let (path, secret) = (sandbox.path("src/etc/turns"), format!("{SECRET}-{night}"));
        match night {
            "one" => fs::write(path, format!("db:\n  - name: DB_PASSWORD\n    value: {secret}\n")).unwrap(),
            _ => {
                fs::write(path, format!("{{\"env\": [{{\"name\": \"x_token\",\n \"value\": \"{secret}\"}}]}}")).unwrap()
            }
        }
        sandbox.ok(&["backup", "."]);
    }
    sandbox
}

fn names() -> impl Iterator<Item = String> {
    CORPUS.iter().map(|(name, _)| *name).chain(["turns"]).map(|name| format!("etc/{name}"))
}

/// Of XML too, which has other brackets.
fn fingerprints(shown: &str) -> BTreeSet<String> {
    let starts = shown.match_indices("secret ").map(|(at, word)| at + word.len());
    let is_digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    starts.filter_map(|at| shown.get(at..at + 8).filter(is_digits).map(ToString::to_string)).collect()
}

#[test]
fn no_secret_of_the_corpus_is_in_the_output_of_any_command() {
    let sandbox = nights();
    let text = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut commands = vec![
        text(&["diff", "latest~1", "latest"]),
        text(&["diff", "latest~1", "latest", "--patch"]),
        text(&["diff", "latest~1", "latest", "--patch", "--text"]),
        text(&["diff", "latest~1", "latest", "--html", "-"]),
        text(&["diff", "latest~1", "latest", "--html", "-", "--text"]),
        text(&["diff", "latest~1", "--live", "--patch"]),
        text(&["diff", "latest:etc/pretty.json", "latest:etc/inner.json", "--patch"]),
        text(&["history", "etc"]),
        text(&["find", "*"]),
        text(&["watch-diff", "--lines", "1000"]),
    ];
    for name in names() {
        let latest = format!("latest:{name}");
        commands.push(text(&["history", &name, "--patch"]));
        commands.push(text(&["history", &name, "--html", "-"]));
        commands.push(text(&["blame", &name]));
        commands.push(text(&["show", &latest]));
        commands.push(text(&["dump", &latest, "--redact"]));
    }
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let shows_page = words.contains(&"-") || words[0] == "dump";
        for more in [&[][..], &["--json"]].into_iter().take(if shows_page { 1 } else { 2 }) {
            let run = sandbox.run(&[&words, more].concat());
            let is_broken = words.iter().any(|word| word.contains("broken.json"));
            assert!(run.code == 0 || run.code == 3 && is_broken, "{command:?}: {run:?}");
            let shown = run.out.lines().find(|line| line.contains(SECRET));
            assert_eq!(shown, None, "{command:?} {more:?} shows a secret");
            assert!(!run.err.contains(SECRET), "{command:?}: {}", run.err);
        }
    }
    let archive = sandbox.text("out.tar");
    assert_eq!(sandbox.run(&["export", "latest", &archive, "--redact"]).code, 3, "of broken.json");
    let written = fs::read(&archive).unwrap();
    assert!(!written.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
}

#[test]
fn all_commands_hide_the_same_and_show_the_same_fingerprints() {
    let sandbox = nights();
    for name in names() {
        let of = |snapshot: &str| sandbox.run(&["dump", &format!("{snapshot}:{name}"), "--redact"]).out;
        let (old, new) = (of("latest~1"), of("latest"));
        let (before, after) = (fingerprints(&old), fingerprints(&new));
        assert!(!before.is_empty() && !after.is_empty() && before != after, "{name}: {old} {new}");
        let all: BTreeSet<String> = before.union(&after).cloned().collect();
        for command in [&["--patch"][..], &["--patch", "--text"]] {
            let shown = sandbox.ok(&[&["diff", "latest~1", "latest", &name], command].concat()).out;
            let found = fingerprints(&shown);
            assert!(!found.is_empty() && found.is_subset(&all), "{name} {command:?}: {shown}\n{old}\n{new}");
        }
        // As many lines, each where it was; a text in TOML begins with its quotes.
        let whole = sandbox.ok(&["dump", &format!("latest:{name}")]).out;
        let blamed = sandbox.json(0, &["blame", &name]);
        assert_eq!(blamed.len() - 1, whole.lines().count(), "{name}");
        for (line, shown) in
            whole.lines().zip(&blamed).filter(|(line, _)| !line.contains(SECRET) && !line.contains("'''"))
        {
            assert_eq!(shown["text"], line, "{name}");
        }
        let shown: Vec<String> = blamed.iter().filter_map(|line| Some(line["text"].as_str()?.to_string())).collect();
        assert_eq!(fingerprints(&shown.join("\n")), after, "{name}");
    }
}
