// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of a collector in the model with edges, numbered as in `docs/format.md` section 11.2.

use super::state::{Chunk, Collector, CollectorAt, FIRST_OF_COLLECTORS, FIRST_OF_WRITERS, Session, State};
use super::{BasesElsewhere, Counts, Follows, Gone, Moves, Rules, counting};
use crate::support::search::{Set, Take};

/// Every step that the collector with this number can take.
pub fn steps(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let collector = state.collectors[usize::from(g)];
    let open = state.sessions_that_are(Session::Open);
    match collector.at {
        CollectorAt::Idle => choose(rules, g, state, take),
        CollectorAt::Chose => {
            let own = collector.condemns - state.lists[2];
            let next = state.collector(g, |c| c.at = CollectorAt::PutList);
            let next = next.after(|state| state.lists[usize::from(g)] = own);
            take(format_args!("G{g} puts its condemn list: {own}"), next);
        }
        CollectorAt::PutList => {
            let next = state.collector(g, |c| (c.awaited, c.at) = (open, CollectorAt::Waits));
            take(format_args!("G{g} lists sessions: {open}"), next);
        }
        CollectorAt::Waits if (collector.awaited & open).is_empty() => {
            let next = state.collector(g, |c| (c.awaited, c.at) = (Set::EMPTY, CollectorAt::SessionsEnded));
            take(format_args!("G{g} sees that the sessions have ended"), next);
        }
        CollectorAt::Waits => {}
        CollectorAt::SessionsEnded => {
            let read = state.condemned();
            let next = state.collector(g, |c| (c.read, c.at) = (read, CollectorAt::ReadLists));
            take(format_args!("G{g} reads the condemn lists: {read}"), next);
        }
        CollectorAt::ReadLists => {
            let (named, generation) = (state.visible, state.generation);
            let next =
                state.collector(g, |c| (c.named, c.generation, c.at) = (named, generation, CollectorAt::ReadIndex));
            take(format_args!("G{g} reads the index: {named}"), next);
        }
        CollectorAt::ReadIndex => look_again(rules, g, state, take),
        CollectorAt::MustCopy | CollectorAt::PutCopy => copy_out(g, state, take),
        CollectorAt::Collected | CollectorAt::Deletes => delete(g, state, take),
        CollectorAt::Done => {}
    }
}

/// Step 1. Any choice must be safe, so it does not depend on what is live, but where only this look follows edges.
fn choose(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let ended = state.sessions_that_are(Session::Kept) | state.sessions_that_are(Session::Void);
    let spared =
        |pack: u8| (FIRST_OF_WRITERS..FIRST_OF_COLLECTORS).contains(&pack) && !ended.has(pack - FIRST_OF_WRITERS);
    let copies_of_the_living = |pack| pack >= FIRST_OF_COLLECTORS && !state.visible.has(pack);
    let listed = state.condemned();
    let free = (state.stored() - listed).filter(|pack| !spared(pack) && !copies_of_the_living(pack));
    for packs in subsets(free) {
        let condemns = packs | state.lists[2];
        if condemns.is_empty() {
            continue;
        }
        let left = state.copies_in((state.visible & state.stored()) - condemns);
        let live = closure(rules.needed(state), state.copies_in(state.visible & state.stored()));
        if rules.follows == Follows::FirstLook && !(live - counting(Counts::Whole, left, left)).is_empty() {
            continue;
        }
        let next = state.collector(g, |c| (c.condemns, c.at) = (condemns, CollectorAt::Chose));
        take(format_args!("G{g} chooses {packs}, and finishes the list {}", state.lists[2]), next);
    }
}

fn subsets(of: Set) -> impl Iterator<Item = Set> {
    (0..1_u8 << of.len()).map(move |mask| {
        of.iter().enumerate().filter(|&(place, _)| mask & (1 << place) != 0).map(|(_, member)| member).collect()
    })
}

/// Chunks that are live: `needed`, and bases of each whole copy of a live chunk.
fn closure(needed: Set, copies: Set) -> Set {
    let whole = counting(Counts::Whole, copies, copies);
    let bases = |live: Set| {
        let is_whole = move |chunk: &Chunk| copies.has(chunk.delta()) && whole.has(chunk.base().number());
        let deltas = Chunk::BOTH.into_iter().filter(move |chunk| live.has(chunk.number()) && is_whole(chunk));
        deltas.map(|chunk| chunk.base().number()).collect::<Set>()
    };
    let once = needed | bases(needed);
    once | bases(once)
}

/// Steps 4 and 5: the packs are listed, then what is live, what has no other place, what has to be moved.
fn look_again(rules: &Rules, g: u8, state: &State, take: &mut Take<'_, State>) {
    let Collector { condemns, read, named, generation, .. } = state.collectors[usize::from(g)];
    let seen = named & state.stored();
    if rules.gone == Gone::LooksAgain && seen != named && generation != state.generation {
        let next = state.collector(g, |c| *c = Collector { condemns, ..Collector::at(CollectorAt::SessionsEnded) });
        take(format_args!("G{g} misses {}, and there is a newer generation", named - seen), next);
        return;
    }
    let here = state.copies_in(state.stored() & condemns);
    let there = state.copies_in(seen - read - condemns);
    let bases = if rules.bases_elsewhere == BasesElsewhere::Visible { state.copies_in(seen) } else { there };
    let needed = rules.needed(state);
    let live = if rules.follows == Follows::SecondLook { closure(needed, state.copies_in(seen)) } else { needed };
    let missing = live - counting(rules.elsewhere, there, bases);
    let go = |moves: Set| {
        let at = if moves.is_empty() { CollectorAt::Collected } else { CollectorAt::MustCopy };
        state.collector(g, |c| *c = Collector { condemns, moves, ..Collector::at(at) })
    };
    let whole = counting(Counts::Whole, there | here, there | here);
    let mut choices = vec![Set::EMPTY];
    for chunk in Chunk::BOTH.into_iter().filter(|chunk| missing.has(chunk.number())) {
        let copies = here & chunk.copies();
        let options: Vec<u8> = match rules.moves {
            Moves::PlainFirst => copies.first().into_iter().collect(),
            Moves::AnyOne => copies.iter().collect(),
            Moves::AnyWhole => {
                let base = whole.has(chunk.base().number());
                copies.iter().filter(|&copy| base || copy == chunk.plain()).collect()
            }
        };
        if !options.is_empty() {
            choices =
                choices.iter().flat_map(|&moved| options.iter().map(move |&copy| moved | Set::of(copy))).collect();
        }
    }
    for moves in choices {
        take(format_args!("G{g} looks again: live {live}, has to move {moves}"), go(moves));
    }
}

/// Step 5. Copies are visible when the slot COLLECT is there.
fn copy_out(g: u8, state: &State, take: &mut Take<'_, State>) {
    let Collector { at, condemns, moves, .. } = state.collectors[usize::from(g)];
    let pack = FIRST_OF_COLLECTORS + g;
    if at == CollectorAt::PutCopy {
        let next = state.collector(g, |c| c.at = CollectorAt::Collected);
        let next = next.after(|state| state.visible = state.visible | Set::of(pack));
        take(format_args!("G{g} takes the slot: COLLECT"), next);
    } else if (moves - state.copies_in(state.stored() & condemns)).is_empty() {
        let next = state.collector(g, |c| (c.moves, c.at) = (Set::EMPTY, CollectorAt::PutCopy));
        take(format_args!("G{g} moves {moves} to p{pack}"), next.with_pack(pack, moves));
        // A delta may be written anew as it is when it is opened.
        let opened: Set = Chunk::BOTH.into_iter().filter(|chunk| moves.has(chunk.delta())).map(Chunk::plain).collect();
        if !opened.is_empty() {
            let moves = moves.filter(|copy| !Chunk::BOTH.iter().any(|chunk| chunk.delta() == copy)) | opened;
            take(format_args!("G{g} writes {moves} to p{pack}"), next.with_pack(pack, moves));
        }
    } else {
        let next = state.collector(g, |c| (c.moves, c.at) = (Set::EMPTY, CollectorAt::SessionsEnded));
        take(format_args!("G{g} finds its source deleted by another"), next);
    }
}

/// Steps 6 and 7: the index without the condemned packs, the packs one by one, the list.
fn delete(g: u8, state: &State, take: &mut Take<'_, State>) {
    let Collector { at, condemns, .. } = state.collectors[usize::from(g)];
    if at == CollectorAt::Collected {
        let next = state.collector(g, |c| c.at = CollectorAt::Deletes);
        let next = next.after(|state| {
            state.visible = state.visible - condemns;
            state.generation += 1;
        });
        take(format_args!("G{g} puts a generation without {condemns}"), next);
    } else if let Some(pack) = (state.stored() & condemns).first() {
        take(format_args!("G{g} deletes p{pack}"), state.with_pack(pack, Set::EMPTY));
    } else {
        let next = state.collector(g, |c| *c = Collector::at(CollectorAt::Done)).after(|state| {
            state.lists[usize::from(g)] = Set::EMPTY;
            if !(condemns & state.lists[2]).is_empty() {
                state.lists[2] = Set::EMPTY;
            }
        });
        take(format_args!("G{g} removes its condemn list"), next);
    }
}
