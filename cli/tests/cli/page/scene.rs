// SPDX-License-Identifier: MIT OR Apache-2.0
//! What pages are made from: two nights of a machine with files of each sort, secrets in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::Sandbox;

/// Secrets of both nights, one behind the other; they stand in files of several formats.
pub const SECRETS: [&str; 8] = [
    "hunter2-first",
    "hunter2-second",
    "zK8wQ2vN4rT6-first",
    "zK8wQ2vN4rT6-second",
    "ghp_0123456789abcdefghijABCDEFGHIJfirst1",
    "ghp_0123456789abcdefghijABCDEFGHIJsecnd2",
    "QmFzZTY0S2V5Rmlyc3Q",
    "QmFzZTY0S2V5U2Vjb25k",
];

/// A repository with a snapshot of these files, and a second one after `change`.
pub fn changed(files: &[(&str, &str)], change: impl FnOnce(&dyn Fn(&str) -> PathBuf)) -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, content) in files {
        put(&sandbox, name, content);
    }
    sandbox.ok(&["backup", "."]);
    change(&|name| sandbox.path(&format!("src/{name}")));
    sandbox.ok(&["backup", "."]);
    sandbox
}

fn put(sandbox: &Sandbox, name: &str, content: impl AsRef<[u8]>) {
    let path = sandbox.path(&format!("src/{name}"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Two nights of `web01`.
pub fn night() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["a.txt", "sub/b.txt", "sub/c.o"] {
        fs::remove_file(sandbox.path(&format!("src/{name}"))).unwrap();
    }
    fs::remove_dir(sandbox.path("src/sub")).unwrap();
    write(&sandbox, 0);
    put(&sandbox, "etc/gone.conf", "bye\n");
    put(&sandbox, "etc/old-name", "the content that stays");
    sandbox.ok(&["backup", ".", "--host", "web01", "--tag", "before-upgrade"]);
    write(&sandbox, 1);
    let path = |name: &str| sandbox.path(&format!("src/{name}"));
    fs::remove_file(path("etc/gone.conf")).unwrap();
    fs::rename(path("etc/old-name"), path("etc/new-name")).unwrap();
    put(&sandbox, "etc/added.conf", "a = 1\n");
    fs::set_permissions(path("etc/env.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    sandbox.ok(&["backup", ".", "--host", "web01", "--tag", "after-upgrade"]);
    sandbox
}

fn write(sandbox: &Sandbox, night: usize) {
    let [password, key, token, base64] = [0, 2, 4, 6].map(|secret| SECRETS[secret + night]);
    let users: Vec<String> = (0..500).map(|id| format!("{{\"id\":{id},\"name\":\"u{}\"}}", id * (night + 1))).collect();
    put(
        sandbox,
        "etc/settings.json",
        format!(
            "{{\"db\":{{\"port\":{},\"password\":\"{password}\"}},\"auth\":[{{\"id\":1,\"api_key\":\"{key}\"}}],\"users\":[{}]}}",
            5432 + night,
            users.join(",")
        ),
    );
    put(
        sandbox,
        "etc/env.sh",
        format!("#!/bin/sh\nexport DB_PASSWORD='{password}'\nexport TOKEN={token}\nN={night}\n"),
    );
    put(sandbox, "etc/app.yaml", format!("db:\n  password: {password}\n  secret_key: {key}\n  port: {night}\n"));
    put(sandbox, "etc/app.ini", format!("[db]\npassword = {password}\ntimeout = {night}\n"));
    let hosts = ["127.0.0.1 localhost\n", "127.0.0.1 localhost\n10.0.0.2 db\n"][night];
    put(sandbox, "etc/hosts", hosts);
    put(sandbox, "etc/broken.json", ["{\"a\": 1, \"b\": 2}\n", "{\"a\": 1, \"b\": }\n"][night]);
    let long = format!("{} {} {}\n", "lorem".repeat(20_000), ["old", "new"][night], "ipsum".repeat(20_000));
    put(sandbox, "var/oneline.txt", long);
    put(sandbox, "var/site.sql", dump(night));
    put(sandbox, "etc/ssl/web.pem", [OLD_CERTIFICATE, NEW_CERTIFICATE][night]);
    put(
        sandbox,
        "etc/ssl/web.key",
        format!("-----BEGIN RSA PRIVATE KEY-----\n{base64}\n-----END RSA PRIVATE KEY-----\n"),
    );
    let mut bytes: Vec<u8> = (0..20_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    bytes[0] = 0;
    bytes[12_000] ^= night as u8;
    put(sandbox, "tool", bytes);
}

fn dump(night: usize) -> String {
    let rows = ["1\tann\n2\tbob\n", "1\tanne\n3\tnew\n"][night];
    format!(
        "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n\nCREATE TABLE public.users (\n    id integer NOT NULL,\n    name text\n);\n\n\
         COPY public.users (id, name) FROM stdin;\n{rows}\\.\n\nALTER TABLE ONLY public.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id);\n"
    )
}

/// Changes a byte of every pack of data in a place that holds contents.
pub fn damage(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        if bytes[3] == b'D' {
            bytes[80] ^= 1;
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
}

const OLD_CERTIFICATE: &str = include_str!("old.pem");
const NEW_CERTIFICATE: &str = include_str!("new.pem");
