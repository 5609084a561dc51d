// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signs of life of a session that lasts: its record once more, from time to time (`docs/format.md` section 10).
//!
//! For `session`, and for collectors that end sessions which are too old. A matter of patience, never of safety: a session that
//! gives no sign may be ended, as before, and one whose sign is lost as well.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keepfast_repo_format::id::WriterId;
use keepfast_repo_format::keys::Keys;
use keepfast_repo_format::layout;
use keepfast_repo_format::session::SessionRecord;
use keepfast_storage::Backend;

use crate::error::Result;
use crate::repository::{Repository, object_name};

/// Time between two signs: a small part of the seven days after which prune ends a session unless it is told otherwise, so that some
/// may get lost, and few enough requests that nobody notices.
const INTERVAL: Duration = Duration::from_secs(12 * 60 * 60);

/// Puts renewals in a thread of its own until it is stopped.
pub(super) struct Renewal {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<u32>>,
}

impl Renewal {
    /// Begins for the session with this record.
    pub(super) fn begin(backend: Arc<dyn Backend>, keys: Arc<Keys>, record: SessionRecord) -> Self {
        Self::every(INTERVAL, backend, keys, record)
    }

    fn every(interval: Duration, backend: Arc<dyn Backend>, keys: Arc<Keys>, record: SessionRecord) -> Self {
        let (stop, stopped) = channel();
        let began = Instant::now();
        let work = move || {
            let mut number = 0;
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) && number < layout::MAX_RENEWALS {
                number += 1;
                let started = record.started.saturating_add(began.elapsed().as_secs());
                let object = SessionRecord { started, ..record.clone() }.seal(&keys);
                let name = object_name(&layout::session_renewal(&record.writer, record.sequence, number));
                // Another one follows; the session itself does not depend on it.
                let _ = backend.put_if_absent(&name, &[&object]);
            }
            number
        };
        let spawned = std::thread::Builder::new().name("renewal".to_string()).spawn(work);
        // A machine that has no thread left still backs up, without signs.
        Self { stop: Some(stop), thread: spawned.ok() }
    }

    /// Ends it. Returns how many renewals there may be.
    pub(super) fn stop(&mut self) -> u32 {
        self.stop = None;
        self.thread.take().map_or(0, |thread| thread.join().unwrap_or(layout::MAX_RENEWALS))
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Removes the renewals of a session that has ended, before its record goes.
pub(crate) fn clear_renewals(repository: &Repository, writer: &WriterId, sequence: u64) -> Result<()> {
    for object in repository.backend.list(&layout::session_folder(writer))? {
        let renewal = layout::parse_session_renewal(object.name.as_str());
        if renewal.is_some_and(|(of, at, _)| (of, at) == (*writer, sequence)) {
            // Nothing looks at it any more: a prune takes it if this fails.
            let _ = repository.backend.delete(&object.name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use keepfast_repo_format::id::{RepositoryId, SessionId, WriterId};
    use keepfast_repo_format::keys::{Keys, RootSecret};
    use keepfast_repo_format::layout;
    use keepfast_repo_format::session::SessionRecord;
    use keepfast_storage::Backend;
    use keepfast_storage::testing::MemBackend;

    use super::Renewal;

    #[test]
    fn a_session_gives_signs_until_it_ends() {
        let (backend, writer) = (Arc::new(MemBackend::new()), WriterId([7; 16]));
        let record = SessionRecord {
            writer,
            sequence: 3,
            session: SessionId([9; 16]),
            host: "host".into(),
            user: "user".into(),
            process_id: 1,
            started: 1_700_000_000,
            program: "test".into(),
            role: None,
        };
        let keys = Arc::new(Keys::derive(&RootSecret::from_bytes([1; 32]), RepositoryId([2; 16]), 0));
        let mut renewal = Renewal::every(Duration::from_millis(5), backend.clone(), keys.clone(), record.clone());
        let begin = Instant::now();
        while backend.list("sessions").unwrap().len() < 3 {
            assert!(begin.elapsed() < Duration::from_secs(60), "no signs");
            std::thread::sleep(Duration::from_millis(5));
        }
        let number = renewal.stop();
        let listed = backend.list("sessions").unwrap();
        assert_eq!(listed.len(), number as usize);
        for (object, n) in listed.iter().zip(1..) {
            assert_eq!(object.name.as_str(), layout::session_renewal(&writer, 3, n));
            let bytes = backend.get(&object.name, None).unwrap();
            let sign = SessionRecord::open(&keys, writer, 3, &bytes).unwrap();
            assert!(sign.started >= record.started);
            assert_eq!(SessionRecord { started: record.started, ..sign }, record);
        }
    }
}
