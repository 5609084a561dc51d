// SPDX-License-Identifier: MIT OR Apache-2.0
//! Profiles in the files of Amazon's tools, `~/.aws/credentials` and `~/.aws/config`. For credentials of S3 only. An error
//! names files, profiles and keys, never a value or a line of a file.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};
use keepfast_engine::storage::cloud::CloudSettings;

use crate::exit::Failure;

/// Ways to credentials that Amazon's tools know and keepfast does not.
const OTHER_WAYS: [&str; 6] =
    ["sso_session", "sso_start_url", "credential_process", "source_profile", "credential_source", "login_session"];

/// The two files; `None` where nothing says in which folder they would be.
pub struct ProfileFiles {
    /// Sections are named like profiles.
    pub credentials: Option<PathBuf>,
    /// Sections are named `profile NAME`, except `default`.
    pub config: Option<PathBuf>,
}

/// What the files say under one name.
pub struct Profile {
    name: String,
    values: HashMap<String, String>,
}

impl ProfileFiles {
    /// The profile; where both files have a key, that of the credentials file counts. `None` if neither knows the name.
    ///
    /// # Errors
    /// A file is there and can not be read, or is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Profile>, Failure> {
        let in_config = [format!("profile {name}"), name.to_string()];
        let of_config = section(self.config.as_deref(), if name == "default" { &in_config } else { &in_config[..1] })?;
        let of_credentials = section(self.credentials.as_deref(), &in_config[1..])?;
        if of_config.is_none() && of_credentials.is_none() {
            return Ok(None);
        }
        let values = of_config.into_iter().chain(of_credentials).flatten().collect();
        Ok(Some(Profile { name: name.to_string(), values }))
    }
}

impl Profile {
    /// A value that is not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Puts its credentials into the settings, and tells whether it has any.
    ///
    /// # Errors
    /// It has half of a pair, or gets its credentials in a way that keepfast does not know.
    pub fn give_credentials(&self, settings: &mut CloudSettings) -> Result<bool, Failure> {
        let name = &self.name;
        match (self.get("aws_access_key_id"), self.get("aws_secret_access_key")) {
            (Some(id), Some(secret)) => {
                settings.set("aws_access_key_id", id);
                settings.set("aws_secret_access_key", secret);
                if let Some(token) = self.get("aws_session_token") {
                    settings.set("aws_session_token", token);
                }
                return Ok(true);
            }
            (None, None) => {}
            _ => return Err(Failure::other(format!("the profile {name:?} has only half of an access key"))),
        }
        if let (Some(file), Some(role)) = (self.get("web_identity_token_file"), self.get("role_arn")) {
            settings.set("aws_web_identity_token_file", file);
            settings.set("aws_role_arn", role);
            if let Some(session) = self.get("role_session_name") {
                settings.set("aws_role_session_name", session);
            }
            return Ok(true);
        }
        match OTHER_WAYS.iter().find(|key| self.get(key).is_some()) {
            Some(way) => Err(Failure::Other {
                message: format!("the profile {name:?} gets its credentials by {way}, which keepfast does not know"),
                hint: format!("eval \"$(aws configure export-credentials --profile {name} --format env)\""),
            }),
            None => Ok(false),
        }
    }
}

/// The values of the first of these sections that the file has.
fn section(file: Option<&Path>, names: &[String]) -> Result<Option<HashMap<String, String>>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        // Where the home folder is none of this user's, nothing is meant by it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(Failure::other(format!("can not read {}: {error}", file.display()))),
    };
    let mut syntax = IniDefault::default();
    syntax.case_sensitive = true;
    syntax.delimiters = vec!['='];
    // A secret may have these signs in it.
    syntax.inline_comment_symbols = Some(Vec::new());
    syntax.comment_symbols = vec!['#', ';'];
    let mut sections = Ini::new_from_defaults(syntax);
    // Its words would repeat the line that it did not understand.
    let parsed = sections.read(text).map_err(|_| format!("{} is not a file of profiles", file.display()));
    let mut parsed = parsed.map_err(Failure::other)?;
    let found = names.iter().find_map(|name| parsed.remove(name));
    Ok(found.map(|values| values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()))
}
