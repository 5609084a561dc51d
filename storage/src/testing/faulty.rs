// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fails where a plan says so, before or after the operation had its effect. A test ends with
//! [`FaultyBackend::verify_all_faults_reached`]: a fault that nothing ran into has tested nothing.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Operation;
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// When an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has no effect.
    BeforeEffect,
    /// It has its effect, only the answer is lost: a connection that broke, a timeout, a status 500 of a proxy.
    AfterEffect,
    /// No error at all, but a wrong answer: of a `get` the first half of the bytes, of a `list` all but the newest page
    /// (the second half of the names). What a broken proxy or an eventually consistent service does.
    CutShort,
}

/// One planned failure.
#[derive(Debug)]
pub struct Fault {
    operation: Operation,
    prefix: String,
    nth: u64,
    kind: ErrorKind,
    moment: Moment,
    lasting: bool,
    matches: AtomicU64,
}

impl Fault {
    /// Fails the `nth` (from 1) operation of this kind on a name that begins with `prefix`. A delete that is
    /// [`ErrorKind::Denied`] before its effect is answered with [`Delete::Refused`], as a real backend does.
    pub fn new(operation: Operation, prefix: &str, nth: u64, kind: ErrorKind, moment: Moment) -> Self {
        assert!(nth > 0, "operations are counted from 1");
        let answers_much = matches!(operation, Operation::Get | Operation::List);
        assert!(moment != Moment::CutShort || answers_much, "{operation:?} has no answer to be cut short");
        Self { operation, prefix: prefix.to_owned(), nth, kind, moment, lasting: false, matches: AtomicU64::new(0) }
    }

    /// The same, and every later match fails too: a disk that stays full.
    #[must_use]
    pub fn and_ever_after(self) -> Self {
        Self { lasting: true, ..self }
    }

    /// Counts a call; whether it is to fail.
    fn strikes(&self, operation: Operation, name: &str) -> bool {
        if self.operation != operation || !name.starts_with(&self.prefix) {
            return false;
        }
        let count = self.matches.fetch_add(1, Ordering::Relaxed) + 1;
        count == self.nth || (self.lasting && count > self.nth)
    }

    fn error(&self, name: &str, location: String) -> StorageError {
        let source = io::Error::other("a planned fault");
        StorageError::from_io(self.operation.word(), name, location, source).with_kind(self.kind)
    }
}

/// Passes calls on, except those that the plan fails.
pub struct FaultyBackend {
    inner: Arc<dyn Backend>,
    faults: Vec<Fault>,
}

impl FaultyBackend {
    /// Fails calls on `inner` by this plan. Where several faults meet in one call, the first one is reported.
    pub fn new(inner: Arc<dyn Backend>, faults: Vec<Fault>) -> Self {
        Self { inner, faults }
    }

    /// Panics, with their list, if some faults were never reached.
    pub fn verify_all_faults_reached(&self) {
        let missed: Vec<&Fault> =
            self.faults.iter().filter(|fault| fault.matches.load(Ordering::Relaxed) < fault.nth).collect();
        assert!(missed.is_empty(), "planned faults that no operation reached: {missed:#?}");
    }

    fn run<T>(
        &self,
        operation: Operation,
        name: &str,
        call: impl FnOnce() -> Result<T, StorageError>,
        cut: impl FnOnce(T) -> T,
    ) -> Result<T, StorageError> {
        // All of them count, also after one struck.
        let striking: Vec<&Fault> = self.faults.iter().filter(|fault| fault.strikes(operation, name)).collect();
        let Some(fault) = striking.first() else { return call() };
        match fault.moment {
            Moment::BeforeEffect => {}
            Moment::AfterEffect => drop(call()?),
            Moment::CutShort => return call().map(cut),
        }
        Err(fault.error(name, self.inner.location()))
    }
}

fn whole<T>(answer: T) -> T {
    answer
}

fn first_half<T>(mut answer: Vec<T>) -> Vec<T> {
    answer.truncate(answer.len() / 2);
    answer
}

impl Backend for FaultyBackend {
    fn put_if_absent(&self, name: &Name, parts: &[&[u8]]) -> Result<Put, StorageError> {
        self.run(Operation::Put, name.as_str(), || self.inner.put_if_absent(name, parts), whole)
    }

    fn get(&self, name: &Name, range: Option<Range<u64>>) -> Result<Vec<u8>, StorageError> {
        self.run(Operation::Get, name.as_str(), || self.inner.get(name, range), first_half)
    }

    fn length(&self, name: &Name) -> Result<u64, StorageError> {
        self.run(Operation::Length, name.as_str(), || self.inner.length(name), whole)
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, StorageError> {
        self.run(Operation::List, folder, || self.inner.list(folder), first_half)
    }

    fn delete(&self, name: &Name) -> Result<Delete, StorageError> {
        let mut reached = false;
        let delete = || {
            reached = true;
            self.inner.delete(name)
        };
        let result = self.run(Operation::Delete, name.as_str(), delete, whole);
        match result {
            Err(error) if error.kind == ErrorKind::Denied && !reached => Ok(Delete::Refused),
            result => result,
        }
    }

    fn rely_on(&self, name: &Name) -> Result<(), StorageError> {
        self.inner.rely_on(name)
    }

    fn barrier(&self) -> Result<(), StorageError> {
        self.run(Operation::Barrier, "", || self.inner.barrier(), whole)
    }

    fn location(&self) -> String {
        self.inner.location()
    }
}
