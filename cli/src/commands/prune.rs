// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast prune`: space back from what no snapshot needs.

use std::time::Instant;

use keepfast_engine::backup::Compression;
use keepfast_engine::prune::{MaxUnused, Mode, OnDamage, PruneOptions, Report, SmallPacks, prune};
use keepfast_engine::repository::Repository;
use keepfast_engine::storage::reserve::Reserve;
use serde_json::{Value, json};

use crate::args::PruneArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, repository, size, time};
use crate::progress::Progress;
use crate::render::text;

/// Prunes.
pub fn run(context: &Context, args: &PruneArgs) -> Result<Done, Failure> {
    let options = options(args)?;
    let (repository, reserve) = repository::open_to_free(&context.global)?;
    let outcome = execute(context, &repository, &options);
    tell_reserve(context, &reserve, outcome.is_ok());
    let summary = outcome?;
    if options.mode == Mode::DryRun {
        context.output.note("nothing was changed");
    }
    context.output.summary(summary);
    Ok(Done::Complete)
}

/// Says what became of the reserve; sets aside again what was given up, if space was freed.
pub fn tell_reserve(context: &Context, reserve: &Reserve, is_freed: bool) {
    let used = reserve.given_up();
    if used == 0 {
        return;
    }
    let said = format!("the storage was full: {} of its reserve were used", text::size(used));
    let is_again = is_freed && reserve.refill().is_ok();
    context.output.note(&match is_again {
        true => format!("{said}, and are set aside again"),
        false => format!("{said}; when there is space, `keepfast repository reserve SIZE` sets them aside again"),
    });
}

/// What is done without options of one's own.
///
/// # Errors
/// None: the defaults make sense.
pub fn defaults(dry_run: bool) -> Result<PruneOptions, Failure> {
    let [max_unused, wait, void_after] = ["5%", "10m", "7d"].map(str::to_string);
    let (max_repack_size, repack_small, max_time, ignore_damage) = (None, false, None, false);
    options(&PruneArgs {
        max_unused,
        max_repack_size,
        repack_small,
        max_time,
        wait,
        void_after,
        ignore_damage,
        dry_run,
    })
}

/// Prunes, and prints what happened. Returns the summary.
///
/// # Errors
/// Those of prune.
pub fn execute(context: &Context, repository: &Repository, options: &PruneOptions) -> Result<Value, Failure> {
    let started = Instant::now();
    let progress = Progress::start(context);
    let outcome = prune(repository, &machine::client(None), options, &progress);
    drop(progress);
    let (report, seconds) = (outcome?, started.elapsed().as_secs_f64());
    let dry_run = options.mode == Mode::DryRun;
    print(context, &report, dry_run, seconds);
    Ok(summary(&report, dry_run, seconds))
}

fn options(args: &PruneArgs) -> Result<PruneOptions, Failure> {
    Ok(PruneOptions {
        max_unused: parse_limit(&args.max_unused)?,
        max_repack_bytes: args.max_repack_size.as_deref().map(size::parse).transpose()?,
        small_packs: if args.repack_small { SmallPacks::Repack } else { SmallPacks::Keep },
        max_time: args.max_time.as_deref().map(time::parse_duration).transpose()?,
        wait: time::parse_duration(&args.wait)?,
        void_after: if args.void_after == "never" { None } else { Some(time::parse_duration(&args.void_after)?) },
        on_damage: if args.ignore_damage { OnDamage::Ignore } else { OnDamage::Refuse },
        mode: if args.dry_run { Mode::DryRun } else { Mode::Commit },
        compression: Compression::Auto,
    })
}

fn parse_limit(text: &str) -> Result<MaxUnused, Failure> {
    let refuse = || Failure::Usage(format!("{text:?} is no limit; write 5%, 200M or unlimited"));
    if text == "unlimited" {
        return Ok(MaxUnused::Unlimited);
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().map_err(|_| refuse())?;
        return if (0.0..=100.0).contains(&percent) { Ok(MaxUnused::Percent(percent)) } else { Err(refuse()) };
    }
    size::parse(text).map(MaxUnused::Bytes).map_err(|_| refuse())
}

fn print(context: &Context, report: &Report, dry_run: bool, seconds: f64) {
    let out = &context.output;
    let (counted, size) = (text::counted, text::size);
    out.note(&format!(
        "found    {} in {}, {} of them unused by {}",
        size(report.pack_bytes),
        counted(report.packs, "pack"),
        size(report.unused_bytes),
        counted(report.snapshots, "snapshot"),
    ));
    for line in goes(report).into_iter().chain(stays(report)) {
        out.note(&line);
    }
    if !dry_run {
        out.note(&format!(
            "deleted  {}, {} freed; {} written anew",
            counted(report.packs_deleted, "pack"),
            size(report.bytes_freed),
            size(report.bytes_written),
        ));
        for line in left(report) {
            out.note(&line);
        }
    }
    out.note(&format!("took     {}", text::duration(seconds)));
}

/// What was chosen, and why.
fn goes(report: &Report) -> Vec<String> {
    let (counted, size) = (text::counted, text::size);
    let mut lines = Vec::new();
    if report.dead_packs > 0 {
        lines.push(format!(
            "goes     {}, {}: no snapshot needs them",
            counted(report.dead_packs, "pack"),
            size(report.dead_bytes)
        ));
    }
    if report.orphan_packs > 0 {
        let packs = counted(report.orphan_packs, "pack");
        lines.push(format!("goes     {packs}, {}: left by sessions that did not commit", size(report.orphan_bytes)));
    }
    if report.repack_packs > 0 {
        let packs = counted(report.repack_packs, "pack");
        lines.push(format!("goes     {packs}, after {} in them are written anew", size(report.repack_bytes)));
    }
    if report.forgotten_snapshots > 0 {
        lines.push(format!("goes     {}: forgotten before", counted(report.forgotten_snapshots, "snapshot")));
    }
    for name in &report.lost_index {
        lines.push(format!("rewrites what {name} told, from the packs"));
    }
    if report.leftover_lists > 0 {
        lines.push(format!("finishes {}", counted(report.leftover_lists, "earlier prune")));
    }
    lines
}

/// What was not chosen, and why.
fn stays(report: &Report) -> Vec<String> {
    let (counted, size) = (text::counted, text::size);
    let mut lines = Vec::new();
    if report.unused_kept_bytes > 0 {
        lines.push(format!(
            "stays    {} unused, within --max-unused or not worth its cost",
            size(report.unused_kept_bytes)
        ));
    }
    if report.at_work_packs > 0 {
        lines.push(format!("stays    {} of backups that are running", counted(report.at_work_packs, "pack")));
    }
    if !report.unknown_packs.is_empty() {
        let packs = counted(report.unknown_packs.len() as u64, "pack");
        lines.push(format!("stays    {packs} of which nobody can tell whose they are"));
    }
    if report.foreign_lists > 0 {
        lines.push(format!("stays    what {} at work has condemned", counted(report.foreign_lists, "other prune")));
    }
    if report.missing_chunks + report.unreadable > 0 {
        let count = counted(report.missing_chunks + report.unreadable, "damaged or missing part");
        lines.push(format!("ignored  {count} of snapshots"));
    }
    lines
}

/// What remains to be done.
fn left(report: &Report) -> Vec<String> {
    let counted = text::counted;
    let mut lines = Vec::new();
    if report.sessions_voided > 0 {
        let were = if report.sessions_voided == 1 { "was" } else { "were" };
        lines.push(format!("ended    {} that {were} too old", counted(report.sessions_voided, "session")));
    }
    for session in &report.open_sessions {
        let (place, host) = (&session.place, text::plain(&session.host));
        lines.push(format!("open     session {place} on {host}"));
    }
    if !report.open_sessions.is_empty() {
        let sessions = counted(report.open_sessions.len() as u64, "session");
        lines.push(format!("condemned, but {sessions} still open: run prune again to finish"));
    }
    if report.refused > 0 {
        let objects = counted(report.refused, "object");
        lines.push(format!("refused  the storage keeps {objects} for now: run prune again later"));
    }
    if report.out_of_time {
        lines.push("the time was over: run prune again to go on".to_string());
    }
    lines
}

fn summary(report: &Report, dry_run: bool, seconds: f64) -> Value {
    let open = |session: &keepfast_engine::prune::OpenSession| json!({ "place": session.place, "host": session.host, "started": text::rfc3339(i64::try_from(session.started).unwrap_or(0).saturating_mul(1_000_000_000)) });
    json!({
        "dry_run": dry_run,
        "finished": report.finished,
        "snapshots": report.snapshots,
        "packs": report.packs,
        "bytes_packs": report.pack_bytes,
        "bytes_unused": report.unused_bytes,
        "bytes_unused_kept": report.unused_kept_bytes,
        "packs_dead": report.dead_packs,
        "bytes_dead": report.dead_bytes,
        "packs_orphaned": report.orphan_packs,
        "bytes_orphaned": report.orphan_bytes,
        "packs_repack": report.repack_packs,
        "bytes_repack": report.repack_bytes,
        "packs_at_work": report.at_work_packs,
        "packs_unknown": report.unknown_packs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "snapshots_forgotten": report.forgotten_snapshots,
        "prunes_finished": report.leftover_lists,
        "prunes_at_work": report.foreign_lists,
        "index_rewritten": report.lost_index,
        "damage_ignored": report.missing_chunks + report.unreadable,
        "packs_deleted": report.packs_deleted,
        "bytes_freed": report.bytes_freed,
        "packs_written": report.packs_written,
        "bytes_written": report.bytes_written,
        "refused": report.refused,
        "sessions_voided": report.sessions_voided,
        "sessions_open": report.open_sessions.iter().map(open).collect::<Vec<_>>(),
        "out_of_time": report.out_of_time,
        "seconds": seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::{MaxUnused, parse_limit};

    #[test]
    fn limits_are_read_as_restic_reads_them() {
        assert_eq!(parse_limit("5%").unwrap(), MaxUnused::Percent(5.0));
        assert_eq!(parse_limit("0").unwrap(), MaxUnused::Bytes(0));
        assert_eq!(parse_limit("200M").unwrap(), MaxUnused::Bytes(200 << 20));
        assert_eq!(parse_limit("unlimited").unwrap(), MaxUnused::Unlimited);
        for bad in ["", "%", "101%", "-1%", "nan%", "all"] {
            assert!(parse_limit(bad).is_err(), "{bad}");
        }
    }
}
