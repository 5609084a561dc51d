// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exhaustive search through a small model of a protocol: every order in which several processes can take their steps,
//! breadth first, so that the first broken promise comes with a shortest story. For the `model_*` behaviours.
//! It must not know what is modelled. A process that dies is one that takes no further step, so all crashes are covered.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::{BitAnd, BitOr, Sub};

/// What a search takes: a step as a sentence, which is written out only for a trace, and the state that it leads to.
pub type Take<'a, S> = dyn FnMut(fmt::Arguments<'_>, S) + 'a;

/// A protocol: a start, steps, and what must be true of every state that can be reached.
pub trait Model {
    /// Everything that is true at one instant: small, because millions are kept at once.
    type State: Copy + Eq + Hash;

    /// The state in which everything begins.
    fn start(&self) -> Self::State;

    /// Hands every step that some process can take now to `take`, always in the same order.
    fn steps(&self, state: &Self::State, take: &mut Take<'_, Self::State>);

    /// The promise that `state` breaks.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;

    /// The promise that is broken when no step leads on from `state`; `None` if it is a good end.
    fn stuck(&self, _state: &Self::State) -> Option<&'static str> {
        None
    }
}

/// How a search ended.
pub struct Outcome {
    /// States that were seen, the start included. After a broken promise: those seen until then.
    pub states: usize,
    /// The first promise found broken, and the shortest way there.
    pub broken: Option<(&'static str, Vec<String>)>,
}

impl Outcome {
    /// Panics with the whole story if a promise was broken, or if not exactly `states` states were seen.
    #[track_caller]
    pub fn holds_in(&self, states: usize) {
        if let Some((promise, trace)) = &self.broken {
            panic!("{promise}, after {} states and these steps:\n  {}", self.states, trace.join("\n  "));
        }
        assert_eq!(self.states, states, "the model has another number of states");
    }

    /// Panics unless `promise` was broken, by a shortest story of `steps` steps, when `states` states had been seen.
    #[track_caller]
    pub fn breaks_in(&self, promise: &str, steps: usize, states: usize) {
        let (found, trace) = self.broken.as_ref().expect("the weakened rules hold: the model does not see the mistake");
        let found = (*found, trace.len(), self.states);
        assert_eq!(found, (promise, steps, states), "another story:\n  {}", trace.join("\n  "));
    }
}

/// Visits every state of `model` until a promise is broken.
///
/// # Panics
/// With more than `limit` states, so that a model that grows by mistake does not take the memory of the machine.
pub fn search<M: Model>(model: &M, limit: usize) -> Outcome {
    let start = model.start();
    let mut numbers: HashMap<M::State, u32, BuildHasherDefault<Mix>> = HashMap::default();
    // The state that each state was first reached from, by number; the start comes from itself.
    let mut parents = vec![0_u32];
    let mut queue = VecDeque::from([(0_u32, start)]);
    numbers.insert(start, 0);
    while let Some((number, state)) = queue.pop_front() {
        let mut broken = model.broken(&state);
        if broken.is_none() {
            let mut steps = 0;
            model.steps(&state, &mut |_, next| {
                steps += 1;
                if let Entry::Vacant(entry) = numbers.entry(next) {
                    let next_number = u32::try_from(parents.len()).expect("fewer than 2^32 states fit into memory");
                    entry.insert(next_number);
                    parents.push(number);
                    queue.push_back((next_number, next));
                }
            });
            if steps == 0 {
                broken = model.stuck(&state);
            }
        }
        if let Some(promise) = broken {
            let trace = retell(model, &parents, &numbers, number);
            return Outcome { states: parents.len(), broken: Some((promise, trace)) };
        }
        assert!(parents.len() <= limit, "more than {limit} states");
    }
    Outcome { states: parents.len(), broken: None }
}

/// The steps from the start to the state with number `end`. Steps are not kept while searching: they are taken once more.
fn retell<M: Model, H: std::hash::BuildHasher>(
    model: &M,
    parents: &[u32],
    numbers: &HashMap<M::State, u32, H>,
    end: u32,
) -> Vec<String> {
    let mut path = vec![end];
    while let Some(&number) = path.last().filter(|&&number| number != 0) {
        path.push(parents[number as usize]);
    }
    let mut state = model.start();
    let mut trace = Vec::new();
    for wanted in path.iter().rev().skip(1) {
        let mut taken = None;
        model.steps(&state, &mut |step, next| {
            if taken.is_none() && numbers.get(&next) == Some(wanted) {
                taken = Some((step.to_string(), next));
            }
        });
        let (step, next) = taken.expect("a state is reached from its parent");
        trace.push(step);
        state = next;
    }
    trace
}

/// A hasher for states: a multiplication for each number. Nobody attacks it, and the default one takes most of the time.
#[derive(Default)]
pub struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        // The fraction of the golden ratio, odd: neighbouring numbers end far apart. Folding feeds the high half back.
        let product = u128::from(self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.add(u64::from(number) + 1);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64 + 1);
    }

    fn write_isize(&mut self, number: isize) {
        self.add(number as u64 + 1);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A set of numbers below 8: packs, sessions or processes of a model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Set(u8);

impl Set {
    pub const EMPTY: Self = Self(0);

    pub const fn of(member: u8) -> Self {
        Self(1 << member)
    }

    pub const fn of_both(first: u8, second: u8) -> Self {
        Self(1 << first | 1 << second)
    }

    pub fn has(self, member: u8) -> bool {
        self.0 & (1 << member) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub fn first(self) -> Option<u8> {
        self.iter().next()
    }

    /// Ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..8).filter(move |&member| self.has(member))
    }

    /// The members for which `keep` is true.
    pub fn filter(self, keep: impl Fn(u8) -> bool) -> Self {
        self.iter().filter(|&member| keep(member)).collect()
    }
}

impl FromIterator<u8> for Set {
    fn from_iter<I: IntoIterator<Item = u8>>(members: I) -> Self {
        members.into_iter().fold(Self::EMPTY, |set, member| set | Self::of(member))
    }
}

impl BitOr for Set {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Set {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// What is in the first set and not in the second.
impl Sub for Set {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Model, Set, Take, search};

    /// Two processes that count to 3 without a lock: each reads, then writes what it read plus one.
    struct Counters {
        lock: bool,
    }

    impl Model for Counters {
        /// The number, and per process the number it read plus one (0: it has not read) and whether it is done.
        type State = (u8, [(u8, bool); 2]);

        fn start(&self) -> Self::State {
            (0, [(0, false); 2])
        }

        fn steps(&self, &(number, processes): &Self::State, take: &mut Take<'_, Self::State>) {
            for (index, (read, done)) in processes.into_iter().enumerate() {
                let mut after = processes;
                if done || (self.lock && processes[1 - index].0 != 0 && !processes[1 - index].1) {
                    continue;
                }
                if read == 0 {
                    after[index].0 = number + 1;
                    take(format_args!("{index} reads {number}"), (number, after));
                } else {
                    after[index].1 = true;
                    take(format_args!("{index} writes {read}"), (read, after));
                }
            }
        }

        fn broken(&self, &(number, processes): &Self::State) -> Option<&'static str> {
            (processes.iter().all(|process| process.1) && number != 2).then_some("a count was lost")
        }
    }

    #[test]
    fn a_search_finds_the_shortest_way_to_a_broken_promise() {
        let outcome = search(&Counters { lock: false }, 100);
        let (promise, trace) = outcome.broken.expect("reading and writing in turns loses a count");
        assert_eq!(promise, "a count was lost");
        assert_eq!(trace, ["0 reads 0", "1 reads 0", "0 writes 1", "1 writes 1"]);
    }

    #[test]
    fn a_search_visits_every_state_once_when_promises_hold() {
        search(&Counters { lock: true }, 100).holds_in(9);
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Set = [1, 5].into_iter().collect();
        assert_eq!(set.to_string(), "{1, 5}");
        assert_eq!((set - Set::of(5)).iter().collect::<Vec<_>>(), [1]);
        assert_eq!((set & Set::of(5)).first(), Some(5));
        assert_eq!(set.filter(|member| member > 1).len(), 1);
    }
}
