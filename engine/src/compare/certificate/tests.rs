// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the reader of certificates and keys promises; the expected values are OpenSSL's and OpenSSH's.

use proptest::prelude::*;

use super::super::document::Value;
use super::samples as sample;
use super::{Part, days_left, document, expiry, from_base64, looks_like, parse};

const EC_PUBLIC: &str =
    "5D:12:E8:64:D1:A0:2A:8E:02:CE:76:DC:13:8A:E2:03:B5:53:CF:48:99:AA:0A:F6:88:A8:3E:10:10:1F:47:4B";
const CA_PUBLIC: &str =
    "C8:77:E9:20:70:30:60:DC:3D:DD:B6:DC:53:B4:76:E7:99:54:CE:42:35:09:5E:3B:55:CD:2A:90:25:14:F5:0F";
const RSA_PUBLIC: &str =
    "CD:F6:80:1E:E8:F6:14:53:40:ED:AE:9F:E1:D9:D2:8D:08:4C:54:97:52:27:A3:06:EB:B9:15:A9:0E:F3:53:40";

fn read(text: &str) -> Vec<Part> {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

fn only(text: &str) -> Part {
    let mut parts = read(text);
    assert_eq!(parts.len(), 1, "{parts:?}");
    parts.remove(0)
}

/// A field as text; lists with commas.
fn field(part: &Part, key: &str) -> String {
    let Value::Map(fields) = &part.fields else { panic!("{part:?}") };
    match fields.iter().find(|(name, _)| name == key) {
        Some((_, Value::List(values))) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Some((_, value)) => shown(value),
        None => "none".into(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn gives_up(text: &str, place: &str, why: &str) {
    let error = parse(text.as_bytes()).expect_err("it should give up");
    assert!(error.place.contains(place) && error.why.contains(why), "{error}");
}

fn der(pem: &str) -> Vec<u8> {
    from_base64(&pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

#[test]
fn a_certificate_has_the_fields_that_people_ask_for() {
    let part = only(sample::EC_CERTIFICATE);
    let subject = "CN=www.example.org,O=Example\\, Inc.,C=DE";
    for (key, value) in [
        ("kind", "certificate"),
        ("id", &format!("certificate {subject}")),
        ("subject", subject),
        ("issuer", subject),
        ("serial", "12:34:56:78:90:AB:CD:EF"),
        ("not_before", "2026-11-29T02:38:15Z"),
        ("not_after", "2036-11-26T02:38:15Z"),
        (
            "subject_alt_names",
            "DNS:www.example.org, DNS:example.org, IP:192.0.2.1, \
             IP:2001:db8::1, email:a@example.org, URI:https://example.org/",
        ),
        ("key", "EC P-256"),
        ("key_usage", "digitalSignature, keyEncipherment"),
        ("extended_key_usage", "serverAuth, clientAuth"),
        ("is_ca", "false"),
        ("signature_algorithm", "ecdsa-with-SHA256"),
        (
            "fingerprint_sha256",
            "F5:EC:28:C1:BB:AA:F9:44:06:78:B8:E6:74:4C:01:05:06:03:4A:1A:6B:D3:C6:91:27:D8:DC:D2:91:38:C5:28",
        ),
        ("public_key_sha256", EC_PUBLIC),
    ] {
        assert_eq!(field(&part, key), value, "{key}");
    }
    assert_eq!(part.not_after_unix, Some(2_111_279_895));
}

#[test]
fn dates_beyond_2050_are_read() {
    let part = only(sample::CA_CERTIFICATE);
    assert_eq!(field(&part, "not_after"), "2126-11-05T02:38:15Z");
    assert_eq!((field(&part, "is_ca"), field(&part, "key")), ("true".into(), "Ed25519".into()));
}

#[test]
fn days_to_expiry_are_whole_and_negative_after_it() {
    let not_after = 2_111_279_895;
    assert_eq!(days_left(not_after, not_after - 30 * 86_400), 30);
    assert_eq!(days_left(not_after, not_after - 86_399), 0);
    assert_eq!(days_left(not_after, not_after), 0);
    assert_eq!(days_left(not_after, not_after + 1), -1);
    assert_eq!(days_left(i64::MIN, i64::MAX), i64::MIN.div_euclid(86_400));
}

#[test]
fn days_to_expiry_are_told_in_words() {
    let words = [(34, "34 days left"), (1, "1 day left"), (0, "0 days left"), (-1, "expired less than a day ago")];
    for (days, told) in [&words[..], &[(-2, "expired 1 day ago"), (-11, "expired 10 days ago")]].concat() {
        assert_eq!(expiry(days), told);
    }
    assert!(expiry(i64::MIN).starts_with("expired "));
}

#[test]
fn a_request_has_the_names_that_it_asks_for() {
    let part = only(sample::RSA_REQUEST);
    assert_eq!(part.id, "certificate request CN=req.example.org");
    assert_eq!(field(&part, "subject_alt_names"), "DNS:req.example.org");
    assert_eq!((field(&part, "key"), field(&part, "public_key_sha256")), ("RSA 1024".into(), RSA_PUBLIC.into()));
}

#[test]
fn a_key_shows_the_fingerprint_of_its_certificate_and_nothing_secret() {
    for (text, kind, key, public) in [
        (sample::EC_KEY, "private key", "EC P-256", EC_PUBLIC),
        (sample::EC_KEY_SEC1, "private key", "EC P-256", EC_PUBLIC),
        (sample::CA_KEY, "private key", "Ed25519", CA_PUBLIC),
        (sample::RSA_KEY, "private key", "RSA 1024", RSA_PUBLIC),
        (sample::RSA_KEY_PKCS1, "private key", "RSA 1024", RSA_PUBLIC),
        (sample::CA_PUBLIC_KEY, "public key", "Ed25519", CA_PUBLIC),
        (sample::RSA_PUBLIC_KEY, "public key", "RSA 1024", RSA_PUBLIC),
        (sample::RSA_PUBLIC_KEY_PKCS1, "public key", "RSA 1024", RSA_PUBLIC),
    ] {
        let part = only(text);
        assert_eq!((part.kind.as_str(), field(&part, "key").as_str()), (kind, key));
        assert_eq!(field(&part, "public_key_sha256"), public);
        let Value::Map(fields) = &part.fields else { panic!() };
        assert_eq!(fields.len(), 4, "{fields:?}");
    }
}

#[test]
fn an_encrypted_key_shows_only_that_it_changed() {
    let (ec, rsa) = (only(sample::EC_KEY_ENCRYPTED), only(sample::RSA_KEY_ENCRYPTED));
    for part in [&ec, &rsa] {
        assert_eq!(part.id, "private key encrypted");
        assert_eq!(field(part, "key"), "none");
    }
    assert_ne!(field(&ec, "encrypted_sha256"), field(&rsa, "encrypted_sha256"));
}

#[test]
fn keys_of_openssh_have_the_fingerprint_that_it_shows() {
    let public = only(sample::SSH_PUBLIC_KEY);
    assert_eq!((public.id.as_str(), public.kind.as_str()), ("openssh public key root@host", "openssh public key"));
    assert_eq!(field(&public, "fingerprint_sha256"), "SHA256:DItQvjk3gD5apEruovytW0PQuOdnYSYMk/hDK0hGZ2I");
    let private = only(sample::SSH_KEY);
    assert_eq!((private.kind.as_str(), field(&private, "key").as_str()), ("private key", "Ed25519"));
    assert_eq!(field(&private, "fingerprint_sha256"), "SHA256:DItQvjk3gD5apEruovytW0PQuOdnYSYMk/hDK0hGZ2I");
    assert_eq!(field(&private, "encrypted_sha256"), "none");
    let encrypted = only(sample::SSH_KEY_ENCRYPTED);
    assert_eq!(field(&encrypted, "cipher"), "aes256-ctr");
    assert_eq!(field(&encrypted, "fingerprint_sha256"), "SHA256:PKDhs/uFWxgq4HVvr7zPq+ze6skyqNQLKryu5BPuDoY");
}

#[test]
fn authorized_keys_have_options_and_comments() {
    let key = sample::SSH_PUBLIC_KEY.trim_end();
    let text = format!("# admins\n\ncommand=\"ls ssh-ed25519 x\",no-pty {key}\nno-pty {key}\n");
    let parts = read(&text);
    assert_eq!(parts.len(), 2);
    assert_eq!(field(&parts[0], "options"), "command=\"ls ssh-ed25519 x\",no-pty");
    assert_eq!(parts[1].id, "openssh public key root@host (2)");
    let without_comment = key.rsplit_once(' ').unwrap().0;
    assert_eq!(only(without_comment).id, "openssh public key SHA256:DItQvjk3gD5apEruovytW0PQuOdnYSYMk/hDK0hGZ2I");
}

#[test]
fn parts_of_a_bundle_have_ids_of_their_own() {
    let bundle = [sample::EC_CERTIFICATE, sample::CA_CERTIFICATE, sample::EC_CERTIFICATE, sample::EC_KEY].concat();
    let parts = read(&bundle);
    let ids: std::collections::HashSet<_> = parts.iter().map(|part| part.id.clone()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(parts[2].id, "certificate CN=www.example.org,O=Example\\, Inc.,C=DE (2)");
    assert!(matches!(document(&parts), Value::List(values) if values.len() == 4));
}

#[test]
fn der_and_line_ends_of_windows_are_read_the_same() {
    for text in
        [sample::EC_CERTIFICATE, sample::RSA_REQUEST, sample::CA_PUBLIC_KEY, sample::RSA_KEY, sample::RSA_KEY_PKCS1]
    {
        assert_eq!(parse(&der(text)).unwrap(), read(text));
        assert_eq!(read(&format!("\u{feff}{}", text.replace('\n', "\r\n"))), read(text));
    }
}

#[test]
fn what_tools_write_for_people_does_not_count() {
    let noise = "# roots\n\nGlobal Root\n===========\nCertificate:\n    Data:\n        Version: 3 (0x2)\n\
                 Bag Attributes\n    localKeyID: 01\nsubject=CN = x\n";
    assert_eq!(read(&format!("{noise}{}", sample::CA_CERTIFICATE)), read(sample::CA_CERTIFICATE));
    assert!(looks_like(&format!("{noise}{}", sample::CA_CERTIFICATE)));
}

#[test]
fn other_text_around_blocks_ends_the_reading() {
    let ovpn = format!("client\nremote vpn.example.org 1194\n<ca>\n{}</ca>\n", sample::CA_CERTIFICATE);
    gives_up(&ovpn, "line 1", "outside of the blocks");
    assert!(!looks_like(&ovpn));
    gives_up(&format!("{}<key>\n", sample::CA_CERTIFICATE), "line 10", "outside of the blocks");
}

#[test]
fn damaged_blocks_end_the_reading_with_their_line() {
    let cut = &sample::CA_CERTIFICATE[..200];
    gives_up(cut, "line 1", "no end");
    gives_up(&format!("{}{cut}", sample::EC_CERTIFICATE), "line 16", "no end");
    gives_up(&format!("{cut}\n{}", sample::EC_CERTIFICATE), "line 1", "no end");
    gives_up("-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n", "line 1", "base64");
    gives_up("-----BEGIN CERTIFICATE-----\n-----END PUBLIC KEY-----\n", "line 1", "no end");
    gives_up("hello world\n", "line 1", "not a public key");
    gives_up("ssh-ed25519 AAAAC3NzaC1yc2E= x\n", "line 1", "not a public key");
    gives_up("0 is no DER", "byte 0", "");
    gives_up("", "the end", "no certificate");
    gives_up(&"x".repeat(200 << 20), "byte 16777216", "longer");
}

#[test]
fn blocks_that_are_not_understood_show_that_they_changed_unless_they_are_secret() {
    let block = |label: &str, body: &str| only(&format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"));
    let odd = block("CERTIFICATE", "MAA=");
    assert_eq!(odd.kind, "certificate");
    assert_ne!(odd, block("CERTIFICATE", "MAE="));
    assert_ne!(block("DH PARAMETERS", "MAA="), block("DH PARAMETERS", "MAE="));
    assert_eq!(block("PRIVATE KEY", "MAA="), block("PRIVATE KEY", "MAE="));
    assert_eq!(block("OpenVPN Static key V1", "00ff"), block("OpenVPN Static key V1", "11ff"));
    assert_eq!(block("PGP PRIVATE KEY BLOCK", "MAA="), block("PGP PRIVATE KEY BLOCK", "MAE="));
    assert_ne!(block("PGP PUBLIC KEY BLOCK", "MAA="), block("PGP PUBLIC KEY BLOCK", "MAE="));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
        for label in ["CERTIFICATE", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PUBLIC KEY"] {
            let _ = parse(format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").as_bytes());
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let certificates = [sample::EC_CERTIFICATE, sample::RSA_REQUEST];
        let keys = [sample::RSA_KEY, sample::EC_KEY, sample::CA_KEY, sample::SSH_KEY];
        for text in certificates.into_iter().chain(keys) {
            let mut der = der(text);
            let at = at.index(der.len());
            der[at] = byte;
            let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
            let label = text.lines().next().unwrap();
            let _ = parse(&der);
            let _ = parse(format!("{label}\n{base64}\n{}\n", label.replace("BEGIN", "END")).as_bytes());
        }
    }
}
