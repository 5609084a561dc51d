// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where profiles are found, and what the command line says of their variables and hosts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keepfast_engine::profile::{Library, Profile, ProfileError, Values};

use crate::args::ProfilesArgs;
use crate::exit::Failure;
use crate::options::machine::{UserFolder, user_folder};

/// Where whoever administrates the machine puts profiles.
const OF_THE_MACHINE: &str = "/etc/keepfast/profiles";

/// The user's own folder.
///
/// # Errors
/// None was named, and the user has none.
pub fn own_folder(args: &ProfilesArgs) -> Result<PathBuf, Failure> {
    match &args.profiles {
        Some(folder) => Ok(folder.clone()),
        None => Ok(user_folder(UserFolder::Config)?.join("profiles")),
    }
}

/// The user's, the machine's and the built-in profiles; only those of the named folder and the built-in ones if one was named.
///
/// # Errors
/// As [`own_folder`].
pub fn library(args: &ProfilesArgs) -> Result<Library, Failure> {
    let own = own_folder(args)?;
    Ok(Library::new(match args.profiles {
        Some(_) => vec![own],
        None => vec![own, OF_THE_MACHINE.into()],
    }))
}

/// The profile of this name.
///
/// # Errors
/// There is none, or it can not be used.
pub fn find(args: &ProfilesArgs, name: &str) -> Result<Profile, Failure> {
    library(args)?.find(name).map_err(Failure::Profile)
}

/// The profile's variables, with what was given on the command line, below a root.
///
/// # Errors
/// Words that give no variable a value; a variable that there is not, or that can not have the value.
pub fn values(profile: &Profile, given: &[String], root: Option<&Path>) -> Result<Values, Failure> {
    let given = pairs(given, "--var", "NAME=VALUE")?;
    if let Some(name) = given.keys().find(|name| profile.variables.get(*name).is_some_and(|it| it.secret.is_some())) {
        return Err(Failure::Other {
            message: format!("{name} is a secret, which everybody would see on the command line"),
            hint: "the profile says from which file, command or environment variable it comes".to_string(),
        });
    }
    let values = Values::new(profile, &given).map_err(Failure::Profile)?;
    Ok(match root {
        Some(root) => values.below(&root.to_string_lossy()),
        None => values,
    })
}

/// Which host a step takes that runs on one of a role.
///
/// # Errors
/// A role, or a host with it, that there is not.
pub fn one_of(profile: &Profile, given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let one = pairs(given, "--one", "ROLE=HOST")?;
    for (role, host) in &one {
        if !profile.roles.contains_key(role) {
            let known: Vec<&str> = profile.roles.keys().map(String::as_str).collect();
            return Err(Failure::Usage(format!("there is no role {role:?}; there are: {}", known.join(", "))));
        }
        if profile.hosts.is_empty() {
            return Err(Failure::Other {
                message: format!(
                    "--one {role}={host}: the profile {} names no hosts, so this machine has every role",
                    profile.name
                ),
                hint: "`keepfast profile edit` opens your file, where hosts are named".to_string(),
            });
        }
        let has = |(_, of): &(&String, &keepfast_engine::profile::Host)| of.roles.contains(role);
        let known: Vec<String> = profile.hosts.iter().filter(has).map(|(name, _)| name.clone()).collect();
        if !known.contains(host) {
            return Err(Failure::Profile(ProfileError::NoHost { name: host.clone(), known }));
        }
    }
    Ok(one)
}

fn pairs(given: &[String], option: &str, form: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for word in given {
        let (name, value) = word
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::Usage(format!("{option} {word}: it is written {form}")))?;
        if pairs.insert(name.to_string(), value.to_string()).is_some() {
            return Err(Failure::Usage(format!("{option} gives {name} twice")));
        }
    }
    Ok(pairs)
}
