// SPDX-License-Identifier: MIT OR Apache-2.0
//! Archives that have a thread of their own wait for their turn: a backup that fails before it comes ends all the same.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use keepfast_engine::Error;
use keepfast_engine::backup::{Archives, BackupOptions, Summary, backup};
use keepfast_engine::events::Events;
use keepfast_storage::ErrorKind;
use keepfast_storage::testing::{Fault, FaultyBackend, HookedBackend, MemBackend, Moment, Operation};

use crate::support::random::Random;
use crate::support::sandbox::{Sandbox, client};

/// Far above what a backup of 70 MB takes; one that hangs takes for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// Opens when so many bytes of big files have been read.
struct Gate {
    read: AtomicU64,
    wanted: u64,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Events for Gate {
    fn bytes_done(&self, bytes: u64) {
        if self.read.fetch_add(bytes, Ordering::Relaxed) + bytes >= self.wanted {
            *self.is_open.lock().unwrap() = true;
            self.opened.notify_all();
        }
    }
}

impl Gate {
    fn wait(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}

fn tar_of(bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "member", bytes).unwrap();
    builder.into_inner().unwrap()
}

/// A backup, with one worker, of so many small files and four archives. The storage refuses its first pack when `wanted` bytes of the
/// archives have been read.
fn refused(files: usize, wanted: u64) -> Result<Summary, Error> {
    let (sandbox, mut random) = (Sandbox::new(), Random::new(11));
    for number in 0..files {
        // Each is a step of its own.
        fs::write(sandbox.source().join(format!("a{number}")), random.bytes(1200 << 10)).unwrap();
    }
    for name in ["b.tar", "c.tar", "d.tar", "e.tar"] {
        fs::write(sandbox.source().join(name), tar_of(&random.bytes(10 << 20))).unwrap();
    }
    let gate = Arc::new(Gate { read: 0.into(), wanted, is_open: Mutex::new(false), opened: Condvar::new() });
    let fault = Fault::new(Operation::Put, "packs/", 1, ErrorKind::Full, Moment::BeforeEffect).and_ever_after();
    let objects: Arc<MemBackend> = sandbox.objects.clone();
    let gated = gate.clone();
    let wait = move |operation, name: &str| {
        if operation == Operation::Put && name.starts_with("packs/") {
            gated.wait();
        }
    };
    let backend = Arc::new(HookedBackend::new(Arc::new(FaultyBackend::new(objects, vec![fault])), wait));
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || {
        let repository = sandbox.open_on(backend).unwrap();
        let archives = Archives::up_to(1 << 30, &[]).unwrap();
        let options = BackupOptions { archives, threads: 1, ..sandbox.options() };
        let _ = done.send(backup(&repository, &client(), &options, &*gate));
    });
    outcome
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("with {files} files and {wanted} bytes the backup does not end"))
}

#[test]
fn a_backup_ends_when_its_storage_fails_while_archives_wait_for_their_turn() {
    // At some of these the assembler stands before the first archive, and the thread of that has no room for a further step.
    for files in 1..=6 {
        for wanted in [1, 8 << 20] {
            let outcome = refused(files, wanted);
            let is_full = matches!(&outcome, Err(Error::Storage(error)) if error.kind == ErrorKind::Full);
            assert!(is_full, "{files} files, {wanted} bytes: {outcome:?}");
        }
    }
}
