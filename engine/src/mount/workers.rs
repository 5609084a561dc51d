// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads for requests that have to wait for the storage or for a segment to be opened.
//!
//! One thread takes all requests from the kernel and answers at once what is in memory: to wake another one for each costs more than the
//! answer (measured on two processors: 10 microseconds, or 30 to 150). The others are for those that would hold up who comes next.

use std::thread;

use crossbeam_channel::{Sender, unbounded};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that end with this value. The kernel bounds how many requests wait.
pub(super) struct Workers(Sender<Job>);

impl Workers {
    pub(super) fn start(threads: usize) -> Self {
        let (jobs, waiting) = unbounded::<Job>();
        for _ in 0..threads.max(1) {
            let waiting = waiting.clone();
            thread::spawn(move || waiting.into_iter().for_each(|job| job()));
        }
        Self(jobs)
    }

    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // Only when every thread has panicked; the request is then answered with an error, as its reply is dropped.
        let _ = self.0.send(Box::new(job));
    }
}
