// SPDX-License-Identifier: MIT OR Apache-2.0
//! A store that can crash: it knows for each object which states a power cut may leave, and gives them all to the
//! tests.
//!
//! The promise of a backend is taken at its weakest: until the barrier of a handle, each of its puts and deletes may be
//! kept or lost, alone, as a whole and in any order. A program that survives every image that this gives relies on
//! nothing but the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::{Image, Operation, lock};
use crate::{Backend, Delete, Listed, Name, Put, StorageError};

const LOCATION: &str = "simulated store";

/// Up to this many crash images are all enumerated; beyond, a sample is drawn.
const ENUMERATED_IMAGES: usize = 16;

/// Random images of a sample, besides the two extremes.
const SAMPLED_IMAGES: usize = 10;

/// A put, delete or barrier that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// `Put`, `Delete` or `Barrier`.
    pub operation: Operation,
    /// The object; empty for a barrier.
    pub name: String,
    /// Which handle: 0 for the first, 1 for the first `another_handle`, ...
    pub handle: usize,
}

/// One handle on a simulated store. Barriers are per handle, everything else is shared.
#[derive(Debug)]
pub struct SimBackend {
    handle: usize,
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    handles: usize,
    visible: Image,
    /// Objects that a crash may change: what it may leave, oldest (durable) state first, the visible one last.
    unsettled: BTreeMap<Name, Vec<State>>,
    log: Vec<Mutation>,
    cut_after: Option<usize>,
}

#[derive(Debug)]
struct State {
    bytes: Option<Arc<[u8]>>,
    /// Handles that made it, or were told of it: their barriers make it durable.
    relied_on_by: BTreeSet<usize>,
}

impl SimBackend {
    /// An empty store.
    pub fn new() -> Self {
        Self::from_image(Image::default())
    }

    /// A store with these objects, all durable: the machine after its restart.
    pub fn from_image(image: Image) -> Self {
        Self { handle: 0, disk: Arc::new(Mutex::new(Disk { handles: 1, visible: image, ..Disk::default() })) }
    }

    /// A second program on the same store.
    #[must_use]
    pub fn another_handle(&self) -> Self {
        let mut disk = lock(&self.disk);
        let handle = disk.handles;
        disk.handles += 1;
        Self { handle, disk: Arc::clone(&self.disk) }
    }

    /// Lets `operations` mutations happen, counted from the store's beginning and over all handles; then every call
    /// fails, reads too.
    pub fn cut_after(&self, operations: usize) {
        lock(&self.disk).cut_after = Some(operations);
    }

    /// How many mutations (puts, deletes, barriers) happened.
    pub fn operations(&self) -> usize {
        lock(&self.disk).log.len()
    }

    /// The mutations that happened.
    pub fn log(&self) -> Vec<Mutation> {
        lock(&self.disk).log.clone()
    }

    /// What is there if the program dies now, but the machine does not.
    pub fn image(&self) -> Image {
        lock(&self.disk).visible.clone()
    }

    /// What may be there if the machine dies now: all possibilities if they are few, else the one that kept least, the
    /// one that kept most, and a random sample by `seed`. The first loses all it may, the last nothing.
    pub fn crash_images(&self, seed: u64) -> Vec<Image> {
        lock(&self.disk).crash_images(seed)
    }
}

impl Default for SimBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk {
    fn alive(&self, operation: Operation, name: &str) -> Result<(), StorageError> {
        if self.cut_after.is_some_and(|cut| self.log.len() >= cut) {
            let source = io::Error::other("the simulated machine is dead");
            return Err(StorageError::from_io(operation.word(), name, LOCATION, source));
        }
        Ok(())
    }

    fn mutate(&mut self, operation: Operation, name: &str, handle: usize) -> Result<(), StorageError> {
        self.alive(operation, name)?;
        self.log.push(Mutation { operation, name: name.to_owned(), handle });
        Ok(())
    }

    /// Changes what is visible; a crash may still bring back any state since the last durable one.
    fn change(&mut self, name: &Name, bytes: Option<Arc<[u8]>>, handle: usize) {
        let before = self.visible.remove(name);
        if let Some(bytes) = &bytes {
            self.visible.insert(name.clone(), Arc::clone(bytes));
        }
        let durable = || vec![State { bytes: before, relied_on_by: BTreeSet::new() }];
        let states = self.unsettled.entry(name.clone()).or_insert_with(durable);
        states.push(State { bytes, relied_on_by: BTreeSet::from([handle]) });
    }

    fn rely_on(&mut self, name: &Name, handle: usize) {
        if let Some(state) = self.unsettled.get_mut(name).and_then(|states| states.last_mut()) {
            state.relied_on_by.insert(handle);
        }
    }

    /// What came before a state that this handle relies on is gone for good.
    fn settle(&mut self, handle: usize) {
        self.unsettled.retain(|_, states| {
            if let Some(last) = states.iter().rposition(|state| state.relied_on_by.contains(&handle)) {
                states.drain(..last);
            }
            states.len() > 1
        });
    }

    fn crash_images(&self, seed: u64) -> Vec<Image> {
        let counts: Vec<usize> = self.unsettled.values().map(Vec::len).collect();
        let total = counts.iter().try_fold(1_usize, |product, count| product.checked_mul(*count));
        let choices = match total {
            Some(total) if total <= ENUMERATED_IMAGES => all_choices(&counts, total),
            _ => sampled_choices(&counts, seed),
        };
        choices.iter().map(|choice| self.crash_image(choice)).collect()
    }

    /// `choice` holds for each unsettled object which of its states the crash leaves.
    fn crash_image(&self, choice: &[usize]) -> Image {
        let mut image = self.visible.clone();
        for ((name, states), chosen) in self.unsettled.iter().zip(choice) {
            match &states[*chosen].bytes {
                Some(bytes) => image.insert(name.clone(), Arc::clone(bytes)),
                None => drop(image.remove(name)),
            }
        }
        image
    }
}

/// Every combination, the oldest states first, the newest last.
fn all_choices(counts: &[usize], total: usize) -> Vec<Vec<usize>> {
    let digits = |mut number: usize| {
        let digit = |count: &usize| {
            let digit = number % count;
            number /= count;
            digit
        };
        counts.iter().map(digit).collect()
    };
    (0..total).map(digits).collect()
}

/// `counts` are at least 2. The oldest states, random ones (mostly old, half and half, mostly new in turn), the newest
/// states.
fn sampled_choices(counts: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let mut state = seed;
    let mut choices = vec![vec![0; counts.len()]];
    for sample in 0..SAMPLED_IMAGES {
        let newest_in_8 = [1, 4, 7][sample % 3];
        let choose = |count: &usize| {
            let older = usize::try_from(random(&mut state) % (*count as u64 - 1)).expect("less than a usize");
            if random(&mut state) % 8 < newest_in_8 { count - 1 } else { older }
        };
        choices.push(counts.iter().map(choose).collect());
    }
    choices.push(counts.iter().map(|count| count - 1).collect());
    choices
}

/// splitmix64: small, and the same on every machine, so that a seed repeats a failure.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Backend for SimBackend {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        let bytes = parts.concat();
        let mut disk = lock(&self.disk);
        disk.mutate(Operation::Put, name.as_str(), self.handle)?;
        if disk.visible.get(name).is_some() {
            disk.rely_on(name, self.handle);
            return Ok(Put::Exists);
        }
        disk.change(name, Some(bytes.into()), self.handle);
        Ok(Put::Created)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        let disk = lock(&self.disk);
        disk.alive(Operation::Get, name.as_str())?;
        disk.visible.read(name, range, LOCATION)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        let disk = lock(&self.disk);
        disk.alive(Operation::Length, name.as_str())?;
        disk.visible.length(name, LOCATION)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        let disk = lock(&self.disk);
        disk.alive(Operation::List, folder)?;
        disk.visible.list(folder, LOCATION)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        let mut disk = lock(&self.disk);
        disk.mutate(Operation::Delete, name.as_str(), self.handle)?;
        if disk.visible.get(name).is_none() {
            return Ok(Delete::Absent);
        }
        disk.change(name, None, self.handle);
        Ok(Delete::Deleted)
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        let mut disk = lock(&self.disk);
        disk.alive(Operation::Put, name.as_str())?;
        disk.rely_on(name, self.handle);
        Ok(())
    }

    fn barrier(&self) -> Result<(), StorageError> {
        let mut disk = lock(&self.disk);
        disk.mutate(Operation::Barrier, "", self.handle)?;
        disk.settle(self.handle);
        Ok(())
    }

    fn location(&self) -> String {
        LOCATION.to_owned()
    }
}
