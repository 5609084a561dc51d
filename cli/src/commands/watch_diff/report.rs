// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report as text for a mail: a line for each job, then what changed, the most important first. No line is longer than 80 columns.

use keepfast_engine::history::Snapshot;
use keepfast_engine::importance::Importance;

use super::findings::{Counts, Finding};
use crate::context::Context;
use crate::render::text;

/// Columns of a mail.
const COLUMNS: usize = 80;

/// Lines of a mail that one line of a file takes at most.
const MAX_BROKEN: usize = 4;

/// Before the parts of a broken line.
const CONTINUED: &str = "          ";

/// What there is to say of a job.
pub struct Section<'a> {
    /// The snapshots, the earlier one first; only the newest if nothing was compared.
    pub before: Option<&'a Snapshot>,
    /// The newest.
    pub after: &'a Snapshot,
    /// In words, of one that was not compared: why.
    pub remark: Option<String>,
    /// Files that are shown.
    pub findings: Vec<Finding>,
    /// What is counted.
    pub counts: Counts,
}

impl Section<'_> {
    /// Whether there is nothing to say.
    pub fn is_quiet(&self) -> bool {
        let counts = &self.counts;
        self.remark.is_none()
            && self.findings.is_empty()
            && counts.more == 0
            && counts.data == [0; 3]
            && counts.problems.is_empty()
    }

    fn number(&self, importance: Importance) -> u64 {
        self.findings.iter().filter(|finding| finding.importance == importance).count() as u64
    }

    /// The first line.
    fn head(&self) -> String {
        if let Some(remark) = &self.remark {
            return remark.clone();
        }
        let data: u64 = self.counts.data.iter().sum();
        let (security, configuration) = (self.number(Importance::Security), self.number(Importance::Configuration));
        let count = text::count;
        format!("{} keys, users, rights; {} configuration; {} data", count(security), count(configuration), count(data))
    }
}

/// Prints all of it.
pub fn print(context: &Context, sections: &[Section]) {
    let out = |line: &str| context.output.line(&cut(line));
    let host = |section: &Section| text::plain(&section.after.manifest.host);
    let width = sections.iter().map(|section| text::width(&host(section))).max().unwrap_or(0).min(30);
    for section in sections {
        out(&format!("{}  {}", text::padded(&host(section), width), section.head()));
    }
    for section in sections.iter().filter(|section| section.remark.is_none()) {
        out("");
        print_section(section, &out);
    }
}

fn print_section(section: &Section, out: &dyn Fn(&str)) {
    let manifest = &section.after.manifest;
    let paths: Vec<String> = manifest.paths.iter().map(|path| text::path(path)).collect();
    out(&format!("{}  {}", text::plain(&manifest.host), paths.join(" ")));
    let moment =
        |snapshot: &Snapshot| format!("{} ({})", text::time(snapshot.manifest.started), text::short(snapshot.id));
    if let Some(before) = section.before {
        out(&format!("from {} to {}", moment(before), moment(section.after)));
    }
    for (importance, title) in
        [(Importance::Security, "Keys, users and rights"), (Importance::Configuration, "Configuration")]
    {
        let mut findings = section.findings.iter().filter(|finding| finding.importance == importance).peekable();
        if findings.peek().is_some() {
            out(&format!("\n{title}"));
        }
        findings.for_each(|finding| print_finding(finding, out));
    }
    let [added, removed, changed] = section.counts.data;
    if section.counts.data != [0; 3] {
        let [before, after] = section.counts.bytes;
        out("\nData");
        let count = text::count;
        let (before, after) = (text::size(before), text::size(after));
        out(&format!(
            "  {} added, {} removed, {} changed; {before} before, {after} after",
            count(added),
            count(removed),
            count(changed)
        ));
    }
    if section.counts.more > 0 {
        out(&format!(
            "\n... and {} that are not shown; `diff` shows all",
            text::counted(section.counts.more, "other file")
        ));
    }
}

fn print_finding(finding: &Finding, out: &dyn Fn(&str)) {
    let format = if finding.format.is_empty() { String::new() } else { format!("  ({})", finding.format) };
    out(&format!("  {} {}{format}", finding.sign, text::stored_path(&finding.path)));
    finding.notes.iter().for_each(|note| out(&format!("      {note}")));
    finding.lines.iter().flat_map(|line| wrapped(line)).for_each(|line| out(&line));
    if finding.more > 0 {
        out(&format!("      ... and {} more", text::count(finding.more as u64)));
    }
}

/// A line of a file, broken at spaces where it is too long for a mail.
fn wrapped(line: &str) -> Vec<String> {
    let mut lines = vec![format!("    {line}")];
    while let Some(last) = lines.last().filter(|last| last.chars().count() > COLUMNS && lines.len() < MAX_BROKEN) {
        let limit = last.char_indices().nth(COLUMNS).map_or(last.len(), |(at, _)| at);
        let Some(space) = last[..limit].rfind(' ').filter(|space| !last[..*space].trim().is_empty()) else { break };
        // A sign alone says nothing.
        if last[..space].trim().chars().count() < 3 {
            break;
        }
        let rest = format!("{CONTINUED}{}", last[space..].trim_start());
        let kept = last[..space].to_string();
        lines.pop();
        lines.extend([kept, rest]);
    }
    lines
}

/// The line, without what a mail would break.
fn cut(line: &str) -> String {
    if line.chars().count() <= COLUMNS {
        return line.to_string();
    }
    line.chars().take(COLUMNS - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, cut, wrapped};

    #[test]
    fn a_long_line_is_broken_at_spaces_and_no_longer_than_a_mail_has_it() {
        let line = format!("  ~ place: {} -> {} (34 days left)", "a".repeat(40), "b".repeat(40));
        let lines = wrapped(&line);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].trim_start().starts_with("->") || lines[1].trim_start().starts_with('b'), "{lines:?}");
        assert!(lines[1].ends_with("(34 days left)"), "{lines:?}");
        for line in [&line, &"x".repeat(500), &format!("  + {}", "x y ".repeat(300)), &"\u{e4} ".repeat(200)] {
            assert!(wrapped(line).iter().all(|line| cut(line).chars().count() <= COLUMNS), "{line}");
            assert!(wrapped(line).len() <= super::MAX_BROKEN);
        }
    }
}
