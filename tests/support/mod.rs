// SPDX-License-Identifier: MIT OR Apache-2.0
//! What several behaviours need: the places of the workspace and of the program under test.
//! It must not hold an assertion about keepfast: those stand in `behaviours`, where they have a name.

pub mod golden;
pub mod history_script;

use std::path::{Path, PathBuf};

/// The folder of the workspace, the one that holds the root `Cargo.toml`.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies inside the workspace").to_path_buf()
}

pub mod archives;
pub mod capture;
pub mod child;
pub mod collector;
pub mod forest;
pub mod forge;
pub mod mounts;
pub mod prune_place;
pub mod random;
#[allow(dead_code, reason = "the tests of the command line use the rest")]
pub mod s3_server;
pub mod sandbox;
pub mod scene;
pub mod search;
#[allow(dead_code, reason = "the tests of the command line use the rest")]
pub mod servers;
pub mod sshd;
pub mod standin;
pub mod tar_files;
