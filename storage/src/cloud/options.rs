// SPDX-License-Identifier: MIT OR Apache-2.0
//! How patient the connection to a service is. For whoever opens a backend; nothing here changes what is stored.

use std::time::Duration;

/// Limits of time and threads of one [`super::CloudBackend`].
#[derive(Clone, Debug)]
pub struct CloudOptions {
    /// Until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// Longest time in which not one byte moves, in either direction: a server that stops reading an upload, does not
    /// answer, or stops in the middle of an answer. The error is transient.
    pub idle_timeout: Duration,
    /// Longest time for one request with all its bytes. Ends servers that drip. The error is transient.
    pub request_timeout: Duration,
    /// Threads that move bytes and do TLS, whatever the number of callers.
    pub io_threads: usize,
    /// URL of an HTTP proxy for all requests; none of the environment is used.
    pub proxy: Option<String>,
}

impl Default for CloudOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(60),
            // A pack of 64 MiB passes at 150 kbit/s.
            request_timeout: Duration::from_secs(3600),
            io_threads: 2,
            proxy: None,
        }
    }
}
