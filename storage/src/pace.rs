// SPDX-License-Identifier: MIT OR Apache-2.0
//! How wrappers wait: on a clock that tests replace, and no longer than until the user asks to stop.
//!
//! For [`crate::retry`] and [`crate::limit`]. No clock decides anything about the repository: it only spaces calls out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest sleep between two looks at the cancel flag: short enough that a user does not press the key again.
const SLICE: Duration = Duration::from_millis(100);

/// Time as wrappers see it. The real one is [`SystemClock`]; tests have one that does not wait.
pub trait Clock: Send + Sync {
    /// Time since a fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Returns after so much time.
    fn sleep(&self, duration: Duration);
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A wait was broken off because the user asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// A clock, and a flag that ends every wait.
#[derive(Clone)]
pub struct Pace {
    clock: Arc<dyn Clock>,
    cancelled: Arc<AtomicBool>,
}

impl Pace {
    /// Waits on `clock` until `cancelled` is set.
    pub fn new(clock: Arc<dyn Clock>, cancelled: Arc<AtomicBool>) -> Self {
        Self { clock, cancelled }
    }

    /// Waits in real time until `cancelled` is set.
    pub fn real(cancelled: Arc<AtomicBool>) -> Self {
        Self::new(Arc::new(SystemClock::default()), cancelled)
    }

    /// Time since a fixed moment.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Returns after so much time.
    ///
    /// # Errors
    /// The user asked to stop, before or meanwhile.
    pub fn wait(&self, duration: Duration) -> Result<(), Cancelled> {
        let end = self.now() + duration;
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(Cancelled);
            }
            match end.checked_sub(self.now()).filter(|left| !left.is_zero()) {
                Some(left) => self.clock.sleep(left.min(SLICE)),
                None => return Ok(()),
            }
        }
    }

    /// Returns after so much time, whatever the user wants: for waits so short that nobody notices.
    pub fn wait_to_the_end(&self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("cancelled", &self.cancelled).finish_non_exhaustive()
    }
}
