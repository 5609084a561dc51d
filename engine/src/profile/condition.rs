// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a part of a profile applies: `NAME = VALUE`, `NAME != VALUE`, joined by `and`.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::{ProfileError, Values};

/// Comparisons of variables, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Vec<Comparison>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    name: String,
    is_equal: bool,
    value: String,
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (number, Comparison { name, is_equal, value }) in self.0.iter().enumerate() {
            let (before, sign) = (if number == 0 { "" } else { " and " }, if *is_equal { "=" } else { "!=" });
            write!(formatter, "{before}{name} {sign} {value}")?;
        }
        Ok(())
    }
}

impl Condition {
    /// Reads it.
    ///
    /// # Errors
    /// What it is instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in text.split(" and ") {
            let (is_equal, halves) = match part.split_once("!=") {
                Some(halves) => (false, Some(halves)),
                None => (true, part.split_once('=')),
            };
            let wrong = || format!("{part:?} is no condition: NAME = VALUE or NAME != VALUE is");
            let (name, value) = halves.ok_or_else(wrong)?;
            let (name, value) = (name.trim().to_string(), value.trim().to_string());
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            if name.is_empty() || !name.chars().all(is_name) || value.contains('=') || value.ends_with(" and") {
                return Err(wrong());
            }
            all.push(Comparison { name, is_equal, value });
        }
        Ok(Self(all))
    }

    /// The variables it compares.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|comparison| comparison.name.as_str())
    }

    /// What each of them is compared with.
    pub fn comparisons(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|comparison| (comparison.name.as_str(), comparison.value.as_str()))
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// A variable that there is not.
    pub fn holds(&self, values: &Values) -> Result<bool, ProfileError> {
        for comparison in &self.0 {
            if (values.get(&comparison.name)? == comparison.value) != comparison.is_equal {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
