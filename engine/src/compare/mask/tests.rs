// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is hidden, what is not, and that no secret of a seeded corpus comes through.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::{Mask, is_secret_name};

const KEY: [u8; 32] = [7; 32];

fn text(line: &str) -> String {
    String::from_utf8(Mask::keyed(KEY).text(line.as_bytes()).into_owned()).unwrap()
}

#[test]
fn names_of_secrets_are_known_however_their_words_are_joined() {
    for name in [
        "password",
        "db_password",
        "DB_PASSWORD",
        "dbPassword",
        "mysql.root-password",
        "rabbitmqPassword",
        "rootpassword",
        "client_secret",
        "api_key",
        "apiKey",
        "API-KEY",
        "aws_secret_access_key",
        "auth_token",
        "private_key",
        "psk",
        "snmp_community",
        "passphrase",
        "admin_pass",
        "PGPASSWORD",
        "credentials",
        "erlang_cookie_secret",
        "passwords",
        "apiKeys",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in [
        "",
        "user",
        "username",
        "password_file",
        "token_ttl",
        "secret_name",
        "key",
        "keyboard",
        "compass_heading",
        "bypass",
        "passive",
        "public_key",
        "tokenizer",
        "path",
        "author",
        "password_min_length",
        "host",
        "primary_key",
    ] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn a_value_is_hidden_by_its_name_or_its_form_and_a_change_of_it_is_seen() {
    let mask = Mask::keyed(KEY);
    let hidden = mask.value("password", "hunter2");
    assert!(hidden.starts_with("<secret ") && hidden.len() == 17, "{hidden}");
    assert_eq!(mask.value("password", "hunter2"), hidden);
    assert_ne!(mask.value("password", "hunter3"), hidden);
    assert_ne!(Mask::keyed([8; 32]).value("password", "hunter2"), hidden);
    assert_eq!(mask.value("user", "hunter2"), "hunter2");
    assert_eq!(mask.value("password", "true"), "true");
    assert_eq!(mask.value("password", "${DB_PASSWORD}"), "${DB_PASSWORD}");
    assert_eq!(Mask::reveal().value("password", "hunter2"), "hunter2");
    let url = mask.value("broker", "amqp://guest:hunter2@10.0.0.1:5672/");
    assert!(url.starts_with("amqp://guest:<secret ") && url.ends_with(">@10.0.0.1:5672/"), "{url}");
}

#[test]
fn assignments_of_all_kinds_are_hidden_in_text() {
    for line in [
        "password = hunter2",
        "password=hunter2",
        "  password: hunter2",
        "export DB_PASSWORD=hunter2",
        "password hunter2",
        r#"{"user": "a", "password": "hunter2", "x": 1}"#,
        r#"{"password":"hunter2"}"#,
        "<password>hunter2</password>",
        r#"<user name="a" password="hunter2"/>"#,
        "mysql --password=hunter2 -u root",
        "mysql --password hunter2 db",
        "CREATE USER a IDENTIFIED BY 'hunter2';",
        "ALTER ROLE a WITH LOGIN PASSWORD 'hunter2';",
        "postgres://u:hunter2@host/db",
        r#"password => "hunter2","#,
        "db.password := hunter2",
        "curl -H 'Authorization: Bearer hunter2hunter2'",
        r#"sql_connection = "mysql+pymysql://nova:hunter2@10.1.1.1/nova""#,
        "requirepass_password: 'hunter2'",
        "- password: hunter2",
        "set password hunter2",
        "root:$6$salt$hunter2hunter2:19000:0:99999:7:::",
        r#"credentials: "say \"hunter2\" twice""#,
        "rabbit_password = hunter2 # old one",
        "a=1&token=hunter2&b=2",
    ] {
        let shown = text(line);
        assert!(!shown.contains("hunter2") && shown.contains("<secret "), "{line}: {shown}");
    }
    for line in [
        "user = hunter2",
        "password_file = /etc/pw",
        "# nothing here",
        "password =",
        "SHA256:abcdef",
        "bypass: hunter2",
        "",
    ] {
        assert_eq!(text(line), line);
    }
}

#[test]
fn private_keys_are_hidden_line_by_line_and_their_frame_stays() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----\nafter\n";
    let shown = text(key);
    assert!(!shown.contains("MIIEow") && !shown.contains("IBAAKC"), "{shown}");
    assert_eq!((shown.lines().count(), shown.lines().last()), (5, Some("after")));
    let json = r#"{"pem": "-----BEGIN PRIVATE KEY-----\nMIIEow\n-----END PRIVATE KEY-----\n"}"#;
    assert!(!text(json).contains("MIIEow"), "{}", text(json));
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIEow\n-----END CERTIFICATE-----\n";
    assert_eq!(text(certificate), certificate);
    assert!(!text("-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3Blbn\r\n").contains("b3Blbn"));
}

#[test]
fn what_has_no_secret_is_not_copied_and_odd_bytes_stay() {
    let odd = b"\xff\xfe = nothing\nline\n";
    let mask = Mask::keyed(KEY);
    assert!(matches!(mask.text(odd), std::borrow::Cow::Borrowed(_)));
    let shown = mask.text(b"\xff\npassword=hunter2\n\xfe");
    assert!(shown.starts_with(b"\xff\npassword=<secret ") && shown.ends_with(b">\n\xfe"));
}

/// What is shown of the change from nothing to this document, and from one secret to another in it.
fn shown(document: &str) -> String {
    use crate::compare::{Place, document, json};
    let parse = |text: &str| json::parse(text.as_bytes()).unwrap();
    let mut shown = String::new();
    let mut each = |change| {
        shown.push_str(&format!("{change:?}\n"));
        Ok(())
    };
    for before in ["1".to_string(), document.replace("hunter2", "hunter3")] {
        let (before, after) = (parse(&before), parse(document));
        document::compare::compare(&before, &after, &Place::default(), &Mask::keyed(KEY), &mut each).unwrap();
    }
    shown
}

#[test]
fn values_of_documents_are_hidden_by_any_name_on_the_way_to_them() {
    for document in [
        r#"{"password": "hunter2"}"#,
        r#"{"passwords": {"password": ["hunter2"]}}"#,
        r#"{"secrets": {"db": {"a": "hunter2"}}}"#,
        r#"{"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}"#,
        r##"{"password": {"@type": "x", "#text": "hunter2"}}"##,
        r#"{"property": [{"@name": "password", "@value": "hunter2"}]}"#,
        r#"{"url": "postgres://u:hunter2@h/d"}"#,
        r#"{"tokens": ["hunter2", "b"]}"#,
        r#"{"a": {"@password": "hunter2"}}"#,
        r#"{"passwords": [{"id": "hunter2", "n": 1}]}"#,
        r#"{"app": "{\"env\": [{\"name\": \"DB_PASSWORD\", \"value\": \"hunter2\"}]}"}"#,
        r#"{"postgres://u:hunter2@h/d": {"n": 1}}"#,
        r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"o":1,"p":1,"name":"token","value":"hunter2"}"#,
    ] {
        let shown = shown(document);
        assert!(!shown.contains("hunter") && shown.contains("<secret "), "{document}: {shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_seeded_secret_comes_through(
        secret in "[A-Za-z0-9!#%+/]{10,24}",
        name in select(vec!["password", "dbPassword", "API_KEY", "client-secret", "auth.token"]),
        form in select(vec![
            "NAME = S", "NAME=S", "NAME: S", "\"NAME\": \"S\"", "'NAME': 'S',", "NAME => 'S'", "<NAME>S</NAME>", "export NAME=S",
            "cmd --NAME=S --other", "x: {NAME: 'S'}", "[{\"NAME\":\"S\"}]", "  - NAME: \"S\"", "NAME = \"S\" ; comment",
        ]),
    ) {
        let line = form.replace("NAME", name).replace('S', &secret);
        let shown = text(&line);
        prop_assert!(!shown.contains(&secret), "{} -> {}", line, shown);
    }

    #[test]
    fn any_bytes_are_taken_and_lines_stay_lines(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let shown = Mask::keyed(KEY).text(&bytes).into_owned();
        let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
        prop_assert_eq!(lines(&shown), lines(&bytes));
    }
}
