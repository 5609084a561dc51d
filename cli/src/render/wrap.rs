// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prose in the width of a terminal: broken between words, never within one, and never within a command in backticks, so that what
//! is copied from the screen is what was written.

use super::text::width as width_of;

/// Further in than the first line, the lines that go on.
const FURTHER: usize = 2;

/// Names of values stand before this column.
const LAST_NAME: usize = 12;

/// The lines of a line, none wider than `columns` unless a word of it is. Lines that go on stand below the value of
/// `name     value`, else a little further in.
pub fn wrapped(line: &str, columns: usize) -> Vec<String> {
    if width_of(line) <= columns {
        return vec![line.to_string()];
    }
    let begin = line.chars().take_while(|letter| *letter == ' ').count();
    let hang = below(line, begin).filter(|hang| hang * 2 < columns).unwrap_or(begin + FURTHER);
    let (mut lines, mut current, mut width) = (Vec::new(), String::new(), 0);
    for word in words(line) {
        let length = width_of(word);
        if width > 0 && width + length > columns && !word.trim().is_empty() && !current.trim().is_empty() {
            lines.push(current.trim_end().to_string());
            (current, width) = (" ".repeat(hang), hang);
        }
        current.push_str(word);
        width += length;
    }
    lines.push(current.trim_end().to_string());
    lines
}

/// Where the value begins in a line such as `name     value`.
fn below(line: &str, begin: usize) -> Option<usize> {
    let letters: Vec<char> = line.chars().collect();
    let gap =
        (begin..LAST_NAME.min(letters.len().saturating_sub(1))).find(|at| letters[*at..].starts_with(&[' ', ' ']))?;
    (gap > begin).then(|| gap + letters[gap..].iter().take_while(|letter| **letter == ' ').count())
}

/// Words and what is between them, in turn; a pair of backticks holds a word together.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut start, mut is_quoted, mut was_blank) = (Vec::new(), 0, false, None);
    for (at, letter) in line.char_indices() {
        is_quoted ^= letter == '`';
        let is_blank = letter == ' ' && !is_quoted;
        if was_blank.is_some_and(|was| was != is_blank) {
            words.push(&line[start..at]);
            start = at;
        }
        was_blank = Some(is_blank);
    }
    words.push(&line[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_broken_between_words_and_go_on_below_their_value() {
        let table: [(usize, &str, &[&str]); 6] = [
            (17, "short", &["short"]),
            (17, "one two three four five six", &["one two three", "  four five six"]),
            (17, "    one two three four five", &["    one two three", "      four five"]),
            (20, "data     one two three four", &["data     one two", "         three four"]),
            (17, "say `a b c d e f g` or nothing", &["say", "  `a b c d e f g`", "  or nothing"]),
            (17, "a averyverylongwordindeed b", &["a", "  averyverylongwordindeed", "  b"]),
        ];
        for (columns, line, expected) in table {
            assert_eq!(wrapped(line, columns), expected);
            assert_eq!(wrapped(line, usize::MAX), [line]);
        }
    }
}
