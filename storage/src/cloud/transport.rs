// SPDX-License-Identifier: MIT OR Apache-2.0
//! HTTP for `object_store`: sends one request, watches that bytes move, reads the whole answer, checks and notes it. It
//! never tries twice.
//!
//! Of its own because reqwest's read timeout also counts the time in which a request is still sent: a slow upload would
//! end in it, and a stalled one only at the limit for the whole request.

use std::error::Error;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService};
use tokio::time::{Instant, timeout_at};

use super::exchange::{Answer, Cause, between, note};
use super::page::Asked;

/// Largest answer that is taken into memory: twice the largest pack of the format.
const MAX_ANSWER_BYTES: usize = 512 << 20;

/// Memory taken on the word of a `Content-Length`; beyond it only as bytes arrive.
const MAX_TRUSTED_BYTES: usize = 64 << 20;

/// Bytes that the system takes for a connection before it sends them: the usual limit of Linux.
const SEND_BUFFER_BYTES: u64 = 4 << 20;

/// One HTTP client.
#[derive(Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    idle_timeout: Duration,
}

/// The request got no usable answer. The details are noted for the operation.
#[derive(Debug, thiserror::Error)]
#[error("no usable answer")]
struct Unanswered;

impl Transport {
    pub(super) fn new(client: reqwest::Client, idle_timeout: Duration) -> Self {
        Self { client, idle_timeout }
    }

    async fn exchange(&self, request: HttpRequest, pace: &Arc<Pace>) -> Result<http::Response<Bytes>, Answer> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string().parse().map_err(|_| Answer::Unsound("a URL that can not be asked"))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        if body.content_length() > 0 {
            *request.body_mut() = Some(reqwest::Body::wrap(Paced { body, pace: Arc::clone(pace) }));
        }
        let response = self.client.execute(request).await.map_err(broken)?;
        pace.moved();
        let response: http::Response<reqwest::Body> = response.into();
        let (parts, mut body) = response.into_parts();
        let expected = usize::try_from(body.size_hint().lower()).unwrap_or(MAX_TRUSTED_BYTES);
        let mut bytes = Vec::with_capacity(expected.min(MAX_TRUSTED_BYTES));
        while let Some(frame) = body.frame().await {
            pace.moved();
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                if bytes.len() + data.len() > MAX_ANSWER_BYTES {
                    return Err(Answer::Unsound("more bytes than any object has"));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(http::Response::from_parts(parts, bytes.into()))
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let query = request.uri().query().unwrap_or_default();
        let asked = Asked::of(request.method(), query, request.headers().contains_key(http::header::RANGE));
        let is_batch = query.contains("comp=batch");
        let pace = Arc::new(Pace::new(request.body().content_length()));
        let result = pace.watch(self.idle_timeout, self.exchange(request, &pace)).await;
        let result = result.unwrap_or_else(|Stalled| {
            let what = format!("no byte moved for {} seconds", self.idle_timeout.as_secs_f32());
            Err(Answer::Broken { what, cause: Cause::Passing })
        });
        let checked = result.and_then(|mut response| {
            // Some services (`rclone serve s3`) send the part that was asked for and say which it is, with the status of a whole.
            let says_range = response.headers().contains_key(http::header::CONTENT_RANGE);
            if asked == Asked::Range && response.status() == http::StatusCode::OK && says_range {
                *response.status_mut() = http::StatusCode::PARTIAL_CONTENT;
            }
            let status = response.status();
            match asked.check(status.as_u16(), response.body()) {
                Err(why) if status.is_success() => Err(Answer::Unsound(why)),
                // Of a part that is missing, object_store would think that it says "deleted".
                Ok(()) if is_batch && status.is_success() && status_in_batch(response.body()).is_none() => {
                    Err(Answer::Unsound("a batch without an answer in it"))
                }
                _ => Ok(response),
            }
        });
        match checked {
            Ok(response) => {
                note(&authority, answer_of(&response, is_batch));
                Ok(response.map(Into::into))
            }
            Err(answer) => {
                note(&authority, answer);
                // Of a kind that object_store would not repeat either.
                Err(HttpError::new(HttpErrorKind::Unknown, Unanswered))
            }
        }
    }
}

fn answer_of(response: &http::Response<Bytes>, is_batch: bool) -> Answer {
    let status = response.status();
    let header = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
    if status.is_success() && is_batch {
        return answer_in_batch(status.as_u16(), response.body());
    }
    let body: &[u8] = if status.is_success() { b"" } else { response.body() };
    Answer::of(status.as_u16(), header, body)
}

/// Azure answers a delete as the only part of a batch, with a status and headers of its own.
fn answer_in_batch(outer: u16, body: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(body);
    let status = status_in_batch(body).unwrap_or(outer);
    Answer::of(status, between(&text, "x-ms-error-code: ", "\r\n"), body)
}

fn status_in_batch(body: &[u8]) -> Option<u16> {
    between(&String::from_utf8_lossy(body), "HTTP/1.1 ", " ").and_then(|status| status.parse().ok())
}

/// A failure of reqwest, in words, without the URL: its query can hold a signature.
fn broken(error: reqwest::Error) -> Answer {
    let error = error.without_url();
    let mut what = error.to_string();
    let mut cause = Cause::Passing;
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !what.ends_with(&text) {
            what = format!("{what}: {text}");
        }
        if is_untrusted(inner) {
            cause = Cause::Untrusted;
        }
        source = inner.source();
    }
    Answer::Broken { what, cause }
}

fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    // An I/O error does not name what it wraps as its source, and may wrap another one.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|wrapped| is_untrusted(wrapped))
}

/// No byte moved for too long.
struct Stalled;

/// When bytes moved last, and how the upload goes.
struct Pace {
    start: Instant,
    /// Milliseconds from `start`.
    last: AtomicU64,
    body_bytes: u64,
    /// Bytes of the body that the connection took.
    taken_bytes: AtomicU64,
}

impl Pace {
    fn new(body_bytes: usize) -> Self {
        let body_bytes = body_bytes as u64;
        Self { start: Instant::now(), last: AtomicU64::new(0), body_bytes, taken_bytes: AtomicU64::new(0) }
    }

    fn moved(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    fn took(&self, bytes: usize) {
        self.taken_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.moved();
    }

    /// Until when bytes must move. The system holds the last bytes of an upload for as long as the line needs for them; how
    /// long that is shows the time that all of it took.
    fn deadline(&self, limit: Duration) -> Instant {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        let is_taken = self.body_bytes > 0 && self.taken_bytes.load(Ordering::Relaxed) >= self.body_bytes;
        let held = if is_taken { self.body_bytes.min(SEND_BUFFER_BYTES) as f64 / self.body_bytes as f64 } else { 0.0 };
        self.start + last + limit + last.mul_f64(held)
    }

    /// Waits for the work as long as bytes move.
    async fn watch<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, Stalled> {
        let mut work = pin!(work);
        loop {
            let until = self.deadline(limit);
            match timeout_at(until, work.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) if self.deadline(limit) > until => {}
                Err(_) => return Err(Stalled),
            }
        }
    }
}

/// A request's body that tells when the connection takes more of it.
struct Paced {
    body: HttpRequestBody,
    pace: Arc<Pace>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.pace.took(frame.data_ref().map_or(0, Bytes::len));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, answer_in_batch, status_in_batch};

    #[test]
    fn the_answer_to_a_delete_is_the_one_within_the_batch() {
        let refused = b"--batchresponse_1\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n\
            HTTP/1.1 409 This operation is not permitted as the blob is immutable.\r\n\
            x-ms-error-code: BlobImmutableDueToPolicy\r\nContent-Type: application/xml\r\n\r\n\
            <Error><Code>BlobImmutableDueToPolicy</Code><Message>Not permitted.\nRequestId:1</Message></Error>\r\n\
            --batchresponse_1--\r\n";
        let Answer::Status { status, code, message } = answer_in_batch(202, refused) else { panic!("it is a status") };
        assert_eq!((status, code.as_deref()), (409, Some("BlobImmutableDueToPolicy")));
        assert_eq!(message.as_deref(), Some("Not permitted."));
        assert_eq!(status_in_batch(b"--batchresponse_1--\r\n"), None);
    }
}
