// SPDX-License-Identifier: MIT OR Apache-2.0
//! The SFTP backend without a network: locations, and servers that answer as OpenSSH does not. What holds over a real server
//! stands in `tests/behaviours/sftp.rs`.

mod faults;
mod server;

use super::*;

fn parse(text: &str) -> Result<SftpLocation, LocationError> {
    SftpLocation::parse(text)
}

fn location(user: Option<&str>, host: &str, port: Option<u16>, path: &str) -> Result<SftpLocation, LocationError> {
    Ok(SftpLocation { user: user.map(Into::into), host: host.into(), port, path: path.into() })
}

#[test]
fn locations_mean_what_they_mean_to_restic() {
    let cases = [
        ("sftp://host/backup", location(None, "host", None, "backup")),
        ("sftp://host/~/backup/", location(None, "host", None, "~/backup")),
        ("sftp://host//srv/backup", location(None, "host", None, "/srv/backup")),
        ("sftp://user@host:2222//srv/a/b", location(Some("user"), "host", Some(2222), "/srv/a/b")),
        ("sftp://u%2bx@host/a%20b%3fc", location(Some("u+x"), "host", None, "a b?c")),
        ("sftp://[::1]:22//x", location(None, "::1", Some(22), "/x")),
        ("sftp://user@[fe80::1%eth0]//x", location(Some("user"), "fe80::1%eth0", None, "/x")),
        ("sftp:host:backup", location(None, "host", None, "backup")),
        ("sftp:user@host:/srv/back up", location(Some("user"), "host", None, "/srv/back up")),
        ("sftp:host:a/b@c:d", location(None, "host", None, "a/b@c:d")),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), expected, "{text}");
    }
}

#[test]
fn a_password_in_a_location_is_refused_by_name_and_not_repeated() {
    for text in [
        "sftp://user:secret@host/x",
        "sftp://user:se@cret@host/x",
        "sftp://user:@host/x",
        "sftp://:secret@host/x",
        "sftp:user:secret@host:/x",
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error, LocationError::Password, "{text}");
        assert!(error.to_string().contains("password") && !error.to_string().contains("secret"));
    }
}

#[test]
fn what_is_no_location_is_refused_with_its_reason() {
    use LocationError::{Escape, Host, Path, Port, Query, Scheme, TooLong, User};
    let long = format!("sftp://host/{}", "a".repeat(4096));
    let cases = [
        ("ssh://host/x", Scheme),
        ("/srv/x", Scheme),
        ("SFTP://host/x", Scheme),
        ("sftp:///x", Host),
        ("sftp://-oProxyCommand=x/x", Host),
        ("sftp:-oProxyCommand=x:x", Host),
        ("sftp://a b/x", Host),
        ("sftp://[::1/x", Host),
        ("sftp://user@/x", Host),
        ("sftp://@host/x", User),
        ("sftp://-l@host/x", User),
        ("sftp://a%0ab@host/x", User),
        ("sftp://a%20b@host/x", User),
        ("sftp://host:/x", Port),
        ("sftp://host:0/x", Port),
        ("sftp://host:65536/x", Port),
        ("sftp://host:+1/x", Port),
        ("sftp://[::1]x/x", Port),
        ("sftp://host:22:22/x", Port),
        ("sftp://host", Path),
        ("sftp://host/", Path),
        ("sftp://host//", Path),
        ("sftp:host", Path),
        ("sftp:host:", Path),
        ("sftp://host/a?b", Query),
        ("sftp://host/a#b", Query),
        ("sftp://host/%", Escape),
        ("sftp://host/%4", Escape),
        ("sftp://host/%+1", Escape),
        ("sftp://host/%ff", Escape),
        ("sftp://host/a%00b", Escape),
        ("sftp:host:a\nb", Escape),
        (long.as_str(), TooLong),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text), Err(expected), "{text}");
    }
}

#[test]
fn a_location_as_text_is_the_same_location() {
    for text in [
        "sftp://host/backup",
        "sftp://u@host:22//srv/x",
        "sftp://[::1]:22/x",
        "sftp:u@host:/a b?c#d%e@f",
        "sftp:host:x//y",
    ] {
        let location = parse(text).unwrap();
        assert_eq!(parse(&location.to_string()), Ok(location.clone()), "{text} became {location}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in "sftp:(//)?[a-z@:/%\\[\\]?#~. \u{e4}-]{0,24}") {
        if let Ok(location) = parse(&text) {
            proptest::prop_assert_eq!(parse(&location.to_string()), Ok(location));
        }
    }
}

#[test]
fn a_servers_words_can_not_move_the_cursor() {
    assert_eq!(error::printable("one\u{1b}[2J\r\n\n  two\u{7}\u{9b}x  \n"), "one[2J / twox");
}

#[test]
fn an_ssh_program_that_can_not_be_run_says_nothing_of_the_folder() {
    let here = tempfile::tempdir().unwrap();
    for program in [here.path().join("ssh"), here.path().to_path_buf()] {
        let options = SftpOptions { command: vec![program.into()], ..SftpOptions::default() };
        let error = SftpBackend::open(&parse("sftp://host/x").unwrap(), &options).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Other, "{error:?}");
        assert!(error.source.to_string().starts_with("can not run the program"), "{error:?}");
    }
}
