// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parts of documents that are whole lines, as YAML and TOML have them.

use crate::compare::spans::{Content, Spot};
use crate::compare::{GaveUp, Step, toml};
use std::ops::Range;

/// An item of a map or list in block style. One that does not begin its line leaves that to the next.
pub(super) fn of_yaml(text: &str, items: &[Range<usize>], number: usize) -> Range<usize> {
    let item = items[number].clone();
    let line = text[..item.start].rfind('\n').map_or(0, |at| at + 1);
    let begins_line = text[line..item.start].trim().is_empty();
    let end = line_end(text, item.end);
    match items.get(number + 1) {
        _ if begins_line => line..end,
        Some(next) => item.start..next.start,
        None => item,
    }
}

/// Behind the line, if nothing but a comment is left of it.
fn line_end(text: &str, at: usize) -> usize {
    let line = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
    let rest = text[at..line].trim_start_matches([':', ' ', '\t']).trim();
    if rest.is_empty() || rest.starts_with('#') { line } else { at }
}

/// Where the dash is of the element that begins there.
pub(super) fn dash(text: &str, at: usize) -> usize {
    text[..at].rfind('-').unwrap_or(at)
}

/// A header, or a key with its value, by the whole way from the top.
struct Statement {
    path: Vec<Step>,
    range: Range<usize>,
}

/// All statements at or below the path.
pub(super) fn of_toml(text: &str, steps: &[Step]) -> Result<Vec<Range<usize>>, GaveUp> {
    let is_below = |path: &[Step]| {
        let mut path = path.iter();
        steps.iter().all(|step| match (step, path.next()) {
            // Without a number a path means all tables of the name.
            (Step::Key(_), Some(found @ Step::Key(_))) => step == found,
            (Step::Key(_), Some(Step::Index(_))) => path.next() == Some(step),
            (step, found) => found == Some(step),
        })
    };
    Ok(statements(text)?.into_iter().filter(|statement| is_below(&statement.path)).map(|found| found.range).collect())
}

fn statements(text: &str) -> Result<Vec<Statement>, GaveUp> {
    let mut values = Vec::new();
    leaves(&toml::spans(text)?, text, &mut values);
    values.sort_by_key(|range: &Range<usize>| range.start);
    let (mut found, mut at) = (Vec::new(), 0);
    let mut header: Vec<Step> = Vec::new();
    let mut arrays: Vec<(Vec<Step>, u64)> = Vec::new();
    while at < text.len() {
        let next = values.partition_point(|value| value.start < at);
        let mut end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
        let line = text[at..end].trim();
        if line.starts_with('[') {
            let is_array = line.starts_with("[[");
            header = numbered(keys(line)?, &arrays);
            if is_array {
                match arrays.iter_mut().find(|(path, _)| *path == header) {
                    Some((_, count)) => *count += 1,
                    None => arrays.push((header.clone(), 0)),
                }
                let count = arrays.iter().find(|(path, _)| *path == header).map_or(0, |(_, count)| *count);
                header.push(Step::Index(count));
            }
            found.push(Statement { path: header.clone(), range: at..end });
        } else if !line.is_empty() && !line.starts_with('#') {
            let value = values.get(next).filter(|value| value.start < end).cloned().unwrap_or(end..end);
            end = text[value.end..].find('\n').map_or(text.len(), |found| value.end + found + 1);
            let name = text[at..value.start].trim_end().trim_end_matches('=');
            let path = [header.clone(), keys(&format!("[{name}]"))?].concat();
            found.push(Statement { path, range: at..end });
        }
        at = end;
    }
    Ok(found)
}

/// The values that stand behind a `=`.
fn leaves(spot: &Spot, text: &str, out: &mut Vec<Range<usize>>) {
    let is_written = |spot: &Spot| {
        let line = text[..spot.span.start].rfind('\n').map_or(0, |at| at + 1);
        text[line..spot.span.start].trim_end().ends_with('=')
    };
    match &spot.content {
        _ if spot.span.start > 0 && is_written(spot) => out.push(spot.span.clone()),
        Content::Map(entries) => entries.iter().for_each(|entry| leaves(&entry.value, text, out)),
        Content::List(values) => values.iter().for_each(|value| leaves(value, text, out)),
        Content::Scalar(..) | Content::Alias(_) => out.push(spot.span.clone()),
    }
}

/// The names between the brackets of a header.
fn keys(header: &str) -> Result<Vec<Step>, GaveUp> {
    let mut spot = toml::spans(header)?;
    let mut keys = Vec::new();
    loop {
        spot = match spot.content {
            Content::Map(mut entries) if entries.len() == 1 => {
                let entry = entries.remove(0);
                keys.push(Step::Key(entry.key));
                entry.value
            }
            Content::List(mut values) if values.len() == 1 => values.remove(0),
            _ => return Ok(keys),
        };
    }
}

/// The path with the number of the last table in each array on its way.
fn numbered(keys: Vec<Step>, arrays: &[(Vec<Step>, u64)]) -> Vec<Step> {
    let (mut path, last) = (Vec::new(), keys.len());
    for (number, key) in keys.into_iter().enumerate() {
        path.push(key);
        if number + 1 < last
            && let Some((_, count)) = arrays.iter().find(|(array, _)| *array == path)
        {
            path.push(Step::Index(*count));
        }
    }
    path
}
