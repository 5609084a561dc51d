// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGINT and SIGTERM: the first asks the operation to stop cleanly, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::CANCELLED;

/// Whether the user asked to stop.
pub struct Signals {
    cancelled: Arc<AtomicBool>,
}

impl Signals {
    /// Starts listening. Where that is not possible, the signals keep their usual meaning and end the process.
    pub fn install() -> Self {
        let cancelled = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag still down.
            let _ = flag::register_conditional_shutdown(signal, i32::from(CANCELLED), cancelled.clone());
            let _ = flag::register(signal, cancelled.clone());
        }
        Self { cancelled }
    }

    /// Whether one came.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
