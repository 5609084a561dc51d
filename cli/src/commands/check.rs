// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast check`: whether everything is there and readable.

use std::time::Instant;

use keepfast_engine::check::{Note, ReadData, Report, check};
use keepfast_engine::repository::Repository;
use serde_json::json;

use crate::args::CheckArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, repository, size, time};
use crate::progress::Progress;
use crate::render::text;

/// Checks.
pub fn run(context: &Context, args: &CheckArgs) -> Result<Done, Failure> {
    let started = Instant::now();
    let subset = args.read_data_subset.as_deref().map(parse_subset).transpose()?;
    let repository = repository::open(&context.global)?;
    let read = match subset {
        None if args.read_data => ReadData::All,
        None => ReadData::None,
        Some(subset) => subset.to_read_data(&repository)?,
    };
    let progress = Progress::counting("pack", context);
    let outcome = check(&repository, read, machine::threads(&context.global), &progress);
    drop(progress);
    let report = outcome?;
    print(context, &report, started.elapsed().as_secs_f64());
    if report.findings.is_empty() {
        return Ok(Done::Complete);
    }
    let found = text::counted(report.findings.len() as u64, "error");
    Err(Failure::Other {
        message: format!("{found} found in the repository"),
        hint: "what is not named above can be restored; look at the disk, then back up again: what is still there is stored anew. A lost index object is written anew by `keepfast prune --ignore-damage`"
            .to_string(),
    })
}

/// Which part of the data is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Subset {
    Part { part: u32, of: u32 },
    Share(f64),
    Bytes(u64),
}

fn parse_subset(text: &str) -> Result<Subset, Failure> {
    let refuse = || Failure::Usage(format!("{text:?} is not a part of the data; write 2/5, 10% or 50G"));
    if let Some((part, of)) = text.split_once('/') {
        let (part, of) = (part.parse().map_err(|_| refuse())?, of.parse().map_err(|_| refuse())?);
        return if (1..=of).contains(&part) { Ok(Subset::Part { part, of }) } else { Err(refuse()) };
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().map_err(|_| refuse())?;
        return if percent > 0.0 && percent <= 100.0 { Ok(Subset::Share(percent / 100.0)) } else { Err(refuse()) };
    }
    size::parse(text).map(Subset::Bytes).map_err(|_| refuse())
}

impl Subset {
    fn to_read_data(self, repository: &Repository) -> Result<ReadData, Failure> {
        // Another part of the repository every time.
        let seed = u64::from(time::now().nanos) ^ time::now_seconds().rotate_left(32);
        Ok(match self {
            Self::Part { part, of } => ReadData::Part { part, of },
            Self::Share(share) => ReadData::Share { share, seed },
            Self::Bytes(bytes) => {
                repository.history()?;
                let all: u64 = repository.index.packs().iter().map(|pack| pack.length).sum();
                ReadData::Share { share: (bytes as f64 / all.max(1) as f64).min(1.0), seed }
            }
        })
    }
}

fn print(context: &Context, report: &Report, seconds: f64) {
    let out = &context.output;
    for finding in &report.findings {
        out.line(&format!("error: {}: {}", text::plain(&finding.place), text::plain(&finding.text)));
        out.object(json!({ "finding": { "place": finding.place, "text": finding.text } }));
    }
    let counted = text::counted;
    out.note(&format!(
        "checked  {}, {}, {}",
        counted(report.snapshots, "snapshot"),
        counted(report.nodes, "tree node"),
        counted(report.packs, "pack"),
    ));
    out.note(&format!("read     {} of {}", text::size(report.bytes_read), counted(report.packs_read, "pack")));
    if !report.damaged_snapshots.is_empty() {
        let ids: Vec<String> = report.damaged_snapshots.iter().map(|id| id.to_string()[..8].to_string()).collect();
        out.note(&format!("damaged  {}: {}", counted(ids.len() as u64, "snapshot"), ids.join(" ")));
        if ids.len() > 1 {
            out.note("         what they share is named once");
        }
    }
    match &report.note {
        Some(Note::Written) => {
            out.note(
                "noted    which packs are damaged: backups from here store again what they find of what is in them",
            );
        }
        Some(Note::Failed(why)) => {
            out.warn(&format!(
                "backups from here go on relying on damaged packs, because they can not be noted: {why}"
            ));
        }
        None => {}
    }
    if report.unreferenced_packs > 0 {
        out.note(&format!("leftover {} of unfinished backups; harmless", counted(report.unreferenced_packs, "pack")));
    }
    if report.open_sessions > 0 {
        out.note(&format!("open     {}", counted(report.open_sessions, "session")));
    }
    out.note(&format!("took     {}", text::duration(seconds)));
    if report.findings.is_empty() {
        out.note("no errors found");
    }
    out.summary(json!({
        "snapshots": report.snapshots,
        "packs": report.packs,
        "packs_read": report.packs_read,
        "nodes": report.nodes,
        "bytes_read": report.bytes_read,
        "unreferenced_packs": report.unreferenced_packs,
        "open_sessions": report.open_sessions,
        "damaged_packs": report.damaged_packs,
        "damaged_snapshots": report.damaged_snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "errors": report.findings.len(),
        "seconds": seconds,
    }));
}

#[cfg(test)]
mod tests {
    use super::{Subset, parse_subset};

    #[test]
    fn parts_are_read_as_restic_reads_them() {
        assert_eq!(parse_subset("2/5").unwrap(), Subset::Part { part: 2, of: 5 });
        assert_eq!(parse_subset("10%").unwrap(), Subset::Share(0.1));
        assert_eq!(parse_subset("50G").unwrap(), Subset::Bytes(50 << 30));
        for bad in ["0/5", "6/5", "1/0", "x/5", "0%", "101%", "nan%", "", "many"] {
            assert!(parse_subset(bad).is_err(), "{bad}");
        }
    }
}
