// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the variables of a profile are, here and now.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Host, Profile, ProfileError};

/// Where a secret comes from: exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretFrom {
    /// A file; its first line.
    #[serde(default)]
    pub file: Option<String>,
    /// A command; the first line of its output.
    #[serde(default)]
    pub command: Option<String>,
    /// A variable of keepfast's environment.
    #[serde(default)]
    pub environment: Option<String>,
}

/// Variables that every profile has.
pub(super) const OWN: [&str; 5] = ["root", "host", "address", "run", "profile"];

/// Names and their values. Secrets are known by name only.
#[derive(Clone, Debug, Default)]
pub struct Values {
    known: BTreeMap<String, Option<String>>,
    help: BTreeMap<String, String>,
    secrets: Vec<String>,
}

impl Values {
    /// Those of `profile`, with `given` in place of its own.
    ///
    /// # Errors
    /// A name that there is not; a value that is none of the choices; a value for a secret.
    pub fn new(profile: &Profile, given: &BTreeMap<String, String>) -> Result<Self, ProfileError> {
        let mut values = Self::default();
        values.known.insert("root".to_string(), Some(String::new()));
        values.known.insert("profile".to_string(), Some(profile.name.clone()));
        for (name, variable) in &profile.variables {
            values.help.insert(name.clone(), variable.help.clone());
            match variable.secret {
                Some(_) => values.secrets.push(name.clone()),
                None => drop(values.known.insert(name.clone(), variable.value.clone())),
            }
        }
        for (name, value) in given {
            values.set(profile, name, value)?;
        }
        Ok(values)
    }

    /// Those for one host: with its own variables, `{{host}}` and `{{address}}`.
    ///
    /// # Errors
    /// As [`Values::new`].
    pub fn on(&self, profile: &Profile, name: &str, host: &Host) -> Result<Self, ProfileError> {
        let mut values = self.clone();
        for (name, value) in &host.variables {
            values.set(profile, name, value)?;
        }
        values.known.insert("host".to_string(), Some(name.to_string()));
        values.known.insert("address".to_string(), Some(address(host)));
        Ok(values)
    }

    /// With the number of a run, `{{run}}`.
    #[must_use]
    pub fn of_run(mut self, run: &str) -> Self {
        self.known.insert("run".to_string(), Some(run.to_string()));
        self
    }

    /// Gives `{{root}}` another value: every path of the system lies below it.
    #[must_use]
    pub fn below(mut self, root: &str) -> Self {
        self.known.insert("root".to_string(), Some(root.trim_end_matches('/').to_string()));
        self
    }

    fn set(&mut self, profile: &Profile, name: &str, value: &str) -> Result<(), ProfileError> {
        if self.secrets.iter().any(|secret| secret == name) {
            return Err(ProfileError::SecretInText { name: name.to_string() });
        }
        if !self.known.contains_key(name) {
            return Err(self.unknown(name));
        }
        if let Some(variable) = profile.variables.get(name)
            && !variable.choices.is_empty()
            && !variable.choices.iter().any(|choice| choice == value)
        {
            let (name, value) = (name.to_string(), value.to_string());
            return Err(ProfileError::NotAChoice { name, value, choices: variable.choices.clone() });
        }
        let value = if name == "root" { value.trim_end_matches('/') } else { value };
        if (name == "root" && !value.is_empty() && !value.starts_with('/')) || value.contains('\0') {
            return Err(ProfileError::Value { name: name.to_string(), value: value.to_string() });
        }
        self.known.insert(name.to_string(), Some(value.to_string()));
        Ok(())
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// There is no such variable, it has no value, or it is a secret.
    pub fn get(&self, name: &str) -> Result<&str, ProfileError> {
        if self.secrets.iter().any(|secret| secret == name) {
            return Err(ProfileError::SecretInText { name: name.to_string() });
        }
        match self.known.get(name) {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(ProfileError::NoValue {
                name: name.to_string(),
                help: self.help.get(name).cloned().unwrap_or_default(),
            }),
            None => Err(self.unknown(name)),
        }
    }

    /// Names of the variables that are secrets.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// All that are known and no secrets.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.known.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    fn unknown(&self, name: &str) -> ProfileError {
        ProfileError::NoVariable { name: name.to_string(), known: self.known.keys().cloned().collect() }
    }
}

/// Where a host's services listen.
fn address(host: &Host) -> String {
    if let Some(address) = &host.address {
        return address.clone();
    }
    match &host.ssh {
        Some(target) => target.rsplit_once('@').map_or(target.as_str(), |(_, address)| address).to_string(),
        None => "127.0.0.1".to_string(),
    }
}
