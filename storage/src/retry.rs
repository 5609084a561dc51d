// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tries again what a network or a busy service failed: [`Retry`] around a remote backend.
//!
//! For whoever opens a remote repository. It retries errors of kind [`ErrorKind::Transient`] alone, and it must never
//! make an answer out of a failure: what stays unknown stays an error.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::pace::Pace;
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// How often and how long a call is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// Attempts after the first one. Default 10: with the delays below that bridges two minutes on average and up to
    /// four, as long as most services need to restart.
    pub retries: u32,
    /// The longest wait before the first retry; it doubles with each one. Default 500 ms, some round trips.
    pub first_delay: Duration,
    /// No wait is longer. Default 60 s: after an outage the work goes on within a minute.
    pub longest_delay: Duration,
    /// No retry begins later than this after the call began. Default 15 minutes; attempts that hang take time too.
    pub total: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            retries: 10,
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(60),
            total: Duration::from_secs(15 * 60),
        }
    }
}

/// Is told of every failed attempt that will be followed by another one, and how long the wait is. Called from any
/// thread.
pub type Notify = Arc<dyn Fn(&StorageError, Duration) + Send + Sync>;

/// A backend whose transient failures are tried again, with exponential backoff and full jitter: each wait is random
/// between nothing and its bound, so that clients that failed together do not come back together.
///
/// What a lost answer means, call by call:
///
/// * `put_if_absent`: the first attempt may have had its effect, then the next one finds the object. If an earlier
///   attempt of *this call* has failed and the object has exactly the offered bytes, the answer is [`Put::Created`].
///   That is right because the names for which it matters who was first (configs, log slots, session records, generations,
///   condemn lists) hold content that nobody else makes: it is sealed with fresh randomness or names a random session,
///   so equal bytes are our own. Other names are hashes of their content, and nothing depends on who created them.
/// * `delete`: an absent object after a failed attempt counts as [`Delete::Deleted`].
/// * `get`: a body shorter than the range asked for is a broken connection, and fetched again.
/// * `list`: again as a whole; pages of two attempts are never joined.
/// * `barrier`: **never**. After a failed flush the system forgets which data it had not written, and a second flush
///   succeeds without having stored anything (Rebello et al., USENIX ATC 2020). The session ends instead.
pub struct Retry {
    inner: Arc<dyn Backend>,
    options: RetryOptions,
    pace: Pace,
    notify: Option<Notify>,
}

/// What one call has used up.
struct Spent {
    began: Duration,
    failures: u32,
}

impl Retry {
    /// Retries calls on `inner`. A cancelled `pace` ends a call between two attempts, never before its first one: what
    /// ends a cancelled session must still go out.
    pub fn new(inner: Arc<dyn Backend>, options: RetryOptions, pace: Pace) -> Self {
        Self { inner, options, pace, notify: None }
    }

    /// The same, and `notify` is told before each wait.
    #[must_use]
    pub fn with_notify(self, notify: Notify) -> Self {
        Self { notify: Some(notify), ..self }
    }

    fn begin(&self) -> Spent {
        Spent { began: self.pace.now(), failures: 0 }
    }

    fn run<T>(&self, spent: &mut Spent, mut call: impl FnMut() -> Result<T, StorageError>) -> Result<T, StorageError> {
        loop {
            match call() {
                Err(error) if error.kind == ErrorKind::Transient => self.wait(spent, error)?,
                result => return result,
            }
        }
    }

    /// Waits before the next attempt, or gives the failure back if there is to be none.
    fn wait(&self, spent: &mut Spent, error: StorageError) -> Result<(), StorageError> {
        spent.failures += 1;
        if spent.failures > self.options.retries {
            return Err(error);
        }
        let delay = self.delay(spent.failures);
        if self.pace.now() + delay > spent.began + self.options.total {
            return Err(error);
        }
        if let Some(notify) = &self.notify {
            notify(&error, delay);
        }
        self.pace.wait(delay).map_err(|_| error.with_kind(ErrorKind::Cancelled))
    }

    /// A random part of the bound for the wait after this many failures.
    fn delay(&self, failures: u32) -> Duration {
        let doubled = self.options.first_delay.checked_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        let bound = doubled.unwrap_or(Duration::MAX).min(self.options.longest_delay);
        // Without randomness the bound itself is as good a wait as any.
        let part = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
        bound.mul_f64(part)
    }

    /// Whether the object is what an earlier attempt of this call created. What can not be read is not ours: that it
    /// exists is then all that is known.
    fn is_ours(&self, spent: &mut Spent, name: &Name, parts: &[&[u8]]) -> Result<bool, StorageError> {
        let offered: usize = parts.iter().map(|part| part.len()).sum();
        match self.run(spent, || self.inner.get(name, None)) {
            Ok(found) => Ok(found.len() == offered && is_joined(&found, parts)),
            Err(error) if matches!(error.kind, ErrorKind::Transient | ErrorKind::Lost | ErrorKind::Cancelled) => {
                Err(error)
            }
            Err(_) => Ok(false),
        }
    }
}

/// Whether `whole` begins with the parts, one after the other.
fn is_joined(mut whole: &[u8], parts: &[&[u8]]) -> bool {
    parts.iter().all(|part| match whole.strip_prefix(*part) {
        Some(rest) => {
            whole = rest;
            true
        }
        None => false,
    })
}

impl Backend for Retry {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        let mut spent = self.begin();
        let put = self.run(&mut spent, || self.inner.put_if_absent(name, parts))?;
        if put == Put::Exists && spent.failures > 0 && self.is_ours(&mut spent, name, parts)? {
            return Ok(Put::Created);
        }
        Ok(put)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        self.run(&mut self.begin(), || {
            let outcome = self.inner.get(name, range.clone());
            match (outcome, &range) {
                (Ok(bytes), Some(range)) if bytes.len() as u64 != range.end.saturating_sub(range.start) => {
                    let source = io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("{} bytes instead of {range:?}", bytes.len()),
                    );
                    let error = StorageError::from_io("read", name.as_str(), self.location(), source);
                    Err(error.with_kind(ErrorKind::Transient))
                }
                // A body that ended early, as the backend itself saw.
                (Err(error), _) if error.source.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(error.with_kind(ErrorKind::Transient))
                }
                (outcome, _) => outcome,
            }
        })
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.run(&mut self.begin(), || self.inner.length(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.run(&mut self.begin(), || self.inner.list(folder))
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        let mut spent = self.begin();
        let delete = self.run(&mut spent, || self.inner.delete(name))?;
        Ok(if delete == Delete::Absent && spent.failures > 0 { Delete::Deleted } else { delete })
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.run(&mut self.begin(), || self.inner.rely_on(name))
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.inner.barrier()
    }

    fn sweep_leftovers(&self) -> Result<(), StorageError> {
        self.run(&mut self.begin(), || self.inner.sweep_leftovers())
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests;
