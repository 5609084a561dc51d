// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGINT, SIGTERM and SIGHUP (a terminal that is closed): the first asks the operation to stop cleanly, the second ends the process at once.
//! SIGXFSZ (a file beyond `ulimit -f`) becomes an error of whoever writes that file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag as on_signal;

use crate::exit::CANCELLED;

/// Signals are the process's, and so is this.
static CANCELLED_FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// What the first signal sets: for whoever waits in a place that no [`Signals`] is handed to.
pub fn flag() -> Arc<AtomicBool> {
    CANCELLED_FLAG.clone()
}

/// Whether the user asked to stop.
pub struct Signals {
    cancelled: Arc<AtomicBool>,
}

impl Signals {
    /// Starts listening. Where that is not possible, the signals keep their usual meaning and end the process.
    pub fn install() -> Self {
        let cancelled = flag();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // `nohup` ignores it for us.
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            // In this order: the first signal finds the flag still down.
            let _ = on_signal::register_conditional_shutdown(signal, i32::from(CANCELLED), cancelled.clone());
            let _ = on_signal::register(signal, cancelled.clone());
        }
        // Whoever writes is told that the file is too large, and can name it.
        let _ = on_signal::register(SIGXFSZ, Arc::default());
        Self { cancelled }
    }

    /// Whether one came.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Whether whoever started us wants this signal to be ignored; if that can not be told, no.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
