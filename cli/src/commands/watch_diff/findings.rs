// SPDX-License-Identifier: MIT OR Apache-2.0
//! What differs between two snapshots of one job, sorted by importance, with what changed inside.

use std::sync::Arc;

use keepfast_engine::compare::text::{PatchLine, TextDiff};
use keepfast_engine::compare::{Change, Mask, Outcome, Readers, Terms};
use keepfast_engine::diff::{Difference, Side, contents, diff};
use keepfast_engine::events::Events;
use keepfast_engine::format::tree::entry::{Entry, FileType};
use keepfast_engine::history::Snapshot;
use keepfast_engine::importance::{Importance, of_content, of_path, rights};
use keepfast_engine::reader::Reader;
use keepfast_engine::tree::Root;

use crate::exit::Failure;
use crate::render::{content, text};

/// Files that are shown one by one; more are counted.
const MAX_FILES: usize = 2_000;

/// Larger files than this count as data, unless their path says otherwise; their content is not compared.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A file that is shown.
pub struct Finding {
    /// How much it matters.
    pub importance: Importance,
    /// The sign of the difference, as in `diff`.
    pub sign: &'static str,
    /// Its path in the snapshot.
    pub path: Vec<u8>,
    /// What happened to its rights, and what else is to be said in words.
    pub notes: Vec<String>,
    /// What changed in a document.
    pub changes: Vec<Change>,
    /// What its content is called, if that was compared.
    pub format: &'static str,
    /// Lines for people; at most those of a file that are shown.
    pub lines: Vec<String>,
    /// Lines that are not.
    pub more: usize,
}

/// Counts of what is not shown one by one.
#[derive(Default)]
pub struct Counts {
    /// By added, removed, changed.
    pub data: [u64; 3],
    /// Their bytes before and after.
    pub bytes: [u64; 2],
    /// Important files beyond those that are shown.
    pub more: u64,
    /// Files whose content can not be read.
    pub problems: Vec<String>,
}

/// Collects.
pub struct Collector<'a> {
    reader: &'a Arc<Reader>,
    mask: &'a Mask,
    lines: usize,
    now_unix: i64,
    /// What is shown.
    pub findings: Vec<Finding>,
    /// What is counted.
    pub counts: Counts,
}

/// Compares two snapshots.
///
/// # Errors
/// A tree can not be read, or the user cancelled.
pub fn collect<'a>(
    reader: &'a Arc<Reader>,
    (before, after): (&Snapshot, &Snapshot),
    mask: &'a Mask,
    lines: usize,
    events: &dyn Events,
) -> Result<Collector<'a>, Failure> {
    let now_unix = after.manifest.started.div_euclid(1_000_000_000);
    let mut collector = Collector { reader, mask, lines, now_unix, findings: Vec::new(), counts: Counts::default() };
    let root = |snapshot: &Snapshot| Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    diff(reader, root(before), root(after), b"", events, &mut |difference, old, new| {
        collector.take(difference, old, new)
    })?;
    collector.findings.sort_by(|a, b| (a.importance, &a.path).cmp(&(b.importance, &b.path)));
    Ok(collector)
}

impl Collector<'_> {
    fn take(&mut self, difference: Difference, old: Option<&Entry>, new: Option<&Entry>) {
        let Some(entry) = new.or(old) else { return };
        let notes = rights(old, new);
        let is_folder = entry.metadata.file_type == FileType::Directory;
        if difference == Difference::Metadata && notes.is_empty() {
            return;
        }
        let path = entry.path();
        let by_path = if is_folder { Some(Importance::Data) } else { of_path(&path) };
        let by_rights = (!notes.is_empty()).then_some(Importance::Security);
        let known = by_rights.or(by_path);
        if self.findings.len() >= MAX_FILES && known != Some(Importance::Data) {
            self.counts.more += 1;
            return;
        }
        let is_small = [old, new].into_iter().flatten().all(|entry| entry.metadata.size <= MAX_FILE_BYTES);
        // Of what is new or gone the path says enough.
        let is_read = known != Some(Importance::Data)
            && is_small
            && difference == Difference::Modified
            && entry.metadata.file_type == FileType::File;
        let outcome = if is_read { self.compare(old, new, &path) } else { None };
        let by_content = outcome.as_ref().and_then(of_content);
        let importance = known.into_iter().chain(by_content).min().unwrap_or(Importance::Data);
        if importance == Importance::Data {
            return self.count(difference, old, new);
        }
        let mut finding = Finding {
            importance,
            sign: sign(difference),
            path,
            notes,
            changes: Vec::new(),
            format: "",
            lines: Vec::new(),
            more: 0,
        };
        if let Some(outcome) = outcome {
            self.describe(&mut finding, outcome);
        }
        self.findings.push(finding);
    }

    fn compare(&mut self, old: Option<&Entry>, new: Option<&Entry>, path: &[u8]) -> Option<Outcome> {
        let terms = Terms { readers: Readers::All, mask: self.mask, now_unix: self.now_unix };
        match contents(self.reader, old.map(Side::Stored), new.map(Side::Stored), terms) {
            Ok((outcome, _)) => Some(outcome),
            Err(error) => {
                self.counts.problems.push(format!("{}: {}", text::stored_path(path), text::error(&error)));
                None
            }
        }
    }

    fn count(&mut self, difference: Difference, old: Option<&Entry>, new: Option<&Entry>) {
        let which = match difference {
            Difference::Added => 0,
            Difference::Removed => 1,
            Difference::Modified | Difference::TypeChanged | Difference::Metadata => 2,
        };
        self.counts.data[which] += 1;
        for (sum, entry) in self.counts.bytes.iter_mut().zip([old, new]) {
            *sum = sum.saturating_add(entry.map_or(0, |entry| entry.metadata.size));
        }
    }

    /// What stands below the path. A line in which a secret changed makes it a matter of security.
    fn describe(&self, finding: &mut Finding, outcome: Outcome) {
        let mut lines = Vec::new();
        match outcome {
            Outcome::Structured { format, changes } => {
                finding.format = format;
                lines.extend(changes.iter().map(content::change));
                finding.changes = changes;
                finding.changes.truncate(self.lines);
            }
            Outcome::Text { before, after } => {
                finding.format = "text";
                if let Ok(diff) = TextDiff::new(&before, &after) {
                    diff.patch(0, |line| match line {
                        PatchLine::Removed(line) => lines.push(format!("  - {}", content::line(line))),
                        PatchLine::Added(line) => lines.push(format!("  + {}", content::line(line))),
                        PatchLine::Hunk { .. } | PatchLine::Context(_) => {}
                    });
                }
            }
            Outcome::Binary(_) => finding.format = "binary",
        }
        if lines.iter().any(|line| line.contains("<secret ")) {
            finding.importance = Importance::Security;
        }
        finding.more = lines.len().saturating_sub(self.lines);
        lines.truncate(self.lines);
        finding.lines = lines;
    }
}

fn sign(difference: Difference) -> &'static str {
    match difference {
        Difference::Added => "+",
        Difference::Removed => "-",
        Difference::Modified => "M",
        Difference::TypeChanged => "T",
        Difference::Metadata => "U",
    }
}
