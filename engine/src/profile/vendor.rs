// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the name of a vendor's archive says, and how such a name is written.

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use regex::Regex;

use super::{ProfileError, Vendor};

/// How a time is written where the vendor's own way is not known.
const PLAIN_TIME: &str = "%Y%m%d-%H%M%S";

/// What a name says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Of which host the archive is.
    pub host: Option<String>,
    /// Of when, as it is written there.
    pub time: Option<String>,
}

impl Vendor {
    /// What the name of a file says, if all of it is one of this kind. `profile` is for the error.
    ///
    /// # Errors
    /// The pattern is no regular expression.
    pub fn named(&self, profile: &str, file_name: &str) -> Result<Option<Named>, ProfileError> {
        let pattern = Regex::new(&format!("^(?:{})$", self.name)).map_err(|error| ProfileError::Invalid {
            name: profile.to_string(),
            why: format!("vendor {}: name is no regular expression: {error}", self.id),
        })?;
        let group = |groups: &regex::Captures, name: &str| groups.name(name).map(|found| found.as_str().to_string());
        let named = |groups| Named { host: group(&groups, "host"), time: group(&groups, "time") };
        Ok(pattern.captures(file_name).map(named))
    }

    /// Whether content that begins so can be of this kind.
    ///
    /// # Errors
    /// The pattern is no regular expression.
    pub fn begins(&self, profile: &str, content: &[u8]) -> Result<bool, ProfileError> {
        let Some(pattern) = &self.starts else { return Ok(true) };
        let pattern =
            regex::bytes::Regex::new(&format!(r"\A(?:{pattern})")).map_err(|error| ProfileError::Invalid {
                name: profile.to_string(),
                why: format!("vendor {}: starts is no regular expression: {error}", self.id),
            })?;
        Ok(pattern.is_match(content))
    }

    /// The time that is written so in a name, in Unix nanoseconds. None if it does not tell the whole date: the vendor's way of
    /// writing may lack a part of it, or hold it twice.
    #[must_use]
    pub fn time_of(&self, written: &str, zone: &TimeZone) -> Option<i64> {
        let parts = BrokenDownTime::parse(&self.time, written).ok().filter(|_| !self.time.is_empty())?;
        let time = match parts.offset() {
            Some(_) => parts.to_timestamp().ok()?,
            None if parts.hour().is_some() => parts.to_datetime().ok()?.to_zoned(zone.clone()).ok()?.timestamp(),
            None => parts.to_date().ok()?.to_zoned(zone.clone()).ok()?.timestamp(),
        };
        i64::try_from(time.as_nanosecond()).ok()
    }

    /// A time as a name has it.
    #[must_use]
    pub fn written(&self, nanoseconds: i64, zone: &TimeZone) -> Option<String> {
        let format = if self.time.is_empty() { PLAIN_TIME } else { &self.time };
        let time = Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()?.to_zoned(zone.clone());
        BrokenDownTime::from(&time).to_string(format).ok()
    }
}
