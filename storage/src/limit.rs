// SPDX-License-Identifier: MIT OR Apache-2.0
//! Leaves room for others: [`Limit`] bounds bytes per second in each direction, and calls under way at once.
//!
//! For whoever opens a repository over a line or a server that is not only for backups. The bounds are averages over an
//! object: a backend takes and gives an object whole, so it travels at the speed of the line, with silence before or
//! after it.

use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::pace::Pace;
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// Traffic that may go out at once after a silence: this much time's worth. Short, so that the average holds soon.
const BURST_SECONDS: f64 = 0.5;

/// Waits up to this long are waited to their end also when the user asked to stop, so that the few bytes that end a
/// cancelled session go out.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// Bounds; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOptions {
    /// Bytes per second to the storage, on average.
    pub upload: Option<NonZeroU64>,
    /// Bytes per second from the storage, on average.
    pub download: Option<NonZeroU64>,
    /// Calls under way at once; further ones wait.
    pub connections: Option<NonZeroUsize>,
}

/// A backend whose traffic is bounded. Uploads wait before the call, as what is offered is known; downloads after it,
/// because how much comes is not. Lists, lengths and deletes count as calls and weigh nothing.
pub struct Limit {
    inner: Arc<dyn Backend>,
    upload: Option<Bucket>,
    download: Option<Bucket>,
    slots: Option<Slots>,
    pace: Pace,
}

impl Limit {
    /// Bounds calls on `inner`.
    pub fn new(inner: Arc<dyn Backend>, options: LimitOptions, pace: Pace) -> Self {
        let bucket = |rate: Option<NonZeroU64>| rate.map(|rate| Bucket::new(rate, pace.now()));
        let slots = options.connections.map(Slots::new);
        Self { inner, upload: bucket(options.upload), download: bucket(options.download), slots, pace }
    }

    fn pay_upload(&self, name: &Name, bytes: u64) -> Result<(), StorageError> {
        let Some(bucket) = &self.upload else { return Ok(()) };
        let wait = bucket.take(bytes, self.pace.now());
        if wait <= SHORT_WAIT {
            self.pace.wait_to_the_end(wait);
            return Ok(());
        }
        self.pace.wait(wait).map_err(|_| {
            // What is not sent leaves its room to the few bytes that still have to go.
            bucket.give_back(bytes);
            let source = std::io::Error::other("cancelled while it waited for its share of the line");
            StorageError::from_io("write", name.as_str(), self.location(), source).with_kind(ErrorKind::Cancelled)
        })
    }

    fn pay_download(&self, bytes: u64) {
        let Some(bucket) = &self.download else { return };
        // The bytes are here: a cancelled wait loses nothing.
        let _ = self.pace.wait(bucket.take(bytes, self.pace.now()));
    }

    fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        let _slot = self.slots.as_ref().map(Slots::take);
        call()
    }
}

/// A token bucket that may be overdrawn: whoever overdraws it waits until it would be level again, and whoever comes
/// later waits longer.
struct Bucket {
    bytes_per_second: f64,
    fill: Mutex<Fill>,
}

struct Fill {
    bytes: f64,
    at: Duration,
}

impl Bucket {
    fn new(rate: NonZeroU64, now: Duration) -> Self {
        let bytes_per_second = rate.get() as f64;
        Self { bytes_per_second, fill: Mutex::new(Fill { bytes: bytes_per_second * BURST_SECONDS, at: now }) }
    }

    /// Takes so many bytes out; how long to wait for them.
    fn take(&self, bytes: u64, now: Duration) -> Duration {
        let mut fill = self.fill.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = now.saturating_sub(fill.at).as_secs_f64() * self.bytes_per_second;
        let most = self.bytes_per_second * BURST_SECONDS;
        fill.bytes = (fill.bytes + earned).min(most) - bytes as f64;
        fill.at = fill.at.max(now);
        Duration::try_from_secs_f64(-fill.bytes / self.bytes_per_second).unwrap_or(Duration::ZERO)
    }

    fn give_back(&self, bytes: u64) {
        self.fill.lock().unwrap_or_else(PoisonError::into_inner).bytes += bytes as f64;
    }
}

/// Places for calls under way.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place that is given back when the call ends, however it ends.
struct Slot<'a>(&'a Slots);

impl Slots {
    fn new(count: NonZeroUsize) -> Self {
        Self { free: Mutex::new(count.get()), freed: Condvar::new() }
    }

    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

impl Backend for Limit {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        self.pay_upload(name, parts.iter().map(|part| part.len() as u64).sum())?;
        self.call(|| self.inner.put_if_absent(name, parts))
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        let bytes = self.call(|| self.inner.get(name, range))?;
        self.pay_download(bytes.len() as u64);
        Ok(bytes)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.call(|| self.inner.length(name))
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.call(|| self.inner.list(folder))
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        self.call(|| self.inner.delete(name))
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.call(|| self.inner.barrier())
    }

    fn sweep_leftovers(&self) -> Result<(), StorageError> {
        self.call(|| self.inner.sweep_leftovers())
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}

#[cfg(test)]
mod tests;
