// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines that differ between two texts, as hunks and as a unified patch that `patch` takes. Lines are bytes, with their ends: nothing is decoded,
//! and a carriage return is part of its line. Both texts are in memory, up to [`MAX_TEXT_BYTES`] each.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput, sources};

use super::GaveUp;

/// Bytes of a text at most: its lines take about as much once more.
pub const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Two texts, line by line, and where they differ.
pub struct TextDiff<'a> {
    before: Vec<&'a [u8]>,
    after: Vec<&'a [u8]>,
    /// Ranges of lines that differ, ascending; between them both are equal.
    changes: Vec<Lines>,
}

/// A range of lines of the first text, and what stands in its place in the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Of the first text, from 0.
    pub before: Range<usize>,
    /// Of the second.
    pub after: Range<usize>,
}

/// A line of a patch; its bytes end with a line feed, except those of a last line without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchLine<'a> {
    /// Begins a hunk: first line, from 1, and number of lines in either text.
    Hunk {
        /// Of the first text.
        before: (usize, usize),
        /// Of the second text.
        after: (usize, usize),
    },
    /// Both have it.
    Context(&'a [u8]),
    /// Only the first text has it.
    Removed(&'a [u8]),
    /// Only the second text has it.
    Added(&'a [u8]),
}

impl PatchLine<'_> {
    /// The line, or two, as `patch` takes it.
    pub fn bytes(&self) -> Vec<u8> {
        let (sign, content) = match self {
            PatchLine::Hunk { before, after } => {
                let span = |(start, count): (usize, usize)| match count {
                    1 => start.to_string(),
                    count => format!("{start},{count}"),
                };
                return format!("@@ -{} +{} @@\n", span(*before), span(*after)).into_bytes();
            }
            PatchLine::Context(line) => (" ", line),
            PatchLine::Removed(line) => ("-", line),
            PatchLine::Added(line) => ("+", line),
        };
        let end: &[u8] = if content.ends_with(b"\n") { b"" } else { b"\n\\ No newline at end of file\n" };
        [sign.as_bytes(), content, end].concat()
    }
}

impl<'a> TextDiff<'a> {
    /// Compares.
    ///
    /// # Errors
    /// One is longer than [`MAX_TEXT_BYTES`].
    pub fn new(before: &'a [u8], after: &'a [u8]) -> Result<Self, GaveUp> {
        for (text, which) in [(before, "first"), (after, "second")] {
            if text.len() as u64 > MAX_TEXT_BYTES {
                let why = format!("it has {} bytes, and {MAX_TEXT_BYTES} are the most", text.len());
                return Err(GaveUp { reader: "text", place: format!("the {which} text"), why });
            }
        }
        let input = InternedInput::new(sources::byte_lines(before), sources::byte_lines(after));
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        let lines = |range: Range<u32>| range.start as usize..range.end as usize;
        let changes = diff.hunks().map(|hunk| Lines { before: lines(hunk.before), after: lines(hunk.after) }).collect();
        let all = |tokens: &[imara_diff::Token]| tokens.iter().map(|token| input.interner[*token]).collect();
        Ok(Self { before: all(&input.before), after: all(&input.after), changes })
    }

    /// Where they differ.
    pub fn changes(&self) -> &[Lines] {
        &self.changes
    }

    /// Lines that only the second text has, and that only the first has.
    pub fn counts(&self) -> (usize, usize) {
        let add = |(added, removed), lines: &Lines| (added + lines.after.len(), removed + lines.before.len());
        self.changes.iter().fold((0, 0), add)
    }

    /// Tells the lines of a unified patch, with `context` equal lines around each change.
    pub fn patch(&self, context: usize, mut each: impl FnMut(PatchLine<'a>)) {
        for group in self.changes.chunk_by(|a, b| b.before.start - a.before.end <= 2 * context) {
            let (first, last) = (&group[0], &group[group.len() - 1]);
            let lead = context.min(first.before.start);
            let (start, other_start) = (first.before.start - lead, first.after.start - lead);
            let end = self.before.len().min(last.before.end + context);
            let other_end = last.after.end + (end - last.before.end);
            let numbers = |range: Range<usize>| (range.start + usize::from(!range.is_empty()), range.len());
            each(PatchLine::Hunk { before: numbers(start..end), after: numbers(other_start..other_end) });
            let mut at = start;
            for lines in group {
                self.before[at..lines.before.start].iter().for_each(|line| each(PatchLine::Context(line)));
                self.before[lines.before.clone()].iter().for_each(|line| each(PatchLine::Removed(line)));
                self.after[lines.after.clone()].iter().for_each(|line| each(PatchLine::Added(line)));
                at = lines.before.end;
            }
            self.before[at..end].iter().for_each(|line| each(PatchLine::Context(line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::{PatchLine, TextDiff};

    /// What a reader of the patch makes of the first text.
    fn applied(before: &[u8], after: &[u8], context: usize) -> Vec<u8> {
        let lines: Vec<&[u8]> = before.split_inclusive(|byte| *byte == b'\n').collect();
        let (mut made, mut at) = (Vec::new(), 0);
        TextDiff::new(before, after).unwrap().patch(context, |line| match line {
            PatchLine::Hunk { before: (start, count), .. } => {
                let start = if count == 0 { start } else { start - 1 };
                made.extend(lines[at..start].concat());
                at = start;
            }
            PatchLine::Removed(line) => {
                assert_eq!(line, lines[at]);
                at += 1;
            }
            PatchLine::Context(line) => {
                assert_eq!(line, lines[at]);
                at += 1;
                made.extend_from_slice(line);
            }
            PatchLine::Added(line) => made.extend_from_slice(line),
        });
        made.extend(lines[at..].concat());
        made
    }

    fn shown(before: &str, after: &str) -> String {
        let mut text = String::new();
        TextDiff::new(before.as_bytes(), after.as_bytes()).unwrap().patch(1, |line| {
            let (sign, line) = match line {
                PatchLine::Hunk { before, after } => {
                    writeln!(text, "@@ {before:?} {after:?}").unwrap();
                    return;
                }
                PatchLine::Context(line) => (' ', line),
                PatchLine::Removed(line) => ('-', line),
                PatchLine::Added(line) => ('+', line),
            };
            write!(text, "{sign}{}", String::from_utf8_lossy(line)).unwrap();
        });
        text
    }

    #[test]
    fn a_patch_has_numbers_context_and_both_sides() {
        assert_eq!(shown("a\nb\nc\nd\n", "a\nB\nc\nd\n"), "@@ (1, 3) (1, 3)\n a\n-b\n+B\n c\n");
        assert_eq!(shown("", "new\n"), "@@ (0, 0) (1, 1)\n+new\n");
        assert_eq!(shown("old", ""), "@@ (1, 1) (0, 0)\n-old");
        assert_eq!(shown("same\n", "same\n"), "");
        assert_eq!(shown("a\r\n", "a\n"), "@@ (1, 1) (1, 1)\n-a\r\n+a\n");
    }

    proptest! {
        #[test]
        fn the_patch_applied_to_the_first_text_gives_the_second(
            before in vec(select(vec!["a\n", "b\n", "c\n", "\n", "\r\n", "d"]), 0..40),
            after in vec(select(vec!["a\n", "b\n", "c\n", "\n", "\r\n", "d"]), 0..40),
            context in 0_usize..4,
        ) {
            let (before, after) = (before.concat(), after.concat());
            prop_assert_eq!(applied(before.as_bytes(), after.as_bytes(), context), after.as_bytes());
        }

        #[test]
        fn any_bytes_are_lines(before in vec(any::<u8>(), 0..300), after in vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(applied(&before, &after, 3), after);
        }
    }
}
