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
use crate::compare::{Change, ChangeKind, Each, Mask, Place, Step, Trouble};

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
        let columns = table.columns().iter().zip(&values);
        let shown: Vec<String> =
            columns.map(|(column, value)| format!("{column}={}", shown(column, value.as_deref(), self.mask))).collect();
        let shown = Some(change::shown(&shown.join(", ")));
        let place = self.row_place(&values, which);
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
        let place = self.row_place(&after, Which::After);
        for column in &self.plan.columns {
            let (before, after) = (column.of(&before, Which::Before), column.of(&after, Which::After));
            if before != after {
                let before = shown(&column.name, before, self.mask);
                let after = shown(&column.name, after, self.mask);
                each(changed(place.with(Step::Key(column.name.clone())), &before, &after))?;
            }
        }
        Ok(())
    }

    /// The place of a row: that of the table, if only the whole row tells it from others.
    fn row_place(&self, values: &[Value], which: Which) -> Place {
        if self.plan.key_of(values, which).is_none() {
            return self.place.clone();
        }
        let columns = || self.plan.key.iter().filter_map(|place| self.plan.columns.get(*place));
        let key: Vec<&str> = columns().map(|column| column.name.as_str()).collect();
        let value: Vec<String> =
            columns().map(|column| shown(&column.name, column.of(values, which), self.mask)).collect();
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

/// A value for people: masked, without control characters. A text that reads NULL is quoted.
fn shown(column: &str, value: Option<&[u8]>, mask: &Mask) -> String {
    let Some(value) = value else { return "NULL".to_string() };
    let text = String::from_utf8_lossy(value);
    let text = mask.value(column, &text);
    if text == "NULL" {
        return "'NULL'".to_string();
    }
    printable(&text)
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
