// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a repository lies in an object store, as people write it: `s3://`, `gs://` and `azure://`. For the command line
//! and for messages. It never holds a credential and refuses text that seems to.

use std::fmt;
use std::str::FromStr;

use super::endpoint::Endpoint;

/// Longest prefix in bytes: with a [`crate::Name`] it stays below the 1024 bytes that every service allows a key.
const MAX_PREFIX_BYTES: usize = 800;

/// Whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3 and everything compatible with it.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

/// How an S3 bucket is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    VirtualHost,
}

/// What is sent with each upload besides the SHA-256 of the body that the signature holds anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadChecksum {
    /// `x-amz-checksum-sha256`: the service keeps it with the object.
    #[default]
    Sha256,
    /// Nothing, for services that refuse the header.
    Off,
}

/// The text is no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// It does not begin with a scheme of these.
    #[error("a location begins with s3://, gs:// or azure://")]
    UnknownScheme,
    /// Nothing stands where bucket, account or container belongs.
    #[error("the {part} is missing")]
    Missing {
        /// `bucket`, `account` or `container`.
        part: &'static str,
    },
    /// A part has signs that it can not have.
    #[error("{text:?} can not be a {part}")]
    Invalid {
        /// `bucket`, `account`, `container`, `prefix`, `endpoint`, `region`, `path-style` or `checksum`.
        part: &'static str,
        /// What was found there.
        text: String,
    },
    /// A user name or password stands in a URL. Its text is not repeated.
    #[error("credentials do not belong into a location; use the environment or a credentials file")]
    Credentials,
    /// A parameter that does not exist, or not for this provider. Its value is not repeated.
    #[error("there is no parameter {name:?} for this kind of location")]
    UnknownParameter {
        /// Its name.
        name: String,
    },
    /// The same parameter stands there twice.
    #[error("the parameter {name:?} is given twice")]
    RepeatedParameter {
        /// Its name.
        name: &'static str,
    },
}

/// A bucket or container, and the prefix under which the repository lies.
///
/// * `s3://BUCKET[/PREFIX][?endpoint=URL][&region=NAME][&path-style=true|false][&checksum=sha256|none]`
/// * `gs://BUCKET[/PREFIX][?endpoint=URL]`
/// * `azure://ACCOUNT/CONTAINER[/PREFIX][?endpoint=URL]`
///
/// An endpoint without a scheme is taken as `https://`; plain HTTP is spoken only where the text says `http://`. Without
/// `path-style`, buckets at an endpoint are addressed by path, those of Amazon by host unless their name has a dot (no
/// certificate would fit). The prefix is taken as it stands, without decoding. [`fmt::Display`] gives a text that parses
/// to an equal location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudLocation {
    pub(super) provider: Provider,
    pub(super) account: String,
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) region: Option<String>,
    pub(super) addressing: Option<Addressing>,
    pub(super) checksum: UploadChecksum,
}

impl CloudLocation {
    /// Reads a location.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let schemes = [("s3://", Provider::S3), ("gs://", Provider::Google), ("azure://", Provider::Azure)];
        let found = schemes.iter().find_map(|(scheme, provider)| Some((text.strip_prefix(scheme)?, *provider)));
        let (rest, provider) = found.ok_or(LocationError::UnknownScheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut path = path;
        let account = match provider {
            Provider::Azure => host_part(&mut path, "account")?,
            Provider::S3 | Provider::Google => String::new(),
        };
        let bucket = host_part(&mut path, if provider == Provider::Azure { "container" } else { "bucket" })?;
        let mut location = Self {
            provider,
            account,
            bucket,
            prefix: prefix(path)?,
            endpoint: None,
            region: None,
            addressing: None,
            checksum: UploadChecksum::default(),
        };
        location.read_parameters(query)?;
        Ok(location)
    }

    /// Whose protocol it is.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Whether it says that plain HTTP is to be spoken.
    pub fn is_plain_http(&self) -> bool {
        self.endpoint.as_ref().is_some_and(Endpoint::is_plain_http)
    }

    /// Whether a text begins like a location, so that it is no path of this machine.
    pub fn claims(text: &str) -> bool {
        ["s3://", "gs://", "azure://"].iter().any(|scheme| text.starts_with(scheme))
    }

    fn read_parameters(&mut self, query: &str) -> Result<(), LocationError> {
        let mut seen: Vec<&'static str> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let known: &[&'static str] = match self.provider {
                Provider::S3 => &["endpoint", "region", "path-style", "checksum"],
                Provider::Google | Provider::Azure => &["endpoint"],
            };
            let Some(name) = known.iter().find(|known| **known == name).copied() else {
                return Err(LocationError::UnknownParameter { name: name.into_owned() });
            };
            if seen.contains(&name) {
                return Err(LocationError::RepeatedParameter { name });
            }
            seen.push(name);
            let invalid = || LocationError::Invalid { part: name, text: value.to_string() };
            match (name, &*value) {
                ("endpoint", value) => self.endpoint = Some(Endpoint::parse(value)?),
                ("region", value) => {
                    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                    let is_region = !value.is_empty() && value.len() <= 64 && value.bytes().all(allowed);
                    self.region = Some(is_region.then(|| value.to_string()).ok_or_else(invalid)?);
                }
                ("path-style", "true") => self.addressing = Some(Addressing::Path),
                ("path-style", "false") => self.addressing = Some(Addressing::VirtualHost),
                ("checksum", "sha256") => self.checksum = UploadChecksum::Sha256,
                ("checksum", "none") => self.checksum = UploadChecksum::Off,
                _ => return Err(invalid()),
            }
        }
        Ok(())
    }
}

/// The next part of the path, which has to do as a piece of a host name or a path.
fn host_part(path: &mut &str, part: &'static str) -> Result<String, LocationError> {
    let (text, rest) = path.split_once('/').unwrap_or((path, ""));
    *path = rest;
    if text.is_empty() {
        return Err(LocationError::Missing { part });
    }
    if text.contains('@') {
        return Err(LocationError::Credentials);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_plain = text.len() <= 222 && !text.starts_with('.') && text.bytes().all(allowed);
    is_plain.then(|| text.to_string()).ok_or_else(|| LocationError::Invalid { part, text: text.to_string() })
}

fn prefix(path: &str) -> Result<String, LocationError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    // What object stores, their URLs or `object_store` treat in a way of their own.
    let odd = |c: char| c.is_control() || matches!(c, '\\' | '#' | '%' | '*' | '?' | '~' | '`' | '"' | '<' | '>' | '|');
    let plain = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(odd);
    if path.is_empty() || (path.len() <= MAX_PREFIX_BYTES && path.split('/').all(plain)) {
        Ok(path.to_string())
    } else {
        Err(LocationError::Invalid { part: "prefix", text: path.to_string() })
    }
}

impl FromStr for CloudLocation {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        Self::parse(text)
    }
}

impl fmt::Display for CloudLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.provider {
            Provider::S3 => write!(f, "s3://{}", self.bucket)?,
            Provider::Google => write!(f, "gs://{}", self.bucket)?,
            Provider::Azure => write!(f, "azure://{}/{}", self.account, self.bucket)?,
        }
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        let endpoint = self.endpoint.as_ref().map(Endpoint::as_str);
        let parameters = [
            ("endpoint", endpoint),
            ("region", self.region.as_deref()),
            ("path-style", self.addressing.map(|style| if style == Addressing::Path { "true" } else { "false" })),
            ("checksum", (self.checksum == UploadChecksum::Off).then_some("none")),
        ];
        let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (number, (name, value)) in given.enumerate() {
            write!(f, "{}{name}={value}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}
