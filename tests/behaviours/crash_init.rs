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
use keepfast_storage::{Backend, ErrorKind, Name};

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
fn of_two_inits_at_once_one_succeeds_and_has_a_repository() {
    for round in 0..1000 {
        let start = if round % 2 == 0 { Image::default() } else { interrupted() };
        let (disk, made) = two_at_once(start);
        assert_eq!(made.len(), 1);
        let folder = scratch();
        let machine = Machine::new("alpha", folder.path());
        let repository = machine.open(Arc::new(SimBackend::from_image(disk.image())), &made[0]).expect("it opens");
        assert_whole(&repository, &Promised::new(), &Contents::new());
    }
}

#[test]
fn what_an_interrupted_init_left_and_the_storage_keeps_is_passed_by() {
    let disk = Arc::new(SimBackend::from_image(interrupted()));
    let refuses = Fault::new(Operation::Delete, "", 1, ErrorKind::Denied, Moment::BeforeEffect).and_ever_after();
    let keeps = FaultyBackend::new(disk.clone(), vec![refuses]);
    init_with(&keeps, &FirstKey::Password(PASSWORD.into())).expect("what is left does not stand in the way");
    keeps.verify_all_faults_reached();
    assert_eq!(disk.image().names(layout::KEYS_FOLDER).len(), 2);
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
fn an_init_names_a_damaged_generation_that_it_finds() {
    let mut image = interrupted();
    let name = Name::new(layout::generation(0)).unwrap();
    let whole = image.get(&name).expect("an interrupted init has left one").clone();
    image.insert(name, &whole[..whole.len() - 1]);
    let error = init_small(&SimBackend::from_image(image)).unwrap_err();
    assert!(matches!(&error, Error::Object { object, .. } if *object == layout::generation(0)), "{error}");
}

/// What an init that was cut off leaves.
fn interrupted() -> Image {
    let disk = SimBackend::new();
    disk.cut_after(4);
    init_with(&disk, &FirstKey::Password(PASSWORD.into())).expect_err("the machine is dead");
    disk.image()
}

/// Two inits in one place; the keys of those that were told of a success.
fn two_at_once(start: Image) -> (SimBackend, Vec<KeyFile>) {
    let disk = SimBackend::from_image(start);
    let other = disk.another_handle();
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| init_small(&disk));
        let second = scope.spawn(|| init_small(&other));
        (first.join().unwrap(), second.join().unwrap())
    });
    let made = [first, second].into_iter().flatten().collect();
    (disk, made)
}
