// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user calls a repository: [`Location::parse`] tells a folder of this machine from a URL, and one kind of URL from
//! another.
//!
//! For the command line. It looks at no file and no network, and guesses nothing: a text that could be meant for
//! another program or another system is refused by name, not taken for a folder.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Schemes that other backup programs take, without `//` behind them: who uses one means no folder of such a name.
const FOREIGN_SCHEMES: [&str; 12] =
    ["b2", "ftp", "http", "https", "nfs", "opendal", "rclone", "rest", "smb", "ssh", "swift", "webdav"];

/// Schemes of object stores. Behind each stands `//`.
const CLOUD_SCHEMES: [&str; 3] = ["s3", "gs", "azure"];

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder of this machine, mounted storage included: a plain path, `file:///PATH`, `local:PATH`.
    Folder(PathBuf),
    /// An object store: `s3://`, `gs://`, `azure://`. What follows is checked by whoever opens it.
    Cloud(RemoteText),
    /// A folder on an SFTP server: `sftp://` or `sftp:`. What follows is checked by whoever opens it.
    Sftp(RemoteText),
}

/// A URL as it was typed. Its [`fmt::Display`] leaves out everything that could be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteText(String);

/// A text is no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// There is nothing, or nothing after `local:`.
    #[error("the location is empty")]
    Empty,
    /// `C:\folder` or `\\server\share`.
    #[error("{text:?} is a path of Windows, which this program does not run on")]
    Windows {
        /// The text.
        text: String,
    },
    /// A scheme that this program does not know.
    #[error("the scheme {scheme:?} is unknown; known are s3://, gs://, azure://, sftp:// and file://")]
    UnknownScheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// A known scheme without the slashes behind it.
    #[error("after the scheme {scheme:?} two slashes are missing: {scheme}://...")]
    Slashes {
        /// What stands before the colon.
        scheme: &'static str,
    },
    /// A URL says on which machine its file is.
    #[error("the host {host:?} of a file URL is another machine; a file of this one is written file:///PATH")]
    FileHost {
        /// The host.
        host: String,
    },
    /// The path of a file URL does not begin with a slash, has `?` or `#`, or a `%` without two hex digits.
    #[error("the path of a file URL {why}")]
    FilePath {
        /// What is wrong with it.
        why: &'static str,
    },
    /// `user:password@host`. The text is not repeated.
    #[error("there is a password in the location, where others can see it; use the environment or a file for it")]
    Password,
    /// A control character, which a terminal would obey.
    #[error("the location has a control character at byte {at}")]
    Control {
        /// Its place.
        at: usize,
    },
}

impl Location {
    /// Tells what a text names. A folder whose name looks like a URL can be written `./NAME`.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn parse(text: &OsStr) -> Result<Self, LocationError> {
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        let Some(text) = text.to_str() else { return Ok(Self::Folder(text.into())) };
        if is_windows(text) {
            return Err(LocationError::Windows { text: text.to_owned() });
        }
        let Some((scheme, rest)) = split_scheme(text) else { return Ok(Self::Folder(text.into())) };
        match scheme {
            "file" => file_url(rest).map(Self::Folder),
            "local" if rest.is_empty() => Err(LocationError::Empty),
            "local" => Ok(Self::Folder(rest.into())),
            "sftp" => RemoteText::checked(text, rest).map(Self::Sftp),
            _ => match CLOUD_SCHEMES.iter().find(|known| **known == scheme) {
                Some(_) if rest.starts_with("//") => RemoteText::checked(text, rest).map(Self::Cloud),
                Some(known) => Err(LocationError::Slashes { scheme: known }),
                None if rest.starts_with("//") || FOREIGN_SCHEMES.contains(&scheme) => {
                    Err(LocationError::UnknownScheme { scheme: scheme.to_owned() })
                }
                None => Ok(Self::Folder(text.into())),
            },
        }
    }

    /// The folder, if it is one of this machine.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Cloud(_) | Self::Sftp(_) => None,
        }
    }
}

/// For people: without credentials.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Cloud(text) | Self::Sftp(text) => text.fmt(f),
        }
    }
}

impl RemoteText {
    /// The whole text, for whoever opens it. Not for people: it may hold what nobody should read.
    pub fn as_typed(&self) -> &str {
        &self.0
    }

    fn checked(text: &str, rest: &str) -> Result<Self, LocationError> {
        let authority = rest.strip_prefix("//").unwrap_or(rest);
        let authority = &authority[..authority.find(['/', '?', '#']).unwrap_or(authority.len())];
        if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
            return Err(LocationError::Password);
        }
        match text.find(char::is_control) {
            Some(at) => Err(LocationError::Control { at }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Without parameters: some tools put keys there.
impl fmt::Display for RemoteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split(['?', '#']).next().unwrap_or_default())
    }
}

impl fmt::Debug for RemoteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteText({self})")
    }
}

/// A drive letter with a slash behind its colon, or a network share.
fn is_windows(text: &str) -> bool {
    let bytes = text.as_bytes();
    let drive = matches!(bytes, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    drive || text.starts_with(r"\\")
}

/// What stands before the first colon, if it could be a scheme, in lower case or not; and what follows.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(allowed);
    is_scheme.then_some((scheme, rest))
}

/// The path of what follows `file:` (RFC 8089: `///PATH`, `//localhost/PATH` or `/PATH`).
fn file_url(rest: &str) -> Result<PathBuf, LocationError> {
    let fail = |why| Err(LocationError::FilePath { why });
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
            if !host.is_empty() && host != "localhost" {
                return Err(LocationError::FileHost { host: host.to_owned() });
            }
            &rest[host.len()..]
        }
        None => rest,
    };
    if !path.starts_with('/') {
        return fail("must begin with a slash: file:///PATH");
    }
    if path.contains(['?', '#']) {
        return fail("has a ? or #, which must be written %3F or %23");
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(*first);
        if *first == b'%' {
            let digits = after.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
            let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|byte| *byte != 0);
            let Some(byte) = byte else { return fail("has a % without two hex digits of a byte") };
            *bytes.last_mut().expect("a byte was pushed above") = byte;
            rest = &after[2..];
        }
    }
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use proptest::{prop_assert, proptest};

    use super::{Location, LocationError};

    fn parse(text: &str) -> Result<Location, LocationError> {
        Location::parse(OsStr::new(text))
    }

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_path_is_a_folder() {
        for text in ["/srv/backup", "backup", "./s3:x", "a:b", "/x/s3://y", "C:", "nas:backup", "~", "ä:/b", "1:/"] {
            assert_eq!(parse(text).unwrap().folder(), Some(Path::new(text)), "{text}");
        }
        let bytes = OsStr::from_bytes(b"/srv/\xff://");
        assert_eq!(Location::parse(bytes).unwrap().folder(), Some(Path::new(bytes)));
    }

    #[test]
    fn a_file_url_is_its_path_decoded() {
        for (text, path) in [
            ("file:///srv/backup", "/srv/backup"),
            ("file:/srv", "/srv"),
            ("file://localhost/srv", "/srv"),
            ("file:///a%20b%2Fc%3f", "/a b/c?"),
            ("local:/srv", "/srv"),
            ("local:srv", "srv"),
        ] {
            assert_eq!(parse(text).unwrap().folder(), Some(Path::new(path)), "{text}");
        }
    }

    #[test]
    fn each_kind_of_url_is_told_from_the_others() {
        for text in ["s3://bucket/prefix", "gs://bucket", "azure://account/container/prefix"] {
            assert!(matches!(parse(text).unwrap(), Location::Cloud(url) if url.as_typed() == text), "{text}");
        }
        for text in ["sftp://user@host:22/folder", "sftp:user@host:folder", "sftp:host:/srv"] {
            assert!(matches!(parse(text).unwrap(), Location::Sftp(url) if url.as_typed() == text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("s4://bucket", "\"s4\""),
            ("S3://bucket", "\"S3\""),
            ("https://example.org/x", "\"https\""),
            ("rest:https://example.org", "\"rest\""),
            ("rclone:remote:x", "\"rclone\""),
            ("s3:bucket/x", "s3://"),
            ("gs:/bucket", "gs://"),
            (r"C:\backup", "Windows"),
            ("d:/backup", "Windows"),
            (r"\\nas\share", "Windows"),
            ("file://nas/share", "host \"nas\""),
            ("file://srv", "host \"srv\""),
            ("file:srv", "slash"),
            ("file://localhost", "slash"),
            ("file:///a%2", "%"),
            ("file:///a%+1", "%"),
            ("file:///a%00", "%"),
            ("file:///a?b", "%3F"),
            ("s3://bucket/\u{1b}[2J", "control character at byte 12"),
            ("local:", "empty"),
            ("", "empty"),
        ] {
            assert!(refusal(text).contains(part), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        for text in ["sftp://me:hunter2@host/x", "s3://key:hunter2@bucket/x", "sftp:me:hunter2@host:x"] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, LocationError::Password);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        let location = parse("s3://bucket/x?secret=hunter2#hunter2").unwrap();
        assert_eq!(location.to_string(), "s3://bucket/x");
        assert!(!format!("{location:?}").contains("hunter2"));
        assert_eq!(parse("sftp://me@host/x").unwrap().to_string(), "sftp://me@host/x");
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic_and_a_path_with_a_slash_first_is_always_itself(text in ".{0,40}") {
            let _ = parse(&text);
            for scheme in ["file:", "s3://", "sftp:", "sftp://"] {
                let _ = parse(&format!("{scheme}{text}"));
            }
            let path = format!("/{text}");
            prop_assert!(parse(&path).unwrap().folder() == Some(Path::new(&path)));
        }
    }
}
