// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a failed operation means to a caller: from `object_store`'s error and the noted exchange to an [`ErrorKind`] and a
//! sentence without credentials.

use std::io;

use object_store::Error;

use super::exchange::{Answer, Cause, Exchange};
use super::settings::Secrets;
use crate::ErrorKind;

/// Refusals of a service that are no refusal of this one operation on this one object: who asks is not known, or the
/// clocks differ. A delete that meets one of them was not [`crate::Delete::Refused`].
const IDENTITY_CODES: [&str; 12] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "InvalidSecurity",
    "NotSignedUp",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "AccountIsDisabled",
    "AuthenticationRequired",
];

/// Codes that mean the storage has no room left for this user, whatever the status.
const FULL_CODES: [&str; 5] =
    ["QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "StorageFull"];

/// Codes that ask for another attempt although their status does not: bytes that were lost or changed on the way, and
/// two requests that met.
const TRANSIENT_CODES: [&str; 10] = [
    "RequestTimeout",
    "SlowDown",
    "BadDigest",
    "IncompleteBody",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
    "Md5Mismatch",
    "OperationAborted",
    "ConditionalRequestConflict",
    "OperationTimedOut",
];

/// Codes by which a service says that the object, and not its bucket, is what is missing.
const ABSENT_CODES: [&str; 4] = ["NoSuchKey", "BlobNotFound", "NoSuchVersion", "ResourceNotFound"];

/// Codes of storage that must not delete this object now, beside plain denial.
const LOCKED_CODES: [&str; 7] = [
    "ObjectLocked",
    "InvalidObjectState",
    "BlobImmutableDueToPolicy",
    "BlobImmutableDueToLegalHold",
    "BlobImmutableDueToLegalHoldOrPolicy",
    "RetentionPolicyNotMet",
    "ObjectUnderActiveHold",
];

/// A failed operation.
#[derive(Debug)]
pub(super) struct Fault {
    error: Error,
    exchange: Option<Box<Exchange>>,
}

/// The sentence, as the source of a [`crate::StorageError`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Sentence(String);

impl Fault {
    pub(super) fn new(error: Error, exchange: Option<Exchange>) -> Self {
        Self { error, exchange: exchange.map(Box::new) }
    }

    fn status(&self) -> Option<(u16, &str)> {
        match &self.exchange.as_ref()?.answer {
            Answer::Status { status, code, .. } => Some((*status, code.as_deref().unwrap_or_default())),
            Answer::Broken { .. } | Answer::Unsound(_) => None,
        }
    }

    /// Whether the service said that something of this name is there. A 409 says it too (Azure), or that another put is
    /// under way (S3).
    pub(super) fn says_it_exists(&self) -> bool {
        matches!(self.error, Error::AlreadyExists { .. }) && matches!(self.status(), Some((409 | 412 | 304, _)))
    }

    /// Whether the object is missing, as far as an answer without a body (to `HEAD`) can tell.
    pub(super) fn says_absent_without_why(&self) -> bool {
        self.status() == Some((404, ""))
    }

    /// Whether the service said that the bucket or container itself is missing.
    pub(super) fn says_no_bucket(&self) -> bool {
        matches!(self.status(), Some((404, "NoSuchBucket" | "ContainerNotFound")))
    }

    /// Whether a delete met an object that must stay for now: retention, hold or permission.
    pub(super) fn is_refusal(&self) -> bool {
        match self.status() {
            Some((_, code)) if IDENTITY_CODES.contains(&code) => false,
            Some((403 | 405 | 423, _)) => true,
            // MinIO and Azure answer 400 and 409.
            Some((400 | 409, code)) => {
                let is_worm = code == "InvalidRequest" && self.sentence(None).contains("WORM");
                LOCKED_CODES.contains(&code) || is_worm
            }
            _ => false,
        }
    }

    /// What the caller can act on. `store` is the host that holds the objects.
    pub(super) fn kind(&self, store: &str) -> ErrorKind {
        let Some(exchange) = &self.exchange else {
            // Nothing was asked: a credentials file that can not be read, a request that can not be signed.
            return ErrorKind::Other;
        };
        // The metadata service of a machine that has none: there are no credentials, and there will be none.
        let is_store = exchange.authority == store;
        match &exchange.answer {
            Answer::Broken { cause: Cause::Untrusted, .. } => ErrorKind::Other,
            Answer::Broken { .. } if !is_store => ErrorKind::Denied,
            Answer::Broken { .. } | Answer::Unsound(_) => ErrorKind::Transient,
            Answer::Status { status, code, .. } => {
                let kind = kind_of_status(*status, code.as_deref().unwrap_or_default());
                if is_store || kind == ErrorKind::Transient { kind } else { ErrorKind::Denied }
            }
        }
    }

    /// What happened, for people.
    fn sentence(&self, store: Option<&str>) -> String {
        let Some(exchange) = &self.exchange else { return self.error.to_string() };
        let who = match store {
            Some(store) if store != exchange.authority => {
                format!("the service for credentials at {}", exchange.authority)
            }
            _ => "the service".to_string(),
        };
        match &exchange.answer {
            // A success that object_store could not use: its words have no body in them.
            Answer::Status { status: 200..300, .. } => format!("{who} answered what can not be right: {}", self.error),
            Answer::Status { status, code, message } => {
                let code = code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
                let message = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
                format!("{who} answered {status}{code}{message}")
            }
            Answer::Broken { what, .. } => format!("no answer of {who}: {what}"),
            Answer::Unsound(what) => format!("{who} sent {what}"),
        }
    }

    /// The sentence as an I/O error, without what is secret.
    pub(super) fn into_source(self, store: &str, secrets: &Secrets) -> io::Error {
        io::Error::other(Sentence(secrets.scrub(&self.sentence(Some(store)))))
    }
}

fn kind_of_status(status: u16, code: &str) -> ErrorKind {
    match (status, code) {
        (_, code) if FULL_CODES.contains(&code) => ErrorKind::Full,
        (_, code) if TRANSIENT_CODES.contains(&code) => ErrorKind::Transient,
        (_, code) if IDENTITY_CODES.contains(&code) => ErrorKind::Denied,
        (404, code) if ABSENT_CODES.contains(&code) => ErrorKind::NotFound,
        // Of a bucket that is gone, or of a host that is no object store: not the absence of one object.
        (404, _) => ErrorKind::Other,
        (401 | 403, _) => ErrorKind::Denied,
        (416, _) => ErrorKind::Range,
        (507, _) => ErrorKind::Full,
        (501 | 505, _) => ErrorKind::Other,
        (408 | 409 | 412 | 425 | 429 | 500..600, _) => ErrorKind::Transient,
        // A success that was not usable: a header missing or wrong.
        (200..300, _) => ErrorKind::Transient,
        _ => ErrorKind::Other,
    }
}
