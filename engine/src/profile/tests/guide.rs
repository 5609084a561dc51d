// SPDX-License-Identifier: MIT OR Apache-2.0
//! The profiles of the guide are sound.

use std::fs;
use std::path::Path;

use super::super::{Library, review};

/// The TOML documents of the guide.
fn documents() -> Vec<String> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides/your-own-profile.md");
    let text = fs::read_to_string(guide).unwrap();
    text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_string()).collect()
}

#[test]
fn the_profiles_of_the_guide_are_taken_and_have_no_findings() {
    let documents = documents();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in ["inventory", "mine"].into_iter().zip(&documents) {
        fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
    }
    assert_eq!(documents.len(), 2);
    let library = Library::new(vec![folder.path().to_path_buf()]);
    for name in ["inventory", "mine"] {
        assert_eq!(review(&library.find(name).unwrap()), [], "{name}");
    }
    let mine = library.find("mine").unwrap();
    let steps: Vec<&str> = mine.runbooks["restore"].steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(steps, ["old-is-gone", "stop", "save-data", "wipe-data", "put-back", "load", "start", "open-firewall"]);
    assert!(!mine.hosts.contains_key("w1"));
}

#[test]
fn every_key_of_a_profile_stands_in_the_guide() {
    let guide =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guides/your-own-profile.md")).unwrap();
    let schema = ["schema.rs", "schema/procedure.rs", "schema/vendor.rs", "values.rs"];
    let mut missing = Vec::new();
    for file in schema {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/profile").join(file)).unwrap();
        let keys = text
            .lines()
            .filter(|line| !line.contains(" fn "))
            .filter_map(|line| line.strip_prefix("    pub ")?.split_once(": ").map(|(key, _)| key));
        let is_word =
            |key: &str| guide.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == key);
        missing.extend(keys.filter(|key| *key != "name" && !is_word(key)).map(String::from));
    }
    assert!(missing.is_empty(), "{missing:?}");
}
