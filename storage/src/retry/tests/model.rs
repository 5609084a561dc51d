// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random calls under random faults give what a map gives: retries hide failures and change no answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, prop_assert, prop_assert_eq, proptest, sample};

use super::{Retry, RetryOptions, broken, name};
use crate::testing::{Fault, FaultyBackend, MemBackend, Moment, Operation, TestClock};
use crate::{Backend, Delete, ErrorKind, Listed, Name, Put};

#[derive(Clone, Debug)]
enum Call {
    Put(usize),
    Get(usize),
    Range(usize, u64, u64),
    Length(usize),
    Delete(usize),
    List,
}

const NAMES: [&str; 3] = ["log/a/0", "log/a/1", "log/b/0"];

fn call() -> impl Strategy<Value = Call> {
    let which = 0..NAMES.len();
    prop_oneof![
        3 => which.clone().prop_map(Call::Put),
        2 => which.clone().prop_map(Call::Get),
        2 => (which.clone(), 0_u64..30, 0_u64..30).prop_map(|(which, a, b)| Call::Range(which, a.min(b), a.max(b))),
        1 => which.clone().prop_map(Call::Length),
        2 => which.prop_map(Call::Delete),
        1 => any::<()>().prop_map(|()| Call::List),
    ]
}

/// Fewer than the retries, so that no call can meet too many of them.
fn faults() -> impl Strategy<Value = Vec<(Operation, u64, Moment)>> {
    let operations = vec![Operation::Put, Operation::Get, Operation::Length, Operation::List, Operation::Delete];
    let moments = vec![Moment::BeforeEffect, Moment::AfterEffect, Moment::CutShort];
    let fault = (sample::select(operations), 1_u64..15, sample::select(moments));
    collection::vec(fault, 0..10).prop_map(|faults| {
        faults
            .into_iter()
            // Only a range of known length shows that it was cut, so whole bodies and lists are not cut here.
            .map(|(operation, nth, moment)| match moment {
                Moment::CutShort => (operation, nth, Moment::BeforeEffect),
                moment => (operation, nth, moment),
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn answers_are_those_of_a_map(calls in collection::vec(call(), 1..40), faults in faults()) {
        let plan: Vec<Fault> = faults.iter().map(|(operation, nth, moment)| broken(*operation, *nth, *moment)).collect();
        let store = Arc::new(MemBackend::new());
        let faulty = Arc::new(FaultyBackend::new(store.clone(), plan));
        let retry = Retry::new(faulty, RetryOptions::default(), TestClock::new().pace());
        let mut model: BTreeMap<Name, Vec<u8>> = BTreeMap::new();
        for (number, call) in calls.iter().enumerate() {
            // Never the same bytes twice, as the contract of the wrapper says.
            let bytes = format!("content of {number:010}").into_bytes();
            match call {
                Call::Put(which) => {
                    let name = name(NAMES[*which]);
                    let expected = if model.contains_key(&name) { Put::Exists } else { Put::Created };
                    prop_assert_eq!(retry.put_if_absent(&name, &[&bytes[..5], &bytes[5..]]).unwrap(), expected);
                    model.entry(name).or_insert(bytes);
                }
                Call::Get(which) => {
                    let name = name(NAMES[*which]);
                    let got = retry.get(&name, None);
                    match model.get(&name) {
                        Some(expected) => prop_assert_eq!(&got.unwrap(), expected),
                        None => prop_assert_eq!(got.unwrap_err().kind, ErrorKind::NotFound),
                    }
                }
                Call::Range(which, start, end) => {
                    let name = name(NAMES[*which]);
                    let got = retry.get(&name, Some(*start..*end));
                    match model.get(&name) {
                        Some(expected) => match expected.get(*start as usize..*end as usize) {
                            Some(slice) => prop_assert_eq!(&got.unwrap(), slice),
                            None => prop_assert_eq!(got.unwrap_err().kind, ErrorKind::Range),
                        },
                        None => prop_assert_eq!(got.unwrap_err().kind, ErrorKind::NotFound),
                    }
                }
                Call::Length(which) => {
                    let name = name(NAMES[*which]);
                    let length = retry.length(&name).ok();
                    prop_assert_eq!(length, model.get(&name).map(|bytes| bytes.len() as u64));
                }
                Call::Delete(which) => {
                    let name = name(NAMES[*which]);
                    let answer = retry.delete(&name).unwrap();
                    match model.remove(&name) {
                        Some(_) => prop_assert_eq!(answer, Delete::Deleted),
                        // After a lost answer nobody can tell.
                        None => prop_assert!(matches!(answer, Delete::Absent | Delete::Deleted)),
                    }
                }
                Call::List => {
                    let listed = |(name, bytes): (&Name, &Vec<u8>)| Listed { name: name.clone(), length: bytes.len() as u64 };
                    prop_assert_eq!(retry.list("log").unwrap(), model.iter().map(listed).collect::<Vec<_>>());
                }
            }
        }
        let image = store.image();
        let left: BTreeMap<Name, Vec<u8>> = image.iter().map(|(name, bytes)| (name.clone(), bytes.to_vec())).collect();
        prop_assert_eq!(left, model);
    }
}
