// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast import`: an archive that exists becomes a snapshot, as one file or with its members as files.
//!
//! `vendor` knows what a profile says of an archive, `suggest` finds the profile that says something.

mod suggest;
mod vendor;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use keepfast_engine::backup::{self, Archives, BackupOptions, DeltaLimits, Parent, Stream, StreamInput};
use keepfast_engine::events::Problem;
use keepfast_engine::format::id::SnapshotId;
use keepfast_engine::format::manifest::Totals;
use keepfast_engine::import::{self, EndMark, ImportOptions};
use keepfast_engine::repository::Repository;
use keepfast_engine::source::{Excludes, OneFileSystem, SourceOptions};
use keepfast_engine::writer::Compression;
use serde_json::{Value, json};

use crate::args::ImportArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::backup::stream_path;
use crate::options::input::standard_input;
use crate::options::scope::absolute;
use crate::options::{machine, repository, time};
use crate::progress::Progress;
use crate::render::{json as js, text};

/// Names that stand more than once in an archive, as far as they are listed for people.
const MAX_REPLACED_PRINTED: usize = 10;

/// What came of it, in both ways.
struct Imported {
    snapshot: Option<SnapshotId>,
    parent: Option<SnapshotId>,
    totals: Totals,
    problems: Vec<Problem>,
    replaced: Vec<Vec<u8>>,
}

/// What shall become of the archive: as it was typed, or as a profile says.
struct Wanted {
    as_tree: bool,
    /// Its path in the snapshot, if it is not that of its name.
    path: Option<String>,
    host: Option<String>,
    tags: Vec<String>,
    description: String,
}

impl Wanted {
    fn typed(args: &ImportArgs) -> Self {
        Self {
            as_tree: args.as_tree,
            path: None,
            host: args.host.clone(),
            tags: args.tag.iter().filter(|tag| !tag.is_empty()).cloned().collect(),
            description: args.description.clone(),
        }
    }
}

/// Imports.
pub fn run(context: &Context, args: &ImportArgs) -> Result<Done, Failure> {
    let begin = Instant::now();
    let source = Source::find(args)?;
    let mut wanted = Wanted::typed(args);
    let found = match &args.vendor.profile {
        Some(profile) => Some(vendor::find(context, args, profile, &source)?),
        None => None,
    };
    if let Some(found) = &found {
        found.refine(&mut wanted);
    }
    let repository = repository::open(&context.global)?;
    found.iter().for_each(|found| found.print(context));
    let progress = Progress::start(context);
    let imported = match wanted.as_tree {
        true => members(context, args, &wanted, &source, &repository, &progress),
        false => whole(context, args, &wanted, &source, &repository, &progress),
    };
    drop(progress);
    let imported = imported?;
    let seconds = begin.elapsed().as_secs_f64();
    print(context, args, &wanted, &imported, seconds);
    let mut summary = to_json(args, &wanted, &imported, seconds);
    match &found {
        Some(found) => found.add_to(&mut summary),
        None => summary["suggested_profile"] = suggest::suggest(context, args, &source).into(),
    }
    context.output.summary(summary);
    context.output.problems(&imported.problems);
    Ok(Done::from_problems(imported.problems.len()))
}

/// Where the archive comes from.
enum Source {
    File(PathBuf),
    Stdin,
}

impl Source {
    /// Follows links: the archive is meant, under its own name.
    fn find(args: &ImportArgs) -> Result<Self, Failure> {
        if args.file.as_os_str() == "-" {
            return Ok(Self::Stdin);
        }
        let failed = |error| Failure::other(format!("can not read {}: {error}", args.file.display()));
        let file = fs::canonicalize(&args.file).map_err(failed)?;
        let metadata = fs::metadata(&file).map_err(failed)?;
        if metadata.is_dir() || !(metadata.is_file() || args.as_tree) {
            return Err(Failure::Other {
                message: format!("{} is no archive, and no file", args.file.display()),
                hint: "`keepfast backup` saves folders; `-` stands for standard input".to_string(),
            });
        }
        Ok(Self::File(file))
    }

    /// For the snapshot, and for finding the one to compare with.
    fn recorded(&self, args: &ImportArgs) -> Result<Vec<Vec<u8>>, Failure> {
        Ok(vec![match self {
            Self::File(file) => absolute(file)?,
            Self::Stdin => [b"/", &stream_path(&args.stdin_filename)?[..]].concat(),
        }])
    }
}

fn members(
    context: &Context,
    args: &ImportArgs,
    wanted: &Wanted,
    source: &Source,
    repository: &Repository,
    progress: &Progress,
) -> Result<Imported, Failure> {
    let options = ImportOptions {
        paths: source.recorded(args)?,
        tags: wanted.tags.clone(),
        description: wanted.description.clone(),
        end_mark: if args.ignore_zeros { EndMark::Ignored } else { EndMark::Required },
        compression: compression(args),
        threads: machine::threads(&context.global),
        mode: if args.dry_run { import::Mode::DryRun } else { import::Mode::Commit },
        clock: time::now,
    };
    let input: Box<dyn Read> = match source {
        Source::Stdin => Box::new(standard_input()?),
        Source::File(file) => Box::new(open(file)?),
    };
    let client = machine::client(wanted.host.as_deref());
    let import::Summary { snapshot, parent, totals, problems, replaced } =
        import::import(repository, &client, input, &options, progress)?;
    Ok(Imported { snapshot, parent, totals, problems, replaced })
}

/// The file as it is: a backup of this one file.
fn whole(
    context: &Context,
    args: &ImportArgs,
    wanted: &Wanted,
    source: &Source,
    repository: &Repository,
    progress: &Progress,
) -> Result<Imported, Failure> {
    let paths = source.recorded(args)?;
    let (folder, names, streams) = match (source, &wanted.path) {
        (Source::File(file), Some(path)) => {
            let input = StreamInput::Reader(Mutex::new(Some(Box::new(open(file)?))));
            (machine::working_directory()?, Vec::new(), vec![Stream::new(stream_path(path)?, input)])
        }
        (Source::File(file), None) => {
            let name = file.file_name().map(PathBuf::from).expect("a file has a name");
            (file.parent().unwrap_or(Path::new("/")).to_path_buf(), vec![name], Vec::new())
        }
        (Source::Stdin, _) => {
            let reader: Box<dyn Read + Send> = Box::new(standard_input()?);
            let input = StreamInput::Reader(Mutex::new(Some(reader)));
            let stream = Stream::new(stream_path(&args.stdin_filename)?, input);
            (machine::working_directory()?, Vec::new(), vec![stream])
        }
    };
    context.output.claim().map_err(Failure::Output)?;
    let options = BackupOptions {
        source: SourceOptions {
            working_directory: folder,
            paths: names,
            excludes: Excludes::default(),
            one_file_system: OneFileSystem::Cross,
            threads: 1,
        },
        streams,
        missing: Vec::new(),
        paths,
        parent: Parent::Newest,
        tags: wanted.tags.clone(),
        description: wanted.description.clone(),
        archives: Archives::up_to(u64::MAX, &[]).map_err(|error| Failure::other(error.to_string()))?,
        compression: compression(args),
        deltas: DeltaLimits::default(),
        threads: machine::threads(&context.global),
        mode: if args.dry_run { backup::Mode::DryRun } else { backup::Mode::Commit },
        clock: time::now,
    };
    let client = machine::client(wanted.host.as_deref());
    let backup::Summary { snapshot, parent, totals, problems } =
        backup::backup(repository, &client, &options, progress)?;
    Ok(Imported { snapshot, parent, totals, problems, replaced: Vec::new() })
}

fn open(file: &Path) -> Result<File, Failure> {
    File::open(file).map_err(|error| Failure::other(format!("can not read {}: {error}", file.display())))
}

fn compression(args: &ImportArgs) -> Compression {
    args.compression.map_or(Compression::Auto, Compression::Level)
}

fn print(context: &Context, args: &ImportArgs, wanted: &Wanted, imported: &Imported, seconds: f64) {
    let (out, totals) = (&context.output, &imported.totals);
    for path in imported.replaced.iter().take(MAX_REPLACED_PRINTED) {
        out.note(&format!("more than once in the archive, the last one counts: {}", text::stored_path(path)));
    }
    if let Some(more) = imported.replaced.len().checked_sub(MAX_REPLACED_PRINTED).filter(|more| *more > 0) {
        out.note(&format!("... and {} more; --json lists all", text::count(more as u64)));
    }
    if wanted.as_tree {
        let (files, folders) = (text::counted(totals.files, "file"), text::counted(totals.directories, "folder"));
        out.note(&format!("members  {files}, {folders}, {}", text::counted(totals.others, "other")));
    }
    let stored = (!args.dry_run).then_some(totals.stored_bytes);
    text::added(totals.bytes, totals.new_plain_bytes, stored).iter().for_each(|line| out.note(line));
    out.note(&format!("took     {}", text::duration(seconds)));
    let partial = if imported.problems.is_empty() { "" } else { ", incomplete" };
    match imported.snapshot {
        Some(id) => out.note(&format!("snapshot {} saved{partial}", text::short(id))),
        None => out.note("dry run: nothing was written"),
    }
}

fn to_json(args: &ImportArgs, wanted: &Wanted, imported: &Imported, seconds: f64) -> Value {
    let totals = &imported.totals;
    let replaced = imported.replaced.iter().map(|path| {
        let mut object = json!({});
        js::put_path(&mut object, "path", path);
        object
    });
    json!({
        "snapshot": imported.snapshot.map(|id| id.to_string()),
        "parent": imported.parent.map(|id| id.to_string()),
        "as_tree": wanted.as_tree,
        "dry_run": args.dry_run,
        "files": totals.files,
        "files_new": totals.new_files,
        "files_changed": totals.changed_files,
        "files_unmodified": totals.unmodified_files,
        "folders": totals.directories,
        "others": totals.others,
        "bytes": totals.bytes,
        "chunks_new": totals.new_chunks,
        "bytes_new": totals.new_plain_bytes,
        "bytes_stored": totals.stored_bytes,
        "seconds": seconds,
        "replaced": replaced.collect::<Value>(),
        "problems": js::problems(&imported.problems),
    })
}
