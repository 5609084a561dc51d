// SPDX-License-Identifier: MIT OR Apache-2.0
//! The URL at which a service answers. For locations and settings; it never holds a credential.

use url::Url;

use super::location::LocationError;

/// A checked `http://` or `https://` URL: a host, maybe a port and a path; no user, no query, no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Without a slash at its end.
    text: String,
    url: Url,
}

impl Endpoint {
    /// Reads a URL; without a scheme it is `https://`.
    ///
    /// # Errors
    /// It is none, or holds credentials; then its text is not part of the error.
    pub(super) fn parse(text: &str) -> Result<Self, LocationError> {
        let invalid = || LocationError::Invalid { part: "endpoint", text: text.to_string() };
        let full = if text.contains("://") { text.to_string() } else { format!("https://{text}") };
        if full.contains('@') {
            return Err(LocationError::Credentials);
        }
        let url = Url::parse(&full).map_err(|_| invalid())?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.query().is_none()
            && url.fragment().is_none();
        // `&` and `+` would not come back from the text of a location.
        let is_written = !url.as_str().contains(['&', '+', '%']);
        if !is_plain || !is_written {
            return Err(invalid());
        }
        Ok(Self { text: url.as_str().trim_end_matches('/').to_string(), url })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it says `http://`.
    pub(super) fn is_plain_http(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Host and port, as an `http::Uri` of a request has them.
    pub(super) fn authority(&self) -> String {
        self.url.authority().to_string()
    }

    /// The same with `bucket.` before the host, for addressing by virtual host.
    pub(super) fn with_host_prefix(&self, bucket: &str) -> Result<Self, LocationError> {
        let (scheme, rest) = self.text.split_once("://").expect("a parsed URL has a scheme");
        Self::parse(&format!("{scheme}://{bucket}.{rest}"))
    }
}
