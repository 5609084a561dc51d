// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells the statements of the schema that differ, and the sequences.
//!
//! Equal statements cancel out wherever they are. Of those left, the ones about one object are pairs.

use super::layout::{Layout, Statement};
use super::lines::Side;
use super::report::{changed, printable};
use super::statement;
use crate::compare::{Change, ChangeKind, Each, Mask, Place, Step, Trouble, change};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The two contents and what they consist of.
pub(super) struct Schema<'a> {
    /// The first.
    pub before: (Side<'a>, &'a Layout),
    /// The second.
    pub after: (Side<'a>, &'a Layout),
    /// Whether places begin with the database.
    pub has_databases: bool,
    /// Hides secrets.
    pub mask: &'a Mask,
}

/// Statements of both sides about one object.
type Objects = BTreeMap<(String, String), (Vec<Statement>, Vec<Statement>)>;

impl Schema<'_> {
    /// Tells each statement that differs, by object, and gives how many do.
    pub fn statements(&self, each: Each) -> Result<u64, Trouble> {
        let (removed, added) = differing(&self.before.1.statements, &self.after.1.statements);
        let mut objects = Objects::new();
        for statement in removed {
            objects.entry(self.object(self.before, &statement)?).or_default().0.push(statement);
        }
        for statement in added {
            objects.entry(self.object(self.after, &statement)?).or_default().1.push(statement);
        }
        let mut count = 0;
        for ((database, object), (removed, added)) in objects {
            let place = self.place(&database).with(Step::Key("schema".to_string())).with(Step::Key(object));
            for number in 0..removed.len().max(added.len()) {
                let before = self.text(self.before.0, removed.get(number))?;
                let after = self.text(self.after.0, added.get(number))?;
                count += u64::from(tell(place.clone(), before, after, each)?);
            }
        }
        Ok(count)
    }

    /// Tells each sequence that differs, and gives how many do.
    pub fn sequences(&self, each: Each) -> Result<u64, Trouble> {
        let (before, after) = (&self.before.1.sequences, &self.after.1.sequences);
        let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut count = 0;
        for name in names {
            let place = self.place(&name.database).with(Step::Key(format!("sequence {}", name.name)));
            count += u64::from(tell(place, before.get(name).cloned(), after.get(name).cloned(), each)?);
        }
        Ok(count)
    }

    /// The database, if there are several.
    pub fn place(&self, database: &str) -> Place {
        let is_named = self.has_databases && !database.is_empty();
        Place(if is_named { vec![Step::Key(database.to_string())] } else { Vec::new() })
    }

    fn object(&self, (side, layout): (Side, &Layout), at: &Statement) -> Result<(String, String), Trouble> {
        let text = side.read(at.offset, at.length)?;
        let database = layout.databases.get(at.database as usize).cloned().unwrap_or_default();
        Ok((database, printable(&statement::object(&text, at.rules, self.mask))))
    }

    fn text(&self, side: Side, statement: Option<&Statement>) -> Result<Option<String>, Trouble> {
        let Some(at) = statement else { return Ok(None) };
        let text = side.read(at.offset, at.length)?;
        Ok(Some(printable(&statement::plain(&text, at.rules, self.mask))))
    }
}

/// Tells what became of a value, and says whether anything did.
fn tell(place: Place, before: Option<String>, after: Option<String>, each: Each) -> Result<bool, Trouble> {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) if before == after => return Ok(false),
        (Some(before), Some(after)) => {
            each(changed(place, &before, &after))?;
            return Ok(true);
        }
        other => other,
    };
    let kind = if before.is_some() { ChangeKind::Removed } else { ChangeKind::Added };
    let cut = |value: Option<String>| value.map(|value| change::shown(&value));
    each(Change::new(place, kind, cut(before), cut(after)))?;
    Ok(true)
}

/// The statements that the other side does not have, in their order.
fn differing(before: &[Statement], after: &[Statement]) -> (Vec<Statement>, Vec<Statement>) {
    let sorted = |statements: &[Statement]| {
        let mut sorted = statements.to_vec();
        sorted.sort_unstable_by_key(|statement| (statement.digest, statement.offset));
        sorted.into_iter().peekable()
    };
    let (mut left, mut right) = (sorted(before), sorted(after));
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) => one.digest.cmp(&other.digest),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let (one, other) = (left.next_if(|_| order.is_le()), right.next_if(|_| order.is_ge()));
        if order.is_ne() {
            removed.extend(one);
            added.extend(other);
        }
    }
    removed.sort_unstable_by_key(|statement| statement.offset);
    added.sort_unstable_by_key(|statement| statement.offset);
    (removed, added)
}
