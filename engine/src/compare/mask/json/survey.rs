// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first look at JSON: whether all of it is, and which maps say that they are the value of a secret.

use crate::compare::json::tokens::{Begin, Scalar, Tokens};
use crate::compare::mask::{is_name_key, is_secret_name};
use crate::compare::{Bytes, Trouble};

/// Maps that say so at most, at 8 bytes each.
const MAX_NAMED: usize = 4 << 20;

/// Where those maps begin; ascending.
pub(crate) fn named(bytes: &dyn Bytes) -> Result<Vec<u64>, Trouble> {
    let mut tokens = Tokens::of_text(bytes, "")?;
    let mut named = Vec::new();
    let mut is_first = true;
    while tokens.next_document(is_first)? {
        value(&mut tokens, 0, &mut named)?;
        is_first = false;
    }
    named.sort_unstable();
    Ok(named)
}

/// Passes a value.
pub(crate) fn pass(tokens: &mut Tokens, depth: usize) -> Result<(), Trouble> {
    value(tokens, depth, &mut Vec::new())
}

fn value(tokens: &mut Tokens, depth: usize, named: &mut Vec<u64>) -> Result<(), Trouble> {
    let begin = tokens.begin(depth)?;
    rest(tokens, begin, depth, named)
}

fn rest(tokens: &mut Tokens, begin: Begin, depth: usize, named: &mut Vec<u64>) -> Result<(), Trouble> {
    let mut is_first = true;
    match begin {
        Begin::Scalar => {
            tokens.scalar()?;
        }
        Begin::List => {
            while tokens.has_next(is_first, b']')? {
                value(tokens, depth + 1, named)?;
                is_first = false;
            }
        }
        Begin::Map => {
            let start = tokens.offset() - 1;
            let mut is_named = false;
            while tokens.has_next(is_first, b'}')? {
                is_first = false;
                let is_name = is_name_key(tokens.key()?);
                tokens.colon()?;
                match tokens.begin(depth + 1)? {
                    Begin::Scalar => {
                        let scalar = tokens.scalar()?;
                        is_named |= is_name && matches!(scalar, Scalar::Text(text) if is_secret_name(text));
                    }
                    begin => rest(tokens, begin, depth + 1, named)?,
                }
            }
            if is_named {
                if named.len() == MAX_NAMED {
                    return Err(tokens.broken(format!("more than {MAX_NAMED} maps name a secret")));
                }
                named.push(start);
            }
        }
    }
    Ok(())
}
