// SPDX-License-Identifier: MIT OR Apache-2.0
//! `init` cut after every storage operation: afterwards there is no repository and `init` works again, or there is a whole one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepfast_engine::repository::{Credential, FirstKey, Found, LocalFolders, Repository};
use keepfast_engine::{Error, key};
use keepfast_repo_format::key_slot::KeyFile;
use keepfast_repo_format::layout;
use keepfast_storage::retry::{Retry, RetryOptions};
use keepfast_storage::testing::{Fault, FaultyBackend, Image, Moment, Operation, SimBackend, TestClock};
use keepfast_storage::{Backend, ErrorKind};

use super::crash_aftermath::{Promised, assert_goes_on, assert_whole};
use crate::support::history_script::{Contents, Machine, init_small, init_with, scratch, write_files};

const PASSWORD: &str = "a password";

fn open(backend: Arc<dyn Backend>, state: &Path) -> Result<Repository, Error> {
    let folders = LocalFolders { cache: None, state: state.to_path_buf() };
    Found::locate(backend)?.open(&Credential::Password(PASSWORD.into()), &folders)
}

#[test]
fn an_init_that_was_cut_off_leaves_no_repository_or_a_whole_one() {
    let leftovers = cut_everywhere(Image::default());
    assert!(!leftovers.is_empty(), "an interrupted init left nothing to be tried again on");
    // The second attempt is cut, too.
    cut_everywhere(leftovers);
}

/// Cuts an `init` on `start` after each operation; returns the fullest place that is no repository.
fn cut_everywhere(start: Image) -> Image {
    let scratch = scratch();
    let source = [scratch.path().join("source")];
    write_files(&source[0], 5, 0);
    let password = FirstKey::Password(PASSWORD.into());
    let mut leftovers = Image::default();
    for cut in 0.. {
        let disk = SimBackend::from_image(start.clone());
        disk.cut_after(cut);
        let result = init_with(&disk, &password);
        for (number, image) in disk.crash_images(cut as u64).into_iter().enumerate() {
            println!("cut after {cut}, image {number}");
            let again = Arc::new(SimBackend::from_image(image.clone()));
            match open(again.clone(), scratch.path()) {
                Ok(repository) => drop(assert_whole(&repository, &Promised::new(), &Contents::new())),
                Err(Error::NoRepository { .. } | Error::NotARepository { .. }) => {
                    assert!(result.is_err(), "init returned, the repository is lost");
                    init_with(again.as_ref(), &password).expect("init works again");
                    let repository = open(again.clone(), scratch.path()).expect("the new repository opens");
                    assert_whole(&repository, &Promised::new(), &Contents::new());
                    let (made, key) = second_key(&image);
                    goes_on(&made, &key, &source, scratch.path());
                    leftovers = if image.len() >= leftovers.len() { image } else { leftovers };
                }
                Err(error) => panic!("{error}"),
            }
        }
        if disk.operations() < cut {
            assert!(result.is_ok());
            break;
        }
    }
    leftovers
}

/// The same place made a repository with a key file.
fn second_key(image: &Image) -> (Image, KeyFile) {
    let disk = SimBackend::from_image(image.clone());
    let key = init_small(&disk).expect("init works again");
    (disk.image(), key)
}

fn goes_on(image: &Image, key: &KeyFile, source: &[PathBuf], base: &Path) {
    let machine = Machine::new("alpha", &base.join("machine"));
    machine.lose_cache();
    assert_goes_on(image, &machine, key, source, &Promised::new());
}

#[test]
fn what_an_interrupted_init_left_is_passed_by() {
    let disk = Arc::new(SimBackend::from_image(interrupted()));
    init_with(disk.as_ref(), &FirstKey::Password(PASSWORD.into())).expect("what is left does not stand in the way");
    let image = disk.image();
    assert_eq!([layout::KEYS_FOLDER, layout::GENERATIONS_FOLDER].map(|folder| image.names(folder).len()), [2, 2]);
    let scratch = scratch();
    let repository =
        open(disk, scratch.path()).expect("the slot of the interrupted one, of the same password, is not taken");
    let (slots, damaged) = key::list(&repository).unwrap();
    assert!(slots.len() == 1 && damaged.is_empty(), "{damaged:?}");
    assert_whole(&repository, &Promised::new(), &Contents::new());
}

#[test]
fn an_init_that_is_not_told_that_its_config_was_stored_finds_it_there() {
    let disk = Arc::new(SimBackend::new());
    let unheard = Fault::new(Operation::Put, layout::CONFIG_FOLDER, 1, ErrorKind::Transient, Moment::AfterEffect);
    let network = Arc::new(FaultyBackend::new(disk.clone(), vec![unheard]));
    let patient = Retry::new(network.clone(), RetryOptions::default(), TestClock::new().pace());
    init_with(&patient, &FirstKey::Password(PASSWORD.into())).expect("it is the one that has made the repository");
    network.verify_all_faults_reached();
    let scratch = scratch();
    assert_whole(&open(disk, scratch.path()).unwrap(), &Promised::new(), &Contents::new());
}

#[test]
fn an_init_that_does_not_know_how_it_ended_says_so_and_its_key_opens_what_is_there() {
    for (operation, nth) in [(Operation::Put, 1), (Operation::Barrier, 2), (Operation::Get, 1)] {
        let disk = Arc::new(SimBackend::new());
        let prefix = if operation == Operation::Barrier { "" } else { layout::CONFIG_FOLDER };
        let unheard = Fault::new(operation, prefix, nth, ErrorKind::Transient, Moment::AfterEffect);
        let network = FaultyBackend::new(disk.clone(), vec![unheard]);
        let error = init_with(&network, &FirstKey::Password(PASSWORD.into())).unwrap_err();
        network.verify_all_faults_reached();
        assert!(matches!(error, Error::InitUnknown { .. }), "{operation:?}: {error}");
        let scratch = scratch();
        assert_whole(&open(disk, scratch.path()).unwrap(), &Promised::new(), &Contents::new());
    }
}

#[test]
fn an_init_that_finds_no_space_made_nothing_and_knows_it() {
    for operations in 0..6 {
        let disk = Arc::new(SimBackend::new());
        let fault = Fault::new(Operation::Put, "", operations + 1, ErrorKind::Full, Moment::BeforeEffect);
        let result = init_with(&FaultyBackend::new(disk.clone(), vec![fault]), &FirstKey::Password(PASSWORD.into()));
        match result {
            Ok(_) => assert!(operations >= 4),
            Err(Error::Storage(error)) => assert!(operations < 4 && error.kind == ErrorKind::Full, "{error}"),
            Err(error) => panic!("{operations}: {error}"),
        }
        assert_eq!(disk.image().names(layout::CONFIG_FOLDER).len(), usize::from(operations >= 4));
    }
}

/// What an init that was cut off leaves.
fn interrupted() -> Image {
    let disk = SimBackend::new();
    disk.cut_after(4);
    init_with(&disk, &FirstKey::Password(PASSWORD.into())).expect_err("the machine is dead");
    disk.image()
}
