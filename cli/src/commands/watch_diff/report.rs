// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report as text for a mail: a line for each job, then what changed, the most important first. No line is longer than 80 columns.

use keepfast_engine::history::Snapshot;
use keepfast_engine::importance::Importance;

use super::findings::{Counts, Finding};
use crate::context::Context;
use crate::render::text;

/// Columns of a mail.
const COLUMNS: usize = 80;

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
    let width = sections.iter().map(|section| host(section).chars().count()).max().unwrap_or(0).min(30);
    for section in sections {
        out(&format!("{:width$}  {}", host(section), section.head()));
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
    finding.lines.iter().for_each(|line| out(&format!("    {line}")));
    if finding.more > 0 {
        out(&format!("      ... and {} more", text::count(finding.more as u64)));
    }
}

/// The line, without what a mail would break.
fn cut(line: &str) -> String {
    if line.chars().count() <= COLUMNS {
        return line.to_string();
    }
    line.chars().take(COLUMNS - 3).chain("...".chars()).collect()
}
