// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a repository is on an SFTP server, as a user writes it: checked text, no network.
//!
//! Two spellings, with the meanings that restic gave them: `sftp://[user@]host[:port]/path` and `sftp:[user@]host:path`.

use std::fmt;

/// Longest location in bytes: far beyond any path that a server takes, and small enough for a message.
const MAX_BYTES: usize = 4096;

/// A checked location. Its text form never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpLocation {
    /// As which user to log in; `None`: what the ssh configuration says, else the local user's name.
    pub(super) user: Option<String>,
    /// Name or address, or a `Host` of the ssh configuration. An IPv6 address without brackets.
    pub(super) host: String,
    /// `None`: what the ssh configuration says, else 22.
    pub(super) port: Option<u16>,
    /// Absolute, or relative to the folder in which the server starts a session, which is the user's home as a rule.
    pub(super) path: String,
}

/// A text is no location. Quotes nothing that could be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Another scheme, or none.
    #[error("does not begin with `sftp:`")]
    Scheme,
    /// `user:password@host`: it would stand in shell histories, process lists and messages.
    #[error("holds a password: passwords do not belong into a location, use an ssh key or an agent")]
    Password,
    /// No host, or one with characters that no host has.
    #[error("has no valid host name")]
    Host,
    /// The user is empty, begins with `-`, or has characters that a log-in name must not have.
    #[error("has no valid user name")]
    User,
    /// Not a number from 1 to 65535.
    #[error("has no valid port")]
    Port,
    /// The folder of the repository is missing.
    #[error("names no folder: `sftp://host/folder` lies in the home folder there, `sftp://host//folder` at the top")]
    Path,
    /// `?` or `#`, which URLs give a meaning; in a path they are written `%3f` and `%23`.
    #[error("has a `?` or `#`, which must be written as `%3f` and `%23`")]
    Query,
    /// `%` without two hexadecimal digits, or something that is no text or a control character.
    #[error("has an escape or a character that can not be part of a path")]
    Escape,
    /// Too long.
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
}

impl SftpLocation {
    /// Reads `sftp://[user@]host[:port]/path` or `sftp:[user@]host:path`.
    ///
    /// In the first form the `/` after the host only separates: `sftp://host/backup` is `backup` in the home folder,
    /// `sftp://host//srv/backup` is `/srv/backup`. `%xx` is decoded in user and path. In the second form everything
    /// after the first `:` is the path as it is, without escapes; but an `@` after a `:` and before any `/` is taken for the
    /// end of a password.
    ///
    /// # Errors
    /// See [`LocationError`].
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if text.len() > MAX_BYTES {
            return Err(LocationError::TooLong);
        }
        let rest = text.strip_prefix("sftp:").ok_or(LocationError::Scheme)?;
        match rest.strip_prefix("//") {
            Some(rest) => Self::parse_url(rest),
            None => Self::parse_short(rest),
        }
    }

    fn parse_url(text: &str) -> Result<Self, LocationError> {
        let (authority, path) = text.split_once('/').unwrap_or((text, ""));
        let (user, address) = split_user(authority)?;
        if authority.contains(['?', '#']) || path.contains(['?', '#']) {
            return Err(LocationError::Query);
        }
        let (host, port) = if let Some(rest) = address.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or(LocationError::Host)?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(LocationError::Port)?) };
            (host, port)
        } else {
            address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
        };
        let user = user.map(decode).transpose()?;
        Self::checked(user, host, port.map(parse_port).transpose()?, decode(path)?)
    }

    fn parse_short(text: &str) -> Result<Self, LocationError> {
        // What precedes the first `/` holds user, host and the `:`; a path may hold `@` and `:` itself.
        let end = text.find('/').unwrap_or(text.len());
        let head = &text[..end];
        let at = head.rfind('@').map_or(0, |at| at + 1);
        let (user, _) = split_user(&head[..at]).map(|(user, rest)| (user.map(str::to_owned), rest))?;
        let (host, path) = text[at..].split_once(':').ok_or(LocationError::Path)?;
        Self::checked(user, host, None, path.to_owned())
    }

    fn checked(user: Option<String>, host: &str, port: Option<u16>, path: String) -> Result<Self, LocationError> {
        // A `-` at the beginning would be an option of the ssh program.
        let host_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._:%".contains(&b);
        if host.is_empty() || host.starts_with('-') || !host.bytes().all(host_byte) {
            return Err(LocationError::Host);
        }
        if let Some(user) = &user {
            let allowed = |c: char| !c.is_control() && !c.is_whitespace() && !"@/:;'\"`$<>|&()\\".contains(c);
            if user.is_empty() || user.starts_with('-') || !user.chars().all(allowed) {
                return Err(LocationError::User);
            }
        }
        let path = path.strip_suffix('/').map_or(path.as_str(), |shorter| shorter.trim_end_matches('/')).to_owned();
        if path.is_empty() {
            return Err(LocationError::Path);
        }
        if path.chars().any(char::is_control) {
            return Err(LocationError::Escape);
        }
        Ok(Self { user, host: host.to_owned(), port, path })
    }
}

impl fmt::Display for SftpLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sftp://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", encode(user))?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", encode(&self.path))
    }
}

/// Splits `user@rest`. The last `@` counts, so that one inside a password does not end it.
fn split_user(text: &str) -> Result<(Option<&str>, &str), LocationError> {
    let Some((user, rest)) = text.rsplit_once('@') else { return Ok((None, text)) };
    if user.contains(':') {
        return Err(LocationError::Password);
    }
    Ok((Some(user), rest))
}

fn parse_port(text: &str) -> Result<u16, LocationError> {
    let port = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    port.filter(|port| *port != 0).ok_or(LocationError::Port)
}

fn decode(text: &str) -> Result<String, LocationError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or(LocationError::Escape);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).map_err(|_| LocationError::Escape)?);
    }
    String::from_utf8(bytes).map_err(|_| LocationError::Escape)
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => encoded.push_str("%25"),
            '?' => encoded.push_str("%3f"),
            '#' => encoded.push_str("%23"),
            '@' => encoded.push_str("%40"),
            ' ' => encoded.push_str("%20"),
            c => encoded.push(c),
        }
    }
    encoded
}
