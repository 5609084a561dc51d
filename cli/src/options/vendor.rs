// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kinds of archives of a system's own vendor, as a profile describes them.

use std::io::Read;

use keepfast_engine::Error;
use keepfast_engine::archive::Fault;
use keepfast_engine::events::Events;
use keepfast_engine::import::{beginning, look};
use keepfast_engine::profile::{Form, Profile, Vendor, template};

use crate::args::VendorArgs;
use crate::exit::Failure;
use crate::options::profiles;
use crate::render::text;

/// The profile, with the values of its variables in the paths of its archives: `{{root}}` is the top of a snapshot.
///
/// # Errors
/// There is none of this name, or a variable in a path has no value.
pub fn profile(args: &VendorArgs, name: &str) -> Result<Profile, Failure> {
    filled(profiles::find(&args.profiles, name)?)
}

/// The same of a profile that was found.
///
/// # Errors
/// A variable in a path has no value.
pub fn filled(mut profile: Profile) -> Result<Profile, Failure> {
    let values = profiles::values(&profile, &[], None)?;
    for vendor in &mut profile.vendor {
        let of_export = vendor.export.iter_mut().flat_map(|artifact| &mut artifact.paths);
        for path in vendor.path.iter_mut().chain(&mut vendor.has).chain(&mut vendor.metadata).chain(of_export) {
            let filled = template::text(path, &values).map_err(Failure::Profile)?;
            *path = filled.trim_start_matches('/').to_string();
        }
    }
    Ok(profile)
}

/// The kind that was named.
///
/// # Errors
/// The profile has none of that name.
pub fn named<'a>(profile: &'a Profile, id: &str) -> Result<&'a Vendor, Failure> {
    profile.vendor.iter().find(|vendor| vendor.id == id).ok_or_else(|| {
        let message = format!("the profile {} has no kind of archive {id:?}", profile.name);
        Failure::Other { message, hint: known(profile) }
    })
}

/// Those that there are, for a hint.
pub fn known(profile: &Profile) -> String {
    match profile.vendor.is_empty() {
        true => "its document says nothing of archives: it has no [[vendor]]".to_string(),
        false => {
            let all: Vec<String> = profile.vendor.iter().map(|it| format!("`--vendor {}`", it.id)).collect();
            format!("it has {}", all.join(", "))
        }
    }
}

/// Opens an archive at its beginning.
pub type Open<'a> = &'a dyn Fn() -> Result<Box<dyn Read + 'a>, Failure>;

/// Whether the content is what such an archive has: what describes it, or why not.
///
/// # Errors
/// It can not be read or is damaged, or the profile is not valid.
pub fn fits(
    profile: &Profile,
    vendor: &Vendor,
    open: Open,
    events: &dyn Events,
) -> Result<Result<Option<Vec<u8>>, String>, Failure> {
    let has_members = !vendor.has.is_empty() || vendor.metadata.is_some();
    if vendor.starts.is_some() || (vendor.form == Form::File && !has_members) {
        let begins = match beginning(open()?, events) {
            // How it is compressed is not known here: it is taken as it is.
            Err(error) if vendor.starts.is_none() && is_of_other_format(&error) => Vec::new(),
            begins => begins?,
        };
        if !vendor.begins(&profile.name, &begins).map_err(Failure::Profile)? {
            return Ok(Err(format!("it does not begin as one of {} does", profile.name)));
        }
    }
    if !has_members {
        return Ok(Ok(None));
    }
    match look(open()?, &vendor.has, vendor.metadata.as_deref(), events) {
        Ok(looked) if looked.lacks.is_empty() => Ok(Ok(looked.metadata)),
        Ok(looked) => Ok(Err(format!("it has no {}", looked.lacks.join(", no ")))),
        Err(error) if is_of_other_format(&error) => Ok(Err(text::error(&error))),
        Err(error) => Err(error.into()),
    }
}

fn is_of_other_format(error: &Error) -> bool {
    matches!(error, Error::Archive(error) if matches!(error.fault, Fault::OtherFormat { .. }))
}
