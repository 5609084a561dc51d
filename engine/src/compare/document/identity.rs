// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tells the elements of a list apart: a key such as `id`, whose value is another in each.
//!
//! With one, an element that moved or has a new neighbour is still compared with itself.

use super::Value;
use super::digest::{Digest, Kind, Seed};
use super::tree::{Node, Tree};
use crate::compare::Trouble;
use crate::compare::mask::{is_name_key, is_secret_name, name_keys};

/// Keys whose values tell elements apart, the most telling first. The last one is nested.
const NAMES: [&str; COUNT] =
    ["id", "uuid", "guid", "name", "key", "fq_name", "host", "hostname", "path", "address", "metadata.name"];
const COUNT: usize = 11;
const NAME: usize = 3;
/// A list of texts (Contrail, Tungsten Fabric).
const FQ_NAME: usize = 5;
/// A map with a `name` (Kubernetes).
const NESTED: usize = 10;

/// The digests of the values of an element under each of the keys, if they can tell it apart.
pub(crate) type Found = [Option<Digest>; COUNT];

/// The keys, as digests.
pub(crate) struct Keys {
    names: [Digest; COUNT],
    metadata: Digest,
    /// Of keys under which a map says what it is about.
    about: Vec<Digest>,
}

impl Keys {
    /// Under the keys of one comparison.
    pub(crate) fn new(seed: &Seed) -> Self {
        let about = name_keys().map(|key| seed.text(&key)).collect();
        Self { names: NAMES.map(|name| seed.text(name)), metadata: seed.text("metadata"), about }
    }

    /// The key of the map that has a name in it.
    pub(crate) fn metadata(&self) -> Digest {
        self.metadata
    }

    /// The name in a map under [`Keys::metadata`]; entries in order of their names.
    pub(crate) fn nested(&self, entries: &[(Digest, Digest)]) -> Option<Digest> {
        value(entries, self.names[NAME]).filter(|digest| !digest.is_container())
    }

    /// What can tell a map apart; entries in order of their names, and the name in its metadata.
    pub(crate) fn found(&self, entries: &[(Digest, Digest)], nested: Option<Digest>) -> Found {
        let mut found = [None; COUNT];
        for (number, slot) in found.iter_mut().enumerate().take(NESTED) {
            let is_fit =
                |digest: &Digest| !digest.is_container() || (number == FQ_NAME && digest.kind() == Kind::Scalars);
            *slot = value(entries, self.names[number]).filter(is_fit);
        }
        found[NESTED] = nested;
        found
    }

    /// The name of a secret that a map with these entries says it is the value of.
    ///
    /// # Errors
    /// The map can not be read.
    pub(crate) fn named_secret<T: Tree>(&self, tree: &T, entries: &[Node]) -> Result<Option<String>, Trouble> {
        // To read a key costs most where the map is too large to be in memory.
        let is_about = |node: &Node| -> Result<bool, Trouble> {
            Ok(if T::IN_MEMORY { is_name_key(&tree.key(node)?) } else { self.about.contains(&node.name) })
        };
        for node in entries {
            if node.digest.kind() == Kind::Text
                && is_about(node)?
                && let Some(value) = tree.value(node)?
                && let Value::Text(name) = &*value
                && is_secret_name(name)
            {
                return Ok(Some(name.clone()));
            }
        }
        Ok(None)
    }

    /// The name of a key, and its value in an element, as text.
    ///
    /// # Errors
    /// The element can not be read, or is no longer what it was.
    pub(crate) fn text<T: Tree>(
        &self,
        which: usize,
        tree: &T,
        element: &Node,
        room: usize,
    ) -> Result<(&'static str, String), Trouble> {
        let under = |map: &Node, name: Digest| -> Result<Option<Node>, Trouble> {
            Ok(tree.children(map, room)?.nodes.into_iter().find(|node| node.name == name))
        };
        let node = if which == NESTED {
            under(element, self.metadata)?.map_or(Ok(None), |metadata| under(&metadata, self.names[NAME]))?
        } else {
            under(element, self.names[which])?
        };
        let value = node.map_or(Ok(None), |node| tree.value(&node))?;
        Ok((NAMES[which], value.map(|value| joined(&value)).unwrap_or_default()))
    }
}

fn value(entries: &[(Digest, Digest)], name: Digest) -> Option<Digest> {
    let at = entries.binary_search_by_key(&name, |entry| entry.0).ok()?;
    Some(entries[at].1)
}

fn joined(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Number(text) | Value::Text(text) => text.clone(),
        Value::List(values) => values.iter().map(joined).collect::<Vec<_>>().join(":"),
        Value::Map(_) => String::new(),
    }
}

/// For each key that all elements of a list have until here: the digests of its values.
#[derive(Default)]
pub(crate) struct Columns {
    elements: usize,
    columns: Vec<(usize, Vec<Digest>)>,
}

impl Columns {
    /// One element more; `None` if it is no map.
    pub(crate) fn add(&mut self, found: Option<&Found>) {
        let value = |which: usize| found.and_then(|found| found[which]);
        if self.elements == 0 {
            let columns = (0..COUNT).filter_map(|which| Some((which, vec![value(which)?])));
            self.columns = columns.collect();
        } else {
            self.columns.retain_mut(|(which, column)| value(*which).map(|digest| column.push(digest)).is_some());
        }
        self.elements += 1;
    }

    /// Whether some key may still tell the elements apart.
    pub(crate) fn are_open(&self) -> bool {
        self.elements == 0 || !self.columns.is_empty()
    }

    /// The first key that all elements of both lists have, each with a value of its own in its list.
    pub(crate) fn shared(&self, other: &Self) -> Option<usize> {
        (0..COUNT).find(|&which| self.tells_apart(which) && other.tells_apart(which))
    }

    fn tells_apart(&self, which: usize) -> bool {
        self.elements == 0 || self.column(which).is_some_and(are_unique)
    }

    fn column(&self, which: usize) -> Option<&[Digest]> {
        self.columns.iter().find(|column| column.0 == which).map(|column| column.1.as_slice())
    }

    /// Gives the elements the values of the key as names.
    pub(crate) fn name(&self, which: usize, nodes: &mut [Node]) {
        for (node, name) in nodes.iter_mut().zip(self.column(which).unwrap_or_default()) {
            node.name = *name;
        }
    }
}

fn are_unique(digests: &[Digest]) -> bool {
    let mut sorted = digests.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0] != pair[1])
}
