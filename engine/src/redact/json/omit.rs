// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the parts of JSON are that are left out.

use crate::compare::json::tokens::{Begin, Scalar, Tokens};
use crate::compare::mask::json::survey::pass;
use crate::compare::{Bytes, Step, Trouble};
use crate::redact::Stop;
use crate::redact::path::{self, Miss};

/// The starts of the values at a path.
pub(super) fn find(bytes: &dyn Bytes, text: &str) -> Result<Vec<u64>, Stop> {
    let steps = path::steps(text)?;
    let mut search = Search { tokens: Tokens::of_text(bytes, "")?, found: Vec::new(), miss: Miss::default() };
    let mut starts = Vec::new();
    while search.tokens.next_document(starts.is_empty())? {
        starts.push(search.tokens.offset());
        pass(&mut search.tokens, 0)?;
        if starts.len() > 1 << 22 {
            return Err(search.tokens.broken("more than 4194304 values, one behind the other").into());
        }
    }
    // Several values are a list, as `diff` has it.
    let (chosen, rest) = match steps.first() {
        Some(Step::Index(number)) if starts.len() > 1 => {
            let at = usize::try_from(*number).ok().and_then(|number| starts.get(number));
            (at.copied().into_iter().collect(), &steps[1..])
        }
        _ => (starts, &steps[..]),
    };
    for start in chosen {
        search.tokens.skip_to(start);
        search.value(rest, 0)?;
    }
    if search.found.is_empty() { Err(search.miss.of(text).into()) } else { Ok(search.found) }
}

struct Search<'a> {
    tokens: Tokens<'a>,
    found: Vec<u64>,
    miss: Miss,
}

impl Search<'_> {
    /// Passes the value at which the tokens are, and takes note of what is at `steps` in it.
    fn value(&mut self, steps: &[Step], depth: usize) -> Result<(), Trouble> {
        let Some((step, rest)) = steps.split_first() else {
            self.tokens.space()?;
            self.found.push(self.tokens.offset());
            return pass(&mut self.tokens, depth);
        };
        match self.tokens.begin(depth)? {
            Begin::Scalar => {
                self.tokens.scalar()?;
            }
            Begin::Map => self.map(step, rest, depth)?,
            Begin::List => self.list(step, rest, depth)?,
        }
        Ok(())
    }

    fn map(&mut self, step: &Step, rest: &[Step], depth: usize) -> Result<(), Trouble> {
        let mut is_first = true;
        while self.tokens.has_next(is_first, b'}')? {
            is_first = false;
            let key = self.tokens.key()?;
            let is_it = matches!(step, Step::Key(wanted) if wanted == key);
            self.miss.saw(rest.len(), step, key);
            self.tokens.colon()?;
            if is_it { self.value(rest, depth + 1)? } else { pass(&mut self.tokens, depth + 1)? }
        }
        Ok(())
    }

    fn list(&mut self, step: &Step, rest: &[Step], depth: usize) -> Result<(), Trouble> {
        let mut number = 0;
        while self.tokens.has_next(number == 0, b']')? {
            self.tokens.space()?;
            let start = self.tokens.offset();
            let is_it = match step {
                Step::Key(_) => false,
                Step::Index(wanted) => *wanted == number,
                Step::Item { key, value } => {
                    let is_it = self.says(key, value, depth + 1)?;
                    self.tokens.skip_to(start);
                    is_it
                }
            };
            if is_it {
                self.value(rest, depth + 1)?
            } else {
                pass(&mut self.tokens, depth + 1)?
            }
            number += 1;
        }
        Ok(())
    }

    /// Whether the value is a map that has this under the key.
    fn says(&mut self, key: &str, value: &str, depth: usize) -> Result<bool, Trouble> {
        if self.tokens.begin(depth)? != Begin::Map {
            return Ok(false);
        }
        let (mut is_first, mut is_it) = (true, false);
        while self.tokens.has_next(is_first, b'}')? {
            is_first = false;
            let found = self.tokens.key()?;
            let inner = key.split_once('.').filter(|(outer, _)| *outer == found).map(|(_, inner)| inner);
            let is_whole = key == found;
            self.tokens.colon()?;
            let start = self.tokens.offset();
            if is_whole {
                is_it |= self.text(depth + 1)?.is_some_and(|text| text == value);
                self.tokens.skip_to(start);
            } else if let Some(inner) = inner {
                is_it |= self.says(inner, value, depth + 1)?;
                self.tokens.skip_to(start);
            }
            pass(&mut self.tokens, depth + 1)?;
        }
        Ok(is_it)
    }

    /// What a scalar, or a list of them, is called in a path.
    fn text(&mut self, depth: usize) -> Result<Option<String>, Trouble> {
        Ok(match self.tokens.begin(depth)? {
            Begin::Scalar => Some(self.scalar()?),
            Begin::Map => None,
            Begin::List => {
                let mut parts = Vec::new();
                while self.tokens.has_next(parts.is_empty(), b']')? {
                    if parts.len() > 16 || self.tokens.begin(depth + 1)? != Begin::Scalar {
                        return Ok(None);
                    }
                    parts.push(self.scalar()?);
                }
                Some(parts.join(":"))
            }
        })
    }

    fn scalar(&mut self) -> Result<String, Trouble> {
        Ok(match self.tokens.scalar()? {
            Scalar::Null => "null".to_string(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Number(text) | Scalar::Text(text) => text.to_string(),
        })
    }
}
