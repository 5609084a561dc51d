// SPDX-License-Identifier: MIT OR Apache-2.0
//! A JSON text of any size as a tree: its first pass, and what is read again of it.
//!
//! A node is a place in the text. What is small is parsed into memory; of what is not, the children are listed.

use super::index::Index;
use super::parse;
use super::recent::Recent;
use super::scan::{Larger, Scan, Wanted};
use super::tokens::{Tokens, gave_up};
use crate::compare::document::Value;
use crate::compare::document::align::last_of_each_name;
use crate::compare::document::digest::{Digest, Kind, Seed};
use crate::compare::document::identity::Keys;
use crate::compare::document::tree::{Children, Node, Tree};
use crate::compare::{Bytes, Trouble};
use std::borrow::Cow;

/// The largest container that is parsed into memory, where it takes thirty times as much.
const MAX_PARSED_BYTES: u32 = 64 << 10;

/// [`Node::lead`] of the list of all values of a text; no key is so long.
const ALL_DOCUMENTS: u32 = u32::MAX;

/// One of the two texts.
pub(super) struct Side<'a> {
    bytes: Recent<'a>,
    name: &'static str,
    seed: &'a Seed,
    keys: &'a Keys,
    index: Index,
    /// The first value of the text.
    pub(super) first: Node,
    /// All values of the text as a list.
    pub(super) all: Node,
    /// How many they are.
    pub(super) documents: u64,
}

impl<'a> Side<'a> {
    /// Reads the whole text once.
    pub(super) fn read(
        bytes: &'a dyn Bytes,
        name: &'static str,
        seed: &'a Seed,
        keys: &'a Keys,
    ) -> Result<Self, Trouble> {
        let tokens = Tokens::of_text(bytes, name)?;
        let mut scan = Scan::new(tokens, Larger::Remember(Index::default()), seed, keys);
        let (mut list, mut first, mut documents) = (seed.list(), None, 0);
        while scan.tokens.next_document(documents == 0)? {
            let at = scan.tokens.offset();
            let digest = scan.value(0, Wanted::Digest)?;
            list.add(digest);
            documents += 1;
            first.get_or_insert_with(|| node(Digest::default(), digest, at, scan.tokens.offset(), 0));
        }
        let all = node(Digest::default(), list.finish(), 0, bytes.len(), ALL_DOCUMENTS);
        let mut index = match scan.larger {
            Larger::Remember(index) => index,
            Larger::Pass(_) => Index::default(),
        };
        index.finish();
        let bytes = Recent::new(bytes);
        Ok(Self { bytes, name, seed, keys, index, first: first.unwrap_or(all), all, documents })
    }

    fn tokens(&self, of: &Node) -> Tokens<'_> {
        let end = if of.length == u32::MAX { u64::MAX } else { of.at + u64::from(of.length) };
        Tokens::new(&self.bytes, self.name, of.at, end)
    }

    fn scan(&self, of: &Node) -> Result<Scan<'_>, Trouble> {
        let is_all = of.lead == ALL_DOCUMENTS;
        let tokens = if is_all { Tokens::of_text(&self.bytes, self.name)? } else { self.tokens(of) };
        // The container itself is remembered at `of.at`, its children after that.
        let cursor = self.index.from(if is_all { 0 } else { of.at + 1 });
        Ok(Scan::new(tokens, Larger::Pass(cursor), self.seed, self.keys))
    }

    fn list(&self, of: &Node, room: usize) -> Result<Children, Trouble> {
        let mut scan = self.scan(of)?;
        let is_all = of.lead == ALL_DOCUMENTS;
        if !is_all {
            scan.tokens.begin(0)?;
        }
        let mut children = Children::default();
        loop {
            let is_first = children.nodes.is_empty();
            let is_next =
                if is_all { scan.tokens.next_document(is_first) } else { scan.tokens.has_next(is_first, b']') };
            if !is_next? {
                return Ok(children);
            }
            scan.tokens.space()?;
            let at = scan.tokens.offset();
            scan.found = None;
            let wanted = if children.columns.are_open() { Wanted::Identity } else { Wanted::Digest };
            let digest = scan.value(0, wanted)?;
            children.columns.add(scan.found.as_ref());
            self.hold(&mut children, node(Digest::default(), digest, at, scan.tokens.offset(), 0), room)?;
        }
    }

    fn map(&self, of: &Node, room: usize) -> Result<Children, Trouble> {
        let mut scan = self.scan(of)?;
        scan.tokens.begin(0)?;
        let mut children = Children::default();
        while scan.tokens.has_next(children.nodes.is_empty(), b'}')? {
            scan.tokens.space()?;
            let key_at = scan.tokens.offset();
            let name = scan.name()?;
            let at = scan.tokens.offset();
            let digest = scan.value(0, Wanted::Digest)?;
            let lead = u32::try_from(at - key_at).ok().filter(|lead| *lead != ALL_DOCUMENTS);
            let lead = lead.ok_or_else(|| gave_up(self.name, key_at, "the value is too far from its key"))?;
            self.hold(&mut children, node(name, digest, at, scan.tokens.offset(), lead), room)?;
        }
        last_of_each_name(&mut children.nodes);
        Ok(children)
    }

    fn hold(&self, children: &mut Children, node: Node, room: usize) -> Result<(), Trouble> {
        if children.nodes.len() >= room {
            let why = format!("more than {room} values to hold for one container");
            return Err(gave_up(self.name, node.at, why).into());
        }
        children.nodes.push(node);
        Ok(())
    }
}

fn node(name: Digest, digest: Digest, at: u64, end: u64, lead: u32) -> Node {
    let length = u32::try_from(end.saturating_sub(at)).unwrap_or(u32::MAX);
    Node { name, digest, at, length, lead }
}

impl Tree for Side<'_> {
    const IN_MEMORY: bool = false;

    fn children(&self, of: &Node, room: usize) -> Result<Children, Trouble> {
        if of.digest.kind() == Kind::Map { self.map(of, room) } else { self.list(of, room) }
    }

    fn key(&self, of: &Node) -> Result<String, Trouble> {
        let from = of.at.saturating_sub(u64::from(of.lead));
        Ok(Tokens::new(&self.bytes, self.name, from, of.at).key()?.to_string())
    }

    fn value(&self, of: &Node) -> Result<Option<Cow<'_, Value>>, Trouble> {
        if of.digest.is_container() && of.length > MAX_PARSED_BYTES {
            return Ok(None);
        }
        if of.lead == ALL_DOCUMENTS {
            let values = parse::documents(&mut Tokens::of_text(&self.bytes, self.name)?)?;
            return Ok(Some(Cow::Owned(Value::List(values))));
        }
        Ok(Some(Cow::Owned(parse::value(&mut self.tokens(of), 0)?)))
    }
}
