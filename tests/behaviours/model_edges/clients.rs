// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of writers and of an undeleter in the model with edges: announce, look at the condemn lists, look at the index,
//! rely on a chunk or store it, as it is or as a delta against a chunk that may be relied on, take the slot.

use super::state::{Client, ClientAt, FIRST_OF_WRITERS, Session, State, UNDELETER};
use super::{Bases, Chunk, Counts, Rules, counting};
use crate::support::search::{Set, Take};

/// Every step that the writer or undeleter with this number can take.
pub fn steps(rules: &Rules, number: u8, state: &State, take: &mut Take<'_, State>) {
    let client = state.clients[usize::from(number)];
    let name = if number < UNDELETER { 'W' } else { 'U' };
    let go = |at| state.client(number, Client::at(at));
    match client.at {
        ClientAt::Idle => {
            let bases = whole(state.copies_in(state.visible - state.condemned()));
            if rules.bases == Bases::LookedUpEarly && bases != client.bases {
                let next = state.client(number, Client { bases, ..client });
                take(format_args!("{name}{number} looks up what it may use as a base: {bases}"), next);
            }
            let next = state.client(number, Client { at: ClientAt::Announced, ..client });
            take(format_args!("{name}{number} puts its session record"), next.session(number, Session::Open));
        }
        ClientAt::Announced => {
            let condemned = state.condemned();
            let next = state.client(number, Client { at: ClientAt::ReadLists, condemned, ..client });
            take(format_args!("{name}{number} reads the condemn lists: {condemned}"), next);
        }
        ClientAt::ReadLists => {
            let copies = state.copies_in(state.visible - client.condemned);
            let nothing_excluded = (state.visible - (state.stored() - client.condemned)).is_empty();
            let known = match rules.known {
                Counts::WholeIfExcluded if !nothing_excluded => Counts::Whole,
                known => known,
            };
            let next = Client {
                at: ClientAt::ReadBoth,
                condemned: Set::EMPTY,
                known: counting(known, copies, copies),
                bases: match rules.bases {
                    Bases::Known => whole(copies),
                    Bases::Condemned => whole(state.copies_in(state.visible)),
                    Bases::LookedUpEarly => client.bases | whole(copies),
                },
                trusts_parent: state.s0_visible && nothing_excluded,
            };
            take(
                format_args!("{name}{number} reads the index: {}, knows chunks {}", state.visible, next.known),
                state.client(number, next),
            );
        }
        ClientAt::ReadBoth if number < UNDELETER => store(rules, number, state, take),
        ClientAt::ReadBoth => {
            let known = client.known.has(Chunk::X.number());
            let at = if known && !state.s0_visible { ClientAt::Ready } else { ClientAt::Done };
            take(format_args!("U{number} looks whether X is there: {known}"), go(at));
        }
        ClientAt::Ready if state.sessions[usize::from(number)] != Session::Open => {
            take(format_args!("{name}{number} finds its slot taken by VOID"), go(ClientAt::Done));
        }
        ClientAt::Ready => {
            let next = go(ClientAt::Done).session(number, Session::Kept).after(|state| {
                if number < UNDELETER {
                    state.visible = state.visible | Set::of(FIRST_OF_WRITERS + number) & state.stored();
                } else {
                    state.s0_visible = true;
                }
            });
            take(format_args!("{name}{number} takes its slot"), next);
        }
        ClientAt::Done => {}
    }
}

fn whole(copies: Set) -> Set {
    counting(Counts::Whole, copies, copies)
}

fn store(rules: &Rules, number: u8, state: &State, take: &mut Take<'_, State>) {
    let Client { known, bases, trusts_parent, .. } = state.clients[usize::from(number)];
    let wanted = rules.wanted[usize::from(number)];
    let ready = state.client(number, Client::at(ClientAt::Ready));
    if wanted == Chunk::X && trusts_parent {
        take(format_args!("W{number} takes X over from S0 without a look"), ready);
    }
    if known.has(wanted.number()) {
        take(format_args!("W{number} relies on chunk {}", wanted.number()), ready);
        return;
    }
    let pack = FIRST_OF_WRITERS + number;
    take(format_args!("W{number} puts p{pack}, plain"), ready.with_pack(pack, Set::of(wanted.plain())));
    if bases.has(wanted.base().number()) {
        take(format_args!("W{number} puts p{pack}, a delta"), ready.with_pack(pack, Set::of(wanted.delta())));
    }
}
