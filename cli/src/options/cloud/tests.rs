// SPDX-License-Identifier: MIT OR Apache-2.0
use std::collections::HashMap;

use keepfast_engine::storage::cloud::{CloudLocation, CloudOptions, CloudSettings, Provider};

use super::{AWS_VARIABLES, AZURE_VARIABLES, Environment, GOOGLE_VARIABLES};
use crate::exit::Failure;

/// Runs with these variables and no others.
fn within<T>(variables: &[(&str, &str)], run: impl FnOnce(&Environment<'_>) -> T) -> T {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    run(&Environment { variable: &|name| variables.get(name).map(|value| Ok(value.to_string())) })
}

fn settings(variables: &[(&str, &str)]) -> Result<CloudSettings, Failure> {
    within(variables, |environment| environment.settings(Provider::S3))
}

/// A home folder with these two files in `.aws`.
fn home(credentials: &str, config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    for (name, text) in [("credentials", credentials), ("config", config)] {
        std::fs::write(home.path().join(".aws").join(name), text).unwrap();
    }
    home
}

const CREDENTIALS: &str = "[default]\naws_access_key_id = ID\naws_secret_access_key = a/b+c=#d;e:f\n\
    [other]\naws_access_key_id=OTHER\naws_secret_access_key=secret\naws_session_token=to=ken==\n[half]\naws_access_key_id=x\n";
const CONFIG: &str = "# comment\n[default]\nregion = eu-west-1\ns3 =\n    max_concurrent_requests = 20\n\
    [profile other]\nregion = us-west-2\nendpoint_url = https://host:9000\n[profile sso]\nsso_session = work\n\
    [profile role]\nrole_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = /run/token\n";

#[test]
fn every_variable_gives_a_setting_that_the_client_knows() {
    let tables: [(Provider, &[(&str, &str)]); 3] =
        [(Provider::S3, &AWS_VARIABLES), (Provider::Google, &GOOGLE_VARIABLES), (Provider::Azure, &AZURE_VARIABLES)];
    for (provider, table) in tables {
        for (variable, setting) in table {
            assert!(CloudSettings::names(provider).contains(setting), "{setting}");
            let set = within(&[(variable, "value")], |environment| environment.settings(provider)).unwrap();
            assert_eq!(set.get(setting), Some("value"), "{variable}");
        }
    }
}

#[test]
fn the_default_profile_gives_what_no_variable_does() {
    let home = home(CREDENTIALS, CONFIG);
    let home = home.path().to_str().unwrap();
    let set = settings(&[("HOME", home)]).unwrap();
    assert_eq!(set.get("aws_access_key_id"), Some("ID"));
    assert_eq!(set.get("aws_secret_access_key"), Some("a/b+c=#d;e:f"));
    assert_eq!(set.get("aws_region"), Some("eu-west-1"));
    let keys = [("AWS_ACCESS_KEY_ID", "MINE"), ("AWS_SECRET_ACCESS_KEY", "own"), ("AWS_REGION", "x")];
    let set = settings(&[keys.as_slice(), &[("HOME", home)]].concat()).unwrap();
    assert_eq!((set.get("aws_access_key_id"), set.get("aws_region")), (Some("MINE"), Some("x")));
}

#[test]
fn a_named_profile_counts_with_all_it_has() {
    let home = home(CREDENTIALS, CONFIG);
    let named = |name| settings(&[("HOME", home.path().to_str().unwrap()), ("AWS_PROFILE", name)]);
    let set = named("other").unwrap();
    assert_eq!(set.get("aws_access_key_id"), Some("OTHER"));
    assert_eq!(set.get("aws_session_token"), Some("to=ken=="));
    assert_eq!(set.get("aws_region"), Some("us-west-2"));
    assert_eq!(set.get("aws_endpoint_url"), Some("https://host:9000"));
    assert_eq!(named("role").unwrap().get("aws_web_identity_token_file"), Some("/run/token"));
    for (name, word) in [("sso", "sso_session"), ("none", "no file has"), ("half", "half")] {
        assert!(named(name).unwrap_err().message().contains(word), "{name}");
    }
}

#[test]
fn without_files_or_home_there_are_no_credentials_and_no_error() {
    assert!(settings(&[]).unwrap().get("aws_access_key_id").is_none());
    assert!(settings(&[("HOME", "/nowhere")]).unwrap().get("aws_access_key_id").is_none());
    let failure = settings(&[("AWS_EC2_METADATA_DISABLED", "true")]).unwrap_err();
    assert!(failure.message().contains("no credentials"));
}

#[test]
fn a_file_that_is_no_file_of_profiles_is_not_repeated() {
    let home = home("[default\naws_secret_access_key = hush\n", "");
    let failure = settings(&[("HOME", home.path().to_str().unwrap())]).unwrap_err();
    assert!(!failure.message().contains("hush") && failure.message().contains("credentials"), "{}", failure.message());
}

#[test]
fn the_proxy_is_that_of_the_protocol() {
    let variables = [
        ("http_proxy", "http://plain"),
        ("HTTP_PROXY", "http://wrong"),
        ("HTTPS_PROXY", "http://tls"),
        ("NO_PROXY", "a,b"),
    ];
    let options = |location: &str| -> CloudOptions {
        let location = CloudLocation::parse(location).unwrap();
        within(&variables, |environment| environment.options(&location)).unwrap()
    };
    assert_eq!(options("s3://bucket").proxy.as_deref(), Some("http://tls"));
    assert_eq!(options("s3://bucket?endpoint=http://host").proxy.as_deref(), Some("http://plain"));
    assert_eq!(options("gs://bucket").proxy_exceptions, "a,b");
}
