// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether an answer is what was asked for, before `object_store` reads it: its decoder takes any XML for a page of a list,
//! an empty one at worst, and believes that a page without a token is the last. A list that is short without an error would
//! break the contract of [`crate::Backend`].

use super::exchange::between;

/// What a request asks for, as far as its answer can be checked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A page of a list, from this token on.
    Page {
        root: &'static str,
        /// Of the page asked for; empty for the first.
        token: String,
    },
    /// A whole object.
    Whole,
    /// A range of one.
    Range,
    /// Anything else.
    Other,
}

impl Asked {
    /// Tells from method, query and whether there is a `Range`.
    pub(super) fn of(method: &http::Method, query: &str, has_range: bool) -> Self {
        if method != http::Method::GET {
            return Self::Other;
        }
        let parameter = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find_map(|(found, value)| (found == name).then(|| value.into_owned()))
        };
        if parameter("list-type").is_some() {
            return Self::Page { root: "ListBucketResult", token: parameter("continuation-token").unwrap_or_default() };
        }
        if parameter("comp").is_some_and(|comp| comp == "list") {
            return Self::Page { root: "EnumerationResults", token: parameter("marker").unwrap_or_default() };
        }
        if has_range { Self::Range } else { Self::Whole }
    }

    /// Checks a successful answer.
    ///
    /// # Errors
    /// It can not be the answer to what was asked.
    pub(super) fn check(&self, status: u16, body: &[u8]) -> Result<(), &'static str> {
        match self {
            Self::Page { root, token } => check_page(root, token, body),
            Self::Whole if status != 200 => Err("a part of an object where all of it was asked for"),
            Self::Range if status != 206 => Err("no range of an object where one was asked for"),
            Self::Whole | Self::Range | Self::Other => Ok(()),
        }
    }
}

fn check_page(root: &str, token: &str, body: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "a list that is no text")?.trim_end();
    // Names hold no `<` and text none unescaped, so tags can be looked for as text.
    let opens = text
        .split('<')
        .find(|part| !part.starts_with(['?', '!']) && !part.trim_start_matches('\u{feff}').trim().is_empty());
    let opens = opens
        .is_some_and(|tag| tag.strip_prefix(root).is_some_and(|rest| rest.starts_with([' ', '>', '\n', '\r', '\t'])));
    if !opens || !text.ends_with(&format!("</{root}>")) {
        return Err("something else than a whole list");
    }
    let next = ["NextContinuationToken", "NextMarker"];
    let next = next.iter().find_map(|tag| between(text, &format!("<{tag}>"), &format!("</{tag}>"))).unwrap_or_default();
    let is_truncated = between(text, "<IsTruncated>", "</IsTruncated>").is_some_and(|flag| flag.trim() == "true");
    if is_truncated && next.is_empty() {
        return Err("a list that goes on and does not say where");
    }
    if !next.is_empty() && next == token {
        return Err("a list that goes on with the page it stands at");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Asked;

    fn page(token: &str) -> Asked {
        Asked::of(&http::Method::GET, &format!("list-type=2&continuation-token={token}&prefix=a%2F"), false)
    }

    #[test]
    fn whole_pages_are_pages() {
        for body in [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></ListBucketResult>",
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>\n",
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>b</NextContinuationToken></ListBucketResult>",
        ] {
            assert_eq!(page("a").check(200, body.as_bytes()), Ok(()), "{body}");
        }
        let azure = Asked::of(&http::Method::GET, "restype=container&comp=list", false);
        let body = "\u{feff}<?xml version=\"1.0\"?><EnumerationResults A=\"b\"><NextMarker /></EnumerationResults>";
        assert_eq!(azure.check(200, body.as_bytes()), Ok(()));
    }

    #[test]
    fn what_is_no_whole_page_is_refused() {
        for body in [
            "",
            "<html><body>log in</body></html>",
            "<Error><Code>InternalError</Code></Error>",
            "<ListBucketResult><Contents>",
            "<ListBucketResultX></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken></NextContinuationToken></ListBucketResult>",
            "<ListBucketResult><NextContinuationToken>a</NextContinuationToken></ListBucketResult>",
        ] {
            assert!(page("a").check(200, body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn whole_and_range_are_told_apart_by_the_status() {
        let whole = Asked::of(&http::Method::GET, "", false);
        let range = Asked::of(&http::Method::GET, "", true);
        assert!(whole.check(200, b"").is_ok() && whole.check(206, b"").is_err());
        assert!(range.check(206, b"").is_ok() && range.check(200, b"").is_err());
        assert_eq!(Asked::of(&http::Method::HEAD, "list-type=2", false), Asked::Other);
    }
}
