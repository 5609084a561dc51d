// SPDX-License-Identifier: MIT OR Apache-2.0
//! YAML, TOML, INI and XML: in memory, as the readers have limits of their own. What was written is read again, and has to say the same.

mod cut;
mod encode;

use std::collections::HashSet;
use std::io::Write;
use std::ops::Range;

use super::{Lines, Report, Rules, Stop, instead};
use crate::compare::document::Value;
use crate::compare::mask::context::{Context, hidden, says_secret};
use crate::compare::mask::{is_name_key, is_secret_name};
use crate::compare::spans::{Content, Entry, Spot, Style};
use crate::compare::{Bytes, Format, GaveUp, Mask, ini, output, toml, xml, yaml};

/// Bytes of a text at most, as the readers have it.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Other bytes in the place of a range of a text.
type Edit = (Range<usize>, String);

/// A format that is read whole.
#[derive(Clone, Copy)]
struct Notation {
    format: Format,
    name: &'static str,
    parse: fn(&[u8]) -> Result<Value, GaveUp>,
    spans: fn(&str) -> Result<Spot, GaveUp>,
}

impl Notation {
    fn of(format: Format) -> Self {
        match format {
            Format::Toml => Self { format, name: "TOML", parse: toml::parse, spans: toml::spans },
            Format::Ini => Self { format, name: "INI", parse: ini::parse, spans: ini::spans },
            Format::Xml => Self { format, name: "XML", parse: xml::parse, spans: xml::spans },
            _ => Self { format, name: "YAML", parse: yaml::parse, spans: yaml::spans },
        }
    }

    fn gave_up(&self, why: &str) -> GaveUp {
        GaveUp { reader: self.name, place: "the whole".to_string(), why: why.to_string() }
    }
}

/// Writes it.
pub(super) fn write(
    format: Format,
    bytes: &dyn Bytes,
    rules: &Rules,
    report: &mut Report,
    sink: &mut dyn Write,
) -> Result<(), Stop> {
    let notation = Notation::of(format);
    if bytes.len() > MAX_TEXT_BYTES {
        let why = format!("it has {} bytes, and {MAX_TEXT_BYTES} are the most", bytes.len());
        return Err(notation.gave_up(&why).into());
    }
    let whole = output::head(bytes, usize::try_from(MAX_TEXT_BYTES).unwrap_or(usize::MAX))?;
    let mut model = (notation.parse)(&whole)?;
    let Ok(whole) = String::from_utf8(whole) else { return Err(notation.gave_up("it is not UTF-8").into()) };
    let mark = if whole.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut text = whole[mark..].to_string();
    for path in rules.omit {
        text = cut::without(&text, path, notation)?;
        model = (notation.parse)(text.as_bytes())?;
        report.omitted += 1;
    }
    if rules.mask.hides() {
        let edits = hide(&text, &(notation.spans)(&text)?, notation.format, rules.mask);
        let made = applied(&text, &edits);
        if !edits.is_empty() && !is_same(&model, &(notation.parse)(made.as_bytes())?) {
            return Err(notation.gave_up("without its secrets it would not say the same").into());
        }
        report.hidden += edits.len() as u64;
        text = match rules.lines {
            Lines::Any => made,
            Lines::Kept => {
                let lines = |(range, with): Edit| {
                    let with = encode::bare(&with);
                    let with = instead(text.get(range.clone()).unwrap_or_default(), with, Lines::Kept);
                    (range, with)
                };
                applied(&text, &edits.into_iter().map(lines).collect::<Vec<_>>())
            }
        };
    }
    sink.write_all(&whole.as_bytes()[..mark])?;
    Ok(sink.write_all(text.as_bytes())?)
}

/// The text with the edits, which come in order and apart from each other.
fn applied(text: &str, edits: &[Edit]) -> String {
    let (mut made, mut at) = (String::with_capacity(text.len()), 0);
    for (range, with) in edits.iter().filter(|(range, _)| range.start >= range.end || !range.is_empty()) {
        made.push_str(text.get(at..range.start).unwrap_or_default());
        made.push_str(with);
        at = range.end.max(at);
    }
    made.push_str(text.get(at..).unwrap_or_default());
    made
}

/// Whether nothing but values, and keys that are secrets themselves, became fingerprints.
fn is_same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::List(old), Value::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(a, b)| is_same(a, b))
        }
        (Value::Map(old), Value::Map(new)) => {
            let value = |key: &String| new.iter().find(|(other, _)| other == key).map(|(_, value)| value);
            let gone = old.iter().filter(|(key, _)| new.binary_search_by(|(other, _)| other.cmp(key)).is_err()).count();
            let fresh = new.iter().filter(|(key, _)| key.contains("<secret ")).count();
            let is_kept = |(key, a): &(String, Value)| match new.binary_search_by(|(other, _)| other.cmp(key)) {
                Ok(at) => is_same(a, &new[at].1),
                Err(_) => value(key).is_none_or(|b| is_same(a, b)),
            };
            old.len() == new.len() && gone <= fresh && old.iter().all(is_kept)
        }
        (_, Value::Text(text)) if text.contains("<secret ") => !matches!(before, Value::List(_) | Value::Map(_)),
        (old, new) => old == new,
    }
}

/// What is to be written in the place of secrets.
fn hide(text: &str, spot: &Spot, format: Format, mask: &Mask) -> Vec<Edit> {
    let mut secret_anchors = HashSet::new();
    let mut edits = loop {
        let known = secret_anchors.len();
        let mut walk = Walk { text, format, mask, edits: Vec::new(), secret_anchors };
        walk.value(spot, Context::default());
        secret_anchors = walk.secret_anchors;
        // What an alias under the name of a secret stands for is one wherever it stands.
        if secret_anchors.len() == known {
            break walk.edits;
        }
    };
    edits.sort_by_key(|(range, _)| range.start);
    let mut places = Vec::new();
    spot.places(&mut |range| places.push(range));
    places.sort_by_key(|range| range.start);
    let mut at = 0;
    // Comments, and whatever else stands between values.
    for range in places.into_iter().chain(std::iter::once(text.len()..text.len())) {
        if let Some(between) = text.get(at..range.start).filter(|between| between.contains(char::is_alphanumeric))
            && let std::borrow::Cow::Owned(shown) = mask.text(between.as_bytes())
        {
            edits.push((at..range.start, String::from_utf8_lossy(&shown).into_owned()));
        }
        at = at.max(range.end);
    }
    edits.sort_by_key(|(range, _)| range.start);
    edits
}

struct Walk<'a> {
    text: &'a str,
    format: Format,
    mask: &'a Mask,
    edits: Vec<Edit>,
    secret_anchors: HashSet<usize>,
}

impl Walk<'_> {
    fn value(&mut self, spot: &Spot, mut context: Context) {
        context.is_secret |= spot.anchor != 0 && self.secret_anchors.contains(&spot.anchor);
        match &spot.content {
            Content::Scalar(Some(text), style) => self.scalar(&spot.span, text, *style, context),
            Content::Alias(anchor) if context.is_secret => {
                self.secret_anchors.insert(*anchor);
            }
            Content::Scalar(None, _) | Content::Alias(_) => {}
            Content::List(values) => values.iter().for_each(|value| self.value(value, context)),
            Content::Map(entries) => {
                let is_named = entries.iter().any(names_secret);
                for entry in entries {
                    if !entry.key_span.is_empty() {
                        self.scalar(&entry.key_span, &entry.key, entry.key_style, Context::default());
                    }
                    self.value(&entry.value, context.below(&entry.key, says_secret(&entry.key, is_named)));
                }
            }
        }
    }

    fn scalar(&mut self, span: &Range<usize>, text: &str, style: Style, context: Context) {
        if let Some(hidden) = hidden(self.mask, context, text, 0) {
            let written = self.text.get(span.clone()).unwrap_or_default();
            self.edits.push((span.clone(), encode::scalar(&hidden, written, style, self.format)));
        }
    }
}

fn names_secret(entry: &Entry) -> bool {
    let text = match &entry.value.content {
        Content::Scalar(text, _) => text.as_deref(),
        _ => None,
    };
    is_name_key(&entry.key) && text.is_some_and(is_secret_name)
}
