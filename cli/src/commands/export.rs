// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast export`: a snapshot, or a folder or file of it, as a tar archive in a new file or to standard output.
//!
//! `vendor` makes the archive of a system's own vendor of it.

mod vendor;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use keepfast_engine::Error;
use keepfast_engine::events::{Problem, ProblemCode};
use keepfast_engine::export::{Coding, ExportOptions, Exported, Holes, export};
use keepfast_engine::redact::Selection;
use keepfast_engine::tree::Root;
use serde_json::json;

use crate::args::{CodingArg, ExportArgs};
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::new_file::{self, BUFFER_BYTES, IfThere};
use crate::options::{redact, repository, scope};
use crate::progress::Progress;
use crate::render::{json as js, text};

/// gzip's own default.
const GZIP_LEVEL: u32 = 6;
/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// Exports.
pub fn run(context: &Context, args: &ExportArgs) -> Result<Done, Failure> {
    let to_stdout = args.output.as_os_str() == "-";
    if context.output.is_json() && to_stdout {
        return Err(Failure::Usage("--json and the archive can not both go to standard output".to_string()));
    }
    if to_stdout && io::stdout().is_terminal() {
        return Err(Failure::Usage("an archive is not for a terminal: name a file, or use a pipe".to_string()));
    }
    if let Some(profile) = &args.vendor.profile {
        if args.redact.redact || !args.redact.omit.is_empty() {
            let why = "an archive for a vendor's own restore is whole: --redact and --omit go without --profile";
            return Err(Failure::Usage(why.to_string()));
        }
        return vendor::run(context, args, profile);
    }
    let mut options = options(args)?;
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, &[&args.snapshot])?;
    let (snapshot, path) = scope::one(&snapshots, &args.snapshot, &args.scope)?;
    let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
    let reader = repository.reader();
    options.selection = redact::selection(&reader, &args.redact);
    let write = |output: &mut dyn Write| {
        let progress = Progress::start(context);
        Ok(export(&reader, root, path, &options, output, &progress).map_err(scope::name_snapshot(snapshot))?)
    };
    let written = if to_stdout {
        write(&mut BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))
    } else {
        new_file::write(&args.output, if args.force { IfThere::Replace } else { IfThere::Refuse }, write)
    };
    let (id, inside) = (snapshot.id.to_string(), text::stored_path(path));
    let about = About { snapshot: &id, path: &inside, output: &args.output, vendor: None };
    let exported = match written {
        Ok(exported) => exported,
        // Named, and no archive that looks whole: the code of everything that misses something.
        Err(Failure::Engine(Error::Content { path, source })) => {
            return Ok(about.unwritten(context, path, &text::error(&source)));
        }
        Err(failure) => return Err(failure),
    };
    let is_changed = options.selection.is_needed();
    let done = if is_changed { format!(": {}", redact::in_words(&exported.report)) } else { String::new() };
    Ok(about.written(context, &exported, &done))
}

/// What is told in the end.
struct About<'a> {
    snapshot: &'a str,
    path: &'a str,
    output: &'a Path,
    /// Profile, and kind of archive.
    vendor: Option<(&'a str, &'a str)>,
}

impl About<'_> {
    /// `done` tells what else became of it.
    fn written(&self, context: &Context, exported: &Exported, done: &str) -> Done {
        if self.output.as_os_str() != "-" {
            context.output.note(&format!("{} written{done}", self.output.display()));
        }
        self.finish(context, exported, true)
    }

    fn unwritten(&self, context: &Context, path: Vec<u8>, why: &str) -> Done {
        let problem = Problem { path, code: ProblemCode::Unreadable, text: format!("{why}: no archive was written") };
        self.finish(context, &Exported { problems: vec![problem], ..Exported::default() }, false)
    }

    fn finish(&self, context: &Context, exported: &Exported, is_written: bool) -> Done {
        context.output.problems(&exported.problems);
        let done = redact::tell(context, &exported.report);
        context.output.summary(json!({
            "snapshot": self.snapshot,
            "path": self.path,
            "output": self.output.to_string_lossy(),
            "written": is_written,
            "vendor": self.vendor.map(|(profile, id)| json!({ "profile": profile, "id": id })),
            "problems": js::problems(&exported.problems),
            "redaction": redact::to_json(&exported.report),
        }));
        if exported.problems.is_empty() { done } else { Done::Incomplete }
    }
}

fn options(args: &ExportArgs) -> Result<ExportOptions, Failure> {
    let coding = match args.compression {
        Some(coding) => coding,
        None => by_name(&args.output)?,
    };
    Ok(ExportOptions {
        coding: self::coding(coding),
        prefix: args.prefix.as_deref().map_or(Ok(Vec::new()), prefix)?,
        strip_components: args.strip_components,
        holes: if args.sparse { Holes::Kept } else { Holes::Zeros },
        selection: Selection::everything(),
    })
}

fn coding(typed: CodingArg) -> Coding {
    match typed {
        CodingArg::Plain => Coding::Plain,
        CodingArg::Gzip(level) => Coding::Gzip { level: level.unwrap_or(GZIP_LEVEL) },
        CodingArg::Zstd(level) => Coding::Zstd { level: level.unwrap_or(ZSTD_LEVEL) },
    }
}

/// Compressed as the name of the file says.
fn by_name(file: &Path) -> Result<CodingArg, Failure> {
    let extension = file.extension().map(|extension| extension.as_bytes().to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        b"gz" | b"tgz" => Ok(CodingArg::Gzip(None)),
        b"zst" | b"tzst" => Ok(CodingArg::Zstd(None)),
        b"xz" | b"txz" | b"bz2" | b"tbz" | b"tbz2" | b"lz" | b"lzma" | b"lz4" | b"br" | b"Z" | b"zip" | b"7z" => {
            Err(Failure::Other {
                message: format!(
                    "{} can not be written: archives are plain, or compressed with gzip or zstd",
                    file.display()
                ),
                hint: "write to `-` and compress in a pipe, or say `--compression none`".to_string(),
            })
        }
        _ => Ok(CodingArg::Plain),
    }
}

/// `.`, or names with one `/` between them.
fn prefix(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused = || Failure::Usage(format!("{} can not stand before the names of an archive", path.display()));
    let mut names: Vec<&[u8]> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.as_bytes()),
            Component::CurDir => names.push(b"."),
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => return Err(refused()),
        }
    }
    if names.is_empty() { Err(refused()) } else { Ok(names.join(&b'/')) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{by_name, prefix};
    use crate::args::CodingArg;

    #[test]
    fn the_end_of_a_name_chooses_the_compression() {
        let table = [
            ("a.tar", Some(CodingArg::Plain)),
            ("a", Some(CodingArg::Plain)),
            ("a.tar.gz", Some(CodingArg::Gzip(None))),
            ("a.TGZ", Some(CodingArg::Gzip(None))),
            ("a.tar.zst", Some(CodingArg::Zstd(None))),
            ("a.tar.xz", None),
            ("a.tar.bz2", None),
        ];
        for (name, expected) in table {
            assert_eq!(by_name(Path::new(name)).ok(), expected, "{name}");
        }
    }

    #[test]
    fn a_prefix_stays_inside_the_archive() {
        assert_eq!(prefix(Path::new("a//b/")).unwrap(), b"a/b");
        assert_eq!(prefix(Path::new(".")).unwrap(), b".");
        for bad in ["", "/", "/a", "../a", "a/../b"] {
            assert!(prefix(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
