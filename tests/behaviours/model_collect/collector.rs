// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of a collector in the model, numbered as in `docs/format.md` section 11.2.

use super::state::{
    Collector, CollectorAt, Condemned, FIRST_COLLECTOR, Generation, SECOND_START, START, Session, State,
};
use super::{Copies, IndexRemoval, ReadOrder, Rules, Undeleted};
use crate::support::search::{Set, Take};

/// Every step that the collector with this number can take.
pub fn steps(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    match state.collectors[usize::from(g - FIRST_COLLECTOR)].at {
        CollectorAt::Idle => {
            let next = state.session(g, Session::Open).collector(g, |c| c.at = CollectorAt::Announced);
            take(format_args!("G{g} puts its session record"), next);
        }
        CollectorAt::Announced => choose(rules, g, state, take),
        CollectorAt::Chose | CollectorAt::PutList | CollectorAt::Waits => announce(rules, g, state, take),
        CollectorAt::SessionsEnded | CollectorAt::ReadFirst => look_again(rules, g, state, take),
        CollectorAt::MustCopy | CollectorAt::PutCopy | CollectorAt::PutIndex => copy_out(rules, g, state, take),
        CollectorAt::Collected | CollectorAt::ReadGeneration | CollectorAt::PutGeneration => {
            put_generation(rules, g, state, take);
        }
        CollectorAt::Deletes | CollectorAt::DeletesIndex | CollectorAt::RemovesLists => delete(rules, g, state, take),
        CollectorAt::Done => {}
    }
}

/// Step 1. What is condemned does not depend on what is live: any choice must be safe.
fn choose(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let ended = state.sessions_that(|session| matches!(session, Session::Kept | Session::Void));
    let mut finishes = Set::EMPTY;
    let mut condemned = Condemned::NOTHING;
    for owner in ended.iter().filter(|&owner| owner >= FIRST_COLLECTOR) {
        let list = state.lists[usize::from(owner - FIRST_COLLECTOR)];
        if !list.is_nothing() {
            finishes = finishes | Set::of(owner);
            condemned = condemned.and(list);
        }
    }
    let listed = state.condemned();
    let orphans = state.packs & (ended | Set::of(START) | Set::of(SECOND_START));
    let free = (state.packs & rules.visible(state) | orphans) - listed.packs;
    let snapshots = (state.manifests & state.forgotten) - listed.snapshots;
    if free.is_empty() && snapshots.is_empty() && condemned.is_nothing() {
        let next = state.collector(g, |c| c.at = CollectorAt::Done);
        let open = state.sessions[usize::from(g)] == Session::Open;
        let next = if open { next.session(g, Session::Void) } else { next };
        take(format_args!("G{g} finds nothing to do and ends its session"), next);
        return;
    }
    let mut choose = |packs: Set| {
        let own = Condemned { packs, snapshots };
        if own.is_nothing() && condemned.is_nothing() {
            return;
        }
        let next = state.collector(g, |c| {
            (c.own, c.condemns) = (own, condemned.and(own));
            (c.lists, c.at) = (finishes | Set::of(g), CollectorAt::Chose);
        });
        take(format_args!("G{g} chooses packs {packs} and snapshots {snapshots}, finishes lists of {finishes}"), next);
    };
    choose(free);
    if free.len() > 1 {
        free.iter().for_each(|kept| choose(free - Set::of(kept)));
    }
    if !free.is_empty() {
        choose(Set::EMPTY);
    }
}

/// Steps 2 and 3. Ending a session with VOID is a step that anybody may take: it stands in the model itself.
fn announce(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let collector = state.collectors[usize::from(g - FIRST_COLLECTOR)];
    let open = state.sessions_that(|session| session == Session::Open);
    let writers = open.filter(|session| session < FIRST_COLLECTOR);
    match collector.at {
        CollectorAt::Chose => {
            let own = collector.own;
            let next = state.collector(g, |c| (c.own, c.at) = (Condemned::NOTHING, CollectorAt::PutList));
            let next = next.after(|state| state.lists[usize::from(g - FIRST_COLLECTOR)] = own);
            take(
                format_args!(
                    "G{g} puts its condemn list (none if empty): packs {}, snapshots {}",
                    own.packs, own.snapshots
                ),
                next,
            );
        }
        CollectorAt::PutList => {
            let awaited = if rules.waits_for_collectors { open - Set::of(g) } else { writers };
            let next = state.collector(g, |c| (c.awaited, c.at) = (awaited, CollectorAt::Waits));
            take(format_args!("G{g} lists sessions: {awaited}"), next);
        }
        _ if (collector.awaited & open).is_empty() => {
            let next = state.collector(g, |c| (c.awaited, c.at) = (Set::EMPTY, CollectorAt::SessionsEnded));
            take(format_args!("G{g} sees that the sessions have ended"), next);
        }
        _ => {}
    }
}

/// Step 4: condemn lists, then generation and log.
fn look_again(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let collector = state.collectors[usize::from(g - FIRST_COLLECTOR)];
    let lists = state.condemned().packs;
    let visible = rules.visible(state) & state.packs;
    let order = rules.collector_reads;
    if collector.at == CollectorAt::SessionsEnded {
        let (read, what) = match order {
            ReadOrder::ListsFirst => (lists, "the condemn lists"),
            ReadOrder::IndexFirst => (visible, "generation and log"),
        };
        let next = state.collector(g, |c| (c.read, c.at) = (read, CollectorAt::ReadFirst));
        take(format_args!("G{g} reads {what}: {read}"), next);
        return;
    }
    let elsewhere = match order {
        ReadOrder::ListsFirst => visible - collector.read,
        ReadOrder::IndexFirst => collector.read - lists,
    } - collector.condemns.packs;
    let live = state.snapshots();
    let must_copy = !live.is_empty() && elsewhere.is_empty() && !(state.packs & collector.condemns.packs).is_empty();
    let next = state.collector(g, |c| {
        c.read = Set::EMPTY;
        c.at = if must_copy { CollectorAt::MustCopy } else { CollectorAt::Collected };
        if rules.undeleted != Undeleted::Deleted {
            c.condemns.snapshots = c.condemns.snapshots - live;
        }
    });
    take(format_args!("G{g} looks again: snapshots {live} are visible, X is also in {elsewhere}"), next);
}

/// Step 5: the copy, its index object, the slot.
fn copy_out(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let collector = state.collectors[usize::from(g - FIRST_COLLECTOR)];
    let open = state.sessions[usize::from(g)] == Session::Open;
    match collector.at {
        CollectorAt::MustCopy if (state.packs & collector.condemns.packs).is_empty() => {
            let next = state.collector(g, |c| c.at = CollectorAt::SessionsEnded);
            take(format_args!("G{g} finds its source deleted by another"), next);
        }
        CollectorAt::MustCopy => {
            let next = state.collector(g, |c| c.at = CollectorAt::PutCopy);
            let next = next.after(|state| state.packs = state.packs | Set::of(g));
            take(format_args!("G{g} copies X out to p{g}"), next);
        }
        CollectorAt::PutCopy if rules.copies == Copies::ByGeneration => {
            let next = state.collector(g, |c| {
                (c.next.packs, c.at) = (Set::of(g), CollectorAt::Collected);
            });
            take(format_args!("G{g} keeps its copy for its generation"), next);
        }
        CollectorAt::PutCopy => {
            let next = state.collector(g, |c| c.at = CollectorAt::PutIndex);
            let next = next.after(|state| state.index_objects = state.index_objects | Set::of(g));
            take(format_args!("G{g} puts an index object for p{g}"), next);
        }
        _ if open || rules.copies == Copies::AtOnce => {
            let next = state.collector(g, |c| c.at = CollectorAt::Collected);
            let next = if open { next.session(g, Session::Kept) } else { next };
            take(format_args!("G{g} takes the slot: COLLECT"), next);
        }
        _ => {
            let next = state.collector(g, |c| *c = Collector::at(CollectorAt::Done));
            take(format_args!("G{g} finds its slot taken by VOID and stops"), next);
        }
    }
}

/// Step 6: read the newest generation and the log, write index objects anew, take the next number.
fn put_generation(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let collector = state.collectors[usize::from(g - FIRST_COLLECTOR)];
    let condemned = collector.condemns.packs;
    let (newest, visible) = (state.generation, rules.visible(state));
    // With copies that count by generation, this is where the copy waits for it.
    let copy = if rules.copies == Copies::ByGeneration { state.packs & Set::of(g) } else { Set::EMPTY };
    match collector.at {
        CollectorAt::Collected => {
            let next = state.after(|state| {
                let others = FIRST_COLLECTOR..FIRST_COLLECTOR + state.collectors.len() as u8;
                let rewritten = others.filter(|&other| other != g && state.rewritten(other)).collect();
                // An index object that is written once more is another object.
                state.collectors.iter_mut().for_each(|other| other.leftovers = other.leftovers - Set::of(g));
                let this = &mut state.collectors[usize::from(g - FIRST_COLLECTOR)];
                this.next = Generation {
                    number: newest.number + 1,
                    packs: (visible - condemned) | copy,
                    absorbed: newest.absorbed | rules.counting(state.sessions, state.index_objects),
                };
                (this.rewritten, this.at) = (true, CollectorAt::ReadGeneration);
                this.leftovers = if rules.removal == IndexRemoval::KnownBefore { rewritten } else { Set::EMPTY };
            });
            take(
                format_args!("G{g} reads generation {} and log: {visible}, writes the index anew", newest.number),
                next,
            );
        }
        CollectorAt::ReadGeneration => {
            let mut next_generation = collector.next;
            let number = next_generation.number;
            if !collector.rewritten {
                next_generation.packs = Set::EMPTY;
            }
            let next = state.collector(g, |c| (c.next, c.rewritten) = (Generation::NONE, false));
            if number > newest.number {
                let next = next.collector(g, |c| c.at = CollectorAt::PutGeneration);
                let next = next.after(|state| state.generation = next_generation);
                take(format_args!("G{g} puts generation {number}: {}", next_generation.packs), next);
            } else if number < state.oldest_generation {
                let next = next.collector(g, |c| c.at = CollectorAt::PutGeneration);
                take(format_args!("G{g} puts generation {number}, which was deleted: nobody will read it"), next);
            } else {
                let next = next.collector(g, |c| (c.at, c.leftovers) = (CollectorAt::Collected, Set::EMPTY));
                take(format_args!("G{g} finds generation {number} taken"), next);
            }
        }
        _ => {
            let again = rules.generation_is_read_again && !(visible & condemned).is_empty();
            let at = if again { CollectorAt::Collected } else { CollectorAt::Deletes };
            let next = state.collector(g, |c| c.at = at);
            take(format_args!("G{g} reads generation {} once more: {visible}", newest.number), next);
        }
    }
}

/// Step 7: packs, manifests, index objects and generations, lists; then the session ends, if it has not.
fn delete(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let collector = state.collectors[usize::from(g - FIRST_COLLECTOR)];
    let Condemned { packs, snapshots } = collector.condemns;
    match collector.at {
        CollectorAt::Deletes => {
            if let Some(pack) = (state.packs & packs).first() {
                let next = state.after(|state| state.packs = state.packs - Set::of(pack));
                take(format_args!("G{g} deletes p{pack}"), next);
            } else {
                let next = state.collector(g, |c| c.at = CollectorAt::DeletesIndex);
                let next = next.after(|state| state.manifests = state.manifests - snapshots);
                take(format_args!("G{g} deletes the manifests {snapshots}"), next);
            }
        }
        CollectorAt::DeletesIndex => {
            let next = rules.remove_index(state, g);
            let next = next.collector(g, |c| (c.at, c.leftovers) = (CollectorAt::RemovesLists, Set::EMPTY));
            take(format_args!("G{g} deletes index objects and old generations"), next);
        }
        _ => {
            let next = state.collector(g, |c| *c = Collector::at(CollectorAt::Done)).after(|state| {
                for owner in collector.lists.iter() {
                    let list = &mut state.lists[usize::from(owner - FIRST_COLLECTOR)];
                    let spared = !(list.snapshots - snapshots).is_empty();
                    if !(spared && rules.undeleted == Undeleted::KeptAndListed) {
                        *list = Condemned::NOTHING;
                    }
                }
            });
            let open = state.sessions[usize::from(g)] == Session::Open;
            let next = if open { next.session(g, Session::Void) } else { next };
            take(format_args!("G{g} removes the condemn lists of {} and ends its session", collector.lists), next);
        }
    }
}

impl State {
    /// Whether an index object that this collector has written anew stands there, not yet named by a generation.
    fn rewritten(&self, collector: u8) -> bool {
        self.collectors[usize::from(collector - FIRST_COLLECTOR)].rewritten
    }
}
