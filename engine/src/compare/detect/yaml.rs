// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells YAML from prose, Markdown, mail and logs, which have colons and dashes too.
//!
//! Almost any text is YAML to its reader, if only one scalar. What counts here are maps of short keys.

use super::super::document::Value;
use super::super::{GaveUp, yaml};
use super::{Format, Sample};

/// Words of a short text.
const WORDS: usize = 5;

/// YAML; also whether the text wants to be some that its reader does not take.
pub(super) fn format(sample: Sample<'_>, claim: &mut Option<Format>) -> Option<Format> {
    // No YAML is indented by tabs; fences of Markdown and marks of conflicts are no plain scalars on purpose.
    let contradicts = |line: &str| ["\t", "```", "<<<<<<<"].iter().any(|start| line.starts_with(start));
    if sample.text.lines().any(contradicts) {
        return None;
    }
    let begins = |line: &str| line.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '"' | '\''));
    let document = match yaml::parse(sample.complete(begins).as_bytes()) {
        Ok(document) => document,
        Err(why) => {
            *claim = is_claimed(sample, &why).then_some(Format::Yaml);
            return None;
        }
    };
    let lines = || sample.text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let is_marked = lines().next().is_some_and(is_mark);
    let documents = lines().filter(|line| line.starts_with("---") && is_mark(line)).count() + usize::from(!is_marked);
    let is_clear = match &document {
        Value::List(values) if documents > 1 => values.iter().all(|value| is_clear_alone(value, is_marked)),
        value => is_clear_alone(value, is_marked),
    };
    is_clear.then_some(Format::Yaml)
}

/// It is beyond a limit of the reader, or begins with a mark of YAML that is the only one: between two there is the head of a text in
/// another language.
fn is_claimed(sample: Sample<'_>, why: &GaveUp) -> bool {
    let mut lines = sample.text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let is_marked = lines.next().is_some_and(is_mark);
    why.is_limit() || is_marked && !lines.any(|line| line.starts_with("---"))
}

/// Whether the line begins a document, or says how it is to be read.
fn is_mark(line: &str) -> bool {
    line.trim_end() == "---" || ["--- ", "%YAML", "%TAG"].iter().any(|start| line.starts_with(start))
}

fn is_clear_alone(document: &Value, is_marked: bool) -> bool {
    match document {
        Value::Map(entries) => {
            let has_shape = entries.len() > 1 || entries.iter().any(|(_, value)| is_container(value));
            (is_marked || has_shape && !is_of_sentences(entries)) && has_clear_keys(entries)
        }
        Value::List(values) => {
            let maps = values.iter().filter(|value| matches!(value, Value::Map(entries) if has_clear_keys(entries)));
            !values.is_empty() && (is_marked || maps.count() * 2 > values.len())
        }
        _ => false,
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

/// Whether most values are long texts without an end of line: sentences, or commands below the name of a recipe.
fn is_of_sentences(entries: &[(String, Value)]) -> bool {
    let is_sentence = |value: &Value| matches!(value, Value::Text(text) if text.split_whitespace().count() > WORDS);
    entries.iter().filter(|(_, value)| is_sentence(value)).count() * 2 > entries.len()
}

/// Whether nearly all keys are one word (and not columns between colons), and most are no time of a log.
fn has_clear_keys(entries: &[(String, Value)]) -> bool {
    let is_word = |key: &str| !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || c == ':');
    let words = entries.iter().filter(|(key, _)| is_word(key)).count();
    let is_time =
        |(key, value): &&(String, Value)| key.starts_with(|c: char| c.is_ascii_digit()) && !is_container(value);
    let times = entries.iter().filter(is_time).count();
    words * 5 >= entries.len() * 4 && (times * 2 <= entries.len())
}
