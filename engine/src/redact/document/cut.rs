// SPDX-License-Identifier: MIT OR Apache-2.0
//! A document without a part. Where a part ends in the text is a guess of the notation, so what is left is read, and has to be the document without it.

mod lines;

use super::Notation;
use crate::compare::document::Value;
use crate::compare::spans::{Content, Entry, Spot};
use crate::compare::{Format, Step};
use crate::redact::path::{self, Miss};
use crate::redact::{Fault, Stop};
use std::ops::Range;

/// Elements that one path may take, one after the other.
const MAX_CUTS: usize = 1000;

/// The text without what is at the path.
pub(super) fn without(text: &str, path: &str, notation: Notation) -> Result<String, Stop> {
    let steps = path::steps(path)?;
    let mut made = text.to_string();
    for number in 0..MAX_CUTS {
        let spot = (notation.spans)(&made)?;
        let mut miss = Miss::default();
        let mut found = None;
        find(&root(&spot, notation.format), &steps, &mut miss, &mut found);
        let Some(found) = found else {
            return if number == 0 { Err(miss.of(path).into()) } else { Ok(made) };
        };
        let ranges = ranges(&made, &found, &steps, notation)?;
        let shorter = cut(&made, &ranges);
        check(&made, &shorter, path, &steps, notation)?;
        made = shorter;
        // A number is that of another element now.
        if steps.iter().any(|step| matches!(step, Step::Index(_))) {
            return Ok(made);
        }
    }
    Ok(made)
}

/// The only document of a stream is no list.
fn root(spot: &Spot, format: Format) -> Spot {
    match &spot.content {
        Content::List(documents) if format == Format::Yaml && documents.len() == 1 => documents[0].clone(),
        _ => spot.clone(),
    }
}

/// A part, and what it stands in.
struct Found {
    parent: Spot,
    number: usize,
}

fn find(spot: &Spot, steps: &[Step], miss: &mut Miss, found: &mut Option<Found>) {
    let Some((step, rest)) = steps.split_first().filter(|_| found.is_none()) else { return };
    let mut go = |number: usize, value: &Spot, rest: &[Step], miss: &mut Miss| match rest {
        [] => {
            found.get_or_insert_with(|| Found { parent: spot.clone(), number });
        }
        rest => find(value, rest, miss, found),
    };
    match &spot.content {
        Content::Map(entries) => {
            let Step::Key(wanted) = step else { return };
            entries.iter().for_each(|entry| miss.saw(rest.len(), step, &entry.key));
            let of_key: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].key == *wanted).collect();
            // Entries of one key are a list, as the readers have it.
            let (chosen, rest) = match rest.split_first() {
                Some((Step::Index(at), behind)) if of_key.len() > 1 => {
                    (of_key.get(usize::try_from(*at).unwrap_or(usize::MAX)).copied().into_iter().collect(), behind)
                }
                Some((item @ Step::Item { .. }, behind)) if of_key.len() > 1 => {
                    (of_key.into_iter().filter(|at| is_item(&entries[*at].value, item)).collect(), behind)
                }
                _ => (of_key, rest),
            };
            chosen.into_iter().for_each(|at| go(at, &entries[at].value, rest, miss));
        }
        Content::List(values) => {
            for (number, value) in values.iter().enumerate() {
                let is_it = match step {
                    Step::Key(_) => false,
                    Step::Index(wanted) => *wanted == number as u64,
                    Step::Item { .. } => is_item(value, step),
                };
                if is_it {
                    go(number, value, rest, miss);
                }
            }
        }
        Content::Scalar(..) | Content::Alias(_) => {}
    }
}

fn is_item(spot: &Spot, step: &Step) -> bool {
    let Step::Item { key, value } = step else { return false };
    let Content::Map(entries) = &spot.content else { return false };
    entries.iter().any(|entry| match &entry.value.content {
        Content::Scalar(Some(text), _) => entry.key == *key && text == value,
        _ => key
            .strip_prefix(&entry.key)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|inner| is_item(&entry.value, &Step::Item { key: inner.to_string(), value: value.clone() })),
    })
}

/// What has to go.
fn ranges(text: &str, found: &Found, steps: &[Step], notation: Notation) -> Result<Vec<Range<usize>>, Stop> {
    let is_flow = text[found.parent.span.start..].starts_with(['{', '[']) && found.parent.span.len() > 1;
    Ok(match (&found.parent.content, notation.format) {
        (Content::Map(entries), Format::Xml) => {
            let entry = &entries[found.number];
            let lead = if entry.key.starts_with('@') { blank_before(text, entry.whole.start) } else { 0 };
            std::iter::once(entry.whole.start - lead..entry.whole.end).collect()
        }
        (Content::Map(entries), Format::Ini) => vec![entries[found.number].whole.clone()],
        (_, Format::Toml)
            if !is_flow || text[found.parent.span.clone()].starts_with("[[") || is_header(text, &found.parent) =>
        {
            lines::of_toml(text, steps)?
        }
        (Content::Map(entries), _) if is_flow => {
            flow(&entries.iter().map(|e| e.whole.clone()).collect::<Vec<_>>(), found.number)
        }
        (Content::List(values), _) if is_flow => {
            flow(&values.iter().map(|v| v.span.clone()).collect::<Vec<_>>(), found.number)
        }
        (Content::Map(entries), _) => {
            let items: Vec<_> = entries.iter().map(|entry: &Entry| entry.whole.clone()).collect();
            vec![lines::of_yaml(text, &items, found.number)]
        }
        (Content::List(values), _) => {
            let items: Vec<_> =
                values.iter().map(|value| lines::dash(text, value.span.start)..value.span.end).collect();
            vec![lines::of_yaml(text, &items, found.number)]
        }
        (Content::Scalar(..) | Content::Alias(_), _) => Vec::new(),
    })
}

/// Whether the place of a table is that of its header.
fn is_header(text: &str, table: &Spot) -> bool {
    let line = text[..table.span.start].rfind('\n').map_or(0, |at| at + 1);
    text[line..table.span.start].trim().is_empty()
        && text[table.span.clone()].starts_with('[')
        && matches!(table.content, Content::Map(_))
}

fn blank_before(text: &str, at: usize) -> usize {
    at - text[..at].trim_end().len()
}

/// An item between commas, with one of them.
fn flow(items: &[Range<usize>], number: usize) -> Vec<Range<usize>> {
    let item = items[number].clone();
    vec![match (items.get(number + 1), number.checked_sub(1).map(|before| &items[before])) {
        (Some(next), _) => item.start..next.start,
        (None, Some(before)) => before.end..item.end,
        (None, None) => item,
    }]
}

fn cut(text: &str, ranges: &[Range<usize>]) -> String {
    let (mut made, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        made.push_str(text.get(at..range.start).unwrap_or_default());
        at = at.max(range.end);
    }
    made.push_str(text.get(at..).unwrap_or_default());
    made
}

fn check(before: &str, after: &str, path: &str, steps: &[Step], notation: Notation) -> Result<(), Stop> {
    let old = (notation.parse)(before.as_bytes())?;
    let new = (notation.parse)(after.as_bytes());
    let is_right = match (&new, notation.format) {
        // One element of a kind that is left is no list any more.
        (Ok(_), Format::Xml | Format::Ini) => true,
        (Ok(new), _) => is_without(&old, new, steps),
        (Err(_), _) => false,
    };
    if is_right {
        return Ok(());
    }
    let why = format!("{path} can not be cut out of {} as it is written here", notation.name);
    Err(Stop::Fault(Fault::NoParts { path: path.to_string(), why }))
}

/// Whether the second is the first without what is at the path; a map or list that has nothing left may be nothing.
fn is_without(old: &Value, new: &Value, steps: &[Step]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return false };
    let is_left = |value: &Value, new: Option<&Value>| match new {
        Some(new) if rest.is_empty() => new == value,
        Some(new) => is_without(value, new, rest),
        None => false,
    };
    match (old, step, new) {
        (Value::Map(old), Step::Key(_), Value::Null) => old.len() == 1 && rest.is_empty(),
        (Value::List(old), _, Value::Null) => old.len() == 1 && rest.is_empty(),
        (Value::Map(old), Step::Key(key), Value::Map(new)) => {
            let find = |wanted: &str| new.iter().find(|(other, _)| other == wanted).map(|(_, value)| value);
            let gone = old.iter().filter(|(other, _)| find(other).is_none()).count();
            new.len() + gone == old.len()
                && gone <= 1
                && old.iter().all(|(other, value)| match find(other) {
                    Some(new) if other == key => is_left(value, Some(new)) && !rest.is_empty(),
                    Some(new) => new == value,
                    None => other == key,
                })
        }
        (Value::List(old), Step::Index(number), Value::List(new)) => {
            let number = usize::try_from(*number).unwrap_or(usize::MAX);
            if rest.is_empty() {
                return new.len() + 1 == old.len()
                    && old.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, v)| v).eq(new);
            }
            old.len() == new.len()
                && old
                    .iter()
                    .zip(new)
                    .enumerate()
                    .all(|(at, (old, new))| if at == number { is_without(old, new, rest) } else { old == new })
        }
        // A list with an element less, or with one that has less.
        (Value::List(old), Step::Item { .. }, Value::List(new)) if rest.is_empty() => {
            let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
            new.len() + 1 == old.len() && old[head + 1..] == new[head..]
        }
        (Value::List(old), Step::Item { .. }, Value::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).filter(|(a, b)| a != b).all(|(a, b)| is_without(a, b, rest))
        }
        _ => false,
    }
}
