// SPDX-License-Identifier: MIT OR Apache-2.0
//! A prune on a file system that is really full: a small one in memory, which only root can mount.

use std::sync::Arc;

use keepfast_engine::Error;
use keepfast_storage::local::LocalBackend;
use keepfast_storage::reserve::{PIECE_BYTES, Reserve, reserved, set_aside};
use keepfast_storage::{Backend, ErrorKind};

use crate::support::collector::{all_of_it, forget, prune_on};
use crate::support::history_script::{Machine, in_snapshot, init_small, random_bytes, scratch};

#[test]
fn a_disk_that_is_really_full_is_pruned_free() {
    let base = tempfile::tempdir().unwrap();
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(base.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a small file system needs root");
        return;
    }
    let _unmount = Unmount(base.path().to_path_buf());
    let other = scratch();
    let disk: Arc<dyn Backend> = Arc::new(LocalBackend::create(&base.path().join("repository")).unwrap());
    let key = init_small(disk.as_ref()).unwrap();
    // A forget and a prune write a few kilobytes before they delete.
    set_aside(&*disk, PIECE_BYTES).unwrap();
    let machine = Machine::new("alpha", other.path());
    let source = [other.path().join("source")];
    std::fs::create_dir_all(&source[0]).unwrap();
    let mut snapshots = Vec::new();
    let full = (0..20).find_map(|round| {
        std::fs::write(source[0].join("big"), random_bytes(round, 700_000)).unwrap();
        match machine.back_up(disk.clone(), &key, &source) {
            Ok(summary) => snapshots.push(summary.snapshot.unwrap()),
            Err(error) => return Some(error),
        }
        None
    });
    assert!(matches!(full, Some(Error::Storage(ref error)) if error.kind == ErrorKind::Full), "{full:?}");
    // To the last byte.
    let _ = std::fs::write(base.path().join("filler"), vec![1; 6 << 20]);
    let last = snapshots.pop().unwrap();
    let repository = machine.open(disk.clone(), &key).unwrap();
    let error = forget(&repository, &machine, &snapshots).unwrap_err();
    assert!(matches!(error, Error::Storage(ref error) if error.kind == ErrorKind::Full), "{error:?}");
    drop(repository);
    let reserve = Arc::new(Reserve::new(disk.clone()));
    let repository = machine.open(reserve.clone(), &key).unwrap();
    forget(&repository, &machine, &snapshots).unwrap();
    let report = prune_on(&repository, &machine, &all_of_it()).unwrap();
    assert!(report.finished && report.bytes_freed > 2_000_000, "{report:?}");
    drop(repository);
    assert_eq!((reserve.given_up(), reserved(&*disk).unwrap()), (PIECE_BYTES, 0));
    assert_eq!(reserve.refill().unwrap(), PIECE_BYTES);
    machine.back_up(disk.clone(), &key, &source).expect("there is space again");
    let repository = machine.open(disk, &key).unwrap();
    let (found, damaged) = repository.history().unwrap().snapshots(&repository).unwrap();
    assert!(damaged.is_empty() && found.len() == 2 && found.iter().any(|snapshot| snapshot.id == last));
    found.iter().for_each(|snapshot| drop(in_snapshot(&repository, snapshot).unwrap()));
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        // Nobody works in it any more; if it does not go, the next test has another one.
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
