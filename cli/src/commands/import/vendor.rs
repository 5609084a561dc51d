// SPDX-License-Identifier: MIT OR Apache-2.0
//! `keepfast import --profile NAME`: an archive of the system's own vendor is recognised by its name, held against what such an
//! archive must have before anything is written, and becomes a snapshot that `recover` finds.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use keepfast_engine::events::Events;
use keepfast_engine::profile::{Form, Named, Profile, Vendor};
use serde_json::{Value, json};

use super::{Source, Wanted, open};
use crate::args::ImportArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::options::vendor::fits;
use crate::options::{time, vendor};
use crate::progress::Progress;
use crate::render::text;
use crate::runs::data::{MADE_TAG, PROFILE_TAG, SET_TAG, VENDOR_TAG};

/// What tells when an archive was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MadeBy {
    Option,
    Name,
    /// The file's own time, as nothing else tells.
    File,
    /// The same, since the name tells only a part.
    FileForName,
}

/// An archive, and what is known of it.
pub(super) struct Found {
    profile: String,
    vendor: Vendor,
    file_name: String,
    host: Option<String>,
    /// Unix nanoseconds.
    made: i64,
    made_by: MadeBy,
    set: String,
    metadata: Option<Vec<u8>>,
}

/// Recognises the archive.
///
/// # Errors
/// It is none of the profile's, or of several kinds; it is damaged.
pub(super) fn find(context: &Context, args: &ImportArgs, profile: &str, source: &Source) -> Result<Found, Failure> {
    let profile = vendor::profile(&args.vendor, profile)?;
    let Source::File(file) = source else {
        return Err(Failure::Usage("standard input has no name by which an archive is known: name a file".to_string()));
    };
    // As it was typed: a link may have the vendor's name, and what it leads to another one.
    let name = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let progress = Progress::start(context);
    let (vendor, named, metadata) = match &args.vendor.vendor {
        Some(id) => {
            let vendor = vendor::named(&profile, id)?;
            let named = vendor.named(&profile.name, &name).map_err(Failure::Profile)?.unwrap_or_default();
            let metadata = fits(&profile, vendor, &|| reader(file), &progress)?.map_err(|why| foreign(&name, &why))?;
            (vendor, named, metadata)
        }
        None => recognised(&profile, &name, file, &progress)?,
    };
    drop(progress);
    let (made, made_by) = made(args, vendor, &named, file)?;
    if made > Timestamp::now().as_nanosecond() as i64 {
        context.output.warn(&format!("{} is from the future: {}", text::plain(&name), text::time(made)));
    }
    let host = args.host.clone().or(named.host).or_else(|| only_host(&profile));
    let set = label(made, made_by);
    let vendor = vendor.clone();
    Ok(Found { profile: profile.name, vendor, file_name: name, host, made, made_by, set, metadata })
}

/// The kind of archive that name and content fit. One whose name tells a time is known better than one of any name.
fn recognised<'a>(
    profile: &'a Profile,
    name: &str,
    file: &Path,
    events: &dyn Events,
) -> Result<(&'a Vendor, Named, Option<Vec<u8>>), Failure> {
    let mut fitting = Vec::new();
    let mut whys = Vec::new();
    for vendor in &profile.vendor {
        let Some(named) = vendor.named(&profile.name, name).map_err(Failure::Profile)? else { continue };
        match fits(profile, vendor, &|| reader(file), events)? {
            Ok(metadata) => fitting.push((vendor, named, metadata)),
            Err(why) => whys.push(why),
        }
    }
    if fitting.iter().filter(|(_, named, _)| named.time.is_some()).count() == 1 {
        fitting.retain(|(_, named, _)| named.time.is_some());
    }
    let ids: Vec<&str> = fitting.iter().map(|(vendor, ..)| vendor.id.as_str()).collect();
    match (ids.len(), whys.first()) {
        (1, _) => Ok(fitting.remove(0)),
        (0, Some(why)) => Err(foreign(name, why)),
        (0, None) => Err(misnamed(profile, name)),
        _ => Err(Failure::Other {
            message: format!("{} can be more than one kind of archive: {}", text::plain(name), ids.join(", ")),
            hint: "`--vendor ID` says which".to_string(),
        }),
    }
}

/// The archive, from its beginning.
pub(super) fn reader(file: &Path) -> Result<Box<dyn Read>, Failure> {
    Ok(Box::new(open(file)?))
}

fn foreign(name: &str, why: &str) -> Failure {
    Failure::Other {
        message: format!("{} is of another system: {why}", text::plain(name)),
        hint: "nothing was written; without --profile any file is imported as it is".to_string(),
    }
}

fn misnamed(profile: &Profile, name: &str) -> Failure {
    let (message, hint) = match profile.vendor.is_empty() {
        true => (format!("the profile {} describes no archives of its vendor", profile.name), vendor::known(profile)),
        false => {
            let patterns: Vec<String> = profile.vendor.iter().map(|it| format!("{} ({})", it.name, it.id)).collect();
            (
                format!(
                    "{} has no name of an archive of {}: expected is {}",
                    text::plain(name),
                    profile.name,
                    patterns.join(" or ")
                ),
                "`--vendor ID` takes it whatever its name is".to_string(),
            )
        }
    };
    Failure::Other { message, hint }
}

fn made(args: &ImportArgs, vendor: &Vendor, named: &Named, file: &Path) -> Result<(i64, MadeBy), Failure> {
    let zone = TimeZone::system();
    if let Some(text) = &args.time {
        return Ok((time::parse_from(text, &zone)?, MadeBy::Option));
    }
    if let Some(made) = named.time.as_ref().and_then(|time| vendor.time_of(time, &zone)) {
        return Ok((made, MadeBy::Name));
    }
    let modified = fs::metadata(file).and_then(|metadata| metadata.modified());
    let modified =
        modified.map_err(|error| Failure::other(format!("can not read the time of {}: {error}", file.display())))?;
    let seconds = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let by = if named.time.is_some() && !vendor.time.is_empty() { MadeBy::FileForName } else { MadeBy::File };
    Ok(((seconds as i64).saturating_mul(1_000_000_000), by))
}

/// What the archives of one moment share. Where a name tells only the day, they are of one day.
fn label(made: i64, by: MadeBy) -> String {
    let time = Timestamp::from_nanosecond(i128::from(made)).unwrap_or_default();
    match by {
        MadeBy::FileForName => time.to_zoned(TimeZone::system()).strftime("%Y%m%d").to_string(),
        _ => time.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string(),
    }
}

/// The profile's host that something is captured of, if it is one.
fn only_host(profile: &Profile) -> Option<String> {
    let is_captured = |role: &String| profile.roles.get(role).is_some_and(|role| !role.only_runbooks);
    let mut hosts = profile.hosts.iter().filter(|(_, host)| host.roles.iter().any(is_captured));
    let first = hosts.next().map(|(name, _)| name.clone());
    first.filter(|_| hosts.next().is_none())
}

impl Found {
    /// Lets the archive become what the profile says.
    pub(super) fn refine(&self, wanted: &mut Wanted) {
        wanted.as_tree = self.vendor.form == Form::Tree;
        wanted.path.clone_from(&self.vendor.path);
        wanted.host.clone_from(&self.host);
        wanted.tags.extend([
            format!("{PROFILE_TAG}{}", self.profile),
            format!("{SET_TAG}{}", self.set),
            format!("{MADE_TAG}{}", text::rfc3339(self.made)),
            format!("{VENDOR_TAG}{}", self.vendor.id),
        ]);
        if wanted.description.is_empty() {
            wanted.description = format!("{} of {}", self.file_name, text::time(self.made));
        }
    }

    /// Tells what it is.
    pub(super) fn print(&self, context: &Context) {
        let out = &context.output;
        let title = match self.vendor.title.as_str() {
            "" => &self.vendor.id,
            title => title,
        };
        out.note(&format!("archive  {}: {}", text::plain(&self.profile), text::plain(title)));
        let of = self.host.as_ref().map_or_else(|| "this host".to_string(), |host| text::plain(host));
        let by = match self.made_by {
            MadeBy::Option | MadeBy::Name => "",
            MadeBy::File => " (time of the file)",
            MadeBy::FileForName => " (time of the file: its name has no whole date)",
        };
        out.note(&format!("made     {} on {of}{by}", text::time(self.made)));
        out.note(&format!("set      {}", self.set));
        match (&self.vendor.metadata, &self.metadata) {
            (Some(name), Some(bytes)) => {
                out.note(&format!("says     {}", text::plain(name)));
                let shown = match serde_json::from_slice::<Value>(bytes) {
                    Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
                    Err(_) => String::from_utf8_lossy(bytes).into_owned(),
                };
                shown.lines().for_each(|line| out.note(&format!("         {}", text::plain(line))));
            }
            (Some(name), None) => {
                out.warn(&format!("{} has no {name}, which describes it", text::plain(&self.file_name)));
            }
            (None, _) => {}
        }
    }

    /// The same for programs.
    pub(super) fn add_to(&self, summary: &mut Value) {
        let metadata = self.metadata.as_ref().map(|bytes| {
            serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
        });
        summary["vendor"] = json!({
            "profile": self.profile,
            "id": self.vendor.id,
            "host": self.host,
            "made": text::rfc3339(self.made),
            "made_by": match self.made_by {
                MadeBy::Option => "option",
                MadeBy::Name => "name",
                MadeBy::File | MadeBy::FileForName => "file",
            },
            "set": self.set,
            "metadata": metadata,
        });
    }
}
