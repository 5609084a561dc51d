// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGINT and SIGTERM: the first asks the operation to stop cleanly, the second ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};
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
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag still down.
            let _ = on_signal::register_conditional_shutdown(signal, i32::from(CANCELLED), cancelled.clone());
            let _ = on_signal::register(signal, cancelled.clone());
        }
        Self { cancelled }
    }

    /// Whether one came.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
