// SPDX-License-Identifier: MIT OR Apache-2.0
//! A profile over the one that it inherits from.
//!
//! Tables are joined key by key. In a list whose elements have an `id` (files, streams, steps), an element takes the place of
//! the one with its id, key by key; a new one comes at the end, or where its `after = "ID"` or `before = "ID"` says;
//! `remove = true` takes one away, and a table, too. Every other value is replaced.

use toml::{Table, Value};

/// Puts `child` over `parent`.
///
/// # Errors
/// A place or a removal that names an element which is not there.
pub(super) fn merge(mut parent: Table, child: Table) -> Result<Table, String> {
    for (key, value) in child {
        if value.get("remove") == Some(&Value::Boolean(true)) {
            if value.as_table().is_some_and(|table| table.len() > 1) {
                return Err(format!("{key} is removed, and has other keys"));
            }
            parent.remove(&key).ok_or(format!("there is no {key:?} to remove"))?;
            continue;
        }
        let joined = match (parent.remove(&key), value) {
            (Some(Value::Array(old)), Value::Array(new))
                if old.iter().any(|old| id(old).is_some()) && new.iter().any(|new| id(new).is_none()) =>
            {
                return Err(format!("each element of {key} needs an id, by which it is joined with what is inherited"));
            }
            (Some(Value::Table(old)), Value::Table(new)) => Value::Table(merge(old, new)?),
            (Some(Value::Array(old)), Value::Array(new))
                if !new.is_empty() && new.iter().all(|new| id(new).is_some()) =>
            {
                Value::Array(join(&key, old, new)?)
            }
            (None, Value::Array(new)) if new.iter().all(|new| id(new).is_some()) => {
                Value::Array(join(&key, Vec::new(), new)?)
            }
            (_, new) => new,
        };
        parent.insert(key, joined);
    }
    Ok(parent)
}

fn id(element: &Value) -> Option<&str> {
    element.as_table()?.get("id")?.as_str()
}

fn join(key: &str, mut old: Vec<Value>, new: Vec<Value>) -> Result<Vec<Value>, String> {
    let mut seen: Vec<String> = Vec::new();
    for element in new {
        let Value::Table(mut element) = element else { continue };
        let name = element.get("id").and_then(Value::as_str).unwrap_or_default().to_string();
        let find = |old: &[Value], wanted: &str| {
            old.iter().position(|element| id(element) == Some(wanted)).ok_or(format!("{key} has no element {wanted:?}"))
        };
        let place = match (element.remove("after"), element.remove("before")) {
            (Some(Value::String(after)), None) => Some(find(&old, &after)? + 1),
            (None, Some(Value::String(before))) => Some(find(&old, &before)?),
            (None, None) => None,
            _ => return Err(format!("{name:?} in {key}: after or before is the id of one element")),
        };
        match element.remove("remove") {
            Some(Value::Boolean(true)) if element.len() == 1 => {
                let at = find(&old, &name)?;
                old.remove(at);
                continue;
            }
            None | Some(Value::Boolean(false)) => {}
            Some(_) => return Err(format!("{name:?} in {key}: remove = true stands beside the id alone")),
        }
        // Removed and said anew is another element of that id.
        if seen.contains(&name) {
            return Err(format!("{key} has two elements {name:?}"));
        }
        seen.push(name.clone());
        match old.iter().position(|element| id(element) == Some(name.as_str())) {
            Some(at) => {
                let Value::Table(below) = old.remove(at) else { continue };
                let to = place.map_or(at, |place| if place > at { place - 1 } else { place });
                old.insert(to, Value::Table(merge(below, element)?));
            }
            None => old.insert(place.unwrap_or(old.len()), Value::Table(element)),
        }
    }
    Ok(old)
}
