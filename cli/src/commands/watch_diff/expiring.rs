// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates of a snapshot that came near their expiry since the one before, changed or not. Each is told of when it passes a mark, not every
//! night.

use std::sync::Arc;

use keepfast_engine::compare::{Bytes, certificate};
use keepfast_engine::content::FileBytes;
use keepfast_engine::events::Events;
use keepfast_engine::format::tree::entry::{Entry, FileType};
use keepfast_engine::history::Snapshot;
use keepfast_engine::importance::Importance;
use keepfast_engine::reader::Reader;
use keepfast_engine::tree::{Cursor, Direction, Root};

use super::findings::Finding;
use crate::exit::Failure;
use crate::render::text;

/// Larger files are bundles of authorities, whose certificates come and go with updates.
const MAX_BYTES: u64 = 64 << 10;

/// Ends of the names of files that may be certificates.
const NAME_ENDS: [&[u8]; 4] = [b".pem", b".crt", b".cer", b".der"];

/// Days before the expiry at which a certificate is told of once more.
const LAST_DAYS: i64 = 7;

/// Looks through the later snapshot; `days` is the first mark. Files that can not be read are added to `problems`.
///
/// # Errors
/// The tree can not be read, or the user cancelled.
pub fn expiring(
    reader: &Arc<Reader>,
    (before, after): (&Snapshot, &Snapshot),
    days: u16,
    events: &dyn Events,
    problems: &mut Vec<String>,
) -> Result<Vec<Finding>, Failure> {
    let root = Root { id: after.manifest.root, level: after.manifest.root_level };
    let times = [before, after].map(|snapshot| snapshot.manifest.started.div_euclid(1_000_000_000));
    let mut findings = Vec::new();
    for entry in Cursor::new(reader.clone(), root, Direction::Forward) {
        if events.cancelled() {
            return Err(keepfast_engine::Error::Cancelled.into());
        }
        let entry = entry?;
        if !may_be_one(&entry) {
            continue;
        }
        match notes(reader, &entry, times, i64::from(days)) {
            Ok(notes) if notes.is_empty() => {}
            Ok(notes) => findings.push(Finding {
                importance: Importance::Security,
                sign: "!",
                path: entry.path(),
                notes,
                changes: Vec::new(),
                format: "certificate",
                lines: Vec::new(),
                more: 0,
            }),
            Err(why) => problems.push(format!("{}: {why}", text::stored_path(&entry.path()))),
        }
    }
    Ok(findings)
}

fn may_be_one(entry: &Entry) -> bool {
    let size = entry.metadata.size;
    entry.metadata.file_type == FileType::File
        && (1..=MAX_BYTES).contains(&size)
        && NAME_ENDS.iter().any(|end| entry.name.ends_with(end))
}

fn notes(reader: &Reader, entry: &Entry, [before, after]: [i64; 2], days: i64) -> Result<Vec<String>, String> {
    let bytes = FileBytes::new(reader, entry).map_err(|error| text::error(&error))?;
    let mut content = vec![0; usize::try_from(bytes.len()).unwrap_or_default()];
    bytes.read_at(0, &mut content).map_err(|error| text::plain(&error.to_string()))?;
    // A file with such a name need not be one.
    let Ok(parts) = certificate::parse(&content) else { return Ok(Vec::new()) };
    let near = parts.iter().filter_map(|part| Some((part, part.not_after_unix?)));
    let near = near.filter(|(_, end)| passes_mark(*end, [before, after], days));
    Ok(near
        .map(|(part, end)| {
            format!("{}: {}", text::plain(&part.id), certificate::expiry(certificate::days_left(end, after)))
        })
        .collect())
}

/// Whether a certificate that ends then passed one of the marks between two moments.
fn passes_mark(not_after: i64, [before, after]: [i64; 2], days: i64) -> bool {
    let left = |now| certificate::days_left(not_after, now);
    [days, days.min(LAST_DAYS), -1].into_iter().any(|mark| left(before) > mark && left(after) <= mark)
}

#[cfg(test)]
mod tests {
    use super::passes_mark;

    #[test]
    fn a_certificate_is_told_of_at_thirty_and_seven_days_and_at_its_end() {
        const DAY: i64 = 86_400;
        let end = 100 * DAY;
        let told: Vec<i64> = (1..110).filter(|day| passes_mark(end, [(day - 1) * DAY, day * DAY], 30)).collect();
        assert_eq!(told, [70, 93, 101]);
        assert!(!passes_mark(end, [70 * DAY, 70 * DAY], 30), "the same moment passes nothing");
        assert!(passes_mark(end, [0, 200 * DAY], 30), "a long time passes all");
    }
}
