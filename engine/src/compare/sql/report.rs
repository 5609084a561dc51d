// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells the rows of a table that differ: reads each again and shows its values, masked.
//!
//! It is the only part that has values in a form for people, and counts what it tells.

use super::RowCounts;
use super::layout::Table;
use super::lines::Side;
use super::matching::Difference;
use super::plan::{Plan, Which};
use super::rows::Spot;
use super::values::{self, Value};
use crate::compare::change::{self, MAX_SHOWN_BYTES};
use crate::compare::mask::context::{Context, hidden, says_secret};
use crate::compare::mask::{is_name_key, is_secret_name};
use crate::compare::{Change, ChangeKind, Each, Mask, Place, Step, Trouble};
use std::borrow::Cow;

/// Characters that two long values have in common and that are shown before the first that differs.
const CONTEXT_CHARACTERS: usize = 40;

/// Tells of one table.
pub(super) struct Report<'a> {
    /// The first content, and what it has of the table.
    pub before: (Side<'a>, &'a Table),
    /// The second.
    pub after: (Side<'a>, &'a Table),
    /// How rows are compared.
    pub plan: &'a Plan,
    /// Of the table.
    pub place: Place,
    /// Hides secrets.
    pub mask: &'a Mask,
    /// What was told.
    pub counts: RowCounts,
}

impl Report<'_> {
    /// Tells a difference, as often as it is there.
    pub fn tell(&mut self, difference: Difference, times: u64, each: Each) -> Result<(), Trouble> {
        for _ in 0..times {
            match difference {
                Difference::Removed(spot) => self.whole(Which::Before, spot, each)?,
                Difference::Added(spot) => self.whole(Which::After, spot, each)?,
                Difference::Changed(before, after) => self.changed(before, after, each)?,
            }
        }
        Ok(())
    }

    fn side(&self, which: Which) -> (Side<'_>, &Table) {
        match which {
            Which::Before => self.before,
            Which::After => self.after,
        }
    }

    fn whole(&mut self, which: Which, spot: Spot, each: Each) -> Result<(), Trouble> {
        let (side, table) = self.side(which);
        let row = side.read(spot.offset, spot.length)?;
        let values = values::values(&row, table.form_at(spot.offset));
        let columns = || table.columns().iter().map(String::as_str).zip(values.iter().map(Option::as_deref));
        let hide = Hide { mask: self.mask, is_named: is_named(columns()) };
        let shown: Vec<String> =
            columns().map(|(column, value)| format!("{column}={}", hide.shown(column, value))).collect();
        let shown = Some(change::shown(&shown.join(", ")));
        let place = self.row_place(&values, which, hide);
        match which {
            Which::Before => {
                self.counts.removed += 1;
                each(Change::new(place, ChangeKind::Removed, shown, None))?;
            }
            Which::After => {
                self.counts.added += 1;
                each(Change::new(place, ChangeKind::Added, None, shown))?;
            }
        }
        Ok(())
    }

    fn changed(&mut self, spot: Spot, other_spot: Spot, each: Each) -> Result<(), Trouble> {
        let row = self.before.0.read(spot.offset, spot.length)?;
        let other_row = self.after.0.read(other_spot.offset, other_spot.length)?;
        let before = values::values(&row, self.before.1.form_at(spot.offset));
        let after = values::values(&other_row, self.after.1.form_at(other_spot.offset));
        let key = self.plan.key_of(&before, Which::Before);
        if key.is_none() || key != self.plan.key_of(&after, Which::After) {
            self.whole(Which::Before, spot, each)?;
            return self.whole(Which::After, other_spot, each);
        }
        self.counts.changed += 1;
        let names = |values: &[Value], which| {
            is_named(self.plan.columns.iter().map(|column| (column.name.as_str(), column.of(values, which))))
        };
        let is_named = names(&before, Which::Before) || names(&after, Which::After);
        let hide = Hide { mask: self.mask, is_named };
        let place = self.row_place(&after, Which::After, hide);
        for column in &self.plan.columns {
            let (before, after) = (column.of(&before, Which::Before), column.of(&after, Which::After));
            if before != after {
                let before = hide.shown(&column.name, before);
                let after = hide.shown(&column.name, after);
                each(changed(place.with(Step::Key(column.name.clone())), &before, &after))?;
            }
        }
        Ok(())
    }

    /// The place of a row: that of the table, if only the whole row tells it from others.
    fn row_place(&self, values: &[Value], which: Which, hide: Hide) -> Place {
        if self.plan.key_of(values, which).is_none() {
            return self.place.clone();
        }
        let columns = || self.plan.key.iter().filter_map(|place| self.plan.columns.get(*place));
        let key: Vec<&str> = columns().map(|column| column.name.as_str()).collect();
        let value: Vec<String> = columns().map(|column| hide.shown(&column.name, column.of(values, which))).collect();
        self.place.with(Step::Item { key: key.join(","), value: change::shown(&value.join(",")) })
    }
}

/// A change of a value. Long ones are cut where they are equal, so that what differs is seen.
pub(super) fn changed(place: Place, before: &str, after: &str) -> Change {
    let common = before.chars().zip(after.chars()).take_while(|(one, other)| one == other);
    let (mut characters, mut bytes) = (0, 0);
    common.for_each(|(character, _)| {
        characters += 1;
        bytes += character.len_utf8();
    });
    let is_cut = bytes > MAX_SHOWN_BYTES / 2 && before.len().max(after.len()) > MAX_SHOWN_BYTES;
    let skipped = if is_cut { characters - CONTEXT_CHARACTERS } else { 0 };
    let tail = |value: &str| {
        let start = value.char_indices().nth(skipped).map_or(value.len(), |(start, _)| start);
        let tail = change::shown(&value[start..]);
        if is_cut { format!("...{tail}") } else { tail }
    };
    Change::new(place, ChangeKind::Changed, Some(tail(before)), Some(tail(after)))
}

/// Whether a row says that its value is a secret: `('smtp_password', 'x')`.
fn is_named<'v>(mut columns: impl Iterator<Item = (&'v str, Option<&'v [u8]>)>) -> bool {
    let is_secret = |value: &[u8]| std::str::from_utf8(value).is_ok_and(is_secret_name);
    columns.any(|(column, value)| is_name_key(column) && value.is_some_and(is_secret))
}

/// How the values of a row are shown.
#[derive(Clone, Copy)]
struct Hide<'a> {
    mask: &'a Mask,
    is_named: bool,
}

impl Hide<'_> {
    /// A value for people: masked, without control characters. A text that reads NULL is quoted.
    fn shown(self, column: &str, value: Option<&[u8]>) -> String {
        let Some(value) = value else { return "NULL".to_string() };
        let text = String::from_utf8_lossy(value);
        let context = Context::default().below(column, says_secret(column, self.is_named));
        let text = hidden(self.mask, context, &text, 0).map_or(text, Cow::Owned);
        if text == "NULL" {
            return "'NULL'".to_string();
        }
        printable(&text)
    }
}

/// The text with control characters escaped.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
