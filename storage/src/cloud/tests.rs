// SPDX-License-Identifier: MIT OR Apache-2.0
use proptest::prelude::*;

use super::{CloudBackend, CloudLocation, CloudOptions, CloudSettings, LocationError, OpenError, Provider};
use crate::Backend;

fn parsed(text: &str) -> Result<String, LocationError> {
    CloudLocation::parse(text).map(|location| location.to_string())
}

#[test]
fn locations_come_back_as_they_were_written() {
    for text in [
        "s3://bucket",
        "s3://bucket/a/b c/\u{e4}",
        "s3://my.bucket/prefix?endpoint=http://127.0.0.1:9000&region=eu-west-1&path-style=false&checksum=none",
        "s3://bucket?endpoint=https://host/below",
        "gs://bucket/prefix",
        "gs://bucket?endpoint=http://127.0.0.1:4443",
        "azure://account/container/prefix",
        "azure://account/container?endpoint=http://127.0.0.1:10000/devstoreaccount1",
    ] {
        assert_eq!(parsed(text).as_deref(), Ok(text));
    }
}

#[test]
fn other_spellings_mean_the_same() {
    for (text, same) in [
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/", "s3://bucket/a"),
        ("s3://bucket?endpoint=minio.local:9000", "s3://bucket?endpoint=https://minio.local:9000"),
        ("s3://bucket?endpoint=http%3A%2F%2Fhost%2F", "s3://bucket?endpoint=http://host"),
        ("s3://bucket?checksum=sha256", "s3://bucket"),
    ] {
        assert_eq!(parsed(text).as_deref(), Ok(same), "{text}");
    }
}

#[test]
fn a_wrong_part_is_named() {
    let part = |text: &str| match CloudLocation::parse(text).unwrap_err() {
        LocationError::Missing { part } | LocationError::Invalid { part, .. } => part.to_string(),
        LocationError::UnknownParameter { name } => format!("?{name}"),
        LocationError::RepeatedParameter { name } => format!("??{name}"),
        LocationError::UnknownScheme => "scheme".to_string(),
        LocationError::Credentials => "credentials".to_string(),
    };
    for (text, expected) in [
        ("", "scheme"),
        ("/srv", "scheme"),
        ("S3://bucket", "scheme"),
        ("s3:bucket", "scheme"),
        ("s3://", "bucket"),
        ("s3:///prefix", "bucket"),
        ("s3://b cket", "bucket"),
        ("s3://..", "bucket"),
        ("s3://bucket//a", "prefix"),
        ("s3://bucket/a/../b", "prefix"),
        ("s3://bucket/a%2Fb", "prefix"),
        ("s3://bucket/a\nb", "prefix"),
        ("azure://account", "container"),
        ("azure:///container", "account"),
        ("s3://bucket?endpoint=ftp://host", "endpoint"),
        ("s3://bucket?endpoint=", "endpoint"),
        ("s3://bucket?endpoint=http://host?x=y", "endpoint"),
        ("s3://bucket?region=", "region"),
        ("s3://bucket?region=a/b", "region"),
        ("s3://bucket?path-style=yes", "path-style"),
        ("s3://bucket?checksum=md5", "checksum"),
        ("s3://bucket?colour=red", "?colour"),
        ("gs://bucket?region=x", "?region"),
        ("s3://bucket?region=a&region=b", "??region"),
        ("s3://key:secret@bucket", "credentials"),
        ("s3://bucket?endpoint=http://key:secret@host", "credentials"),
    ] {
        assert_eq!(part(text), expected, "{text}");
    }
    let long = format!("s3://bucket/{}", "a".repeat(801));
    assert_eq!(part(&long), "prefix");
}

#[test]
fn no_error_repeats_what_could_be_a_secret() {
    for text in ["s3://id:hush@bucket", "s3://bucket?secret_access_key=hush", "s3://b?endpoint=https://u:hush@host"] {
        let error = CloudLocation::parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{text}: {error}");
    }
}

#[test]
fn settings_and_options_hide_values_in_debug() {
    let mut settings = CloudSettings::new();
    settings.set("aws_secret_access_key", "old");
    settings.set("aws_secret_access_key", "hush");
    assert_eq!(format!("{settings:?}"), "{\"aws_secret_access_key\"}");
    assert_eq!(settings.get("aws_secret_access_key"), Some("hush"));
    let options = CloudOptions { proxy: Some("http://user:hush@proxy".to_string()), ..CloudOptions::default() };
    assert!(!format!("{options:?}").contains("hush"));
}

#[test]
fn every_setting_that_is_listed_is_taken_and_no_other() {
    let values =
        [("skip_signature", "true"), ("imdsv1_fallback", "true"), ("request_payer", "false"), ("endpoint", "http://h")];
    for provider in [Provider::S3, Provider::Google, Provider::Azure] {
        let location = match provider {
            Provider::S3 => "s3://bucket",
            Provider::Google => "gs://bucket",
            Provider::Azure => "azure://account/container",
        };
        let location = CloudLocation::parse(location).unwrap();
        let open = |settings: &CloudSettings| CloudBackend::open(&location, settings, &CloudOptions::default());
        for name in CloudSettings::names(provider) {
            let mut settings = CloudSettings::new();
            let value = values.iter().find(|(part, _)| name.contains(part)).map_or("x", |(_, value)| value);
            settings.set(name, value);
            // What does not go together is refused by other words.
            assert!(!matches!(open(&settings), Err(OpenError::UnknownSetting { .. })), "{name}");
        }
        let mut settings = CloudSettings::new();
        settings.set("aws_conditional_put", "disabled");
        assert!(matches!(open(&settings), Err(OpenError::UnknownSetting { .. })));
    }
}

#[test]
fn a_setting_that_can_not_be_used_is_refused_without_its_value() {
    let location = CloudLocation::parse("s3://bucket").unwrap();
    let mut settings = CloudSettings::new();
    settings.set("aws_secret_access_key", "hush-hush");
    let error = CloudBackend::open(&location, &settings, &CloudOptions::default()).err().unwrap();
    assert!(matches!(error, OpenError::Settings { .. }) && !format!("{error:?}").contains("hush"), "{error:?}");
    let location = CloudLocation::parse("gs://bucket").unwrap();
    let mut settings = CloudSettings::new();
    settings.set("google_service_account_key", "hush-hush");
    let error = CloudBackend::open(&location, &settings, &CloudOptions::default()).err().unwrap();
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
}

#[test]
fn the_location_of_a_backend_is_its_text() {
    let text = "s3://bucket/a?endpoint=http://127.0.0.1:1";
    let mut settings = CloudSettings::new();
    settings.set("aws_skip_signature", "true");
    let location = CloudLocation::parse(text).unwrap();
    let backend = CloudBackend::open(&location, &settings, &CloudOptions::default()).unwrap();
    assert_eq!(backend.location(), text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No text makes the parser panic, and what it takes comes back from its own text.
    #[test]
    fn parsing_ends_and_is_the_way_back(rest in "[a-z./?=&:@%+ -]{0,40}", scheme in "(s3|gs|azure)://") {
        if let Ok(location) = CloudLocation::parse(&format!("{scheme}{rest}")) {
            prop_assert_eq!(CloudLocation::parse(&location.to_string()), Ok(location));
        }
    }
}
