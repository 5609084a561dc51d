// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--savings`: where the bytes of snapshots went, and what saved them, in all or by path.

use keepfast_engine::history::Snapshot;
use keepfast_engine::repository::Repository;
use keepfast_engine::stats::{Savings, SavingsReport, savings};
use serde_json::{Value, json};

use crate::args::StatsArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::progress::Progress;
use crate::render::table::{Side, Table};
use crate::render::{json as js, text};

/// Counts.
pub fn run(
    context: &Context,
    args: &StatsArgs,
    repository: &Repository,
    chosen: &[&Snapshot],
) -> Result<Done, Failure> {
    let progress = Progress::start(context);
    let report = savings(repository, chosen, args.by_path.map_or(0, usize::from), &progress);
    drop(progress);
    let report = report?;
    let shown = report.groups.len().min(args.top as usize);
    let mut rest = Savings::default();
    report.groups[shown..].iter().for_each(|(_, group)| rest += group);
    match args.by_path {
        Some(_) => print_paths(context, &report, shown, &rest),
        None => print_total(context, &report),
    }
    print_notes(context, &report);
    print_json(context, &report, shown, &rest, args.by_path.is_some());
    Ok(if report.total.missing == 0 { Done::Complete } else { Done::Incomplete })
}

fn print_total(context: &Context, report: &SavingsReport) {
    let total = &report.total;
    let row = |name: &str, sign: &str, value: String, what: &str| {
        context.output.line(format!("{name:12}{sign}{value:>11}  {what}").trim_end());
    };
    let files = text::counted(total.files, "file");
    let of = format!("in {files} of {}", text::counted(report.snapshots, "snapshot"));
    row("size", " ", text::size(total.size), &of);
    if total.content != total.size {
        row("content", " ", text::size(total.content), "kept of it, archives unwrapped");
    }
    for (name, bytes, what) in [
        ("holes", total.holes, "that need no storage"),
        ("missing", total.missing, "that no pack has: `keepfast check` tells more"),
    ] {
        if bytes > 0 {
            row(name, "-", text::size(bytes), what);
        }
    }
    row("dedup", "-", text::size(total.dedup), "that an earlier file or snapshot has");
    let (sign, size) = signed(total.by_compression());
    row("compression", sign, size, "in segments of many files");
    if total.delta.content > 0 {
        let what = format!("estimated, of {} kept as differences", text::size(total.delta.content));
        let (sign, size) = signed(total.by_delta());
        row("delta", sign, size, &what);
    }
    row("stored", "=", text::size(total.stored()), "");
}

fn print_paths(context: &Context, report: &SavingsReport, shown: usize, rest: &Savings) {
    let out = &context.output;
    let columns = columns(&report.total);
    let headings = columns.iter().map(|(heading, _)| (*heading, Side::Right));
    let mut table = Table::new(&std::iter::once(("path", Side::Left)).chain(headings).collect::<Vec<_>>());
    let cells = |name: String, savings: &Savings| {
        std::iter::once(name).chain(columns.iter().map(|(_, value)| value(savings))).collect::<Vec<_>>()
    };
    for (path, group) in &report.groups[..shown] {
        table.row(cells(text::stored_path(path), group));
    }
    let more = report.groups.len() - shown;
    if more > 0 {
        table.row(cells(format!("{} more", text::count(more as u64)), rest));
    }
    table.row(cells("all".to_string(), &report.total));
    table.lines(out.columns()).iter().for_each(|line| out.line(line));
}

type Column = (&'static str, fn(&Savings) -> String);

/// Those in which there is something, and those that people look for.
fn columns(total: &Savings) -> Vec<Column> {
    let all: [(bool, Column); 8] = [
        (true, ("size", |it| text::size(it.size))),
        (total.content != total.size, ("content", |it| text::size(it.content))),
        (total.holes > 0, ("holes", |it| text::size(it.holes))),
        (total.missing > 0, ("missing", |it| text::size(it.missing))),
        (true, ("dedup", |it| text::size(it.dedup))),
        (true, ("compressed", |it| saved(it.by_compression()))),
        (total.delta.content > 0, ("delta", |it| saved(it.by_delta()))),
        (true, ("stored", |it| text::size(it.stored()))),
    ];
    all.into_iter().filter(|(is_shown, _)| *is_shown).map(|(_, column)| column).collect()
}

/// Saved bytes; negative where something costs more than it saves.
/// What is taken off, or comes to it: what can not be compressed takes a little more.
fn signed(bytes: i64) -> (&'static str, String) {
    (if bytes < 0 { "+" } else { "-" }, text::size(bytes.unsigned_abs()))
}

fn saved(bytes: i64) -> String {
    let size = text::size(bytes.unsigned_abs());
    if bytes < 0 { format!("-{size}") } else { size }
}

fn print_notes(context: &Context, report: &SavingsReport) {
    let out = &context.output;
    if report.total.delta.content > 0 {
        out.note("what delta saved is an estimate, at the rate at which the rest is compressed");
    }
    let (stored, packs) = (text::size(report.total.stored()), text::size(report.pack_bytes));
    out.note(&format!("{stored} of the {packs} in packs are these files;"));
    out.note("the rest is trees, tables, padding, and what other snapshots need or needed");
}

fn print_json(context: &Context, report: &SavingsReport, shown: usize, rest: &Savings, is_by_path: bool) {
    for (path, group) in &report.groups[..shown] {
        let mut object = to_json(group);
        js::put_path(&mut object, "path", path);
        context.output.object(object);
    }
    let more = report.groups.len() - shown;
    let mut summary = to_json(&report.total);
    summary["snapshots"] = report.snapshots.into();
    summary["bytes_packs"] = report.pack_bytes.into();
    if is_by_path {
        summary["paths"] = report.groups.len().into();
        summary["rest"] = if more > 0 { to_json(rest) } else { Value::Null };
    }
    context.output.summary(summary);
}

fn to_json(savings: &Savings) -> Value {
    json!({
        "files": savings.files,
        "bytes": savings.size,
        "bytes_content": savings.content,
        "bytes_holes": savings.holes,
        "bytes_missing": savings.missing,
        "bytes_dedup": savings.dedup,
        "bytes_new": savings.whole.content + savings.delta.content,
        "bytes_new_delta": savings.delta.content,
        "bytes_saved_compression": savings.by_compression(),
        "bytes_saved_delta": savings.by_delta(),
        "bytes_stored": savings.stored(),
        "bytes_stored_delta": savings.delta.stored,
    })
}

#[cfg(test)]
mod tests {
    use super::{columns, saved, signed};
    use keepfast_engine::stats::Savings;

    #[test]
    fn columns_of_zeros_are_left_out() {
        let headings = |total: &Savings| columns(total).iter().map(|(heading, _)| *heading).collect::<Vec<_>>();
        assert_eq!(headings(&Savings::default()), ["size", "dedup", "compressed", "stored"]);
        let holes = Savings { size: 5, content: 5, holes: 5, ..Savings::default() };
        assert_eq!(headings(&holes), ["size", "holes", "dedup", "compressed", "stored"]);
        let unwrapped = Savings { size: 5, content: 9, ..Savings::default() };
        assert_eq!(headings(&unwrapped), ["size", "content", "dedup", "compressed", "stored"]);
    }

    #[test]
    fn what_costs_more_than_it_saves_is_negative() {
        assert_eq!((signed(2048), signed(-40)), (("-", "2.00 KiB".into()), ("+", "40 B".into())));
        assert_eq!((saved(2048), saved(-40), saved(0)), ("2.00 KiB".into(), "-40 B".into(), "0 B".into()));
    }
}
