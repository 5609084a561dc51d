// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random histories: all backends answer alike, and a crash of the simulated one leaves what a naive model allows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::local::LocalBackend;

/// Few names, so that histories return to them, with neighbours in sorting and in folders.
const NAMES: [&str; 6] = ["a", "b/c", "b/d/e", "b-c", "b.c/d", "z"];

#[derive(Clone, Debug)]
enum Step {
    Put(usize, Vec<u8>),
    Get(usize, Option<(u64, u64)>),
    Delete(usize),
    List(&'static str),
    Barrier,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..4);
    let range = proptest::option::of((0..5_u64, 0..5_u64));
    let step = prop_oneof![
        4 => (0..NAMES.len(), bytes).prop_map(|(name, bytes)| Step::Put(name, bytes)),
        3 => (0..NAMES.len(), range).prop_map(|(name, range)| Step::Get(name, range)),
        2 => (0..NAMES.len()).prop_map(Step::Delete),
        1 => prop_oneof![Just(""), Just("b"), Just("b/d"), Just("z"), Just("absent")].prop_map(Step::List),
        1 => Just(Step::Barrier),
    ];
    proptest::collection::vec(step, 0..40)
}

/// The answer as text, without what differs between backends.
fn answer(backend: &dyn Backend, step: &Step) -> String {
    let kind = |error: crate::StorageError| error.kind;
    match step {
        Step::Put(at, bytes) => {
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            format!("{:?}", backend.put_if_absent(&name(NAMES[*at]), &[head, tail]).map_err(kind))
        }
        Step::Get(at, range) => {
            let name = name(NAMES[*at]);
            let length = backend.length(&name).map_err(kind);
            format!("{length:?} {:?}", backend.get(&name, range.map(|(start, end)| start..end)).map_err(kind))
        }
        Step::Delete(at) => format!("{:?}", backend.delete(&name(NAMES[*at])).map_err(kind)),
        Step::List(folder) => format!("{:?}", backend.list(folder).map_err(kind)),
        Step::Barrier => format!("{:?}", backend.barrier().map_err(kind)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_backends_answer_alike(steps in steps()) {
        let folder = tempfile::TempDir::new().unwrap();
        let local = LocalBackend::create(folder.path()).unwrap();
        let (mem, sim) = (MemBackend::new(), SimBackend::new());
        for step in &steps {
            let expected = answer(&mem, step);
            prop_assert_eq!(&answer(&local, step), &expected, "local, {:?}", step);
            prop_assert_eq!(&answer(&sim, step), &expected, "simulated, {:?}", step);
        }
        prop_assert_eq!(mem.image(), sim.image());
    }

    #[test]
    fn a_crash_leaves_each_object_in_a_state_since_the_last_barrier(steps in steps(), seed: u64) {
        let sim = SimBackend::new();
        let mut possible: BTreeMap<&str, Vec<Option<Vec<u8>>>> = NAMES.iter().map(|name| (*name, vec![None])).collect();
        for step in &steps {
            answer(&sim, step);
            let now = sim.image();
            for (text, states) in &mut possible {
                let state = now.get(&name(text)).map(|bytes| bytes.to_vec());
                if matches!(step, Step::Barrier) {
                    states.clear();
                }
                states.push(state);
            }
        }
        let images = sim.crash_images(seed);
        prop_assert_eq!(images.last(), Some(&sim.image()));
        for image in &images {
            for (text, states) in &possible {
                let left = image.get(&name(text)).map(|bytes| bytes.to_vec());
                prop_assert!(states.contains(&left), "{} is {:?}, not one of {:?}", text, left, states);
            }
        }
        // The first loses whatever it may.
        for (text, states) in &possible {
            prop_assert_eq!(&images[0].get(&name(text)).map(|bytes| bytes.to_vec()), &states[0]);
        }
    }
}
