// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of text: columns as wide as their content, and what is too wide for the terminal goes on in the next line.
//! Nothing is ever cut off: an id or a path that is not whole is of no use.

use unicode_width::UnicodeWidthChar;

use super::text::width;

/// On which side the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Left.
    Left,
    /// Right, for numbers.
    Right,
}

/// A table that grows by rows.
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

/// Blanks between columns.
const GAP: usize = 2;
/// A column is made no narrower than this to fit a terminal.
const MIN_WIDTH: usize = 8;

impl Table {
    /// An empty table with these headings.
    pub fn new(columns: &[(&'static str, Side)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. A line feed in a cell starts another line of it.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The lines of the table, none wider than `limit` if that is possible.
    pub fn lines(&self, limit: usize) -> Vec<String> {
        let widths = self.widths(limit);
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| (*heading).to_string()).collect();
        let rule = widths.iter().sum::<usize>() + GAP * (widths.len() - 1);
        let mut lines = self.row_lines(&headings, &widths);
        lines.push("-".repeat(rule));
        lines.extend(self.rows.iter().flat_map(|row| self.row_lines(row, &widths)));
        lines
    }

    /// As wide as the content; while that is too much, the widest column gives way.
    fn widths(&self, limit: usize) -> Vec<usize> {
        let cells = |column: usize| self.rows.iter().flat_map(move |row| row[column].lines());
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|column| cells(column).chain([self.columns[column].0]).map(width).max().unwrap_or(0))
            .collect();
        let room = limit.saturating_sub(GAP * (widths.len() - 1));
        while widths.iter().sum::<usize>() > room {
            let widest = widths.iter_mut().max().expect("a table has columns");
            if *widest <= MIN_WIDTH {
                break;
            }
            *widest -= 1;
        }
        widths
    }

    fn row_lines(&self, row: &[String], widths: &[usize]) -> Vec<String> {
        let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        (0..height).map(|line| self.one_line(&cells, widths, line)).collect()
    }

    fn one_line(&self, cells: &[Vec<String>], widths: &[usize], line: usize) -> String {
        let mut text = String::new();
        for ((cell, width_of_column), (_, side)) in cells.iter().zip(widths).zip(&self.columns) {
            let part = cell.get(line).map_or("", String::as_str);
            let blanks = " ".repeat(width_of_column.saturating_sub(width(part)));
            match side {
                Side::Left => text.extend([part, blanks.as_str()]),
                Side::Right => text.extend([blanks.as_str(), part]),
            }
            text.push_str(&" ".repeat(GAP));
        }
        text.trim_end().to_string()
    }
}

/// Lines of a cell: broken between words, or behind a slash of a path, if that leaves no large gap, else anywhere.
fn wrap(cell: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in cell.lines() {
        let mut rest = line;
        while width(rest) > columns.max(1) {
            let fits = fitting(rest, columns.max(1));
            // A blank that follows what fits needs no column.
            let head = if rest[fits..].starts_with(' ') { fits + 1 } else { fits };
            let is_near = |at: &usize| width(&rest[..*at]) * 2 > columns;
            let blank = rest[..head].rfind(' ').filter(is_near);
            let slash = rest[..fits].rfind('/').map(|at| at + 1).filter(is_near);
            let end = blank.max(slash).unwrap_or(fits);
            lines.push(rest[..end].to_string());
            rest = &rest[if blank == Some(end) { end + 1 } else { end }..];
        }
        lines.push(rest.to_string());
    }
    lines
}

/// Bytes of the beginning that takes no more columns; one letter at least.
fn fitting(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += letter.width().unwrap_or(1);
        if taken > columns && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{Side, Table};

    fn table() -> Table {
        let mut table = Table::new(&[("id", Side::Left), ("path", Side::Left), ("size", Side::Right)]);
        table.row(vec!["1a".into(), "/srv/a/rather/long/path\n/etc".into(), "12 B".into()]);
        table.row(vec!["2b".into(), String::new(), "9.99 MiB".into()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_content() {
        let expected = [
            "id  path                         size",
            "-------------------------------------",
            "1a  /srv/a/rather/long/path      12 B",
            "    /etc",
            "2b                           9.99 MiB",
        ];
        assert_eq!(table().lines(usize::MAX), expected);
    }

    #[test]
    fn a_narrow_terminal_wraps_and_loses_nothing() {
        let lines = table().lines(28);
        assert!(lines.iter().all(|line| line.chars().count() <= 28), "{lines:#?}");
        let column = |line: &String| line.chars().skip(4).take(14).collect::<String>().trim().to_string();
        let paths: String = lines[2..].iter().map(column).collect();
        assert_eq!(paths, "/srv/a/rather/long/path/etc", "{lines:#?}");
    }

    #[test]
    fn letters_that_take_two_columns_are_aligned_and_wrapped_as_such() {
        let mut table = Table::new(&[("host", Side::Left), ("size", Side::Right)]);
        table.row(vec!["日本ホスト".into(), "1 B".into()]);
        table.row(vec!["plain".into(), "12 B".into()]);
        assert_eq!(table.lines(usize::MAX)[2..], ["日本ホスト   1 B", "plain       12 B"]);
        assert_eq!(table.lines(14)[2..], ["日本ホス   1 B", "ト", "plain     12 B"]);
    }

    #[test]
    fn a_path_is_broken_between_its_names() {
        let mut table = Table::new(&[("path", Side::Left)]);
        table.row(vec!["/var/lib/postgresql/backups".into()]);
        assert_eq!(table.lines(25)[2..], ["/var/lib/postgresql/", "backups"]);
        assert_eq!(table.lines(8)[2..], ["/var/", "lib/post", "gresql/", "backups"]);
    }

    #[test]
    fn words_stay_whole_where_that_leaves_no_large_gap() {
        let mut table = Table::new(&[("what", Side::Left)]);
        table.row(vec!["the state servers of an environment".into()]);
        table.row(vec!["a averyverylongwordindeed".into()]);
        assert_eq!(
            table.lines(16)[2..],
            ["the state", "servers of an", "environment", "a averyverylongw", "ordindeed"]
        );
    }
}
