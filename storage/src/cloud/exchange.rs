// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the service answered last, kept beside `object_store`'s own errors. Those merge answers that mean different things
//! (409 and 412), and carry whole bodies and URLs, which can hold credentials. Written by the transport, read where an
//! operation failed.

use std::sync::{Arc, Mutex, PoisonError};

/// Longest message of a service that is repeated, in bytes: it comes from outside.
const MAX_MESSAGE_BYTES: usize = 300;

/// How one request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An answer came.
    Status {
        /// Of HTTP.
        status: u16,
        /// The service's word for an error, such as `SlowDown`.
        code: Option<String>,
        /// The service's sentence.
        message: Option<String>,
    },
    /// None came, or not all of it.
    Broken {
        /// What happened.
        what: String,
        /// Whether another attempt may end differently.
        cause: Cause,
    },
    /// One came that can not be right.
    Unsound(&'static str),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Connection, name service, time.
    Passing,
    /// The certificate is not trusted.
    Untrusted,
}

/// The request and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Host and port asked: the store itself, or a service that gives credentials.
    pub(super) authority: String,
    pub(super) answer: Answer,
}

tokio::task_local! {
    static LAST: Arc<Mutex<Option<Exchange>>>;
}

/// Runs one operation, and tells how its last request ended; `None` if it made none.
pub(super) async fn recorded<T>(operation: impl Future<Output = T>) -> (T, Option<Exchange>) {
    let last = Arc::default();
    let result = LAST.scope(Arc::clone(&last), operation).await;
    let exchange = last.lock().unwrap_or_else(PoisonError::into_inner).take();
    (result, exchange)
}

/// Notes the end of a request of the operation that is running.
pub(super) fn note(authority: &str, answer: Answer) {
    let exchange = Exchange { authority: authority.to_string(), answer };
    // Outside of an operation nobody asks.
    let _ = LAST.try_with(|last| *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange));
}

impl Answer {
    /// The answer of a body: XML with `Code` and `Message`, or a header of Azure.
    pub(super) fn of(status: u16, header_code: Option<&str>, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let code = header_code.map(str::to_string).or_else(|| between(&text, "<Code>", "</Code>").map(str::to_string));
        let message = between(&text, "<Message>", "</Message>");
        Self::Status { status, code: code.map(|code| short(&code)), message: message.map(short) }
    }
}

/// What stands between two marks, the first time.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// The first line, without control characters, cut to a bearable length.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_BYTES).collect();
    while short.len() > MAX_MESSAGE_BYTES {
        short.pop();
    }
    short
}
