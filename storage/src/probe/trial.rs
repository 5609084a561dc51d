// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of a probe, each on names that no other step uses. For [`super::probe`] only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Barrier, Mutex, PoisonError};

use super::{Capabilities, Finding, PROBE_FOLDER};
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put, StorageError};

/// Threads that put one name at once. Enough that a storage which only sometimes lets two through is seen in one of the
/// races, few enough for a small server.
const RACERS: usize = 8;

/// Names that they race for.
const RACES: usize = 4;

/// Bytes of an object that ranges are read from: more than one TLS record or buffer, little enough for any line.
const RANGED_BYTES: usize = 70_000;

type Outcome<T> = Result<T, StorageError>;

struct Trial<'a> {
    backend: &'a dyn Backend,
    /// What all names of this probe begin with.
    prefix: String,
    /// Names that may be there now. Not taken from a list: lists are on trial too.
    used: Mutex<BTreeSet<Name>>,
}

/// See [`super::probe`].
pub(super) fn run(backend: &dyn Backend) -> Outcome<Capabilities> {
    let random = random(backend)?;
    let trial = Trial { backend, prefix: format!("{PROBE_FOLDER}/{random:016x}"), used: Mutex::default() };
    let outcome = trial.capabilities();
    // Also after a failure. What can not be removed is seen by the trial of deletes, or its cause was told above.
    for name in &*trial.used.lock().unwrap_or_else(PoisonError::into_inner) {
        let _ = backend.delete(name);
    }
    outcome
}

fn random(backend: &dyn Backend) -> Outcome<u64> {
    getrandom::u64()
        .map_err(|error| StorageError::from_io("probe", PROBE_FOLDER, backend.location(), io::Error::other(error)))
}

/// What speaks against a guarantee, if anything does.
fn finding(objections: impl IntoIterator<Item = Option<String>>) -> Finding {
    objections.into_iter().flatten().next().map_or(Finding::Holds, Finding::Fails)
}

impl Trial<'_> {
    fn name(&self, end: &str) -> Name {
        let name = Name::new(format!("{}-{end}", self.prefix)).expect("a probe's names obey the rule for names");
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        name
    }

    /// What a list shows of one step's names.
    fn listed(&self, step: &str) -> Outcome<Vec<Listed>> {
        let prefix = format!("{}-{step}", self.prefix);
        let mut listed = self.backend.list(PROBE_FOLDER)?;
        listed.retain(|listed| listed.name.as_str().starts_with(&prefix));
        Ok(listed)
    }

    fn capabilities(&self) -> Outcome<Capabilities> {
        // Reading before writing: a storage that remembers that a name was absent shows it then.
        let read_after_write = self.read_after_write()?;
        let range = self.range()?;
        let overwritten = self.second_put()?;
        let mut objections = vec![overwritten];
        for race in 0..RACES {
            objections.push(self.race(race)?);
        }
        let create_once = finding(objections);
        let list_consistent = self.list()?;
        let delete = self.delete()?;
        Ok(Capabilities { create_once, read_after_write, list_consistent, delete, range })
    }

    fn read_after_write(&self) -> Outcome<Finding> {
        let (name, bytes) = (self.name("read"), b"written by a probe of the storage".as_slice());
        let before = match self.backend.get(&name, None) {
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
            Ok(_) => Some("an object that was never put could be read".to_owned()),
        };
        self.backend.put_if_absent(&name, &[&bytes[..7], &bytes[7..]])?;
        let read = match self.backend.get(&name, None) {
            Err(error) if error.kind == ErrorKind::NotFound => {
                Some("a new object could not be read at once".to_owned())
            }
            Err(error) => return Err(error),
            Ok(found) => (found != bytes).then(|| "an object came back with other bytes than were put".to_owned()),
        };
        let length = match self.backend.length(&name) {
            Err(error) if error.kind == ErrorKind::NotFound => Some("a new object had no length at once".to_owned()),
            Err(error) => return Err(error),
            Ok(length) => (length != bytes.len() as u64)
                .then(|| format!("an object of {} bytes was said to have {length}", bytes.len())),
        };
        Ok(finding([before, read, length]))
    }

    fn range(&self) -> Outcome<Finding> {
        let name = self.name("range");
        let bytes: Vec<u8> = (0..RANGED_BYTES).map(|at| ((at * 31) >> 3).to_le_bytes()[0]).collect();
        self.backend.put_if_absent(&name, &[&bytes])?;
        let length = RANGED_BYTES as u64;
        for (start, end) in [(0, 1), (1, 4097), (65_535, 65_537), (length - 1, length), (0, length)] {
            let found = match self.backend.get(&name, Some(start..end)) {
                // A range that does not come, or not whole, is what is looked for here.
                Err(error) if matches!(error.kind, ErrorKind::Range | ErrorKind::NotFound) => Vec::new(),
                found => found?,
            };
            let expected = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            if expected.and_then(|(start, end)| bytes.get(start..end)) != Some(&found) {
                return Ok(Finding::Fails(format!("the bytes {start}..{end} of an object came back wrong")));
            }
        }
        for (start, end) in [(length - 1, length + 1), (length + 5, length + 9)] {
            match self.backend.get(&name, Some(start..end)) {
                Err(error) if error.kind == ErrorKind::Range => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(Finding::Fails("a range beyond the end of an object was no error".to_owned())),
            }
        }
        Ok(Finding::Holds)
    }

    fn second_put(&self) -> Outcome<Option<String>> {
        let name = self.name("second");
        if self.backend.put_if_absent(&name, &[b"first"])? != Put::Created {
            return Ok(Some("a new name was said to exist".to_owned()));
        }
        let again = self.backend.put_if_absent(&name, &[b"second"])?;
        let found = self.backend.get(&name, None)?;
        Ok(match (again, found.as_slice()) {
            (Put::Exists, b"first") => None,
            (_, b"second") => Some("a second put of a name overwrote the first".to_owned()),
            (Put::Created, _) => Some("a second put of a name was said to have created it".to_owned()),
            (Put::Exists, _) => Some("a second put of a name left neither content".to_owned()),
        })
    }

    /// Several threads put one name, each with content of its own.
    fn race(&self, race: usize) -> Outcome<Option<String>> {
        let name = self.name(&format!("race-{race}"));
        let start = Barrier::new(RACERS);
        let racer = |number: usize| {
            let content = format!("racer {number}");
            start.wait();
            let put = self.backend.put_if_absent(&name, &[content.as_bytes()])?;
            Ok((put == Put::Created).then_some(content))
        };
        let outcomes: Vec<Outcome<Option<String>>> = std::thread::scope(|scope| {
            let racer = &racer;
            let threads: Vec<_> = (0..RACERS).map(|number| scope.spawn(move || racer(number))).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let winners: Vec<String> = outcomes.into_iter().collect::<Outcome<Vec<_>>>()?.into_iter().flatten().collect();
        Ok(match winners.as_slice() {
            [winner] if self.backend.get(&name, None)? == winner.as_bytes() => None,
            [_] => Some(
                "of racing puts one was told that it created the object, and another one's content stayed".to_owned(),
            ),
            winners => {
                Some(format!("of {RACERS} racing puts {} were told that they created the object", winners.len()))
            }
        })
    }

    /// Every name of this probe so far has to be there: a list that loses a page loses the end of them.
    fn list(&self) -> Outcome<Finding> {
        let mut lengths = BTreeMap::new();
        for number in 0..4 {
            let name = self.name(&format!("list-{number}"));
            self.backend.put_if_absent(&name, &[&vec![0; number]])?;
            lengths.insert(name, number as u64);
            let listed = self.listed("")?;
            let expected = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if listed.iter().map(|listed| &listed.name).ne(&expected) {
                let what = if listed.len() < expected.len() {
                    "a list did not show an object that had been put before"
                } else {
                    "a list showed names in the wrong order, or ones that were never put"
                };
                return Ok(Finding::Fails(what.to_owned()));
            }
            if listed.iter().any(|listed| lengths.get(&listed.name).is_some_and(|length| *length != listed.length)) {
                return Ok(Finding::Fails("a list showed a wrong length".to_owned()));
            }
        }
        Ok(Finding::Holds)
    }

    fn delete(&self) -> Outcome<Finding> {
        let name = self.name("delete");
        self.backend.put_if_absent(&name, &[b"x"])?;
        if self.backend.delete(&name)? == Delete::Refused {
            return Ok(Finding::Fails("the storage refuses to delete: no right, or it is write-once".to_owned()));
        }
        let read = match self.backend.get(&name, None) {
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
            Ok(_) => Some("a deleted object could still be read".to_owned()),
        };
        let listed = self.listed("delete")?;
        let listed = (!listed.is_empty()).then(|| "a list still showed a deleted object".to_owned());
        Ok(finding([read, listed]))
    }
}
