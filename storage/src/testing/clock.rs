// SPDX-License-Identifier: MIT OR Apache-2.0
//! A clock that goes on only when somebody sleeps on it: tests of waits take no time.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::lock;
use crate::pace::{Clock, Pace};

/// Time that passes by sleeping alone. Shared by threads: each sleep moves it on for all.
#[derive(Debug, Default)]
pub struct TestClock {
    now: Mutex<Duration>,
    alarm: Mutex<Option<(Duration, Arc<AtomicBool>)>>,
}

impl TestClock {
    /// A clock at zero.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A pace on this clock that nobody cancels.
    pub fn pace(self: &Arc<Self>) -> Pace {
        Pace::new(self.clone(), Arc::default())
    }

    /// A pace on this clock that is cancelled when the clock gets to `moment`.
    pub fn pace_until(self: &Arc<Self>, moment: Duration) -> Pace {
        let flag = Arc::new(AtomicBool::new(moment.is_zero()));
        *lock(&self.alarm) = Some((moment, flag.clone()));
        Pace::new(self.clone(), flag)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        *lock(&self.now)
    }

    fn sleep(&self, duration: Duration) {
        let now = {
            let mut now = lock(&self.now);
            *now += duration;
            *now
        };
        if let Some((moment, flag)) = &*lock(&self.alarm)
            && now >= *moment
        {
            flag.store(true, Ordering::Relaxed);
        }
    }
}
