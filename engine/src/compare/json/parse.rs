// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON into memory.
//!
//! For texts, and parts of texts, that are known to be small: it takes up to thirty times as much as the text.

use super::tokens::{Begin, Scalar, Tokens};
use crate::compare::Trouble;
use crate::compare::document::Value;

/// All values of a text.
pub(super) fn documents(tokens: &mut Tokens) -> Result<Vec<Value>, Trouble> {
    let mut values = Vec::new();
    while tokens.next_document(values.is_empty())? {
        values.push(value(tokens, 0)?);
    }
    Ok(values)
}

/// One value, in `depth` containers.
pub(super) fn value(tokens: &mut Tokens, depth: usize) -> Result<Value, Trouble> {
    match tokens.begin(depth)? {
        Begin::Scalar => scalar(tokens),
        Begin::List => {
            let mut values = Vec::new();
            while tokens.has_next(values.is_empty(), b']')? {
                values.push(value(tokens, depth + 1)?);
            }
            Ok(Value::List(values))
        }
        Begin::Map => {
            let mut entries = Vec::new();
            while tokens.has_next(entries.is_empty(), b'}')? {
                let key = tokens.key()?.to_string();
                tokens.colon()?;
                entries.push((key, value(tokens, depth + 1)?));
            }
            keep_last(&mut entries);
            Ok(Value::Map(entries))
        }
    }
}

fn scalar(tokens: &mut Tokens) -> Result<Value, Trouble> {
    Ok(match tokens.scalar()? {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Number(text) => Value::Number(text.to_string()),
        Scalar::Text(text) => Value::Text(text.to_string()),
    })
}

/// Keeps of entries of one key the last, where it stands.
fn keep_last(entries: &mut Vec<(String, Value)>) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|x, y| entries[*x].0.cmp(&entries[*y].0));
    let is_twice = |pair: &&[usize]| entries[pair[0]].0 == entries[pair[1]].0;
    let mut overwritten: Vec<usize> = order.windows(2).filter(is_twice).map(|pair| pair[0]).collect();
    overwritten.sort_unstable();
    let mut number = 0;
    let mut next = overwritten.into_iter().peekable();
    entries.retain(|_| {
        number += 1;
        next.next_if_eq(&(number - 1)).is_none()
    });
}
