// SPDX-License-Identifier: MIT OR Apache-2.0
//! How patient the connection to a service is. For whoever opens a backend; nothing here changes what is stored.

use std::fmt;
use std::time::Duration;

/// Limits of time and threads of one [`super::CloudBackend`].
#[derive(Clone)]
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
    /// URL of an HTTP proxy for all requests but those to metadata services; none of the environment is used. It may hold a
    /// password, which no message shows.
    pub proxy: Option<String>,
    /// Hosts that are asked without the proxy, as the variable `NO_PROXY` lists them.
    pub proxy_exceptions: String,
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
            proxy_exceptions: String::new(),
        }
    }
}

impl fmt::Debug for CloudOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("io_threads", &self.io_threads)
            .field("has_proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}
