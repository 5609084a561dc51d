// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a command says on standard error while its output is captured: without secrets, and no more than its last lines. It must
//! never keep a backup: a service that the command has started may hold the pipe for as long as it lives.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::runbook::masked;

/// So many last lines are told.
const TOLD: usize = 20;

/// Longest line that is looked at as one.
const MAX_LINE: u64 = 64 << 10;

/// So long is waited for the rest of what a command said that has ended.
const AFTER_THE_END: Duration = Duration::from_millis(500);

/// Listens to a command.
pub(super) struct Said {
    lines: Arc<Mutex<VecDeque<String>>>,
    ended: Receiver<()>,
}

impl Said {
    /// Begins to listen; `secrets` are never in what was said.
    pub(super) fn listen(pipe: impl Read + Send + 'static, secrets: BTreeMap<String, String>) -> Self {
        let (lines, (end, ended)) = (Arc::new(Mutex::new(VecDeque::new())), channel());
        let heard = lines.clone();
        thread::spawn(move || {
            let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
            while matches!(pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut line), Ok(count) if count > 0) {
                let text = masked(String::from_utf8_lossy(&line).trim(), &secrets);
                line.clear();
                if text.is_empty() {
                    continue;
                }
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                if heard.len() == TOLD {
                    heard.pop_front();
                }
                heard.push_back(text);
            }
            // Nobody may wait any more.
            let _ = end.send(());
        });
        Self { lines, ended }
    }

    /// The last lines of a command that has ended, or shall.
    pub(super) fn end(self) -> Vec<String> {
        let _ = self.ended.recv_timeout(AFTER_THE_END);
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}
