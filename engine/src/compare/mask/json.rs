// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON of any size without its secrets, also in one line, also as a text in another document. It is read twice: to see that all of it is JSON, and
//! which maps name a secret; and to write it.

pub(crate) mod survey;

use std::collections::HashMap;
use std::io::Write;

use super::context::{Context, hidden, quoted};
use super::{Mask, is_secret_name, is_value_key};
use crate::compare::json::tokens::{Begin, Scalar, Tokens};
use crate::compare::output::Output;
use crate::compare::{Bytes, Trouble};

/// What is known before anything is written.
#[derive(Default)]
pub(crate) struct Plan {
    /// Where maps begin whose value is a secret, as they say themselves; ascending.
    pub(crate) named: Vec<u64>,
    /// Where values begin that are left out; ascending.
    pub(crate) cut: Vec<u64>,
}

/// A document that is a text in another one, without its secrets, if it has some; `None` if it is no document.
pub(super) fn embedded(text: &str, mask: &Mask, depth: usize) -> Option<Option<String>> {
    let bytes = text.as_bytes().to_vec();
    let plan = Plan { named: survey::named(&bytes).ok()?, cut: Vec::new() };
    let mut made = Vec::new();
    let hidden = document(&bytes, &plan, mask, depth, &mut made).ok()?;
    String::from_utf8(made).ok().map(|made| Some(made).filter(|_| hidden > 0))
}

/// Writes a document that is a text in `embedded` others; how many secrets were hidden.
///
/// # Errors
/// It is no JSON, or can not be read or written.
pub(crate) fn document(
    bytes: &dyn Bytes,
    plan: &Plan,
    mask: &Mask,
    embedded: usize,
    sink: &mut dyn Write,
) -> Result<u64, Trouble> {
    let tokens = Tokens::of_text(bytes, "")?;
    let mut writer =
        Writer { tokens, plan, mask, embedded, output: Output::new(bytes, sink), hidden: 0, keys: HashMap::new() };
    let mut is_first = true;
    while writer.tokens.next_document(is_first)? {
        let start = writer.tokens.offset();
        if writer.is_cut(start) {
            survey::pass(&mut writer.tokens, 0)?;
            let end = writer.tokens.offset();
            writer.output.replace(start..end, b"")?;
        } else {
            writer.value(0, Context::default())?;
        }
        is_first = false;
    }
    let hidden = writer.hidden;
    writer.output.finish()?;
    Ok(hidden)
}

struct Writer<'a> {
    tokens: Tokens<'a>,
    plan: &'a Plan,
    mask: &'a Mask,
    /// In so many texts of documents.
    embedded: usize,
    output: Output<'a>,
    hidden: u64,
    /// Of keys that were met, as most are met again.
    keys: HashMap<String, Known>,
}

/// What is known of a key.
#[derive(Clone, Debug)]
struct Known {
    /// The key without the secrets that it has.
    hidden: Option<String>,
    /// It is the name of a secret.
    is_secret: bool,
}

/// Keys that are remembered.
const MAX_KNOWN_KEYS: usize = 4096;

impl Writer<'_> {
    fn is_cut(&self, start: u64) -> bool {
        self.plan.cut.binary_search(&start).is_ok()
    }

    fn value(&mut self, depth: usize, context: Context) -> Result<(), Trouble> {
        match self.tokens.begin(depth)? {
            Begin::Scalar => self.scalar(context),
            Begin::List => self.members(b']', depth, context),
            Begin::Map => self.members(b'}', depth, context),
        }
    }

    fn scalar(&mut self, context: Context) -> Result<(), Trouble> {
        let start = self.tokens.offset();
        let hidden = match self.tokens.scalar()? {
            Scalar::Text(text) => hidden(self.mask, context, text, self.embedded),
            Scalar::Number(text) if context.is_secret => hidden(self.mask, context, text, self.embedded),
            Scalar::Number(_) | Scalar::Null | Scalar::Bool(_) => None,
        };
        self.put(start, hidden)
    }

    fn known(&mut self, key: &str) -> Known {
        if let Some(known) = self.keys.get(key) {
            return known.clone();
        }
        let hidden = hidden(self.mask, Context::default(), key, self.embedded);
        let known = Known { hidden, is_secret: is_secret_name(key) };
        if self.keys.len() >= MAX_KNOWN_KEYS {
            self.keys.clear();
        }
        self.keys.insert(key.to_string(), known.clone());
        known
    }

    fn put(&mut self, start: u64, hidden: Option<String>) -> Result<(), Trouble> {
        let end = self.tokens.offset();
        match hidden {
            Some(hidden) => {
                self.hidden += 1;
                self.output.replace(start..end, quoted(&hidden).as_bytes())?;
            }
            None => self.output.keep(start)?,
        }
        Ok(())
    }

    /// The members of a map or list whose bracket is passed. Of those that are left out one comma goes along.
    fn members(&mut self, close: u8, depth: usize, context: Context) -> Result<(), Trouble> {
        let is_named = close == b'}' && self.plan.named.binary_search(&(self.tokens.offset() - 1)).is_ok();
        let (mut is_first, mut has_kept, mut cut) = (true, false, None);
        loop {
            self.tokens.space()?;
            let comma = self.tokens.offset();
            if !self.tokens.has_next(is_first, close)? {
                if let Some((start, end)) = cut {
                    self.output.replace(start..end, b"")?;
                }
                return Ok(());
            }
            is_first = false;
            self.tokens.space()?;
            let start = self.tokens.offset();
            if let Some((from, _)) = cut.take() {
                self.output.replace(from..start, b"")?;
            }
            let (mut key, mut key_end) = (String::new(), start);
            if close == b'}' {
                key.push_str(self.tokens.key()?);
                key_end = self.tokens.offset();
                self.tokens.colon()?;
            }
            if self.is_cut(self.tokens.offset()) {
                survey::pass(&mut self.tokens, depth + 1)?;
                let end = self.tokens.offset();
                if has_kept {
                    self.output.replace(comma..end, b"")?;
                } else {
                    cut = Some((start, end));
                }
                continue;
            }
            has_kept = true;
            if close == b']' {
                self.value(depth + 1, context)?;
                continue;
            }
            let known = self.known(&key);
            if let Some(hidden) = known.hidden {
                self.hidden += 1;
                self.output.replace(start..key_end, quoted(&hidden).as_bytes())?;
            }
            self.value(depth + 1, context.below(&key, known.is_secret || is_named && is_value_key(&key)))?;
        }
    }
}
