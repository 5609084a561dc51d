// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shape of the source tree, held by machine: which crate may import which, how long a file may be, that
//! documents name what exists. For whoever changes the tree. It reads source text only and never runs the program.

use crate::support::workspace;
use std::fs;

#[test]
fn every_behaviour_file_is_declared_in_the_suite() {
    let suite = fs::read_to_string(workspace().join("tests/suite.rs")).unwrap();
    for entry in fs::read_dir(workspace().join("tests/behaviours")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(suite.contains(&format!("mod {name};")), "{} is not declared in tests/suite.rs", path.display());
    }
}
