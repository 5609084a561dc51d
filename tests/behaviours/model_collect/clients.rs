// SPDX-License-Identifier: MIT OR Apache-2.0
//! The steps of writers and of undeleters in the model of collectors (`docs/format.md` section 11.1): announce, look at the
//! condemn lists, look at generation and log, store, take the slot.

use super::state::{Client, ClientAt, FIRST_UNDELETER, S0, Session, State};
use super::{ReadOrder, Rules};
use crate::support::search::{Set, Take};

/// Every step that the writer or undeleter with this number can take.
pub fn steps(rules: &Rules, number: u8, state: &State, take: &mut Take<'_, State>) {
    let Client { at, read, s0_condemned } = state.clients[usize::from(number)];
    let name = if number < FIRST_UNDELETER { 'W' } else { 'U' };
    let go = |at| state.client(number, |client| *client = Client { at, read: Set::EMPTY, s0_condemned: false });
    let reads = |read, s0_condemned| {
        state.client(number, |client| *client = Client { at: ClientAt::ReadFirst, read, s0_condemned })
    };
    let lists = state.condemned();
    let visible = rules.visible(state);
    match at {
        ClientAt::Idle => {
            let next = go(ClientAt::Announced).session(number, Session::Open);
            take(format_args!("{name}{number} puts its session record"), next);
        }
        ClientAt::Announced if rules.client_reads == ReadOrder::ListsFirst => {
            let next = reads(lists.packs, lists.snapshots.has(S0));
            take(format_args!("{name}{number} reads the condemn lists: {}", lists.packs), next);
        }
        ClientAt::Announced => {
            take(format_args!("{name}{number} reads generation and log: {visible}"), reads(visible, false));
        }
        ClientAt::ReadFirst => {
            let (known, s0_condemned, what) = match rules.client_reads {
                ReadOrder::ListsFirst => (visible - read, s0_condemned, "generation and log"),
                ReadOrder::IndexFirst => (read - lists.packs, lists.snapshots.has(S0), "the condemn lists"),
            };
            let hopeless = known.is_empty() || s0_condemned || state.snapshots().has(S0) || !state.manifests.has(S0);
            let next = match (number < FIRST_UNDELETER, hopeless) {
                (true, _) if known.is_empty() => ClientAt::MustPut,
                (false, true) => ClientAt::Done,
                _ => ClientAt::Ready,
            };
            take(format_args!("{name}{number} reads {what}, may rely on {known}"), go(next));
        }
        ClientAt::MustPut => {
            let next = go(ClientAt::PutPack).after(|state| state.packs = state.packs | Set::of(number));
            take(format_args!("{name}{number} puts p{number}"), next);
        }
        ClientAt::PutPack => {
            let next = go(ClientAt::Ready).after(|state| state.index_objects = state.index_objects | Set::of(number));
            take(format_args!("{name}{number} puts an index object for p{number}"), next);
        }
        ClientAt::Ready if state.sessions[usize::from(number)] != Session::Open => {
            take(format_args!("{name}{number} finds its slot taken by VOID"), go(ClientAt::Done));
        }
        ClientAt::Ready => {
            let next = go(ClientAt::Done).session(number, Session::Kept);
            if number < FIRST_UNDELETER {
                let next = next.after(|state| state.manifests = state.manifests | Set::of(number));
                take(format_args!("W{number} takes the slot: COMMIT"), next);
            } else {
                let next = next.after(|state| state.forgotten = state.forgotten - Set::of(S0));
                take(format_args!("U{number} takes the slot: UNDELETE of S0"), next);
            }
        }
        ClientAt::Done => {}
    }
}
