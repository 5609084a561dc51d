// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads what changed inside the paths that differ, for whoever shows it.

use keepfast_engine::compare::{Change, ChangeKind, Mask, Outcome, Place, Readers, Step, Terms};
use keepfast_engine::diff::{Side, contents};
use keepfast_engine::format::tree::entry::{Entry, FileType};
use keepfast_engine::reader::Reader;

use super::listing::Row;
use crate::args::DiffArgs;
use crate::exit::Failure;
use crate::options::reveal;
use crate::render::inside::Inside;
use crate::render::text;

/// Reads contents.
pub struct Contents<'a> {
    reader: &'a Reader,
    mask: Mask,
    readers: Readers,
    now_unix: i64,
}

impl<'a> Contents<'a> {
    /// As the user wants them read; days to expiry are counted from `now_unix`.
    pub fn new(args: &DiffArgs, reader: &'a Reader, now_unix: i64) -> Self {
        let readers = if args.text { Readers::Plain } else { Readers::All };
        Self { reader, mask: reveal::mask(reader, args.reveal), readers, now_unix }
    }

    /// Whether a path has a content that differs.
    pub fn has_inside(&self, row: &Row) -> bool {
        let is_file = |entry: &Option<Entry>| entry.as_ref().is_some_and(|e| e.metadata.file_type == FileType::File);
        let has_content = is_file(&row.old) || is_file(&row.new) || self.link(row).is_some();
        !matches!(row.sign, "R" | "C" | "U") && has_content
    }

    /// Where a link leads to now, of a path that is no file on either side.
    fn link(&self, row: &Row) -> Option<Change> {
        let is_link = |entry: &&Entry| entry.metadata.file_type == FileType::Symlink;
        let entries = [&row.old, &row.new];
        if entries.iter().any(|entry| entry.as_ref().is_some_and(|e| e.metadata.file_type == FileType::File)) {
            return None;
        }
        let target = |entry: &Entry| {
            let target = text::path(&entry.metadata.target);
            self.mask.value("", &target).into_owned()
        };
        let [before, after] = entries.map(|entry| entry.as_ref().filter(is_link).map(target));
        let kind = match (&before, &after) {
            (None, None) => return None,
            (None, Some(_)) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(before), Some(after)) if before == after => return None,
            (Some(_), Some(_)) => ChangeKind::Changed,
        };
        Some(Change::new(Place(vec![Step::Key("target".to_string())]), kind, before, after))
    }

    /// What changed inside a path.
    ///
    /// # Errors
    /// The user asked to stop.
    pub fn inside(&self, row: &Row) -> Result<Inside, Failure> {
        if !self.has_inside(row) {
            return Ok(Inside::Nothing);
        }
        if let Some(change) = self.link(row) {
            let outcome = Outcome::Structured { format: "link", changes: vec![change] };
            return Ok(Inside::Compared { outcome, gave_up: Vec::new() });
        }
        let after = row.live.as_ref().map(Side::Live).or(row.new.as_ref().map(Side::Stored));
        let terms = Terms { readers: self.readers, mask: &self.mask, now_unix: self.now_unix };
        Ok(Inside::of(contents(self.reader, row.old.as_ref().map(Side::Stored), after, terms))?)
    }

    /// Whether secrets are masked.
    pub fn masks(&self) -> bool {
        self.mask.hides()
    }
}
