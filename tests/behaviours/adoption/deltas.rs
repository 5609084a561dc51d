// SPDX-License-Identifier: MIT OR Apache-2.0
//! What holds for packs with deltas: nothing keeps the bases of a pack that nobody sees, so it is adopted only while they are there.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use keepfast_engine::backup::{Summary, backup};
use keepfast_engine::events::{Events, Silent};
use keepfast_engine::prune::{PruneOptions, Report, prune};
use keepfast_engine::session::{Role, Session};
use keepfast_repo_format::layout;
use keepfast_repo_format::log::LogBody;
use keepfast_storage::ErrorKind;
use keepfast_storage::testing::{Fault, FaultyBackend, Moment, Operation, RecordingBackend};

use super::{assert_whole, back_up, other_machine, packs, sandbox, try_back_up};
use crate::support::collector::all_of_it;
use crate::support::sandbox::{Sandbox, client, let_time_pass};

/// A version in which every file resembles the one before.
fn write_version(sandbox: &Sandbox) {
    for number in 0..6 {
        let path = sandbox.source().join(format!("file-{number}"));
        let mut bytes = fs::read(&path).unwrap();
        bytes.iter_mut().step_by(10_007).for_each(|byte| *byte = byte.wrapping_add(1));
        fs::write(path, bytes).unwrap();
    }
    let_time_pass();
}

/// A snapshot of one version, and packs of the next one, most of it deltas, whose backup died right before its commit.
fn interrupted_in_deltas() -> (Sandbox, Summary, BTreeSet<String>) {
    let sandbox = sandbox();
    let (first, _) = back_up(&sandbox, sandbox.objects.clone());
    let before = packs(sandbox.objects.as_ref());
    write_version(&sandbox);
    // Nobody ends the session after it: as if the program had died there.
    let dead = Fault::new(Operation::Put, "snapshots", 1, ErrorKind::Other, Moment::BeforeEffect);
    let faulty = Arc::new(FaultyBackend::new(sandbox.objects.clone(), vec![dead]));
    assert!(try_back_up(&sandbox, faulty.clone()).is_err());
    faulty.verify_all_faults_reached();
    let after = packs(sandbox.objects.as_ref());
    let left: BTreeSet<String> = after.into_keys().filter(|pack| !before.contains_key(pack)).collect();
    assert!(left.len() >= 2, "{left:?}");
    (sandbox, first, left)
}

fn edges(sandbox: &Sandbox) -> usize {
    let repository = sandbox.open();
    repository.history().unwrap();
    repository.index.survey().iter().map(|pack| pack.edges as usize).sum()
}

#[test]
fn deltas_are_adopted_while_their_bases_are_there() {
    let (sandbox, _, left) = interrupted_in_deltas();
    let (summary, put) = back_up(&sandbox, sandbox.objects.clone());
    assert_eq!(put, BTreeSet::new(), "{left:?} was there");
    assert!(edges(&sandbox) > 0, "no deltas");
    assert_whole(&sandbox, sandbox.objects.clone(), &summary);
}

/// Waits in the middle of a backup until a collector has come to its end.
struct Outlasted(Mutex<Option<JoinHandle<Report>>>);

impl Events for Outlasted {
    fn path_done(&self, _path: &[u8], _bytes: u64) {
        if let Some(collector) = self.0.lock().unwrap().take() {
            let report = collector.join().unwrap();
            assert!(report.finished && report.packs_deleted > 0 && report.orphan_packs == 0, "{report:?}");
        }
    }
}

/// Returns when a collector has put its list and knows which sessions it waits for.
fn await_list(storage: &RecordingBackend) {
    let (begin, mut has_list) = (Instant::now(), false);
    while begin.elapsed() < Duration::from_secs(60) {
        for record in storage.take() {
            has_list |= record.operation == Operation::Put && record.name.starts_with(layout::CONDEMNED_FOLDER);
            if has_list && record.operation == Operation::List && record.name.starts_with(layout::SESSIONS_FOLDER) {
                return;
            }
        }
        sleep(Duration::from_millis(2));
    }
    panic!("no list");
}

/// The collector has found the dead session open, and waits. It sees no snapshot that needs the bases, knows nothing of packs that are
/// not visible, and waits for no session that began after its list.
#[test]
fn deltas_whose_bases_are_condemned_are_not_adopted() {
    let (sandbox, first, left) = interrupted_in_deltas();
    let other = other_machine(&sandbox, sandbox.objects.clone());
    let session = Session::open(&other, client(), Role::Writer).unwrap();
    session.record(LogBody::Forget { snapshots: vec![first.snapshot.unwrap()] }).unwrap();
    let recording = Arc::new(RecordingBackend::new(sandbox.objects.clone()));
    let other = other_machine(&sandbox, recording.clone());
    let options = PruneOptions { wait: Duration::from_secs(60), ..all_of_it() };
    let collector = spawn(move || prune(&other, &client(), &options, &Silent).unwrap());
    await_list(&recording);
    let events = Outlasted(Mutex::new(Some(collector)));
    let summary = backup(&sandbox.open(), &client(), &sandbox.options_at_top(), &events).unwrap();
    assert!(events.0.into_inner().unwrap().is_none());
    assert!(prune(&sandbox.open(), &client(), &all_of_it(), &Silent).unwrap().finished);
    assert_whole(&sandbox, sandbox.objects.clone(), &summary);
    let there = packs(sandbox.objects.as_ref());
    assert!(left.iter().any(|pack| !there.contains_key(pack)), "{left:?} are all there");
}
