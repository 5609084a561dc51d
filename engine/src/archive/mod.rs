// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tar archives, compressed or not: reading members as a stream, and writing entries of a tree as members.
//!
//! For the operations that take archives in and give them out. Reading believes nothing that an archive says: every length is
//! checked, and an archive that is damaged anywhere ends with an [`ArchiveError`]. It knows no repository; writing knows its reader.

mod acl;
mod coding;
mod content;
mod entry;
mod error;
mod folders;
mod header;
mod member;
mod name;
mod pax;
mod read;
mod sparse;
mod spool;
mod write;

pub(crate) use coding::decoded;
pub use coding::{Coding, Encoder};
pub use content::ContentReader;
pub use entry::{Entries, refusal};
pub use error::{ArchiveError, Fault};
pub use member::{Member, MemberKind};
pub use name::member_path;
pub use read::{ArchiveReader, EndMark};
pub use sparse::Run;
pub use spool::{Spool, Spooled};
pub use write::{AsStored, Contents, Detail, Given, Holes, Shape, write_archive};
