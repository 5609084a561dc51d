// SPDX-License-Identifier: MIT OR Apache-2.0
//! Profiles as the command line names them: where they are found, what their variables are, who is asked.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use keepfast_engine::profile::{Asked, Library, Profile, ProfileError, SecretFrom, Values};
use keepfast_engine::runbook::{Person, Question, RunbookError};

use crate::args::SystemArgs;
use crate::exit::Failure;
use crate::options::machine::{self, UserFolder};
use crate::options::{question, time};

/// Where an administrator puts profiles for everybody.
const FOR_EVERYBODY: &str = "/etc/keepfast/profiles";

/// Longest secret.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Where profiles are found.
///
/// # Errors
/// There is no home.
pub fn library(args: &SystemArgs) -> Result<Library, Failure> {
    Ok(Library::new(folders(args)?))
}

/// The folders with profiles, the user's first.
///
/// # Errors
/// There is no home.
pub fn folders(args: &SystemArgs) -> Result<Vec<PathBuf>, Failure> {
    if !args.profiles.is_empty() {
        return Ok(args.profiles.clone());
    }
    Ok(vec![machine::user_folder(UserFolder::Config)?.join("profiles"), PathBuf::from(FOR_EVERYBODY)])
}

/// Where the journals of runs are. They belong to this machine, and to no repository: a run goes on without one.
///
/// # Errors
/// There is no home.
#[allow(dead_code, reason = "used by recover")]
pub fn runs(state_dir: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    let state = match state_dir {
        Some(state) => state.clone(),
        None => machine::user_folder(UserFolder::State)?,
    };
    Ok(state.join("runs"))
}

/// The variables of a profile, with those of the command line.
///
/// # Errors
/// What is no NAME=VALUE, no variable, or no choice.
pub fn values(args: &SystemArgs, profile: &Profile) -> Result<Values, Failure> {
    Values::new(profile, &pairs(&args.var, "NAME=VALUE")?).map_err(failure)
}

/// Which host is used where one of a role is enough.
///
/// # Errors
/// What is no ROLE=HOST.
pub fn one(args: &SystemArgs) -> Result<BTreeMap<String, String>, Failure> {
    pairs(&args.one, "ROLE=HOST")
}

fn pairs(given: &[String], form: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut pairs = BTreeMap::new();
    for pair in given {
        let (name, value) = pair.split_once('=').ok_or_else(|| Failure::Usage(format!("{pair:?} is not {form}")))?;
        pairs.insert(name.to_string(), value.to_string());
    }
    Ok(pairs)
}

/// Reads the secrets of a profile from where it says.
///
/// # Errors
/// One could not be read, or is empty.
pub fn secrets(profile: &Profile) -> Result<BTreeMap<String, String>, Failure> {
    let mut secrets = BTreeMap::new();
    for (name, variable) in &profile.variables {
        if let Some(from) = &variable.secret {
            let secret = secret(from).map_err(|why| Failure::Other {
                message: format!("can not read the secret {name}: {why}"),
                hint: format!("`keepfast profile show {}` tells where it comes from", profile.name),
            })?;
            secrets.insert(name.clone(), secret);
        }
    }
    Ok(secrets)
}

fn secret(from: &SecretFrom) -> Result<String, String> {
    let mut text = String::new();
    if let Some(file) = &from.file {
        let file = fs::File::open(file).map_err(|error| format!("{file}: {error}"))?;
        file.take(MAX_SECRET_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    } else if let Some(command) = &from.command {
        let output = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{command:?} ended with {}", output.status));
        }
        text = String::from_utf8(output.stdout).map_err(|_| "it is no text".to_string())?;
    } else if let Some(variable) = &from.environment {
        text = std::env::var(variable).map_err(|_| format!("the environment has no {variable}"))?;
    }
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_string()),
        _ => Err("it is empty".to_string()),
    }
}

/// A new number of a run: its time and this process, so that runs sort by time.
pub fn run_name() -> String {
    let now = jiff::Timestamp::from_second(time::now().seconds).unwrap_or_default();
    format!("{}-{}", now.strftime("%Y%m%d-%H%M%S"), std::process::id())
}

/// The time, in milliseconds since 1970.
pub fn now_millis() -> i64 {
    let now = time::now();
    now.seconds.saturating_mul(1000).saturating_add(i64::from(now.nanos / 1_000_000))
}

/// What is wrong with a profile, and how to look at it.
pub fn failure(error: ProfileError) -> Failure {
    let hint = match &error {
        ProfileError::Unknown { .. } => "`keepfast profile list` shows all profiles and where they come from",
        ProfileError::NoValue { .. } => "give it with --var NAME=VALUE, or in a profile of your own",
        ProfileError::Invalid { .. } | ProfileError::Circle { .. } => {
            "`keepfast profile check` tells all that is wrong"
        }
        _ => "`keepfast profile show NAME` shows its variables, hosts and runbooks",
    };
    Failure::Other { message: error.to_string(), hint: hint.to_string() }
}

/// Why a runbook could not begin.
pub fn runbook_failure(error: RunbookError) -> Failure {
    match error {
        RunbookError::Profile(error) => failure(error),
        error => Failure::other(error.to_string()),
    }
}

/// Whoever sits at the terminal, or said yes to everything beforehand.
pub struct Somebody {
    /// Whether the answer is yes without asking.
    pub says_yes: bool,
}

impl Person for Somebody {
    fn agrees(&self, question: &Question) -> bool {
        if self.says_yes {
            return true;
        }
        let (about, asked) = match question.asked {
            Asked::Caution => (format!("CAUTION: {}", question.text), "Go on?"),
            Asked::Manual => (format!("To be done by hand: {}", question.text), "Is it done?"),
            Asked::Repeat => (format!("{}: {}", question.step.title, question.text), "Do it again?"),
        };
        // Nobody there is no.
        question::ask(&about, asked).unwrap_or(false)
    }
}
