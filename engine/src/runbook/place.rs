// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where commands run: this machine, or one reached by ssh.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Command;
use super::command::exports;
use crate::profile::template::quoted;
use crate::profile::{Host, Profile, ProfileError, Values};

/// A host, as commands reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its name in the profile.
    pub name: String,
    /// How it is reached; none: it is this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<Ssh>,
    /// Where its services listen.
    pub address: String,
    /// Environment of everything that runs there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
}

/// How ssh reaches a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// `user@address`.
    pub target: String,
    /// Port of its sshd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Further words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Place {
    /// This machine.
    #[must_use]
    pub fn here(name: &str) -> Self {
        Self { name: name.to_string(), address: "127.0.0.1".to_string(), ..Self::default() }
    }

    /// Program and arguments that run `command` there. ssh asks nothing, and gives up on a host that does not answer.
    #[must_use]
    pub fn words(&self, command: &Command) -> Vec<String> {
        self.starting(&format!("{}{}", exports(&self.environment), command.shell()))
    }

    /// Program and arguments that run a text of the shell there.
    pub(super) fn starting(&self, shell: &str) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
        let Some(ssh) = &self.ssh else { return [words(&["sh", "-c"]), vec![shell.to_string()]].concat() };
        let mut all = words(&["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15"]);
        if let Some(port) = ssh.port {
            all.extend(words(&["-p", &port.to_string()]));
        }
        if let Some(identity) = &ssh.identity {
            all.extend(words(&["-i", identity]));
        }
        all.extend(ssh.options.iter().cloned());
        // Whatever the login shell is: it only has to start this one.
        all.extend([words(&["--", &ssh.target]), vec![format!("exec sh -c {}", quoted(shell))]].concat());
        all
    }
}

/// Lines that set the environment of everything that runs there.
pub(super) fn exports_of(place: &Place) -> String {
    exports(&place.environment)
}

/// The profile's hosts, sorted by name. One without hosts is for this machine, which has the name `here`.
///
/// # Errors
/// A host's variable that is not one, or has no value.
pub fn places(
    profile: &Profile,
    values: &Values,
    here: &str,
) -> Result<Vec<(Place, Vec<String>, Values)>, ProfileError> {
    if profile.hosts.is_empty() {
        let host = Host::default();
        let roles = profile.roles.keys().cloned().collect();
        return Ok(vec![(Place::here(here), roles, values.on(profile, here, &host)?)]);
    }
    let mut all = Vec::with_capacity(profile.hosts.len());
    for (name, host) in &profile.hosts {
        let values = values.on(profile, name, host)?;
        let ssh = host.ssh.as_ref().map(|target| Ssh {
            target: target.clone(),
            port: host.port,
            identity: host.identity.clone(),
            options: host.ssh_options.clone(),
        });
        let address = values.get("address")?.to_string();
        let place = Place { name: name.clone(), ssh, address, environment: host.environment.clone() };
        all.push((place, host.roles.clone(), values));
    }
    Ok(all)
}
