// SPDX-License-Identifier: MIT OR Apache-2.0
//! A patch as a table of lines with their numbers: it scrolls in a box of its own. What is too long is cut, and that is said.

use keepfast_engine::compare::text::{PatchLine, TextDiff};
use maud::{Markup, html};

use super::{Contents, Spool, more as more_of, shown};
use crate::exit::Failure;
use crate::render::text;

/// Bytes of a line that are shown.
const MAX_LINE_BYTES: usize = 2000;
/// Bytes that a cut line and the one in its place have in common, and that are shown before the first that differs.
const COMMON_BYTES: usize = 80;

/// Lines that are looked at for the one in whose place a line stands.
const MAX_RUN: usize = 100;

/// Appends the patch.
pub(super) fn write(spool: &mut Spool, diff: &TextDiff, contents: &Contents, name: &str) -> Result<(), Failure> {
    let (mut kept, mut more) = (Vec::new(), 0_u64);
    diff.patch(
        contents.lines_around,
        |line| {
            if kept.len() < contents.limits.lines { kept.push(line) } else { more += 1 }
        },
    );
    let (added, removed) = diff.counts();
    let counts = [(added, "added"), (removed, "removed")].into_iter().filter(|(count, _)| *count > 0);
    let counts = counts.map(|(count, word)| format!("{} {word}", text::counted(count as u64, "line")));
    spool.put(&html! { p.note { (counts.collect::<Vec<_>>().join(", ")) "." } })?;
    let label = format!("Lines of {}", text::plain(name));
    spool.raw(&format!("<div class=\"code\" tabindex=\"0\" role=\"region\" aria-label={}>", attribute(&label)))?;
    spool.raw("<table class=\"patch\"><thead class=\"hidden\"><tr><th scope=\"col\">Line before</th>")?;
    spool.raw(
        "<th scope=\"col\">Line after</th><th scope=\"col\">Change</th><th scope=\"col\">Text</th></tr></thead><tbody>",
    )?;
    let mut numbers = (0, 0);
    for (at, line) in kept.iter().enumerate() {
        if spool.is_full() {
            more += (kept.len() - at) as u64;
            break;
        }
        spool.put(&row(line, first_shown(&kept, at), &mut numbers, contents.masks))?;
    }
    spool.raw("</tbody></table></div>")?;
    match more {
        0 => Ok(()),
        more => spool.put(&html! { p.cut { (more_of(more, "more line")) " not shown." } }),
    }
}

/// A text as the quoted value of an attribute.
fn attribute(text: &str) -> String {
    format!("\"{}\"", html! { (text) }.into_string())
}

fn row(line: &PatchLine, from: usize, numbers: &mut (usize, usize), masks: bool) -> Markup {
    let (class, sign, content) = match line {
        PatchLine::Hunk { before, after } => {
            *numbers = (before.0, after.0);
            let place = format!("@@ -{} +{} @@", before.0, after.0);
            return html! { tr.hunk { td.n {} td.n {} td.s {} td.c { (place) } } };
        }
        PatchLine::Context(content) => ("context", " ", content),
        PatchLine::Removed(content) => ("removed", "-", content),
        PatchLine::Added(content) => ("added", "+", content),
    };
    let old = (sign != "+").then_some(numbers.0);
    let new = (sign != "-").then_some(numbers.1);
    numbers.0 += usize::from(old.is_some());
    numbers.1 += usize::from(new.is_some());
    let content = content_of(content, from, masks);
    html! {
        tr class=(class) {
            td.n { @if let Some(number) = old { (number) } }
            td.n { @if let Some(number) = new { (number) } }
            td.s { (sign) }
            td.c { @match sign { "-" => del { (content) }, "+" => ins { (content) }, _ => (content) } }
        }
    }
}

fn content_of(line: &[u8], from: usize, masks: bool) -> Markup {
    let has_end = line.ends_with(b"\n");
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (start, end) = (character(line, from), character(line, from.saturating_add(MAX_LINE_BYTES)));
    html! {
        @if start > 0 { span.cut { (text::count(start as u64)) " bytes ... " } }
        bdi { (shown::code(&line[start..end], masks)) }
        @if end < line.len() { span.cut { " ... " (text::count((line.len() - end) as u64)) " more bytes" } }
        @if !has_end { span.cut { " (no line feed at the end)" } }
    }
}

/// The place itself, or the beginning of the UTF-8 character that it lies in.
fn character(line: &[u8], at: usize) -> usize {
    let at = at.min(line.len());
    let begins = |at: &usize| line.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    (at.saturating_sub(3)..=at).rev().find(begins).unwrap_or(at)
}

/// From which byte a line is shown: where it is long and has another line in its place, from where they differ.
fn first_shown(lines: &[PatchLine], at: usize) -> usize {
    let content = |line: &PatchLine| match *line {
        PatchLine::Removed(content) => Some((false, content.len())),
        PatchLine::Added(content) => Some((true, content.len())),
        _ => None,
    };
    let Some((is_added, length)) = content(&lines[at]) else { return 0 };
    if length <= MAX_LINE_BYTES {
        return 0;
    }
    let kind = |line: &PatchLine| content(line).map(|(is_added, _)| is_added);
    // A run of lines, and as long a run of the other kind beside it.
    let is_same = |line: &&PatchLine| kind(line) == Some(is_added);
    let before = lines[..at].iter().rev().take(MAX_RUN).take_while(is_same).count();
    let run = before + lines[at..].iter().take(MAX_RUN).take_while(is_same).count();
    let partner = if is_added { at.checked_sub(run) } else { Some(at + run) };
    let is_other = |line: &&PatchLine| kind(line) == Some(!is_added);
    match (lines[at], partner.and_then(|place| lines.get(place)).filter(is_other)) {
        (
            PatchLine::Removed(one) | PatchLine::Added(one),
            Some(PatchLine::Removed(other) | PatchLine::Added(other)),
        ) => {
            let common = one.iter().zip(*other).take_while(|(one, other)| one == other).count();
            common.saturating_sub(COMMON_BYTES)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use keepfast_engine::compare::text::TextDiff;

    use super::{MAX_LINE_BYTES, character, content_of, first_shown};

    #[test]
    fn long_lines_are_cut_where_they_differ() {
        let line = |middle: &str| format!("{}{middle}{}", "é".repeat(4000), "z".repeat(5000)).into_bytes();
        let (before, after) = (line("old"), line("new"));
        let mut lines = Vec::new();
        let diff = TextDiff::new(&before, &after).unwrap();
        diff.patch(3, |line| lines.push(line));
        assert_eq!((first_shown(&lines, 1), first_shown(&lines, 2)), (7920, 7920));
        let shown = content_of(&after, 7920, true).into_string();
        assert!(
            shown.contains("7,920 bytes ... ") && shown.contains("énewz") && shown.len() < MAX_LINE_BYTES + 300,
            "{shown}"
        );
        assert!(shown.contains("more bytes"), "{shown}");
    }

    #[test]
    fn no_character_is_cut_in_two() {
        let line = "aé€".as_bytes();
        assert_eq!((0..8).map(|at| character(line, at)).collect::<Vec<_>>(), [0, 1, 1, 3, 3, 3, 6, 6]);
        assert_eq!(character(b"\x80\x80\x80\x80\x80", 4), 4);
    }
}
