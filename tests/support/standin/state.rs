// SPDX-License-Identifier: MIT OR Apache-2.0
//! How everything stands on all machines: bytes, modes, owners, and what the commands remember.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::World;

/// Paths below `hosts`, and what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(pub BTreeMap<String, String>);

impl State {
    pub(super) fn read(world: &World) -> Self {
        let mut state = Self::default();
        for host in world.hosts() {
            for part in ["root", "state"] {
                let top = world.folder().join("hosts").join(&host).join(part);
                state.add(&top, &format!("{host}/{part}"));
            }
        }
        state
    }

    /// What is in a folder, with paths from there.
    pub fn of(folder: &Path) -> Self {
        let mut state = Self::default();
        if folder.is_dir() {
            state.add(folder, "");
        }
        state
    }

    fn add(&mut self, path: &Path, name: &str) {
        let metadata = fs::symlink_metadata(path).unwrap();
        let what = if metadata.is_dir() {
            "folder".to_string()
        } else if metadata.is_symlink() {
            format!("link to {}", fs::read_link(path).unwrap().display())
        } else {
            let bytes = if path.ends_with("saved.tar") { without_times(path) } else { fs::read(path).unwrap() };
            match String::from_utf8(bytes) {
                Ok(text) if text.len() < 200 => format!("{text:?}"),
                Ok(text) => format!("{} bytes, {}", text.len(), blake3::hash(text.as_bytes())),
                Err(error) => format!("{} bytes, {}", error.as_bytes().len(), blake3::hash(error.as_bytes())),
            }
        };
        let mode = metadata.mode() & 0o7777;
        self.0.insert(name.to_string(), format!("{mode:04o} {}:{} {what}", metadata.uid(), metadata.gid()));
        if metadata.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                self.add(&entry.path(), &format!("{name}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
}

/// What is in an archive that keepfast has saved aside: names and contents. The times in it are those of the test.
fn without_times(archive: &Path) -> Vec<u8> {
    let read = |how: &str| Command::new("tar").arg(how).arg(archive).output().unwrap().stdout;
    [read("-tf"), read("-xOf")].concat()
}

/// What differs between two states, a line each; empty if nothing does.
pub fn difference(expected: &State, found: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, what) in &expected.0 {
        match found.0.get(path) {
            Some(other) if other == what => {}
            Some(other) => lines.push(format!("{path}: {other}; expected {what}")),
            None => lines.push(format!("{path} is not there; expected {what}")),
        }
    }
    let more = found.0.iter().filter(|(path, _)| !expected.0.contains_key(*path));
    lines.extend(more.map(|(path, what)| format!("{path}: {what}; expected nothing")));
    lines
}
