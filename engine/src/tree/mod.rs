// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing and reading the tree of a snapshot: entries in, one root id out, and back. Knows nodes and chunks, not packs.

mod below;
mod bytes;
mod content;
mod cursor;
mod decoded;
mod differences;
mod lookup;
mod node;
mod numbered;
mod older;
mod writer;

pub use below::{Below, below, is_inside};
pub use bytes::{bytes_of, data_of};
pub(crate) use content::read_list;
pub use content::{ContentBuilder, ContentItems};
pub use cursor::{Cursor, Direction};
pub use decoded::{NodeCache, Placed, Stretch};
pub use differences::{Difference, EachDifference, Folder, compare, differences, differences_of};
pub use lookup::{find, find_below};
pub use numbered::{Numbered, Part};
pub use older::{Key, OlderNodes};
pub use writer::{NodeSink, Root, TreeWriter};
