// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast copy`: snapshots of one repository into another one, which has other keys.

use std::time::Instant;

use keepfast_engine::copy::{CopyOptions, Fate, Mode, copy};
use keepfast_engine::format::id::SnapshotId;
use keepfast_engine::history::Snapshot;
use keepfast_engine::writer::Compression;
use serde_json::{Value, json};

use crate::args::{CopyArgs, GlobalArgs, Whose};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::{machine, repository, scope};
use crate::progress::Progress;
use crate::render::text;

/// What was done so far.
#[derive(Default)]
struct Counts {
    copied: u64,
    present: u64,
    damaged: u64,
    new_bytes: u64,
    stored_bytes: u64,
}

/// Copies.
pub fn run(context: &Context, args: &CopyArgs) -> Result<Done, Failure> {
    let begin = Instant::now();
    let source = repository::open(&context.global)?;
    let target = repository::open(&target(&context.global, args))?;
    let history = source.history()?;
    let (snapshots, damaged) = history.snapshots(&source)?;
    let chosen = scope::several(&snapshots, &args.snapshots, &args.scope)?;
    let ids: Vec<SnapshotId> = chosen.iter().map(|snapshot| snapshot.id).collect();
    let options = CopyOptions {
        compression: args.compression.map_or(Compression::Auto, Compression::Level),
        threads: machine::threads(&context.global),
        mode: if args.dry_run { Mode::DryRun } else { Mode::Write },
    };
    let mut counts = Counts { damaged: damaged.len() as u64, ..Counts::default() };
    let progress = Progress::start(context);
    let mut each = |snapshot: &Snapshot, fate: &Fate| counts.tell(context, snapshot, fate);
    copy(&source, &target, &machine::client(None), &ids, &options, &progress, &mut each)?;
    drop(progress);
    scope::warn_of_hidden(context, &source, &history, &damaged)?;
    counts.total(context, args, begin.elapsed().as_secs_f64());
    Ok(if counts.damaged == 0 { Done::Complete } else { Done::Incomplete })
}

/// The global options as they would be typed for the repository that is written to.
fn target(global: &GlobalArgs, args: &CopyArgs) -> GlobalArgs {
    let target = args.target.clone();
    GlobalArgs {
        repository: Some(target.to),
        password_file: target.to_password_file,
        password_command: target.to_password_command,
        key_file: target.to_key_file,
        whose: Whose::Target,
        ..global.clone()
    }
}

impl Counts {
    fn tell(&mut self, context: &Context, snapshot: &Snapshot, fate: &Fate) {
        let out = &context.output;
        let paths: Vec<String> = snapshot.manifest.paths.iter().map(|path| text::path(path)).collect();
        let (time, host) = (text::time(snapshot.manifest.started), text::plain(&snapshot.manifest.host));
        let id = text::short(snapshot.id);
        match fate {
            Fate::Copied(copy, totals) => {
                self.copied += 1;
                let mut line = format!("{id}  {time}  {host}  {}", paths.join(" "));
                if let Some(copy) = copy {
                    self.new_bytes += totals.new_plain_bytes;
                    self.stored_bytes += totals.stored_bytes;
                    line = format!("{id} -> {}  {time}  {host}  {}", text::short(copy), paths.join(" "));
                }
                out.note(&line);
            }
            Fate::Present(copy) => {
                self.present += 1;
                if context.global.verbose {
                    out.note(&format!("{id} is there already as {}", text::short(copy)));
                }
            }
            Fate::Damaged(error) => {
                self.damaged += 1;
                out.warn(&format!("{id}  {time}  {host} was not copied: {}", text::error(error)));
            }
        }
        out.object(to_json(snapshot, fate));
    }

    fn total(&self, context: &Context, args: &CopyArgs, seconds: f64) {
        let would = if args.dry_run { "would be copied" } else { "copied" };
        let mut line = format!("{} {would}", text::counted(self.copied, "snapshot"));
        if self.present > 0 {
            line.push_str(&format!(", {} there already", text::count(self.present)));
        }
        if self.damaged > 0 {
            line.push_str(&format!(", {} damaged and not copied", text::count(self.damaged)));
        }
        context.output.note(&line);
        if self.copied > 0 && !args.dry_run {
            let (new, stored) = (text::size(self.new_bytes), text::size(self.stored_bytes));
            context.output.note(&format!("new there {new} -> {stored}, took {}", text::duration(seconds)));
        }
        context.output.summary(json!({
            "copied": self.copied,
            "present": self.present,
            "damaged": self.damaged,
            "bytes_new": self.new_bytes,
            "bytes_stored": self.stored_bytes,
            "seconds": seconds,
            "dry_run": args.dry_run,
        }));
    }
}

fn to_json(snapshot: &Snapshot, fate: &Fate) -> Value {
    let mut object = json!({ "id": snapshot.id.to_string() });
    match fate {
        Fate::Copied(copy, totals) => {
            object["fate"] = "copied".into();
            object["copy"] = copy.map(|copy| copy.to_string()).into();
            if copy.is_some() {
                object["bytes_new"] = totals.new_plain_bytes.into();
                object["bytes_stored"] = totals.stored_bytes.into();
            }
        }
        Fate::Present(copy) => {
            object["fate"] = "present".into();
            object["copy"] = copy.to_string().into();
        }
        Fate::Damaged(error) => {
            object["fate"] = "damaged".into();
            object["error"] = text::error(error).into();
        }
    }
    object
}
