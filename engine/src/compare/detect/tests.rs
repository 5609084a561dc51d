// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is found in realistic contents, whole and cut off.

use proptest::prelude::*;

use super::super::certificate::samples::EC_CERTIFICATE;
use super::Format::{Binary, Certificate, Gzip, Ini, Json, JsonLines, Sql, Tar, Text, Toml, Xml, Yaml, Zip};
use super::{Format, HEAD_BYTES, detect};

/// Beginnings of files as they stand on servers, with what they are.
const CONTENTS: &[(&str, Format)] = &[
    // JSON.
    ("{}\n", Json),
    ("[]", Json),
    ("{\n  \"name\": \"x\",\n  \"version\": [1, 2.5e3, true, null, \"a\\\"b\"]\n}\n", Json),
    ("\u{feff}[{\"a\": {\"b\": []}}, -1]", Json),
    ("{\"level\":\"info\",\"t\":1}\n{\"level\":\"warn\",\"t\":2}\n", JsonLines),
    ("[1,2]\r\n[3,4]\r\n\r\n", JsonLines),
    ("{\"a\": 1}\n{\"b\":\n", Json),
    ("{\"a\": tru}\n", Json),
    ("[{\"a\": 1},\n", Json),
    ("[\"a\" and more\n", Json),
    ("<?xml version=\"1.0\"?>\n<a><b></a>\n", Xml),
    ("---\na: [1\nb: 2\n", Yaml),
    ("[link](http://x) in Markdown\n", Text),
    ("[2024-01-02 10:00:00] started\n[2024-01-02 10:00:01] stopped\n", Text),
    ("{{ template }}\n", Text),
    // YAML.
    ("---\n- hosts: all\n  tasks:\n    - name: x\n      apt: {name: nginx}\n", Yaml),
    ("version: '3'\nservices:\n  web:\n    image: nginx:1.25\n    ports:\n      - 80:80\n", Yaml),
    (
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  run.sh: |\n    #!/bin/sh\n\n    echo a: b\n---\n\
         apiVersion: v1\nkind: Secret\n",
        Yaml,
    ),
    ("# Settings\nhost: localhost\nport: 5432\n", Yaml),
    ("- id: 1\n  name: a\n- id: 2\n  name: b\n", Yaml),
    ("network:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: true}\n", Yaml),
    ("jobs:\n  a:\n    run: |\n      cat > x <<E\n      [a]\n      b=1\n      E\n", Yaml),
    ("%YAML 1.2\n---\na: 1\n", Yaml),
    ("Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Name: !Ref X\n", Yaml),
    ("a: &a {x: 1}\nb:\n  <<: *a\n", Yaml),
    ("Note: this is a sentence.\nIt goes on here: with a colon.\n", Text),
    ("Note: this is one sentence.\n", Text),
    ("- milk\n- bread: brown\n- eggs\n", Text),
    ("---\ntitle: A post\ndate: 2024-01-02\n---\n# Hello\n\nSome prose.\n", Text),
    ("# Title\n\nSome *text*: and more.\n\n- one\n- two\n\n```\ncode: x\n```\n", Text),
    ("Hello John: how are you?\nSee you: soon.\n", Text),
    ("10:00:01: started\n10:00:02: stopped\n10:00:03: done\n", Text),
    ("WARN: disk is full\nWARN: disk is full\n", Text),
    ("2024-01-02 ERROR db: failed\n2024-01-03 INFO db: came back\n", Text),
    ("all: main.o\n\tcc -o x main.o\n\nclean:\n\trm -f x\n", Text),
    ("body {\n  color: red;\n}\n", Text),
    ("just words\n", Text),
    // TOML.
    ("[package]\nname = \"x\"\nversion = \"0.1.0\"\n\n[dependencies]\nserde = { version = \"1\" }\n", Toml),
    ("[[package]]\nname = \"a\"\nsource = \"b\"\n\n[[package]]\nname = \"c\"\n", Toml),
    ("title = 'x'\na.b = [1, 2]\n[owner]\ndob = 1979-05-27T07:32:00Z\n", Toml),
    // INI.
    ("[mysqld]\nuser = mysql\nskip-networking\nport=3306 # default\n\n!includedir /etc/mysql/conf.d/\n", Ini),
    (
        "[Unit]\nDescription=A thing\nAfter=network.target\n\n\
         [Service]\nExecStart=/bin/sh -c \\\n  'x'\nEnvironment=A=b\nEnvironment=C=d\n",
        Ini,
    ),
    ("[core]\n\tbare = false\n\teditor = vim\n[remote \"origin\"]\n\turl = git@x:y.git\n", Ini),
    ("; php\n[PHP]\nmemory_limit = 128M\nextension=curl\nextension=gd\n", Ini),
    ("net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding=1\n# comment\nvm.swappiness = 10\n", Ini),
    ("export PATH_A=/usr/bin\nDB_URL=postgres://u@h/db?x=1\nSECRET=\"a b\"\n", Ini),
    ("NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\n", Ini),
    ("[Desktop Entry]\nName=X\nName[de]=Y\nCategories=Network;WebBrowser;\n", Ini),
    ("[metadata]\nname = x\n[options]\ninstall_requires =\n    foo==1.2\n    bar>=2\n", Ini),
    ("[global]\n   workgroup = WORKGROUP\n   server string = %h server\n[homes]\n   browseable = no\n", Ini),
    ("[Interface]\nPrivateKey = aGVsbG8=\n[Peer]\nPublicKey = aGVsbG8=\n[Peer]\nPublicKey = d29ybGQ=\n", Ini),
    ("KEY=value\n", Text),
    ("foo==1.2\nbar==2.0\nbaz==3\n", Text),
    ("CC := gcc\nCFLAGS += -O2\n", Text),
    ("const a = 5;\nlet b = 6;\n", Text),
    ("int x = 5;\nint y = 6;\n", Text),
    ("alias ll='ls -l'\nalias la='ls -a'\n", Text),
    ("t=1 level=info msg=a\nt=2 level=info msg=b\nt=3 level=warn msg=c\n", Text),
    ("network={\n\tssid=\"x\"\n\tpsk=\"y\"\n}\n", Text),
    ("The result x = 5 is right.\nAnd y = 6.\n", Text),
    ("A=1\nKEY=\"-----BEGIN PRIVATE KEY-----\nMIIB==\n-----END PRIVATE KEY-----\"\n", Text),
    // XML.
    ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<project><a/></project>\n", Xml),
    ("<configuration>\n  <property name=\"x\">1</property>\n</configuration>\n", Xml),
    ("<!-- c -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0\"/></svg>", Xml),
    ("<!DOCTYPE html>\n<html><body>x</body></html>\n", Text),
    ("<html lang=\"en\"></html>\n", Text),
    ("<?php\necho 'x';\n", Text),
    ("<VirtualHost *:80>\n  ServerName x\n</VirtualHost>\n", Text),
    ("<Directory \"/var/www\">\n  Require all granted\n</Directory>\n", Text),
    ("<not closed\n", Text),
    // SQL.
    (
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 16.1\n\nSET statement_timeout = 0;\n",
        Sql,
    ),
    ("--\n-- PostgreSQL database cluster dump\n--\n\nSET default_transaction_read_only = off;\n", Sql),
    ("-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n-- Host: localhost    Database: x\n", Sql),
    ("/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n", Sql),
    ("SELECT 1;\n-- PostgreSQL database dump\n", Text),
    // Certificates and keys.
    ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", Certificate),
    ("# root\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n", Certificate),
    (
        "# admin\nno-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXMc8qSODZw1kQJJy8MCQA1e+eUGeITSz5BV3iBZvUE me@x\n",
        Certificate,
    ),
    ("client\n<ca>\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n</ca>\n", Text),
    ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nHello\n", Text),
    // Other text.
    ("", Text),
    ("\n\n", Text),
    ("#!/bin/sh\nA=1\nB=2\n", Text),
    ("if [ -n \"$BASH\" ]; then\n  A=1\nfi\n", Text),
    ("root:*:0:\ndaemon:*:1:\n", Text),
    (
        "test:\n  cargo fmt --check\n  cargo clippy --all-targets\n\n\
         lint:\n  cargo build --release\n  cargo test --all --release\n",
        Text,
    ),
    ("server {\n    listen 80;\n    location / { proxy_pass http://x; }\n}\n", Text),
    ("import os\n\nX = 1\ndef f():\n    return X\n", Text),
    ("#include <stdio.h>\nint main(void) { return 0; }\n", Text),
    ("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n", Text),
    ("127.0.0.1 localhost\n::1 localhost ip6-localhost\n", Text),
    ("MAILTO=root\n0 5 * * * /usr/bin/backup A=b\n*/5 * * * * x\n", Text),
    ("UUID=1-2 / ext4 defaults 0 1\nUUID=3-4 /boot ext4 defaults 0 2\n", Text),
    ("FROM debian:12\nENV A=b\nRUN echo x\n", Text),
    ("*.o\n!keep.o\n/target\n", Text),
    ("id,name,mail\n1,a,a@x\n2,b,b@x\n", Text),
    ("Port 22\nPermitRootLogin no\nMatch User x\n", Text),
    ("Jan  2 10:00:00 host sshd[12]: Accepted publickey for x from 1.2.3.4\n", Text),
    ("From: a@x\nTo: b@x\nSubject: Re: hello\n\nHello,\n", Text),
    ("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", Text),
    ("Package: a\nVersion: 1\n\nPackage: b\nVersion: 2\n", Text),
    ("resource \"x\" \"y\" {\n  a = \"b\"\n}\n", Text),
];

#[test]
fn contents_are_found_by_what_they_are() {
    let found = |content: &str| detect(content.as_bytes(), content.len() as u64);
    let wrong: Vec<_> = CONTENTS.iter().filter(|(content, format)| found(content) != *format).collect();
    let shown = wrong.iter().map(|(content, format)| format!("{format:?}, not {:?}: {content:?}\n", found(content)));
    assert!(wrong.is_empty(), "{}", shown.collect::<String>());
}

#[test]
fn line_ends_of_windows_change_nothing() {
    for (content, format) in CONTENTS {
        let content = content.replace("\r\n", "\n").replace('\n', "\r\n");
        assert_eq!(detect(content.as_bytes(), content.len() as u64), *format, "{content:?}");
    }
}

#[test]
fn bytes_are_found_by_their_magic() {
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let body: String = EC_CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    let mut no_certificate = der.clone();
    no_certificate[4] = 0x31;
    let contents: [(&[u8], Format); 11] = [
        (b"\x1f\x8b\x08\0", Gzip),
        (b"PK\x03\x04\0\0", Zip),
        (b"PK\x05\x06\0\0", Zip),
        (b"PK is no archive\n", Text),
        (&tar, Tar),
        (&der, Certificate),
        (&der[..607], Binary),
        (&no_certificate, Binary),
        (b"text with a NUL \0\n", Binary),
        (b"\xff\xfea\0b\0", Binary),
        (b"\x01\x02\x03\x04\x05abc", Binary),
    ];
    for (content, format) in contents {
        assert_eq!(detect(content, content.len() as u64), format, "{content:?}");
    }
}

#[test]
fn text_in_an_encoding_of_the_past_is_text_and_noise_is_not() {
    assert_eq!(detect(b"a = Stra\xdfe\nb = 1\n[c]\nd = 2\n", 27), Text);
    let noise: Vec<u8> =
        (0..4096_u32).map(|number| 1 + (number.wrapping_mul(2_654_435_761) >> 24) as u8 % 255).collect();
    assert_eq!(detect(&noise, 4096), Binary);
}

#[test]
fn a_head_is_enough() {
    let json = format!("{{\"a\": [{}1]}}", "{\"text\": \"\u{e4}\", \"n\": 1},\n".repeat(20_000));
    let lines = "{\"a\": 1, \"b\": [true]}\n".repeat(20_000);
    let yaml: String =
        (0..20_000).map(|number| format!("key{number}:\n  - a: [1, 2]\n    b: |\n      text\n")).collect();
    let toml: String =
        (0..20_000).map(|number| format!("[[p]]\nname = \"x{number}\"\ndeps = [\n \"a\",\n \"b\",\n]\n")).collect();
    let ini: String = (0..20_000).map(|number| format!("[s{number}]\nkey = value\n\tother = x\n")).collect();
    let xml = format!("<?xml version='1.0'?>\n<a>\n{}</a>\n", "  <b c='1'>\n    <d/>\n  </b>\n".repeat(20_000));
    let keys = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXMc8qSODZw1kQJJy8MCQA1e+eUGeITSz5BV3iBZvUE me@x\n".repeat(2_000);
    let prose = "Some words: and a colon.\nMore = words.\n\n".repeat(20_000);
    for (content, format) in [
        (json, Json),
        (lines, JsonLines),
        (yaml, Yaml),
        (toml, Toml),
        (ini, Ini),
        (xml, Xml),
        (keys, Certificate),
        (prose, Text),
        ("a".repeat(1 << 20), Text),
        ("\u{e4}".repeat(1 << 20), Text),
    ] {
        for cut in [0, 1, 7] {
            let head = &content.as_bytes()[..HEAD_BYTES - cut];
            assert_eq!(detect(head, content.len() as u64), format, "{}", &content[..40]);
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), more in any::<bool>()) {
        detect(&bytes, bytes.len() as u64 + u64::from(more));
    }

    #[test]
    fn contents_cut_off_anywhere_never_panic(
        which in any::<prop::sample::Index>(),
        end in any::<prop::sample::Index>(),
    ) {
        let bytes = which.get(CONTENTS).0.as_bytes();
        detect(&bytes[..end.index(bytes.len() + 1)], 1 << 30);
    }
}
