// SPDX-License-Identifier: MIT OR Apache-2.0
//! What changed between two texts, as a unified diff: the one place where versions of a text are compared to be shown.
//!
//! For `history --patch`. Bytes in, bytes out; which texts, and whether they are any, is decided by who calls.

use imara_diff::sources::byte_lines;
use imara_diff::{Algorithm, Diff, Hunk, InternedInput};

/// Lines around a change that stay to show where it is; what `diff -u` does.
const CONTEXT_LINES: u32 = 3;

/// The hunks of a unified diff, each line with its line feed; empty if the texts are equal.
pub fn unified(before: &[u8], after: &[u8]) -> Vec<u8> {
    let input = InternedInput::new(byte_lines(before), byte_lines(after));
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut patch = Patch { input: &input, text: Vec::new() };
    let mut group: Vec<Hunk> = Vec::new();
    for hunk in diff.hunks() {
        if group.last().is_some_and(|last| hunk.before.start - last.before.end > 2 * CONTEXT_LINES) {
            patch.put(&group);
            group.clear();
        }
        group.push(hunk);
    }
    patch.put(&group);
    patch.text
}

struct Patch<'a> {
    input: &'a InternedInput<&'a [u8]>,
    text: Vec<u8>,
}

impl Patch<'_> {
    /// Changes that stand so close together that they share their context.
    fn put(&mut self, group: &[Hunk]) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
        let lead = first.before.start.min(CONTEXT_LINES);
        let rest = (self.input.before.len() as u32 - last.before.end).min(CONTEXT_LINES);
        let old = first.before.start - lead..last.before.end + rest;
        let new = first.after.start - lead..last.after.end + rest;
        let span = |range: &std::ops::Range<u32>| match range.len() {
            // An empty range is named by the line before it.
            0 => format!("{},0", range.start),
            1 => format!("{}", range.start + 1),
            length => format!("{},{length}", range.start + 1),
        };
        self.text.extend(format!("@@ -{} +{} @@\n", span(&old), span(&new)).into_bytes());
        let mut at = old.start;
        for hunk in group {
            self.lines(b' ', at, hunk.before.start, Side::Before);
            self.lines(b'-', hunk.before.start, hunk.before.end, Side::Before);
            self.lines(b'+', hunk.after.start, hunk.after.end, Side::After);
            at = hunk.before.end;
        }
        self.lines(b' ', at, old.end, Side::Before);
    }

    fn lines(&mut self, sign: u8, from: u32, to: u32, side: Side) {
        let tokens = if side == Side::Before { &self.input.before } else { &self.input.after };
        for token in &tokens[from as usize..to as usize] {
            let line = self.input.interner[*token];
            self.text.push(sign);
            self.text.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                self.text.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

#[cfg(test)]
mod tests {
    use super::unified;

    fn diff(before: &str, after: &str) -> String {
        String::from_utf8(unified(before.as_bytes(), after.as_bytes())).unwrap()
    }

    #[test]
    fn a_patch_is_that_of_diff_u() {
        assert_eq!(diff("a\nb\nc\n", "a\nB\nc\n"), "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert_eq!(diff("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(diff("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
        assert_eq!(diff("a", "a\n"), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
        assert_eq!(diff("same\n", "same\n"), "");
    }

    #[test]
    fn changes_that_stand_apart_have_hunks_of_their_own() {
        let text = |first: &str, last: &str| format!("{first}\n{}{last}\n", "x\n".repeat(9));
        let patch = diff(&text("1", "2"), &text("one", "two"));
        assert_eq!(patch.matches("@@ -").count(), 2, "{patch}");
        assert!(
            patch.contains("@@ -1,4 +1,4 @@\n-1\n+one\n x\n") && patch.contains("@@ -8,4 +8,4 @@\n x\n"),
            "{patch}"
        );
    }
}
