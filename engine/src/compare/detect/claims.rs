// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tells what a text wants to be that no reader takes: a document that is broken, or beyond a limit. Its reader then says where it gave up, and
//! whoever hides secrets knows that lines were looked at only.

use super::{Format, Sample};

/// The format that the text begins like, if nothing else begins so.
pub(super) fn format(sample: Sample<'_>) -> Option<Format> {
    let text = sample.text.trim_start();
    if is_json(text) {
        return Some(Format::Json);
    }
    is_xml(text).then_some(Format::Xml)
}

/// `{"`, `["`, `[{`, `[[[`; but no `[section]`, `[[table]]`, `{{ template }}` or `[time] of a log`.
fn is_json(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('{') {
        return rest.trim_start().starts_with('"');
    }
    let mut rest = text;
    let mut lists = 0;
    while let Some(inside) = rest.strip_prefix('[') {
        lists += 1;
        rest = inside.trim_start();
    }
    lists > 2 || lists > 0 && rest.starts_with(['"', '{'])
}

fn is_xml(text: &str) -> bool {
    let start = text.get(..14).unwrap_or(text).to_ascii_lowercase();
    start.starts_with("<?xml") || start.starts_with("<!doctype") && !start.starts_with("<!doctype html")
}
