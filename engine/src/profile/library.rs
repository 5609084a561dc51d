// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds profiles by name: those of the user first, then the built-in ones, and joins each with what it inherits from.

use std::fs;
use std::path::PathBuf;

use super::merge::merge;
use super::{Profile, ProfileError};

/// The profiles that the program brings with it: name and document.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("contrail", include_str!("builtin/contrail.toml")),
    ("iml", include_str!("builtin/iml.toml")),
    ("juju", include_str!("builtin/juju.toml")),
    ("puppet-enterprise", include_str!("builtin/puppet-enterprise.toml")),
    ("ssr-conductor", include_str!("builtin/ssr-conductor.toml")),
];

/// Longest way up that inheritance may go.
const MAX_GENERATIONS: usize = 16;

/// A profile is configuration written by hand: a larger file is something else.
const MAX_BYTES: u64 = 4 << 20;

/// Where profiles are found.
#[derive(Clone, Debug, Default)]
pub struct Library {
    folders: Vec<PathBuf>,
}

/// Where a profile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The program.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

/// A profile that there is.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Library {
    /// Profiles of these folders, the first that has one counts, and the built-in ones.
    #[must_use]
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// All there are, sorted by name. One in a folder hides a built-in one of its name.
    ///
    /// # Errors
    /// A folder that can not be listed; one that is not there has none.
    pub fn list(&self) -> Result<Vec<Listed>, ProfileError> {
        let mut all: Vec<Listed> = Vec::new();
        for folder in &self.folders {
            let read = |source| ProfileError::Read { path: folder.clone(), source };
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(read(error)),
            };
            for entry in entries {
                let path = entry.map_err(read)?.path();
                if path.extension().is_some_and(|end| end == "toml")
                    && let Some(name) = path.file_stem().and_then(|name| name.to_str())
                    && is_name(name)
                    && !all.iter().any(|listed| listed.name == name)
                {
                    all.push(Listed { name: name.to_string(), origin: Origin::File(path) });
                }
            }
        }
        for (name, _) in BUILT_IN {
            if !all.iter().any(|listed| listed.name == name) {
                all.push(Listed { name: name.to_string(), origin: Origin::BuiltIn });
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The document of a profile, as it was written, and where it comes from.
    ///
    /// # Errors
    /// There is none of that name, or it could not be read.
    pub fn document(&self, name: &str) -> Result<(String, Origin), ProfileError> {
        self.above(name, None)
    }

    /// A profile with all that it inherits.
    ///
    /// # Errors
    /// It, or one that it inherits from, is missing or not valid.
    pub fn find(&self, name: &str) -> Result<Profile, ProfileError> {
        let (document, origin) = self.document(name)?;
        self.resolve(name, &document, &origin)
    }

    /// A profile out of its text, with all that it inherits, as if it stood in the first folder.
    ///
    /// # Errors
    /// As [`Library::find`].
    pub fn parse(&self, name: &str, document: &str) -> Result<Profile, ProfileError> {
        let folder = self.folders.first().cloned().unwrap_or_default();
        self.resolve(name, document, &Origin::File(folder.join(format!("{name}.toml"))))
    }

    fn resolve(&self, name: &str, document: &str, origin: &Origin) -> Result<Profile, ProfileError> {
        let mut chain = vec![(name.to_string(), origin.clone())];
        let mut documents = vec![table(name, document)?];
        while let Some(parent) = inherited(name, documents.last().expect("one at least"))? {
            // A profile may refine the built-in one of its own name.
            let from = chain.last().filter(|(name, _)| *name == parent).map(|(_, origin)| origin.clone());
            let (document, origin) = self.above(&parent, from.as_ref())?;
            let is_circle = chain.iter().any(|(name, from)| *name == parent && *from == origin);
            chain.push((parent.clone(), origin));
            if is_circle || chain.len() > MAX_GENERATIONS {
                let chain = chain.into_iter().map(|(name, _)| name).collect();
                return Err(ProfileError::Circle { name: name.to_string(), chain });
            }
            documents.push(table(&parent, &document)?);
        }
        let mut whole = documents.pop().expect("one at least");
        while let Some(child) = documents.pop() {
            whole = merge(whole, child).map_err(|why| ProfileError::Invalid { name: name.to_string(), why })?;
        }
        let invalid = |error: &toml::de::Error, at: String| ProfileError::Invalid {
            name: name.to_string(),
            why: format!("{}{at}", error.to_string().trim()),
        };
        // The document alone says in which line something is wrong; joined with others there are no lines.
        if chain.len() == 1 {
            toml::from_str::<Profile>(document).map_err(|error| invalid(&error, String::new()))?;
        }
        let mut profile: Profile = toml::Value::Table(whole)
            .try_into()
            .map_err(|error: toml::de::Error| invalid(&error, line_of(error.message(), document)))?;
        profile.name = name.to_string();
        Ok(profile)
    }

    /// The document of that name that comes after `from`, or the first.
    fn above(&self, name: &str, from: Option<&Origin>) -> Result<(String, Origin), ProfileError> {
        let mut is_past = from.is_none();
        if is_name(name) {
            for folder in &self.folders {
                let path = folder.join(format!("{name}.toml"));
                let origin = Origin::File(path.clone());
                if !is_past {
                    is_past = from == Some(&origin);
                    continue;
                }
                let read = |source| ProfileError::Read { path: path.clone(), source };
                match fs::metadata(&path) {
                    Ok(metadata) if !metadata.is_file() => return Err(read(std::io::Error::other("it is no file"))),
                    Ok(metadata) if metadata.len() > MAX_BYTES => {
                        return Err(read(std::io::Error::other(format!("it has {} bytes", metadata.len()))));
                    }
                    Ok(_) => return Ok((fs::read_to_string(&path).map_err(read)?, origin)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(read(error)),
                }
            }
        }
        match BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            Some((_, document)) if from != Some(&Origin::BuiltIn) => Ok(((*document).to_string(), Origin::BuiltIn)),
            _ => Err(ProfileError::Unknown {
                name: name.to_string(),
                known: self.list()?.into_iter().map(|listed| listed.name).collect(),
            }),
        }
    }
}

/// Whether a file may be named so.
fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_letter)
}

fn table(name: &str, document: &str) -> Result<toml::Table, ProfileError> {
    document.parse().map_err(|error: toml::de::Error| ProfileError::Invalid {
        name: name.to_string(),
        why: error.to_string().trim().to_string(),
    })
}

/// Where a document names the key that an error is about, if it does.
fn line_of(error: &str, document: &str) -> String {
    let key = error.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let says = |key: &str, line: &str| {
        let rest = line.trim_start_matches(['[', ' ', '\t', '{']).strip_prefix(key).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with('=') || rest.starts_with(']') || rest.starts_with('.'))
    };
    let line = key.and_then(|key| document.lines().position(|line| says(key, line)));
    line.map_or(String::new(), |line| format!("\nsee line {}", line + 1))
}

fn inherited(name: &str, table: &toml::Table) -> Result<Option<String>, ProfileError> {
    match table.get("inherits") {
        None => Ok(None),
        Some(toml::Value::String(parent)) => Ok(Some(parent.clone())),
        Some(other) => Err(ProfileError::Invalid {
            name: name.to_string(),
            why: format!("inherits is {}; the name of a profile was expected", other.type_str()),
        }),
    }
}
