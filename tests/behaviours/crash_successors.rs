// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program dies, the machine lives on, others read and write, and only then the power goes: what the dead program did not flush
//! may vanish from under those who saw it.

use std::sync::Arc;

use keepfast_engine::repository::{Credential, FirstKey, Found, LocalFolders};
use keepfast_storage::testing::SimBackend;

use super::crash_aftermath::{Promised, assert_goes_on, assert_invariants, assert_whole, seen};
use crate::support::history_script::{
    Contents, Machine, init_small, init_with, on_disk, open_bare, scratch, write_files,
};

/// Who comes after the dead program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Successor {
    /// The same machine backs up once more.
    Same,
    /// Another machine backs up.
    Other,
    /// Another machine only looks, and keeps in its cache what it saw.
    Reader,
}

#[test]
fn what_was_seen_and_built_upon_outlives_a_power_cut() {
    let scratch = scratch();
    let source = [scratch.path().join("source")];
    write_files(&source[0], 12, 0);
    let disk = SimBackend::new();
    let key = init_small(&disk).unwrap();
    let start = disk.image();
    let attempted = on_disk(&source);
    for successor in [Successor::Same, Successor::Other, Successor::Reader] {
        for cut in 0.. {
            let place = scratch.path().join(format!("{successor:?}-{cut}"));
            let [alpha, beta] = ["alpha", "beta"].map(|name| Machine::new(name, &place));
            let disk = Arc::new(SimBackend::from_image(start.clone()));
            disk.cut_after(cut);
            let mut promised = Promised::new();
            if let Ok(summary) = alpha.back_up(disk.clone(), &key, &source) {
                promised.extend(summary.snapshot.map(|id| (id, attempted.clone())));
            }
            let is_last = disk.operations() < cut;
            disk.cut_after(usize::MAX);
            let handle = Arc::new(disk.another_handle());
            let who = if successor == Successor::Same { &alpha } else { &beta };
            if successor == Successor::Reader {
                seen(&who.open(handle, &key).unwrap());
            } else {
                let summary = who.back_up(handle, &key, &source).expect("the next program can write");
                promised.insert(summary.snapshot.unwrap(), attempted.clone());
            }
            for (number, image) in disk.crash_images(cut as u64).into_iter().enumerate() {
                println!("{successor:?}, cut after {cut}, image {number}");
                let place = place.join(format!("image-{number}"));
                let [alpha, beta] = [&alpha, &beta].map(|machine| machine.copy(&place));
                assert_invariants(&image, &key, &place);
                let after = Arc::new(SimBackend::from_image(image.clone()));
                let bare = open_bare(after.clone(), &key, &place).unwrap();
                let view = assert_whole(&bare, &promised, &attempted);
                for machine in [&alpha, &beta] {
                    assert_eq!(
                        seen(&machine.open(after.clone(), &key).unwrap()),
                        view,
                        "a cache shows what is not there"
                    );
                }
                let image = assert_goes_on(&image, &alpha, &key, &source, &promised);
                let after = Arc::new(SimBackend::from_image(image.clone()));
                let view = seen(&open_bare(after.clone(), &key, &place).unwrap());
                assert_eq!(seen(&beta.open(after, &key).unwrap()), view, "a cache shows what was never committed");
                assert_goes_on(&image, &beta, &key, &source, &promised);
            }
            if is_last {
                break;
            }
        }
    }
}

#[test]
fn a_repository_that_was_used_outlives_the_death_of_its_init() {
    let scratch = scratch();
    let source = [scratch.path().join("source")];
    write_files(&source[0], 5, 0);
    for cut in 0.. {
        let disk = Arc::new(SimBackend::new());
        disk.cut_after(cut);
        let result = init_with(disk.as_ref(), &FirstKey::Password("a password".into()));
        let is_last = disk.operations() < cut;
        disk.cut_after(usize::MAX);
        let handle = Arc::new(disk.another_handle());
        let folders = LocalFolders { cache: None, state: scratch.path().join(format!("state-{cut}")) };
        let open = |backend| Found::locate(backend)?.open(&Credential::Password("a password".into()), &folders);
        if let Ok(repository) = open(handle) {
            let client = Machine::new("alpha", scratch.path()).client();
            let options = crate::support::history_script::options(&source);
            let summary =
                keepfast_engine::backup::backup(&repository, &client, &options, &keepfast_engine::events::Silent)
                    .unwrap();
            let promised = Promised::from([(summary.snapshot.unwrap(), on_disk(&source))]);
            for (number, image) in disk.crash_images(cut as u64).into_iter().enumerate() {
                println!("cut after {cut}, image {number}");
                let repository = open(Arc::new(SimBackend::from_image(image))).expect("the repository is still there");
                assert_whole(&repository, &promised, &Contents::new());
            }
        } else {
            assert!(result.is_err());
        }
        if is_last {
            break;
        }
    }
}
