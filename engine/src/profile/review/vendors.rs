// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with the archives of a vendor.

use std::collections::BTreeSet;

use super::Review;
use crate::profile::{Form, template};

impl Review<'_> {
    pub(super) fn vendors(&mut self) {
        let profile = self.profile;
        let mut ids = BTreeSet::new();
        for vendor in &profile.vendor {
            let place = format!("vendor {}", vendor.id);
            if !ids.insert(vendor.id.as_str()) {
                self.add(&place, "its id is there twice");
            }
            let has_group = |name: &regex::Regex| name.capture_names().flatten().any(|group| group == "time");
            match regex::Regex::new(&vendor.name) {
                Err(error) => self.add(&place, &format!("name is no regular expression: {error}")),
                Ok(name) if !vendor.time.is_empty() && !has_group(&name) => {
                    self.add(&place, "it says how the time is written, and its name has no group `time`");
                }
                Ok(_) => {}
            }
            if let Err(error) = vendor.begins(&profile.name, b"") {
                self.add(&place, &error.to_string());
            }
            match (vendor.form, &vendor.path) {
                (Form::File, None) => self.add(&place, "it is one file, and says no path for it in the snapshot"),
                (Form::Tree, Some(_)) => self.add(&place, "its members are files: it has no path of its own"),
                _ => {}
            }
            for text in vendor.export.iter().flat_map(|export| &export.paths).chain(&vendor.path).chain(&vendor.has) {
                self.names(&place, text);
            }
            for path in vendor.path.iter().chain(&vendor.has).chain(&vendor.metadata) {
                if path.split('/').any(|part| ["", ".", ".."].contains(&part)) {
                    self.add(&place, &format!("{path:?} is no path without / at its beginning"));
                }
            }
            if let Some(export) = &vendor.export {
                for name in
                    template::names(&export.name).into_iter().filter(|name| !["host", "time"].contains(&name.as_str()))
                {
                    self.add(
                        &place,
                        &format!("the name of an export has {{{{host}}}} and {{{{time}}}}, and no {name}"),
                    );
                }
            }
        }
    }
}
