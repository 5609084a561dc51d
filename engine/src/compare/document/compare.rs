// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed between two documents: maps by key, lists by what tells their elements apart, or else by their order.
//!
//! There is no change exactly if the documents are equal, whatever the order of keys and the spelling of numbers.

use super::Value;
use super::align::{ByName, by_name, by_order};
use super::digest::{Kind, Seed};
use super::identity::Keys;
use super::memory::Memory;
use super::render;
use super::tree::{Node, Tree};
use crate::compare::change::shown;
use crate::compare::mask::{is_secret_name, is_value_key};
use crate::compare::{Change, ChangeKind, Each, Mask, Place, Step, Trouble};

/// Children of containers that are held at a time on each side, about 100 bytes each.
pub(crate) const MAX_HELD_CHILDREN: usize = 1 << 22;

/// Tells each change between two values; `at` is where they stand.
///
/// Elements of lists are matched by a key if all on both sides are maps that have it, with a scalar of its own in each; another order of
/// them is one change at the place of the list. All other lists are matched by order: there the place of what is in both contents has the
/// number from the second.
///
/// # Errors
/// The receiver could not take a change.
pub fn compare(before: &Value, after: &Value, at: &Place, mask: &Mask, each: Each) -> Result<(), Trouble> {
    let seed = Seed::new();
    let keys = Keys::new(&seed);
    values(before, after, at, &mut Walk { seed: &seed, keys: &keys, mask, each, room: MAX_HELD_CHILDREN, named: None })
}

fn values(before: &Value, after: &Value, at: &Place, walk: &mut Walk) -> Result<(), Trouble> {
    let before = Memory::new(before, walk.seed, walk.keys);
    let after = Memory::new(after, walk.seed, walk.keys);
    Sides { before: &before, after: &after }.pair(&before.root(), &after.root(), at, walk)
}

/// What a comparison has with it wherever it is.
pub(crate) struct Walk<'a> {
    /// Of all digests.
    pub(crate) seed: &'a Seed,
    /// That tell elements apart.
    pub(crate) keys: &'a Keys,
    /// Hides secrets.
    pub(crate) mask: &'a Mask,
    /// Is told.
    pub(crate) each: Each<'a>,
    /// Children that may still be held on each side.
    pub(crate) room: usize,
    /// The secret that a map around names as its value.
    pub(crate) named: Option<String>,
}

impl Walk<'_> {
    /// Takes from the room; what it was before.
    fn hold(&mut self, children: usize) -> usize {
        let room = self.room;
        self.room = room.saturating_sub(children);
        room
    }
}

/// Two trees of one kind.
pub(crate) struct Sides<'a, T> {
    /// The first.
    pub(crate) before: &'a T,
    /// The second.
    pub(crate) after: &'a T,
}

impl<T: Tree> Sides<'_, T> {
    /// Tells what changed between two values at one place.
    ///
    /// # Errors
    /// A tree can not be read, or the receiver could not take a change.
    pub(crate) fn pair(&self, before: &Node, after: &Node, at: &Place, walk: &mut Walk) -> Result<(), Trouble> {
        if before.digest == after.digest {
            return Ok(());
        }
        if !before.digest.is_container() || !after.digest.is_container() {
            return self.tell(Some(before), Some(after), at, walk);
        }
        if !T::IN_MEMORY
            && let Some(old) = self.before.value(before)?
            && let Some(new) = self.after.value(after)?
        {
            return values(&old, &new, at, walk);
        }
        match (before.digest.kind(), after.digest.kind()) {
            (Kind::Map, Kind::Map) => self.maps(before, after, at, walk),
            (Kind::Map, _) | (_, Kind::Map) => self.tell(Some(before), Some(after), at, walk),
            _ => self.lists(before, after, at, walk),
        }
    }

    fn maps(&self, before: &Node, after: &Node, at: &Place, walk: &mut Walk) -> Result<(), Trouble> {
        let old = self.before.children(before, walk.room)?.nodes;
        let new = self.after.children(after, walk.room)?.nodes;
        let room = walk.hold(old.len().max(new.len()));
        let named = match walk.keys.named_secret(self.before, &old)? {
            None => walk.keys.named_secret(self.after, &new)?,
            named => named,
        };
        for pair in by_name(&old, &new).pairs {
            let (old, new) = (pair.before.map(|number| &old[number]), pair.after.map(|number| &new[number]));
            let key = self.of_either(old, new, |node| self.before.key(node), |node| self.after.key(node))?;
            let is_value = is_value_key(&key);
            let outer = walk.named.clone();
            walk.named = outer.clone().or_else(|| named.clone().filter(|_| is_value));
            self.one(old, new, &at.with(Step::Key(key)), walk)?;
            walk.named = outer;
        }
        walk.room = room;
        Ok(())
    }

    fn lists(&self, before: &Node, after: &Node, at: &Place, walk: &mut Walk) -> Result<(), Trouble> {
        let mut old = self.before.children(before, walk.room)?;
        let mut new = self.after.children(after, walk.room)?;
        let room = walk.hold(old.nodes.len().max(new.nodes.len()));
        if let Some(which) = old.columns.shared(&new.columns) {
            old.columns.name(which, &mut old.nodes);
            new.columns.name(which, &mut new.nodes);
            drop((old.columns, new.columns));
            self.items(which, &old.nodes, &new.nodes, at, walk)?;
        } else {
            for pair in by_order(&old.nodes, &new.nodes) {
                let index = pair.after.or(pair.before).unwrap_or_default() as u64;
                let (old, new) = (pair.before.map(|i| &old.nodes[i]), pair.after.map(|i| &new.nodes[i]));
                self.one(old, new, &at.with(Step::Index(index)), walk)?;
            }
        }
        walk.room = room;
        Ok(())
    }

    fn items(&self, which: usize, old: &[Node], new: &[Node], at: &Place, walk: &mut Walk) -> Result<(), Trouble> {
        let ByName { pairs, is_reordered } = by_name(old, new);
        if is_reordered {
            let order = Some("order".to_string());
            let (place, kind) = (at.clone(), ChangeKind::Changed);
            (walk.each)(Change::new(place.shown(walk.mask), kind, order.clone(), order))?;
        }
        for pair in pairs {
            let (old, new) = (pair.before.map(|number| &old[number]), pair.after.map(|number| &new[number]));
            let (keys, room) = (walk.keys, walk.room);
            let before = |node: &Node| keys.text(which, self.before, node, room);
            let (key, text) = self.of_either(old, new, before, |node| keys.text(which, self.after, node, room))?;
            let around = walk.named.as_deref().unwrap_or(at.key());
            let value = shown(&walk.mask.value(if is_secret_name(around) { around } else { key }, &text));
            self.one(old, new, &at.with(Step::Item { key: key.to_string(), value }), walk)?;
        }
        Ok(())
    }

    /// What is the same for both, from the one that is there.
    fn of_either<R: Default>(
        &self,
        before: Option<&Node>,
        after: Option<&Node>,
        of_before: impl Fn(&Node) -> Result<R, Trouble>,
        of_after: impl Fn(&Node) -> Result<R, Trouble>,
    ) -> Result<R, Trouble> {
        match (before, after) {
            (Some(node), _) => of_before(node),
            (None, Some(node)) => of_after(node),
            (None, None) => Ok(R::default()),
        }
    }

    fn one(&self, old: Option<&Node>, new: Option<&Node>, at: &Place, walk: &mut Walk) -> Result<(), Trouble> {
        match (old, new) {
            (Some(old), Some(new)) => self.pair(old, new, at, walk),
            _ => self.tell(old, new, at, walk),
        }
    }

    fn tell(&self, old: Option<&Node>, new: Option<&Node>, at: &Place, walk: &mut Walk) -> Result<(), Trouble> {
        let terms = render::Terms { keys: walk.keys, mask: walk.mask };
        let (name, room) = (walk.named.as_deref().unwrap_or(at.key()), walk.room);
        let before = old.map(|node| render::node(self.before, node, name, terms, room)).transpose()?;
        let after = new.map(|node| render::node(self.after, node, name, terms, room)).transpose()?;
        let kind = match (&before, &after) {
            (Some(_), None) => ChangeKind::Removed,
            (None, _) => ChangeKind::Added,
            _ => ChangeKind::Changed,
        };
        (walk.each)(Change::new(at.shown(walk.mask), kind, before, after))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
