// SPDX-License-Identifier: MIT OR Apache-2.0
//! Profiles as a person writes them: right, wrong, and inherited.

mod guide;
mod inheritance;
mod review;
mod template;
mod toml;
mod vendor;

use std::collections::BTreeMap;

use super::{Library, Profile, Values};

/// A profile out of its text.
fn profile(document: &str) -> Profile {
    Library::default().parse("sample", document).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

/// What is said about a document that is none.
fn refused(document: &str) -> String {
    Library::default().parse("sample", document).expect_err("it must not be taken").to_string()
}

/// Values of variables with these names.
fn values(all: &[(&str, &str)]) -> Values {
    let variables: String = all.iter().map(|(name, _)| format!("[variables.{name}]\n")).collect();
    let given: BTreeMap<String, String> =
        all.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
    Values::new(&profile(&variables), &given).unwrap()
}
