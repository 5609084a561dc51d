// SPDX-License-Identifier: MIT OR Apache-2.0
//! `docs/systems.md` and the built-in profiles name the same: sections of the documents, ids, and tests that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use keepfast_engine::profile::{BUILT_IN, Library, Profile, review};

use crate::support::workspace;

/// A row of a table.
struct Row {
    section: String,
    ids: Vec<String>,
    tests: Vec<String>,
}

/// The rows of each profile's part.
fn tables() -> BTreeMap<String, Vec<Row>> {
    let text = fs::read_to_string(workspace().join("docs/systems.md")).unwrap();
    let mut tables: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut profile = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            profile = quoted(title).pop().unwrap_or_else(|| panic!("{line:?} names no profile"));
        }
        let hidden = line.replace("\\|", "¦");
        let cells: Vec<&str> = hidden.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') || line.starts_with("|--") || cells[0] == "section" {
            continue;
        }
        assert_eq!(cells.len(), 4, "{line}");
        let row = Row { section: cells[0].to_string(), ids: quoted(cells[2]), tests: quoted(cells[3]) };
        assert!(!row.tests.is_empty(), "{line:?} has no test");
        tables.entry(profile.clone()).or_default().push(row);
    }
    tables
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(ToString::to_string).collect()
}

/// Everything of a profile that does something, as `PART/ID`, with the section that it says.
fn parts(profile: &Profile) -> Vec<(String, String)> {
    let capture = &profile.capture;
    let mut parts = Vec::new();
    let mut add = |part: &str, id: &str, section: &str| parts.push((format!("{part}/{id}"), section.to_string()));
    capture.files.iter().for_each(|files| add("capture", &files.id, &files.section));
    capture.streams.iter().for_each(|stream| add("capture", &stream.id, &stream.section));
    capture.quiesce.iter().for_each(|quiesce| add("capture", &quiesce.id, &quiesce.section));
    capture.before.iter().chain(&capture.after).for_each(|step| add("capture", &step.id, &step.section));
    profile.vendor.iter().for_each(|vendor| add("vendor", &vendor.id, &vendor.section));
    for (name, runbook) in &profile.runbooks {
        runbook.steps.iter().for_each(|step| add(name, &step.id, &step.section));
    }
    parts
}

#[test]
fn every_part_of_a_built_in_profile_stands_in_the_table_of_its_document_and_no_other() {
    let tables = tables();
    for (name, _) in BUILT_IN {
        let profile = Library::default().find(name).unwrap();
        let parts = parts(&profile);
        let rows = tables.get(name).map_or(&[][..], Vec::as_slice);
        let (sections, ids): (BTreeSet<&str>, BTreeSet<&str>) = (
            rows.iter().map(|row| row.section.as_str()).collect(),
            rows.iter().flat_map(|row| &row.ids).map(String::as_str).filter(|id| id.contains('/')).collect(),
        );
        for (id, section) in &parts {
            assert!(ids.contains(id.as_str()), "{name}: {id} stands in no row of docs/systems.md");
            assert!(section.is_empty() || sections.contains(section.as_str()), "{name}: {id}: no row of {section:?}");
        }
        for id in ids {
            assert!(parts.iter().any(|(part, _)| part == id), "{name}: docs/systems.md names {id}, which there is not");
        }
    }
}

#[test]
fn every_test_in_the_tables_of_documents_exists() {
    let folders = ["tests/behaviours/systems", "cli/tests/cli/built_in", "cli/tests/cli/vendor"];
    let sources = folders.map(|folder| sources(&workspace().join(folder))).concat();
    for row in tables().values().flatten() {
        for test in &row.tests {
            assert!(sources.contains(&format!("fn {test}()")), "there is no test {test}: {}", row.section);
        }
    }
}

/// The text of all files below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text.push_str(&if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() });
    }
    text
}

#[test]
fn the_profile_that_a_guide_begins_with_is_a_good_one() {
    for (name, _) in BUILT_IN {
        let guide = fs::read_to_string(workspace().join(format!("docs/guides/{name}.md"))).unwrap();
        let (_, rest) = guide.split_once("```toml\n").unwrap_or_else(|| panic!("docs/guides/{name}.md has no profile"));
        let (document, _) = rest.split_once("```").unwrap();
        let profile = Library::default().parse("mine", document).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(profile.inherits.as_deref(), Some(name));
        assert_eq!(review(&profile), [], "{name}");
        assert!(!profile.hosts.is_empty());
    }
}
