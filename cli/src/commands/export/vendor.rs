// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast export SNAPSHOT --profile NAME`: an archive as the system's own vendor makes and takes it, under the vendor's name.

use std::cell::RefCell;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use keepfast_engine::archive::{Coding, Encoder};
use keepfast_engine::events::Events;
use keepfast_engine::export::{Exported, own_paths};
use keepfast_engine::history::Snapshot;
use keepfast_engine::profile::{Artifact, Form, Profile, Vendor};
use keepfast_engine::reader::Reader;
use keepfast_engine::recover::{Contents, Source};
use keepfast_engine::repository::Repository;
use keepfast_engine::runbook::Contents as _;
use keepfast_engine::tree::{Root, find};
use keepfast_engine::{Error, Result as EngineResult};

use super::{About, GZIP_LEVEL, by_name, coding};
use crate::args::ExportArgs;
use crate::context::Context;
use crate::exit::{Done, Failure};
use crate::options::new_file::{self, BUFFER_BYTES, IfThere};
use crate::options::vendor::{fits, known, named, profile as described};
use crate::options::{repository, scope};
use crate::progress::Progress;
use crate::render::text;
use crate::runs::data::{PROFILE_TAG, VENDOR_TAG, made};

/// Read and written at once.
const PIECE_BYTES: usize = 256 << 10;

/// Exports.
pub(super) fn run(context: &Context, args: &ExportArgs, profile: &str) -> Result<Done, Failure> {
    let profile = described(&args.vendor, profile)?;
    let repository = repository::open(&context.global)?;
    let snapshots = scope::visible(context, &repository, &[&args.snapshot])?;
    // An id is an id; by any other name only the profile's own are meant.
    let mut scope = args.scope.clone();
    let tag = format!("{PROFILE_TAG}{}", profile.name);
    scope.tag.push(tag.clone());
    let chosen = scope::one(&snapshots, &args.snapshot, &scope);
    let (snapshot, path) = chosen.map_err(|failure| match snapshots.iter().any(|it| it.tags.contains(&tag)) {
        true => failure,
        false => Failure::Other {
            message: format!("there is no snapshot with the tag {tag}"),
            hint: format!(
                "`backup --profile {0}` or `import --profile {0}` makes one; any other is named by its id",
                profile.name
            ),
        },
    })?;
    if !path.is_empty() {
        return Err(Failure::Usage(
            "the profile says what is in the archive: name a snapshot without a path".to_string(),
        ));
    }
    let mut kinds = kinds(&profile, args.vendor.vendor.as_deref())?;
    // What was imported is of the kind that it was.
    let imported = snapshot.tags.iter().find_map(|tag| tag.strip_prefix(VENDOR_TAG));
    if kinds.iter().any(|(vendor, _)| Some(vendor.id.as_str()) == imported) {
        kinds.retain(|(vendor, _)| Some(vendor.id.as_str()) == imported);
    }
    let inside = Inside::of(&repository, snapshot);
    let (vendor, artifact) = inside.choose(&profile, &kinds)?;
    let paths = inside.paths(vendor, artifact)?;
    let name = name(&profile, vendor, artifact, snapshot)?;
    let output = place(&args.output, &name);
    let progress = Progress::start(context);
    if vendor.form == Form::File {
        inside.look(&profile, vendor, &paths[0], &progress)?;
    }
    let gap = RefCell::new(None);
    let write = |output: &mut dyn Write| inside.write(vendor, &name, &paths, output, &progress, &gap);
    let written = if output.as_os_str() == "-" {
        write(&mut BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))
    } else {
        new_file::write(&output, if args.force { IfThere::Replace } else { IfThere::Refuse }, write)
    };
    drop(progress);
    let (id, all) = (snapshot.id.to_string(), format!("/{}", paths.join(" /")));
    let about = About { snapshot: &id, path: &all, output: &output, vendor: Some((&profile.name, &vendor.id)) };
    match (written, gap.into_inner()) {
        (Ok(()), _) => Ok(about.written(context, &Exported::default(), "")),
        (Err(_), Some(why)) => Ok(about.unwritten(context, paths[0].clone().into_bytes(), &why)),
        (Err(failure), None) => Err(failure),
    }
}

/// A kind of archive, and how it is made.
type Kind<'a> = (&'a Vendor, &'a Artifact);

/// The kind that was named, or all that can be made.
fn kinds<'a>(profile: &'a Profile, id: Option<&str>) -> Result<Vec<Kind<'a>>, Failure> {
    let with = |vendor: &'a Vendor| vendor.export.as_ref().map(|artifact| (vendor, artifact));
    if let Some(id) = id {
        let kind = with(named(profile, id)?).ok_or_else(|| {
            Failure::other(format!("the profile {} does not say how {} is made", profile.name, text::plain(id)))
        });
        return kind.map(|kind| vec![kind]);
    }
    let kinds: Vec<Kind> = profile.vendor.iter().filter_map(with).collect();
    if kinds.is_empty() {
        let message = format!("the profile {} makes no archives of its vendor", profile.name);
        return Err(Failure::Other { message, hint: known(profile) });
    }
    Ok(kinds)
}

/// As the vendor calls it; an archive that was imported gets its own name again.
fn name(profile: &Profile, vendor: &Vendor, artifact: &Artifact, snapshot: &Snapshot) -> Result<String, Failure> {
    let recorded = snapshot.manifest.paths.first().map(|path| String::from_utf8_lossy(path).into_owned());
    let recorded = recorded.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let own = vendor.named(&profile.name, recorded).map_err(Failure::Profile)?.and_then(|named| named.time);
    let time = own.or_else(|| vendor.written(made(snapshot), &TimeZone::system()));
    let time = time.ok_or_else(|| {
        Failure::other(format!("the profile {}: no time can be written as {:?}", profile.name, vendor.time))
    })?;
    let name = artifact.name.replace("{{host}}", &snapshot.manifest.host).replace("{{time}}", &time);
    match name.as_str() {
        "" | "." | ".." => Err(Failure::other(format!("{name:?} is no name for a file"))),
        name if name.contains(['/', '\0']) => Err(Failure::Other {
            message: format!("{} is no name for a file", text::plain(name)),
            hint: "it is made of the snapshot's host and time".to_string(),
        }),
        _ => Ok(name),
    }
}

fn place(output: &Path, name: &str) -> PathBuf {
    let is_folder = output.is_dir() || output.to_string_lossy().ends_with('/');
    if is_folder { output.join(name) } else { output.to_path_buf() }
}

/// What is in the snapshot.
struct Inside {
    contents: Contents,
    reader: Arc<Reader>,
    root: Root,
    host: String,
    short: String,
}

impl Inside {
    fn of(repository: &Repository, snapshot: &Snapshot) -> Self {
        let root = Root { id: snapshot.manifest.root, level: snapshot.manifest.root_level };
        let (reader, host) = (repository.reader(), snapshot.manifest.host.clone());
        let contents = Contents::new(reader.clone(), vec![Source { host: host.clone(), root }]);
        Self { contents, reader, root, host, short: text::short(snapshot.id) }
    }

    fn matching(&self, pattern: &str) -> Result<Vec<String>, Failure> {
        self.contents.matching(&self.host, pattern).map_err(Failure::other)
    }

    fn has(&self, path: &str) -> EngineResult<bool> {
        Ok(find(&self.reader, self.root, path.trim_matches('/').as_bytes())?.is_some())
    }

    /// The only kind, or the only one that the snapshot has everything for. Of several that are made of the same the first.
    fn choose<'a>(&self, profile: &Profile, kinds: &[Kind<'a>]) -> Result<Kind<'a>, Failure> {
        if let [one] = kinds {
            return Ok(*one);
        }
        let mut fitting: Vec<(&Kind, Vec<String>)> = Vec::new();
        for kind in kinds {
            if let Ok(paths) = self.paths(kind.0, kind.1)
                && !fitting.iter().any(|(_, others)| *others == paths)
            {
                fitting.push((kind, paths));
            }
        }
        let ids = |kinds: Vec<&Kind>| kinds.iter().map(|it| it.0.id.clone()).collect::<Vec<String>>().join(", ");
        let short = &self.short;
        match &fitting[..] {
            [(one, _)] => Ok(**one),
            [] => Err(Failure::Other {
                message: format!("snapshot {short} lacks something for each of {}", ids(kinds.iter().collect())),
                hint: "`--vendor ID` with one of them tells what".to_string(),
            }),
            several => {
                let ids = ids(several.iter().map(|(kind, _)| *kind).collect());
                let name = &profile.name;
                Err(Failure::Other {
                    message: format!("snapshot {short} can become more than one kind of archive of {name}: {ids}"),
                    hint: "`--vendor ID` says which".to_string(),
                })
            }
        }
    }

    /// What goes into the archive: for one file only that one.
    fn paths(&self, vendor: &Vendor, artifact: &Artifact) -> Result<Vec<String>, Failure> {
        match vendor.form {
            Form::Tree => self.paths_of_tree(vendor, artifact),
            Form::File => self.path_of_file(vendor, artifact).map(|path| vec![path]),
        }
    }

    fn paths_of_tree(&self, vendor: &Vendor, artifact: &Artifact) -> Result<Vec<String>, Failure> {
        let mut lacks = Vec::new();
        for path in &vendor.has {
            if !self.has(path)? {
                lacks.push(path.as_str());
            }
        }
        if !lacks.is_empty() {
            return Err(self.lacks(vendor, &lacks));
        }
        let mut paths = Vec::new();
        if artifact.paths.is_empty() {
            for path in own_paths(&self.reader, self.root)? {
                let refused = |path: Vec<u8>| Failure::other(format!("{} is not UTF-8", text::path(&path)));
                paths.push(String::from_utf8(path).map_err(|error| refused(error.into_bytes()))?);
            }
        }
        for pattern in &artifact.paths {
            paths.extend(self.matching(pattern)?);
        }
        paths.sort();
        paths.dedup();
        let all: Vec<&str> = artifact.paths.iter().map(String::as_str).collect();
        if paths.is_empty() { Err(self.lacks(vendor, &all)) } else { Ok(paths) }
    }

    /// The first that is there.
    fn path_of_file(&self, vendor: &Vendor, artifact: &Artifact) -> Result<String, Failure> {
        let patterns: Vec<&str> = match artifact.paths.is_empty() {
            true => vendor.path.iter().map(String::as_str).collect(),
            false => artifact.paths.iter().map(String::as_str).collect(),
        };
        for pattern in &patterns {
            match &self.matching(pattern)?[..] {
                [] => {}
                [one] => return Ok(one.clone()),
                several => {
                    let all = several.join(", ");
                    return Err(Failure::other(format!("{} can be made of more than one file: {all}", vendor.id)));
                }
            }
        }
        Err(self.lacks(vendor, &patterns))
    }

    fn lacks(&self, vendor: &Vendor, what: &[&str]) -> Failure {
        Failure::Other {
            message: format!("snapshot {} has no {}", self.short, what.join(" and no ")),
            hint: format!("without it there is no {}; nothing was written", vendor.id),
        }
    }

    /// Whether a file has what the vendor's restore looks for in it.
    fn look(&self, profile: &Profile, vendor: &Vendor, path: &str, events: &dyn Events) -> Result<(), Failure> {
        if vendor.has.is_empty() && vendor.starts.is_none() {
            return Ok(());
        }
        let open = || -> Result<Box<dyn Read + '_>, Failure> {
            Ok(self.contents.file(&self.host, path).map_err(Failure::other)?)
        };
        fits(profile, vendor, &open, events)?.map(drop).map_err(|why| Failure::Other {
            message: format!("/{} of snapshot {} is no {}: {why}", text::plain(path), self.short, vendor.id),
            hint: "nothing was written".to_string(),
        })
    }

    /// Writes the archive. Why something of it could not be read goes to `gap`.
    fn write(
        &self,
        vendor: &Vendor,
        name: &str,
        paths: &[String],
        output: &mut dyn Write,
        events: &dyn Events,
        gap: &RefCell<Option<String>>,
    ) -> Result<(), Failure> {
        let unread = |why: String| {
            gap.replace(Some(why.clone()));
            Failure::other(why)
        };
        let input = match vendor.form {
            Form::Tree => self.contents.archive(&self.host, paths),
            Form::File => self.contents.file(&self.host, &paths[0]),
        };
        let mut input = input.map_err(unread)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut read = fill(&mut *input, &mut piece).map_err(|error| unread(error.to_string()))?;
        let coding = match vendor.form {
            Form::Tree => coding(by_name(Path::new(name))?),
            Form::File if wants_gzip(name, &piece[..read]) => Coding::Gzip { level: GZIP_LEVEL },
            // What is compressed already is so as the vendor did it.
            Form::File => Coding::Plain,
        };
        let mut encoder = Encoder::new(output, coding).map_err(Failure::Output)?;
        while read > 0 {
            if events.cancelled() {
                return Err(Error::Cancelled.into());
            }
            encoder.write_all(&piece[..read]).map_err(Error::Output)?;
            events.bytes_done(read as u64);
            read = fill(&mut *input, &mut piece).map_err(|error| unread(error.to_string()))?;
        }
        Ok(encoder.finish().map_err(Error::Output)?)
    }
}

/// Whether a file is as it is, and its name says that it is compressed.
fn wants_gzip(name: &str, begins: &[u8]) -> bool {
    (name.ends_with(".gz") || name.ends_with(".tgz")) && !begins.starts_with(b"\x1f\x8b")
}

/// Fills the buffer as far as the input goes.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
